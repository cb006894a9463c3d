// SPDX-License-Identifier: GPL-2.0
/*
 * virtiofs: what is mapped lies in a window that is smaller than the files, so
 * a range of it belongs to one file now and to another soon. What DMA still
 * uses must not go round. For the device of tests/virtiofs, which counts what
 * is mapped, and what is written where nothing is.
 */
#include <linux/falloc.h>
#include <mntent.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mount.h>
#include <time.h>

#include "dax_inflight.h"

#define RANGE	(2 * MB)
#define LEN	(512 * KB)	/* what is read in flight */
#define LANDING	(RANGE / 2)	/* where, in its range */
#define FILES	6		/* of the crowd */
#define UNIT	(64 * KB)

static unsigned long param(const char *name)
{
	unsigned long value;
	char path[80];

	snprintf(path, sizeof(path), "/sys/module/virtiofs_loop/parameters/%s", name);
	if (!dax_number(path, &value)) {
		if (errno == ENOENT)
			dax_skip("this is for the window of virtiofs_loop");
		dax_fail_errno("%s", path);
	}
	return value;
}

static unsigned long stray, removed;
static size_t window;

static void begin(void)
{
	window = param("size");
	stray = param("stray");
	removed = param("removed");
}

static void expect_no_stray(void)
{
	unsigned long bytes = param("stray") - stray;

	if (bytes)
		dax_fail("%lu bytes wrong: written where no file was mapped", bytes);
	if (param("wrong"))
		dax_fail("%lu requests that make no sense", param("wrong"));
}

/* All of the window has had another file since begin(). */
static void expect_reclaim(void)
{
	unsigned long ranges = param("removed") - removed;

	if (ranges < window / RANGE)
		dax_fail("only %lu ranges were reclaimed", ranges);
}

static void stores(void)
{
	struct dax_map m;
	size_t at;

	begin();
	m = dax_new("big", 2 * window, DAX_HOLE);
	dax_fill(m.p, m.len, 0, opt.seed + 1);
	dax_must(!msync(m.p, m.len, MS_SYNC), "msync");
	dax_expect(m.p, m.len, 0, opt.seed + 1, "mapping");
	for (at = 0; at < m.len; at += RANGE)
		dax_expect_file(m.fd, at, RANGE, at, opt.seed + 1, "file");
	expect_reclaim();
	expect_no_stray();
}

static void calls(void)
{
	char *buf = dax_anon(RANGE);
	size_t at;
	int fd;

	begin();
	fd = dax_open("big", 2 * window, DAX_WRITTEN);	/* it grows */
	for (at = 0; at < 2 * window; at += RANGE) {
		dax_expect_file(fd, at, RANGE, at, opt.seed, "file");
		dax_fill(buf, RANGE, at, opt.seed + 1);
		dax_must(pwrite(fd, buf, RANGE, at) == RANGE, "pwrite");
	}
	for (at = 0; at < 2 * window; at += RANGE)
		dax_expect_file(fd, at, RANGE, at, opt.seed + 1, "file");
	expect_reclaim();
	expect_no_stray();
}

/* From the drive to the file, and back. */
static void direct(void)
{
	int drive = dax_drive();
	struct dax_map m;
	size_t at;

	begin();
	m = dax_new("big", 2 * window, DAX_HOLE);
	dax_drive_fill(drive, 0, RANGE, opt.seed + 1);
	for (at = 0; at < m.len; at += RANGE)
		dax_must(pread(drive, m.p + at, RANGE, 0) == RANGE, "O_DIRECT read");
	for (at = 0; at < m.len; at += RANGE) {
		dax_expect(m.p + at, RANGE, 0, opt.seed + 1, "mapping");
		dax_fill(m.p + at, RANGE, at, opt.seed + 2);
	}
	for (at = 0; at < m.len; at += RANGE) {
		dax_must(pwrite(drive, m.p + at, RANGE, 0) == RANGE, "O_DIRECT write");
		dax_drive_expect(drive, 0, RANGE, at, opt.seed + 2, "drive");
	}
	expect_reclaim();
	expect_no_stray();
}

