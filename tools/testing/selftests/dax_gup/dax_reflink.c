// SPDX-License-Identifier: GPL-2.0
/* Two files that share blocks (reflink), under DMA: their data stays apart. */
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "dax_leaf.h"

#define LEN	(256 * KB)

static struct dax_map a, b;

static void clone_a(void)
{
	a = dax_new("a", LEN, DAX_WRITTEN);
	b = dax_new("b", LEN, DAX_HOLE);
	if (!ioctl(b.fd, FICLONE, a.fd))
		return;
	if (errno == EOPNOTSUPP || errno == EINVAL)
		dax_skip("this file system has no reflink");
	dax_fail_errno("FICLONE");
}

static void read_into(int drive, unsigned char *p, size_t len, off_t at)
{
	ssize_t n = pread(drive, p, len, at);

	dax_must(n >= 0, "O_DIRECT read");
	if ((size_t)n != len)
		dax_fail("O_DIRECT read: %zd of %zu", n, len);
}

static void apart(void)
{
	int drive = dax_drive();

	dax_drive_fill(drive, 0, 2 * LEN, opt.seed + 1);
	clone_a();
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	read_into(drive, b.p, LEN / 2, 0);
	dax_expect(a.p, LEN, 0, opt.seed, "original");
	dax_expect(b.p, LEN / 2, 0, opt.seed + 1, "clone");
	read_into(drive, a.p + LEN / 4, LEN / 2, LEN);
	dax_expect(a.p, LEN / 4, 0, opt.seed, "original, start");
	dax_expect(a.p + LEN / 4, LEN / 2, LEN, opt.seed + 1, "original, middle");
	dax_expect(a.p + LEN * 3 / 4, LEN / 4, LEN * 3 / 4, opt.seed, "original, end");
	dax_expect_file(b.fd, 0, LEN / 2, 0, opt.seed + 1, "clone, read");
	dax_expect_file(b.fd, LEN / 2, LEN / 2, LEN / 2, opt.seed, "clone, end");
}

static void write_shared(void)
{
	int drive = dax_drive();
	ssize_t n;

	clone_a();
	n = pwrite(drive, a.p, LEN, 0);
	dax_must(n >= 0, "O_DIRECT write from the original");
	n = pwrite(drive, b.p, LEN, LEN);
	dax_must(n >= 0, "O_DIRECT write from the clone");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed, "original");
	dax_drive_expect(drive, LEN, LEN, 0, opt.seed, "clone");
}

static void truncate_one(void)
{
	int drive = dax_drive();
	ssize_t n;

	clone_a();
	dax_expect(a.p, LEN, 0, opt.seed, "original");
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	dax_must(!ftruncate(a.fd, 0), "ftruncate");
	n = pwrite(drive, b.p, LEN, 0);
	dax_must(n >= 0, "O_DIRECT write from the clone");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed, "clone");
}

/* Cloning under a held page: the page is the original's, before and after. */
static void held(void)
{
	struct iovec iov;
	char buf[8 * KB];
	struct stat st;
	int pipefd[2];
	pid_t pid;

	clone_a();		/* or skip */
	a = dax_new("c", LEN, DAX_WRITTEN);
	b = dax_new("d", LEN, DAX_HOLE);
	iov = (struct iovec){ a.p, sizeof(buf) };
	dax_must(!pipe(pipefd), "pipe");
	dax_must(vmsplice(pipefd[1], &iov, 1, 0) == sizeof(buf), "vmsplice");
	pid = dax_fork();
	if (!pid) {
		dax_must(!ioctl(b.fd, FICLONE, a.fd), "FICLONE");
		_exit(0);
	}
	dax_wait_asleep(pid, "clone");
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("the blocks were shared while their pages were held");
	if (fstat(b.fd, &st) || st.st_blocks)
		dax_fail("the clone has blocks already");
	dax_must(read(pipefd[0], buf, sizeof(buf)) == sizeof(buf), "read");
	dax_expect(buf, sizeof(buf), 0, opt.seed, "what the pipe held");
	dax_reap(pid, "clone");
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	dax_fill(a.p, LEN, 0, opt.seed + 1);
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
}

