// SPDX-License-Identifier: GPL-2.0
/*
 * Huge leaves of a DAX file: that they are made, that every system call leaves
 * them or what they map right, and that a file goes from 2M to 4K and back.
 */
#include <pthread.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>

#include "dax_leaf.h"

#define DATA	(opt.seed + 1)

static void leaf(void)
{
	struct dax_map m = dax_new_huge("leaf", 2, DATA);
	unsigned char *q;

	dax_must(!msync(m.p, m.len, MS_SYNC), "msync");
	if (!dax_is_huge(m.p) || !dax_is_huge(m.p + HUGE))
		dax_fail("msync took the leaf away");
	dax_expect(m.p, m.len, 0, DATA, "mapping");
	dax_expect_file(m.fd, 0, m.len, 0, DATA, "file");
	/* The same pages by ptes, in this process and in another. */
	q = dax_map_at(NULL, m.fd, m.len - PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	dax_expect(q, m.len - PAGE, PAGE, DATA, "4K leaves");
	if (dax_is_huge(q))
		dax_fail("a 2M leaf where the file is not aligned");
	dax_fill(q, HUGE, 5, DATA);
	dax_expect(m.p + PAGE, HUGE, 5, DATA, "2M leaf after stores by 4K leaves");
}

static void in_the_middle(void)
{
	struct dax_map m = dax_new_huge("middle", 4, DATA);
	unsigned char *q, *old = m.p + 2 * HUGE;

	/* munmap in one, mprotect in the next, mremap of one and of a part. */
	dax_must(!munmap(m.p + 16 * PAGE, PAGE), "munmap");
	dax_expect(m.p, 16 * PAGE, 0, DATA, "before the hole");
	dax_expect(m.p + 17 * PAGE, HUGE - 17 * PAGE, 17 * PAGE, DATA, "behind the hole");
	dax_must(!mprotect(m.p + HUGE, PAGE, PROT_READ), "mprotect");
	dax_expect(m.p + HUGE, HUGE, HUGE, DATA, "read-only part");
	m.p[HUGE + PAGE] ^= 1;
	m.p[HUGE + PAGE] ^= 1;
	dax_must(!mprotect(m.p + HUGE, PAGE, PROT_READ | PROT_WRITE), "mprotect");
	dax_must(!mprotect(old, HUGE, PROT_READ), "mprotect of a leaf");
	if (!dax_is_huge(old))
		dax_fail("mprotect of a whole leaf took it away");
	dax_must(!mprotect(old, HUGE, PROT_READ | PROT_WRITE), "mprotect");
	old[7] ^= 1;
	old[7] ^= 1;

	q = dax_map_at(NULL, m.fd, HUGE, 0, PROT_NONE, MAP_SHARED);
	dax_must(mremap(old, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q, "mremap");
	if (!dax_is_huge(q))
		dax_fail("mremap of a whole leaf took it away");
	dax_expect(q, HUGE, 2 * HUGE, DATA, "moved leaf");
	old = m.p + 3 * HUGE;
	dax_must(mremap(old, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q,
		 "mremap of a part");
	dax_expect(q, 8 * PAGE, 3 * HUGE, DATA, "moved part");
	dax_expect(old + 8 * PAGE, HUGE - 8 * PAGE, 3 * HUGE + 8 * PAGE, DATA, "the rest");
	dax_expect_file(m.fd, 0, m.len, 0, DATA, "file");
}

static void advice(void)
{
	/* Kernels differ in what these say of a file; the data must not. */
	static const struct { const char *name; int advice; bool may_fail; } all[] = {
		{ "NORMAL", MADV_NORMAL, false },
		{ "RANDOM", MADV_RANDOM, false },
		{ "SEQUENTIAL", MADV_SEQUENTIAL, false },
		{ "WILLNEED", MADV_WILLNEED, false },
		{ "COLD", MADV_COLD, false },
		{ "PAGEOUT", MADV_PAGEOUT, false },
		{ "FREE", MADV_FREE, true },
		{ "HUGEPAGE", MADV_HUGEPAGE, true },
		{ "NOHUGEPAGE", MADV_NOHUGEPAGE, true },
		{ "MERGEABLE", MADV_MERGEABLE, true },
		{ "COLLAPSE", 25, true },
		{ "DONTDUMP", MADV_DONTDUMP, false },
		{ "DODUMP", MADV_DODUMP, false },
		{ "DONTFORK", MADV_DONTFORK, false },
		{ "DOFORK", MADV_DOFORK, false },
		{ "WIPEONFORK", MADV_WIPEONFORK, true },
		{ "POPULATE_READ", 22, false },
		{ "POPULATE_WRITE", 23, false },
		{ "DONTNEED", MADV_DONTNEED, false },
		{ "SOFT_OFFLINE", 101, true },
	};
	struct dax_map m = dax_new_huge("advice", 2, DATA);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		m.p[3] ^= 1;
		m.p[3] ^= 1;
		dax_must(!madvise(m.p, HUGE, all[i].advice) || all[i].may_fail,
			 "MADV_%s", all[i].name);
		dax_must(!madvise(m.p + HUGE + PAGE, PAGE, all[i].advice) ||
			 all[i].may_fail, "MADV_%s of a part", all[i].name);
		dax_expect(m.p, m.len, 0, DATA, all[i].name);
	}
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	dax_must(fd >= 0, "%s", path);
	dax_must(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s", path);
	close(fd);
}

static void read_all(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);

	dax_must(fd >= 0, "%s", path);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

static void watched(void)
{
	static unsigned char vec[2 * HUGE / PAGE];
	struct dax_map m = dax_new_huge("watched", 2, DATA);
	size_t i;

	read_all("/proc/self/smaps");
	if (!access("/proc/self/clear_refs", W_OK)) {
		write_to("/proc/self/clear_refs", "1");
		write_to("/proc/self/clear_refs", "4");
	}
	dax_must(!mincore(m.p, m.len, vec), "mincore");
	for (i = 0; i < sizeof(vec); i++)
		if (!(vec[i] & 1))
			dax_fail("mincore: page %zu is not there", i);
	dax_must(!mlock(m.p, m.len) && !munlock(m.p, m.len), "mlock");
	if (!dax_is_huge(m.p) || !dax_is_huge(m.p + HUGE))
		dax_fail("a leaf is gone");
	dax_expect(m.p, m.len, 0, DATA, "mapping");
}

static void forked(void)
{
	struct dax_map m = dax_new_huge("forked", 1, DATA);
	unsigned char *q = dax_map_at(NULL, m.fd, HUGE, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pid_t pid;

	dax_expect(q, HUGE, 0, DATA, "private");
	q[5 * PAGE] ^= 1;		/* a copy: the child inherits page tables */
	pid = dax_fork();
	if (!pid) {
		dax_expect(m.p, HUGE, 0, DATA, "child");
		if (!dax_is_huge(m.p))
			dax_fail("no 2M leaf in the child");
		q[5 * PAGE] ^= 1;
		dax_expect(q, HUGE, 0, DATA, "child's private mapping");
		m.p[9] ^= 1;
		_exit(0);
	}
	dax_reap(pid, "child");
	m.p[9] ^= 1;
	q[5 * PAGE] ^= 1;
	dax_expect(q, HUGE, 0, DATA, "private");
	dax_expect(m.p, HUGE, 0, DATA, "shared");
}

/* DMA of a leaf and a half, from anywhere in it, and to the drive. */
static void direct(void)
{
	struct dax_map m = dax_new_huge("direct", 3, DATA);
	int drive = dax_drive();
	size_t at = 37 * PAGE, len = HUGE + HUGE / 2;
	struct iovec iov[] = {
		{ m.p + at, HUGE }, { m.p + 2 * HUGE, PAGE },
		{ m.p + 2 * HUGE + 9 * PAGE, HUGE / 2 },
	};
	void *other = dax_anon(HUGE);

	dax_drive_fill(drive, 0, len, DATA + 1);
	dax_must(pread(drive, m.p + at, len, 0) == (ssize_t)len, "read");
	dax_expect(m.p, at, 0, DATA, "before");
	dax_expect(m.p + at, len, 0, DATA + 1, "read");
	dax_expect(m.p + at + len, m.len - at - len, at + len, DATA, "behind");
	if (!dax_is_huge(m.p) || !dax_is_huge(m.p + HUGE))
		dax_fail("a leaf is gone");
	dax_fill(m.p, m.len, 0, DATA + 2);
	dax_must(pwritev(drive, iov, 3, 0) == (ssize_t)(HUGE + PAGE + HUGE / 2), "write");
	dax_drive_expect(drive, 0, HUGE, at, DATA + 2, "first leaf");
	dax_drive_expect(drive, HUGE, PAGE, 2 * HUGE, DATA + 2, "a page");
	dax_drive_expect(drive, HUGE + PAGE, HUGE / 2, 2 * HUGE + 9 * PAGE, DATA + 2, "half");

	iov[0].iov_len = HUGE;
	dax_must(process_vm_readv(getpid(), &(struct iovec){ other, HUGE }, 1,
				  &(struct iovec){ m.p + PAGE, HUGE }, 1, 0) == (ssize_t)HUGE,
		 "process_vm_readv");
	dax_expect(other, HUGE, PAGE, DATA + 2, "process_vm_readv");
}

/* 2M, punched in the middle, 4K, all of it gone, 2M again. */
static void there_and_back(void)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, round;
	struct dax_map m = dax_new_huge("back", 2, DATA);
	size_t present, huge = 0;

	for (round = 0; round < 5; round++) {
		size_t at = (1 + round * 97) * PAGE;

		dax_must(!fallocate(m.fd, punch, at, PAGE), "punch");
		dax_expect_zero(m.p + at, PAGE, "hole");
		dax_expect(m.p, at, 0, DATA, "before the hole");
		dax_expect(m.p + at + PAGE, HUGE - at - PAGE, at + PAGE, DATA, "behind the hole");
		dax_expect(m.p + HUGE, HUGE, HUGE, DATA, "the other leaf");
		dax_fill(m.p + at, PAGE, at, DATA);
		dax_must(!fsync(m.fd), "fsync");
		dax_expect_file(m.fd, 0, m.len, 0, DATA, "file of many extents");

		dax_must(!ftruncate(m.fd, 0) && !ftruncate(m.fd, m.len) &&
			 !fallocate(m.fd, 0, 0, m.len), "truncate");
		dax_expect_zero(m.p, m.len, "new blocks");
		dax_fill(m.p, m.len, 0, DATA);
		dax_expect_file(m.fd, 0, m.len, 0, DATA, "file");
		huge += dax_huge(m.p, m.len, &present) / HUGE;
	}
	dax_note("%zu 2M leaves after %d rounds of new blocks for two", huge, round);
	if (!huge)
		dax_fail("no 2M leaf after the first ones were split");
}

/* Other blocks of the entry are busy too: it is broken as a whole. */
static void break_waits(void)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pipes[2];
	struct dax_map m = dax_new_huge("waits", 1, DATA);
	struct iovec iov = { m.p + 8 * PAGE, 4 * PAGE };
	unsigned char buf[4 * PAGE];
	unsigned char *q;
	pid_t pid;

	/* By ptes beyond the range that is punched, too. */
	q = dax_map_at(NULL, m.fd, HUGE - PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	dax_expect(q, HUGE - PAGE, PAGE, DATA, "4K leaves");
	dax_must(!pipe(pipes), "pipe");
	dax_must(vmsplice(pipes[1], &iov, 1, 0) == (ssize_t)sizeof(buf), "vmsplice");
	pid = dax_fork();
	if (!pid) {
		dax_must(!fallocate(m.fd, punch, 300 * PAGE, PAGE), "punch");
		_exit(0);
	}
	dax_wait_asleep(pid, "punch");
	if (waitpid(pid, NULL, WNOHANG))
		dax_fail("punch did not wait for a page of the same 2M entry");
	/* A fault in the range: the break starts over when it is let go. */
	m.p[400 * PAGE] ^= 1;
	m.p[400 * PAGE] ^= 1;
	q[0] ^= 1;
	q[0] ^= 1;
	dax_must(read(pipes[0], buf, sizeof(buf)) == (ssize_t)sizeof(buf), "read");
	dax_reap(pid, "punch");
	dax_expect(buf, sizeof(buf), 8 * PAGE, DATA, "pipe");
	dax_expect_zero(m.p + 300 * PAGE, PAGE, "hole");
	dax_expect_zero(q + 299 * PAGE, PAGE, "hole by ptes");
	dax_expect(m.p, 300 * PAGE, 0, DATA, "before the hole");
	dax_expect(m.p + 301 * PAGE, HUGE - 301 * PAGE, 301 * PAGE, DATA, "behind the hole");
}

static void stuck(int sig)
{
	(void)sig;
	dax_fail("waits for a held page beside its range");
}

/* But its neighbours are not: they can go while it is held. */
static void beside(void)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pipes[2];
	struct dax_map other = dax_new_huge("other", 4, DATA), m = dax_new_huge("beside", 4, DATA);
	struct iovec iov = { m.p + HUGE + 8 * PAGE, 4 * PAGE };
	unsigned char buf[4 * PAGE];
	uint64_t start, usual;

	start = dax_now();
	dax_must(!ftruncate(other.fd, 2 * HUGE), "truncate");
	usual = dax_now() - start;
	dax_must(!pipe(pipes), "pipe");
	dax_must(vmsplice(pipes[1], &iov, 1, 0) == (ssize_t)sizeof(buf), "vmsplice");
	signal(SIGALRM, stuck);
	alarm(20);
	start = dax_now();
	dax_must(!ftruncate(m.fd, 2 * HUGE), "truncate");
	dax_note("truncate of two 2M entries beside a held one: %lu us; where nothing is held: %lu us",
		 (dax_now() - start) / 1000, usual / 1000);
	dax_must(!fallocate(m.fd, punch, 0, HUGE), "punch");
	alarm(0);
	dax_expect_zero(m.p, HUGE, "hole");
	dax_expect(m.p + HUGE, HUGE, HUGE, DATA, "the held entry");
	if (!dax_is_huge(m.p + HUGE))
		dax_fail("the held leaf is gone");
	dax_must(read(pipes[0], buf, sizeof(buf)) == (ssize_t)sizeof(buf), "read");
	dax_expect(buf, sizeof(buf), HUGE + 8 * PAGE, DATA, "pipe");
}

/* Zero pages of a 2M hole, mapped by ptes in one place, filled through another. */
static void hole(void)
{
	int fd = dax_open("hole", 2 * HUGE, DAX_HOLE);
	unsigned char *p = dax_map_at(NULL, fd, HUGE, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	unsigned char *q = dax_map_at(NULL, fd, HUGE, PAGE, PROT_READ, MAP_SHARED);

	dax_expect_zero(p, HUGE, "hole");
	dax_expect_zero(q, HUGE, "hole by ptes");
	dax_must(!ftruncate(fd, HUGE / 2) && !ftruncate(fd, 2 * HUGE), "truncate");
	dax_fill(p, HUGE, 0, DATA);
	dax_expect(q, HUGE - PAGE, PAGE, DATA, "what was a hole");
}

/* A shared extent has no huge leaf; what was one before is split. */
static void cloned(void)
{
	struct dax_map m = dax_new_huge("cloned", 2, DATA);
	int fd = dax_open("clone", 0, DAX_HOLE), drive = dax_drive();
	unsigned char *n;

	if (ioctl(fd, FICLONE, m.fd)) {
		if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
			dax_skip("no reflink here");
		dax_fail_errno("FICLONE");
	}
	n = dax_map_at(NULL, fd, m.len, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	dax_expect(m.p, m.len, 0, DATA, "source");
	dax_expect(n, m.len, 0, DATA, "clone");
	if (dax_is_huge(m.p) || dax_is_huge(n))
		dax_fail("a 2M leaf over a shared extent");
	dax_must(pwrite(drive, m.p + PAGE, HUGE, 0) == (ssize_t)HUGE, "O_DIRECT write");
	dax_drive_expect(drive, 0, HUGE, PAGE, DATA, "drive");

	dax_fill(m.p + 3 * PAGE, PAGE, 77, DATA);
	dax_expect(n, m.len, 0, DATA, "clone after a store to the source");
	dax_fill(n + HUGE, HUGE, 99, DATA);
	dax_expect(m.p + HUGE, HUGE, HUGE, DATA, "source after stores to the clone");
	dax_must(!fsync(m.fd) && !fsync(fd), "fsync");
	dax_must(!ftruncate(fd, 0), "truncate of the clone");
	dax_expect(m.p, 3 * PAGE, 0, DATA, "source alone");
	dax_expect(m.p + 3 * PAGE, PAGE, 77, DATA, "source's own page");
	dax_expect(m.p + 4 * PAGE, m.len - 4 * PAGE, 4 * PAGE, DATA, "source alone");
	dax_fill(m.p, m.len, 0, DATA);
	dax_expect_file(m.fd, 0, m.len, 0, DATA, "file");
}

static struct dax_map race;
static int drive;
static atomic_bool over;
static atomic_ulong reads, changes, huge_seen;
static __thread sigjmp_buf no_page;

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

static void *reader(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		size_t at = dax_random(&state) % (race.len / PAGE) * PAGE;
		size_t len = (1 + dax_random(&state) % 64) * PAGE;

		if (at + len > race.len)
			continue;
		if (pread(drive, race.p + at, len, at) == (ssize_t)len)
			atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

static void *storer(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		volatile size_t at = dax_random(&state) % (race.len / PAGE) * PAGE;

		if (!sigsetjmp(no_page, 1))
			dax_fill(race.p + at, 64, at, DATA);
		if (dax_is_huge(race.p + at))
			atomic_fetch_add(&huge_seen, 1);
	}
	return NULL;
}

static void *changer(void *arg)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		size_t leaf = dax_random(&state) % (race.len / HUGE) * HUGE;
		size_t page = leaf + dax_random(&state) % (HUGE / PAGE) * PAGE;

		switch (dax_random(&state) % 4) {
		case 0:
			dax_must(!fallocate(race.fd, punch, page, PAGE), "punch");
			break;
		case 1:
			dax_must(!fallocate(race.fd, punch, leaf, HUGE) &&
				 !fallocate(race.fd, 0, leaf, HUGE), "punch 2M");
			break;
		case 2:
			dax_must(!ftruncate(race.fd, leaf) &&
				 !fallocate(race.fd, 0, 0, race.len), "truncate");
			break;
		case 3:
			mmap(race.p + leaf, HUGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED, race.fd, leaf);
			break;
		}
		atomic_fetch_add(&changes, 1);
	}
	return NULL;
}

/* Every byte is zero or in its place, whatever the leaves and folios were. */
static void race_all(void)
{
	static void *(*const fn[])(void *) = { reader, reader, storer, changer };
	struct timespec time = { .tv_sec = opt.seconds };
	pthread_t thread[ARRAY_SIZE(fn)];
	uintptr_t i;
	char *buf;

	drive = dax_drive();
	race = dax_new_huge("race", 4, DATA);
	dax_drive_fill(drive, 0, race.len, DATA);
	signal(SIGBUS, fault);
	for (i = 0; i < ARRAY_SIZE(fn); i++) {
		errno = pthread_create(&thread[i], NULL, fn[i], (void *)(i + 1));
		dax_must(!errno, "pthread_create");
	}
	nanosleep(&time, NULL);
	over = true;
	for (i = 0; i < ARRAY_SIZE(fn); i++)
		pthread_join(thread[i], NULL);
	buf = dax_anon(race.len);
	dax_must(pread(race.fd, buf, race.len, 0) == (ssize_t)race.len, "pread");
	dax_expect_or_zero(buf, race.len, 0, DATA, 1);
	dax_note("reads %lu changes %lu huge %lu", reads, changes, huge_seen);
	if (!reads || !changes)
		dax_fail("a thread never got to work: give it more seconds (-n)");
	if (!huge_seen)
		dax_fail("no 2M leaf was ever seen: it raced for 4K leaves only");
}

static const struct dax_test tests[] = {
	{ "dax: a 2M leaf, and its pages by 4K leaves", leaf },
	{ "dax: munmap, mprotect, mremap in a 2M leaf", in_the_middle },
	{ "dax: every advice to a 2M leaf", advice },
	{ "dax: smaps, clear_refs, mincore, mlock of a 2M leaf", watched },
	{ "dax: fork with 2M leaves", forked },
	{ "dax: from 2M to 4K and back", there_and_back },
	{ "dax: a 2M hole that is cut and filled", hole },
	{ "gup: a clone of a file of 2M leaves", cloned },
	{ "gup: O_DIRECT and process_vm_readv over 2M leaves", direct },
	{ "break: a 2M entry is broken as a whole", break_waits },
	{ "break: 2M entries beside a held one can go", beside },
	{ "gup: O_DIRECT into 2M leaves against truncate, punch, mmap", race_all },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