/* What the child of a test that has a file of each process does, until time is up. */
static void one_of_crowd(unsigned int nr, int drive, uint64_t end)
{
	uint64_t state = opt.seed ^ (uint64_t)nr << 32, *gen;
	size_t units = window / 2 / UNIT, i;
	char name[16], *buf = dax_anon(UNIT);
	struct dax_map m;

	snprintf(name, sizeof(name), "crowd-%u", nr);
	m = dax_new(name, window / 2, DAX_WRITTEN);
	gen = calloc(units, sizeof(*gen));	/* 0: stream opt.seed */
	dax_drive_fill(drive, nr * MB, UNIT, opt.seed);
	while (dax_now() < end) {
		size_t u = dax_random(&state) % units, at = u * UNIT;
		uint64_t g = dax_random(&state);

		switch (dax_random(&state) % 5) {
		case 0:
			dax_fill(m.p + at, UNIT, at, gen[u] = opt.seed + g);
			break;
		case 1:
			dax_fill(buf, UNIT, at, gen[u] = opt.seed + g);
			dax_must(pwrite(m.fd, buf, UNIT, at) == UNIT, "pwrite");
			break;
		case 2:
			dax_fill(buf, UNIT, at, gen[u] = opt.seed + g);
			dax_must(pwrite(drive, buf, UNIT, nr * MB) == UNIT, "pwrite");
			dax_must(pread(drive, m.p + at, UNIT, nr * MB) == UNIT,
				 "O_DIRECT read");
			break;
		case 3:
			dax_must(pwrite(drive, m.p + at, UNIT, nr * MB) == UNIT,
				 "O_DIRECT write");
			dax_drive_expect(drive, nr * MB, UNIT, at,
					 gen[u] ?: opt.seed, "drive");
			break;
		case 4:
			dax_expect_file(m.fd, at, UNIT, at, gen[u] ?: opt.seed, "pread");
			break;
		}
	}
	for (i = 0; i < units; i++)
		dax_expect(m.p + i * UNIT, UNIT, i * UNIT, gen[i] ?: opt.seed, "mapping");
}

static void many(void)
{
	uint64_t end = dax_now() + opt.seconds * 1000000000ULL;
	int drive = dax_drive();
	pid_t pid[FILES];
	unsigned int i;

	begin();
	for (i = 0; i < FILES; i++) {
		pid[i] = dax_fork();
		if (!pid[i]) {
			one_of_crowd(i, drive, end);
			_exit(0);
		}
	}
	for (i = 0; i < FILES; i++)
		dax_reap(pid[i], "one of the crowd");
	expect_reclaim();
	expect_no_stray();
	dax_note("%lu ranges were reclaimed", param("removed") - removed);
}

static struct dax_map first;	/* the read lands in its second range */

static void start(struct dax_flight *r, enum dax_engine engine, bool unmap)
{
	int drive = dax_drive();

	begin();
	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	first = dax_new("first", 2 * RANGE, DAX_WRITTEN);
	dax_start_read(r, engine, drive, first.p + RANGE + LANDING, LEN, 0);
	if (unmap)
		munmap(first.p, first.len);
	dax_still_flying(r, "before anything was done");
}

/* All that the window has goes to another file, with data where the read lands. */
static void take_window(struct dax_map *other, bool check)
{
	size_t at;

	for (at = LANDING; at < other->len; at += RANGE) {
		if (check)
			dax_expect(other->p + at, LEN, at, opt.seed + 2, "the other file");
		else
			dax_fill(other->p + at, LEN, at, opt.seed + 2);
	}
}

static void expect_landed(void)
{
	dax_expect_file(first.fd, 0, RANGE + LANDING, 0, opt.seed, "before the read");
	dax_expect_file(first.fd, RANGE + LANDING, LEN, 0, opt.seed + 1, "what was read");
	dax_expect_file(first.fd, RANGE + LANDING + LEN, RANGE - LANDING - LEN,
			RANGE + LANDING + LEN, opt.seed, "behind the read");
}