/* A new file of LEN bytes; does it have the block at @at? */
static bool next_owner(unsigned int nr, uint64_t at)
{
	struct fiemap_extent ext;
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "next-%u", nr);
	fd = dax_open(name, 0, DAX_HOLE);
	dax_must(!fallocate(fd, 0, 0, LEN), "fallocate");
	ext = dax_extent(fd, 0, LEN);
	close(fd);
	return ext.fe_physical <= at && at < ext.fe_physical + ext.fe_length;
}

static void no_owners(unsigned int nr)
{
	char path[256], name[32];

	while (nr--) {
		snprintf(name, sizeof(name), "next-%u", nr);
		dax_path(path, sizeof(path), name);
		unlink(path);
	}
	dax_must(!syncfs(a.fd), "syncfs");
}

/* What a pipe keeps from being allocated keeps nobody from what is free beside it. */
static void large_file(int pipefd[2])
{
	int fd = dax_open("large", 0, DAX_HOLE);
	pid_t pid = dax_fork();
	char path[256];

	if (!pid) {
		dax_must(!fallocate(fd, 0, 0, dax_free_bytes(fd) / 10 * 9), "fallocate");
		_exit(0);
	}
	if (!dax_ends(pid, 10)) {
		close(pipefd[0]);
		close(pipefd[1]);
		dax_fail("a large file waits for what a pipe holds");
	}
	dax_reap(pid, "a large file");
	dax_path(path, sizeof(path), "large");
	dax_must(!close(fd) && !unlink(path), "unlink");
}

static void by_store(void)
{
	dax_fill(a.p, LEN, 0, opt.seed + 1);
}

/* Who holds the page is this very task: there must be no wait. */
static void by_write(void)
{
	unsigned char *buf = dax_anon(LEN);
	pid_t pid = dax_fork();

	if (!pid) {
		dax_fill(buf, LEN, 0, opt.seed + 1);
		dax_must(pwrite(a.fd, buf, LEN, 0) == (ssize_t)LEN, "pwrite");
		_exit(0);
	}
	if (!dax_ends(pid, 10))
		dax_fail("a write(2) to shared blocks waits for what a pipe holds");
	dax_reap(pid, "a write(2)");
	dax_expect(a.p, LEN, 0, opt.seed + 1, "mapping");
	/* Not by its mapping: its eviction would wait for the pipe. */
	dax_expect_file(b.fd, 0, LEN, 0, opt.seed, "clone");
}

/*
 * A page of one is in a pipe when it is given a block of its own; then the
 * other file goes, and with it the old block. Who gets that next?
 */
static void given_up(void (*give)(void), bool broken)
{
	enum { NR = 200 };
	uint64_t at, before, end = dax_now() + 10000000000;
	int pipefd[2];
	char buf[PAGE];
	unsigned int i;
	pid_t pid;

	clone_a();
	dax_expect(a.p, LEN, 0, opt.seed, "original");
	at = dax_extent(a.fd, 0, PAGE).fe_physical;
	dax_hold_page(pipefd, a.p);
	if (broken) {
		pid = dax_fork();
		if (!pid)
			_exit(ftruncate(a.fd, 0));
		dax_wait_asleep(pid, "truncate");
		dax_must(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "kill");
	}
	give();
	before = dax_free_bytes(a.fd);
	dax_must(!munmap(b.p, LEN) && !close(b.fd) && !unlink(b.path), "unlink the clone");
	/* A worker frees them. */
	while (dax_free_bytes(a.fd) < before + LEN)
		if (dax_now() > end)
			dax_fail("the blocks of the clone are not free");
	dax_must(!syncfs(a.fd), "syncfs");
	large_file(pipefd);
	for (i = 0; i < NR; i++)
		if (next_owner(i, at))
			dax_fail("a file has the block that a pipe holds, after its block was freed");
	no_owners(NR);
	end = dax_now() + 10000000000;
	dax_must(read(pipefd[0], buf, PAGE) == PAGE, "read");
	dax_expect(buf, PAGE, 0, opt.seed, "what the pipe held");
	/* Now it is free again, soon. */
	for (i = 0; !next_owner(i % NR, at); i++) {
		if (dax_now() > end)
			dax_fail("the block is not free again");
		if (i % NR == NR - 1)
			no_owners(NR);
	}
}

