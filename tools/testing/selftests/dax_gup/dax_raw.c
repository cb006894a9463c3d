// SPDX-License-Identifier: GPL-2.0
/*
 * A file system on pmem without struct pages (run with -p): DAX works, whoever
 * wants a page gets an error, and nothing breaks.
 */
#include <limits.h>
#include <linux/falloc.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "dax_longterm.h"

#define LEN	(4 * MB)

static void expect_error(long n, int want, const char *what)
{
	if (n >= 0)
		dax_fail("%s works: is this pmem really without pages?", what);
	dax_must(errno == want, "%s", what);
}

static void load_store(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_HOLE);
	unsigned char *other = dax_mmap(m.fd, LEN, PROT_READ, MAP_SHARED);

	dax_expect_zero(m.p, LEN, "hole");
	dax_fill(m.p, LEN, 0, opt.seed + 1);
	dax_expect(other, LEN, 0, opt.seed + 1, "other mapping");
	dax_must(!msync(m.p, LEN, MS_SYNC), "msync");
	dax_must(!fsync(m.fd), "fsync");
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed + 1, "file");
	dax_must(!munmap(m.p, LEN), "munmap");
	m.p = dax_mmap(m.fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	dax_expect(m.p, LEN, 0, opt.seed + 1, "mapped again");
}

static void private_copy(void)
{
	int fd = dax_open("raw", LEN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	dax_expect(p, LEN, 0, opt.seed, "before");
	dax_fill(p, LEN, 0, opt.seed + 1);
	dax_expect(p, LEN, 0, opt.seed + 1, "copy");
	dax_expect_file(fd, 0, LEN, 0, opt.seed, "file");
}

static void changes(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);
	pid_t pid;

	dax_fill(m.p, 64 * KB, 0, opt.seed + 1);
	pid = dax_fork();
	if (!pid) {
		dax_expect(m.p, 64 * KB, 0, opt.seed + 1, "child");
		dax_fill(m.p, 4 * KB, 0, opt.seed + 2);
		_exit(0);
	}
	dax_reap(pid, "child");
	dax_expect(m.p, 4 * KB, 0, opt.seed + 2, "parent");
	dax_must(!mprotect(m.p, LEN, PROT_READ), "mprotect");
	m.p = mremap(m.p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
		     dax_anon(LEN));
	dax_must(m.p != MAP_FAILED, "mremap");
	dax_expect(m.p + 4 * KB, 60 * KB, 4 * KB, opt.seed + 1, "moved");
	dax_must(!fallocate(m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    8 * KB, 8 * KB), "punch hole");
	dax_expect_zero(m.p + 8 * KB, 8 * KB, "hole");
	dax_must(!madvise(m.p, LEN, MADV_DONTNEED), "MADV_DONTNEED");
	madvise(m.p, LEN, MADV_COLD);
	madvise(m.p, LEN, MADV_PAGEOUT);
	dax_expect(m.p + 16 * KB, 48 * KB, 16 * KB, opt.seed + 1, "again");
	dax_must(!ftruncate(m.fd, 16 * KB), "ftruncate");
	dax_must(!ftruncate(m.fd, LEN), "ftruncate");
	dax_expect_zero(m.p + 16 * KB, 48 * KB, "behind the end");
}

static atomic_bool over;

/* There is room behind the mapping. */
static void *grower(void *arg)
{
	struct dax_map *m = arg;

	while (!over) {
		dax_must(mremap(m->p, LEN, LEN + PAGE, 0) == m->p, "mremap");
		dax_must(mremap(m->p, LEN + PAGE, LEN, 0) == m->p, "mremap");
	}
	return NULL;
}