/* The window goes to another file before the read ends. */
static void finish_beside(struct dax_flight *r)
{
	struct dax_map other = dax_new("other", 2 * window, DAX_HOLE);
	pid_t pid = dax_fork();

	if (!pid) {
		take_window(&other, false);
		_exit(0);
	}
	dax_land(r);
	dax_reap(pid, "who takes the window");
	take_window(&other, true);
}

static void reclaimed(enum dax_engine engine, bool unmap)
{
	struct dax_flight r;

	start(&r, engine, unmap);
	finish_beside(&r);
	expect_landed();
	expect_reclaim();
	expect_no_stray();
}

static void hold(int held[2], struct dax_map *m, const char *name)
{
	*m = dax_new(name, RANGE, DAX_WRITTEN);
	dax_hold_page(held, m->p + UNIT);
}

static void let_go(int held[2])
{
	unsigned char buf[PAGE];

	dax_must(read(held[0], buf, PAGE) == PAGE, "read of the pipe");
	dax_expect(buf, PAGE, UNIT, opt.seed, "what the pipe held");
}

/* It has a name, and no user but the pipe: the host is asked for it, and it is there. */
static void opened_again(void)
{
	int held[2], fd;
	struct dax_map m;
	pid_t pid;

	begin();
	hold(held, &m, "again");
	dax_must(!munmap(m.p, m.len) && !close(m.fd), "close");
	dax_must(dax_put("/proc/sys/vm/drop_caches", "2"), "drop_caches");
	pid = dax_fork();
	if (!pid) {
		fd = open(m.path, O_RDWR);
		dax_must(fd >= 0, "open");
		dax_expect_file(fd, 0, m.len, 0, opt.seed, "file");
		_exit(0);
	}
	if (!dax_ends(pid, 10)) {
		close(held[0]);
		close(held[1]);
		dax_fail("the file cannot be opened while a pipe has a page of it");
	}
	dax_reap(pid, "who opens it again");
	let_go(held);
	expect_no_stray();
}

/* A page that is held for ever keeps its own range from the others, and no more. */
static void beside_held(void)
{
	struct dax_map m, other;
	bool done;
	int held[2];
	pid_t pid;

	begin();
	hold(held, &m, "held");
	other = dax_new("other", 2 * window, DAX_HOLE);
	pid = dax_fork();
	if (!pid) {
		take_window(&other, false);
		_exit(0);
	}
	done = dax_ends(pid, 30);
	let_go(held);
	dax_reap(pid, "who takes the window");
	if (!done)
		dax_fail("no range is free for 30 s, as one of %zu has a held page",
			 window / RANGE);
	take_window(&other, true);
	dax_expect(m.p, RANGE, 0, opt.seed, "the file with the held page");
	expect_reclaim();
	expect_no_stray();
}

/* It waits for a range that it has itself, and can be told no. */
static void too_large(void)
{
	int drive = dax_drive(), status;
	struct dax_map m;
	pid_t pid;

	begin();
	m = dax_new("big", window + 2 * RANGE, DAX_HOLE);
	pid = dax_fork();
	if (!pid)
		_exit(pread(drive, m.p, m.len, 0) == (ssize_t)m.len);
	if (!dax_ends(pid, 10))
		dax_must(!kill(pid, SIGKILL), "kill");
	if (!dax_ends(pid, 30))
		dax_fail("a read larger than the window cannot be killed");
	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	expect_no_stray();
}

static void truncated(void)
{
	dax_must(!ftruncate(first.fd, RANGE), "ftruncate");
	dax_must(!ftruncate(first.fd, first.len), "ftruncate");
}

static void opened(void)
{
	int fd = open(first.path, O_RDWR | O_TRUNC);

	dax_must(fd >= 0, "open with O_TRUNC");
	close(fd);
	dax_must(!ftruncate(first.fd, first.len), "ftruncate");
}