static void given_up_by_a_store(void)
{
	given_up(by_store, false);
}

static void given_up_by_a_write(void)
{
	given_up(by_write, false);
}

/* A truncate of the one has begun, and waits or does no more. */
static void given_up_after_a_break(void)
{
	given_up(by_store, true);
}

/* Where a file's page is when it is allocated anew: behind the one before it, if that is free */
static uint64_t anew(int fd, off_t page)
{
	dax_must(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, page, PAGE), "punch");
	dax_must(!syncfs(fd), "syncfs");
	dax_must(!fallocate(fd, 0, page, PAGE), "fallocate");
	return dax_extent(fd, page, PAGE).fe_physical;
}

/* The same with a page of a 2M leaf, of which only that page's block is freed. */
static void given_up_of_a_leaf(void)
{
	const off_t page = 300 * PAGE;
	uint64_t at, end;
	int pipefd[2];
	char buf[PAGE];

	a = dax_new_huge("leaf", 1, opt.seed);
	b = dax_new("rest", HUGE, DAX_HOLE);
	if (ioctl(b.fd, FICLONE, a.fd))
		dax_skip("FICLONE: %s", strerrorname_np(errno));
	dax_expect(a.p, HUGE, 0, opt.seed, "original");
	at = dax_extent(a.fd, page, PAGE).fe_physical;
	dax_hold_page(pipefd, a.p + page);
	dax_fill(a.p, HUGE, 0, opt.seed + 1);
	if (anew(b.fd, page) == at)
		dax_fail("the clone has a block anew that a pipe holds, after its block was freed");
	dax_must(read(pipefd[0], buf, PAGE) == PAGE, "read");
	dax_expect(buf, PAGE, page, opt.seed, "what the pipe held");
	end = dax_now() + 10000000000;
	while (anew(b.fd, page) != at)
		if (dax_now() > end)
			dax_fail("the block is not free again");
}

/* Its buffer ends in the midst of a page, at the third. */
static void cut_short(void)
{
	enum { OFF = 100 };
	unsigned char *buf = dax_anon(16 * PAGE);
	ssize_t n;

	dax_fill(buf, 16 * PAGE, 0, opt.seed + 1);
	dax_must(!munmap(buf + 2 * PAGE, 14 * PAGE), "munmap");
	clone_a();
	n = pwrite(a.fd, buf + OFF, 8 * PAGE - OFF, 0);
	if (n <= 0 || n > (ssize_t)(2 * PAGE - OFF))
		dax_fail("pwrite: %zd", n);
	dax_expect_file(a.fd, 0, n, OFF, opt.seed + 1, "what was written");
	dax_expect_file(a.fd, n, LEN - n, n, opt.seed, "what was not");
	dax_expect(b.p, LEN, 0, opt.seed, "clone");

	/* Whatever it left behind is not what a page of the file becomes. */
	dax_must(!munmap(b.p, LEN) && !close(b.fd) && !unlink(b.path), "unlink the clone");
	dax_fill(a.p + 3 * PAGE, PAGE, 0, opt.seed + 2);
	dax_must(!fsync(a.fd), "fsync");
	dax_expect_file(a.fd, 3 * PAGE, PAGE, 0, opt.seed + 2, "a store after that");
	dax_expect(a.p + 3 * PAGE, PAGE, 0, opt.seed + 2, "a store after that, mapped");
	dax_expect_file(a.fd, 4 * PAGE, LEN - 4 * PAGE, 4 * PAGE, opt.seed, "what was not");
}

static atomic_bool over;

/* A byte in each page, by page faults that copy the rest of it */
static void *storer(void *arg)
{
	size_t at;

	while (!over)
		for (at = 0; at < LEN; at += PAGE)
			*(volatile unsigned char *)(a.p + at) = *(unsigned char *)arg;
	return NULL;
}