/* What was mapped for a hole is unmapped when a write fills it. */
static void growing(void)
{
	uint64_t end = dax_now() + opt.seconds * 1000000000ull;
	struct dax_map m = dax_new("raw", LEN, DAX_HOLE);
	char *buf = dax_anon(LEN);
	pthread_t thread;
	size_t at;

	dax_fill(buf, LEN, 0, opt.seed + 1);
	m.p = mremap(m.p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, dax_anon(2 * LEN));
	dax_must(m.p != MAP_FAILED, "mremap");
	dax_must(!munmap(m.p + LEN, LEN), "munmap");
	errno = pthread_create(&thread, NULL, grower, &m);
	dax_must(!errno, "pthread_create");
	do {
		dax_must(!ftruncate(m.fd, 0), "ftruncate");
		dax_must(!ftruncate(m.fd, LEN), "ftruncate");
		dax_expect_zero(m.p, LEN, "hole");
		for (at = 0; at < LEN; at += PAGE)
			dax_must(pwrite(m.fd, buf + at, PAGE, at) == PAGE, "pwrite");
		dax_expect(m.p, LEN, 0, opt.seed + 1, "mapping");
	} while (dax_now() < end);
	over = true;
	pthread_join(thread, NULL);
}

static void locked(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);

	dax_must(!mlock(m.p, LEN), "mlock");
	dax_expect(m.p, LEN, 0, opt.seed, "locked");
	dax_must(!munlock(m.p, LEN), "munlock");
	dax_must(!mlockall(MCL_CURRENT), "mlockall");
}

static void direct(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);

	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	expect_error(pread(drive, m.p, 64 * KB, 0), EFAULT, "O_DIRECT read");
	expect_error(pwrite(drive, m.p, 64 * KB, 0), EFAULT, "O_DIRECT write");
	m = dax_new("hole", LEN, DAX_HOLE);
	expect_error(pread(drive, m.p, 64 * KB, 0), EFAULT, "read into a hole");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed + 1, "drive");
}

static void remote(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);
	struct iovec local = { dax_anon(LEN), LEN }, there = { m.p, LEN };

	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
	expect_error(process_vm_readv(getpid(), &local, 1, &there, 1, 0), EFAULT,
		     "process_vm_readv");
	expect_error(process_vm_writev(getpid(), &local, 1, &there, 1, 0), EFAULT,
		     "process_vm_writev");
	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
}

static void pipes(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);
	struct iovec iov = { m.p, 8 * KB };
	int pipefd[2];

	dax_must(!pipe(pipefd), "pipe");
	expect_error(vmsplice(pipefd[1], &iov, 1, 0), EFAULT, "vmsplice");
}

/* Where the kernel has long-term pins at all; else that is what it says. */
static void registered(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);
	int error = access("/proc/sys/vm/dax_longterm_pin", F_OK) ? EOPNOTSUPP : EFAULT;

	expect_error(dax_try_pin(m.p, LEN), error, "io_uring_register_buffers");
	expect_error(dax_gup_try_pin(m.p, LEN, DAX_READ), error, "gup_test");
	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
	dax_must(!ftruncate(m.fd, 0), "ftruncate");
}

static void futexes(void)
{
	struct dax_map m = dax_new("raw", LEN, DAX_WRITTEN);

	expect_error(syscall(SYS_futex, m.p, FUTEX_WAKE, INT_MAX, NULL, NULL, 0),
		     EFAULT, "shared futex");
	dax_must(!syscall(SYS_futex, m.p, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX,
			  NULL, NULL, 0), "private futex");
}

static const struct dax_test tests[] = {
	{ "dax: loads, stores and syncs", load_store },
	{ "dax: private copies", private_copy },
	{ "dax: fork, mprotect, mremap, punch, madvise, truncate", changes },
	{ "dax: write(2) into a hole that is mapped, while the mapping grows", growing },
	{ "dax: mlock", locked },
	{ "pageless: O_DIRECT is EFAULT", direct },
	{ "pageless: process_vm is EFAULT", remote },
	{ "pageless: vmsplice is EFAULT", pipes },
	{ "pageless: shared futex is EFAULT", futexes },
	{ "pageless: long-term pins are EFAULT", registered },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