static void punched(void)
{
	dax_must(!fallocate(first.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    RANGE, RANGE), "punch hole");
}

static void unlinked(void)
{
	dax_must(!unlink(first.path) && !close(first.fd), "unlink");
	first.fd = -1;
}

/* The range is zero after @change, and stays so. */
static void changed(bool unmap, void (*change)(void))
{
	struct dax_map other;
	struct dax_flight r;
	char *buf = dax_anon(RANGE);

	start(&r, DAX_AIO, unmap);
	change();
	if (first.fd < 0) {
		other = dax_new("other", 2 * window, DAX_HOLE);
		take_window(&other, false);
		dax_land(&r);
		take_window(&other, true);
	} else {
		dax_land(&r);
		dax_must(pread(first.fd, buf, RANGE, RANGE) == RANGE, "pread");
		dax_expect_zero(buf, RANGE, "bytes wrong in the range");
	}
	expect_no_stray();
}

/* What is copied over the range comes after the read, not below it. */
static void copied(bool unmap)
{
	off_t from = 0, to = RANGE + LANDING;
	struct dax_flight r;
	int fd;

	start(&r, DAX_AIO, unmap);
	fd = dax_open("source", LEN, DAX_WRITTEN);
	dax_must(copy_file_range(fd, &from, first.fd, &to, LEN, 0) == (ssize_t)LEN,
		 "copy_file_range");
	dax_land(&r);
	dax_expect_file(first.fd, RANGE + LANDING, LEN, 0, opt.seed, "the copy");
	expect_no_stray();
}

static sigjmp_buf no_page;

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

static bool can_load(const volatile unsigned char *p)
{
	signal(SIGBUS, fault);
	if (sigsetjmp(no_page, 1))
		return false;
	(void)*p;
	return true;
}

/* The host cuts the file. Nobody waits, but the range stays until it is idle. */
static void host_cuts(bool unmap)
{
	struct dax_flight r;
	char order[64];
	struct stat st;

	start(&r, DAX_AIO, unmap);
	dax_must(!fstat(first.fd, &st), "fstat");
	snprintf(order, sizeof(order), "%llu %lu", (unsigned long long)st.st_ino, RANGE);
	dax_must(dax_put("/sys/module/virtiofs_loop/parameters/truncate", order), "truncate");
	dax_must(!fstat(first.fd, &st), "fstat");
	if (st.st_size != (off_t)RANGE)
		dax_fail("the size is %ld, not the host's", (long)st.st_size);
	if (!unmap && can_load(first.p + RANGE + LANDING))
		dax_fail("what the host cut off is mapped");
	dax_still_flying(&r, "before the window went");
	finish_beside(&r);
	dax_expect_file(first.fd, 0, RANGE, 0, opt.seed, "what is left");
}

static void find_mount(struct mntent *at)
{
	FILE *f = setmntent("/proc/mounts", "r");
	struct mntent *e;

	dax_must(f, "/proc/mounts");
	while ((e = getmntent(f)))
		if (!strcmp(e->mnt_type, "virtiofs") &&
		    !strncmp(opt.dir, e->mnt_dir, strlen(e->mnt_dir)))
			break;
	if (!e)
		dax_fail("%s is not on virtiofs", opt.dir);
	*at = *e;
}

/* The read holds no file: the file system can go, and what was read is there. */
static void unmounted(void)
{
	struct mntent at;
	struct dax_flight r;

	start(&r, DAX_AIO, true);
	close(first.fd);
	find_mount(&at);
	dax_must(!umount2(at.mnt_dir, 0), "umount");
	dax_must(!mount(at.mnt_fsname, at.mnt_dir, "virtiofs", 0, "dax=always"), "mount");
	dax_land(&r);
	first.fd = open(first.path, O_RDWR);
	dax_must(first.fd >= 0, "open after the mount");
	expect_landed();
	expect_no_stray();
}