/* Its first byte is a store's, or of the write. */
static void beside_stores(void)
{
	enum { ROUNDS = 50 };
	unsigned char byte = 0x5a, *buf = dax_anon(LEN);
	unsigned int i;
	pthread_t thread;
	size_t at;

	dax_fill(buf, LEN, 0, opt.seed + 1);
	clone_a();
	for (i = 0; i < ROUNDS; i++) {
		over = false;
		errno = pthread_create(&thread, NULL, storer, &byte);
		dax_must(!errno, "pthread_create");
		dax_must(pwrite(a.fd, buf, LEN, 0) == (ssize_t)LEN, "pwrite");
		over = true;
		pthread_join(thread, NULL);
		for (at = 0; at < LEN; at += PAGE)
			dax_expect(a.p + at + 1, PAGE - 1, at + 1, opt.seed + 1,
				   "what was written, but for a byte a page");
		dax_expect(b.p, LEN, 0, opt.seed, "clone");
		dax_must(!ioctl(a.fd, FICLONE, b.fd), "FICLONE");
	}
}

/* The data of a write to shared blocks is those blocks, mapped. */
static void from_itself(void)
{
	clone_a();
	dax_must(pwrite(a.fd, a.p + PAGE, LEN - PAGE, 0) == (ssize_t)(LEN - PAGE), "pwrite");
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	dax_must(pwrite(b.fd, b.p, LEN, 0) == (ssize_t)LEN, "pwrite in place");
	dax_expect(b.p, LEN, 0, opt.seed, "clone, written to itself");
	dax_expect(a.p + LEN - PAGE, PAGE, LEN - PAGE, opt.seed, "last page");
	dax_expect(a.p, PAGE, PAGE, opt.seed, "first page");
}

/* A 2M leaf maps the one; a page of the other is in a pipe, and the file goes. */
static void beside_a_page(void)
{
	struct dax_map m = dax_new_huge("whole", 1, opt.seed);
	int fd = dax_open("part", 0, DAX_HOLE), pipefd[2];
	uint64_t end = dax_now() + 1000000000;
	unsigned char *p;
	char path[256];

	if (ioctl(fd, FICLONE, m.fd))
		dax_skip("FICLONE: %s", strerrorname_np(errno));
	p = dax_map_at(NULL, fd, HUGE, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	dax_hold_page(pipefd, p + 5 * PAGE);
	dax_path(path, sizeof(path), "part");
	dax_must(!munmap(p, HUGE) && !close(fd) && !unlink(path), "unlink");
	/* Its eviction has no end yet, and begins some time. */
	do {
		dax_expect(m.p, HUGE, 0, opt.seed, "mapping");
		m.p[6 * PAGE] = m.p[6 * PAGE];
		dax_must(!madvise(m.p, HUGE, MADV_DONTNEED), "MADV_DONTNEED");
	} while (dax_now() < end);
	m.p[5 * PAGE] ^= 0xff;
	m.p[5 * PAGE] ^= 0xff;
	dax_must(!close(pipefd[0]) && !close(pipefd[1]), "close");
	dax_expect(m.p, HUGE, 0, opt.seed, "mapping");
}

static const struct dax_test tests[] = {
	{ "gup: O_DIRECT into both of two clones", apart },
	{ "gup: O_DIRECT from shared blocks", write_shared },
	{ "gup: O_DIRECT from what a truncate has left unshared", truncate_one },
	{ "gup: clone with a page held", held },
	{ "gup: a 2M mapping works beside a held page of a clone that goes", beside_a_page },
	{ "break: what copy-on-write gave up under DMA has no next owner", given_up_by_a_store },
	{ "break: nor what a write(2) took from it", given_up_by_a_write },
	{ "break: nor where a truncate had begun", given_up_after_a_break },
	{ "break: nor what it gave up of a 2M leaf", given_up_of_a_leaf },
	{ "break: a write to shared blocks loses nothing to a store beside it", beside_stores },
	{ "dax: a write to shared blocks of what they hold", from_itself },
	{ "break: a write to shared blocks that is cut short leaves the rest", cut_short },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