/* The driver waits for the page in the pipe, but takes the mapping at once. */
static void driver_goes(void)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	unsigned char buf[PAGE];
	int held[2], tries;
	struct dax_map m;
	pid_t pid;

	begin();
	hold(held, &m, "gone");
	dax_expect(m.p, m.len, 0, opt.seed, "mapping");
	pid = dax_fork();
	if (!pid) {
		close(held[0]);
		close(held[1]);
		execlp("rmmod", "rmmod", "virtiofs_loop", NULL);
		dax_fail_errno("rmmod");
	}
	for (tries = 0; can_load(m.p); tries++) {
		if (tries == 3000)
			dax_fail("the mapping is there 30 s after the driver went");
		nanosleep(&tick, NULL);
	}
	dax_wait_asleep(pid, "rmmod");
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("the driver went while a page of it was held");
	if (can_load(m.p) || pread(m.fd, buf, PAGE, 0) >= 0)
		dax_fail("the file can still be read");
	let_go(held);
	dax_reap(pid, "rmmod");
	if (can_load(m.p) || pread(m.fd, buf, PAGE, 0) >= 0)
		dax_fail("the file can be read without its device");
}

static void reclaim_aio_a(void) { reclaimed(DAX_AIO, false); }
static void reclaim_uring_a(void) { reclaimed(DAX_URING, false); }
static void reclaim_aio_b(void) { reclaimed(DAX_AIO, true); }
static void reclaim_uring_b(void) { reclaimed(DAX_URING, true); }
static void truncate_a(void) { changed(false, truncated); }
static void truncate_b(void) { changed(true, truncated); }
static void opened_a(void) { changed(false, opened); }
static void opened_b(void) { changed(true, opened); }
static void punch_a(void) { changed(false, punched); }
static void punch_b(void) { changed(true, punched); }
static void unlinked_b(void) { changed(true, unlinked); }
static void copied_a(void) { copied(false); }
static void copied_b(void) { copied(true); }
static void cut_a(void) { host_cuts(false); }
static void cut_b(void) { host_cuts(true); }

static const struct dax_test tests[] = {
	{ "dax: stores to a file larger than the window", stores },
	{ "dax: read and write of a file larger than the window", calls },
	{ "gup: O_DIRECT into and from a file larger than the window", direct },
	{ "gup: files of many processes go round the window", many },
	{ "gup: reclaim with a libaio read in flight, mapped", reclaim_aio_a },
	{ "gup: reclaim with an io_uring read in flight, mapped", reclaim_uring_a },
	{ "break: reclaim with a libaio read in flight, unmapped", reclaim_aio_b },
	{ "break: reclaim with an io_uring read in flight, unmapped", reclaim_uring_b },
	{ "gup: truncate with a read in flight, mapped", truncate_a },
	{ "gup: O_TRUNC with a read in flight, mapped", opened_a },
	{ "gup: punch with a read in flight, mapped", punch_a },
	{ "break: copy_file_range over a read in flight, mapped", copied_a },
	{ "break: truncate with a read in flight, unmapped", truncate_b },
	{ "break: O_TRUNC with a read in flight, unmapped", opened_b },
	{ "break: punch with a read in flight, unmapped", punch_b },
	{ "break: unlink with a read in flight, unmapped", unlinked_b },
	{ "break: copy_file_range over a read in flight, unmapped", copied_b },
	{ "break: the host cuts the file with a read in flight, mapped", cut_a },
	{ "break: the host cuts the file with a read in flight, unmapped", cut_b },
	{ "break: umount with a read in flight", unmounted },
	{ "gup: a file whose ranges a pipe holds can be opened again", opened_again },
	{ "gup: ranges beside a held page are reclaimed", beside_held },
	{ "gup: an O_DIRECT read that wants more ranges than there are can be killed", too_large },
	{ "device: rmmod with the file system mounted waits for a held page", driver_goes },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
