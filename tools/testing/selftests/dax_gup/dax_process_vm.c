// SPDX-License-Identifier: GPL-2.0
/* A DAX mapping of another process, read and written from outside. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "dax_test.h"

#define LEN	(256 * KB)

static struct dax_map m;
static pid_t owner;

/*
 * Leave the mapping to a child that sleeps: this process works on the child's
 * memory, and only its view of the file can tell what happened there.
 */
static void start_owner(int prot)
{
	m = dax_new("remote", LEN, DAX_WRITTEN);
	munmap(m.p, LEN);
	m.p = mmap(m.p, LEN, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, m.fd, 0);
	dax_must(m.p != MAP_FAILED, "mmap");
	owner = dax_fork();
	if (!owner) {
		for (;;)
			pause();
	}
	munmap(m.p, LEN);
}

static void readv_remote(void)
{
	char *buf = dax_anon(LEN);
	struct iovec local = { buf, LEN - 777 }, remote;
	ssize_t n;

	start_owner(PROT_READ);
	remote = (struct iovec){ m.p + 777, LEN - 777 };
	n = process_vm_readv(owner, &local, 1, &remote, 1, 0);
	dax_must(n >= 0, "process_vm_readv");
	if (n != LEN - 777)
		dax_fail("process_vm_readv: %zd bytes", n);
	dax_expect(buf, n, 777, opt.seed, "what was read");
}

static void writev_remote(void)
{
	char *buf = dax_anon(LEN);
	struct iovec local = { buf, LEN - 4096 }, remote;
	ssize_t n;

	start_owner(PROT_READ | PROT_WRITE);
	remote = (struct iovec){ m.p + 1234, LEN - 4096 };
	dax_fill(buf, LEN, 0, opt.seed + 1);
	n = process_vm_writev(owner, &local, 1, &remote, 1, 0);
	dax_must(n >= 0, "process_vm_writev");
	if (n != LEN - 4096)
		dax_fail("process_vm_writev: %zd bytes", n);
	dax_expect_file(m.fd, 0, 1234, 0, opt.seed, "before");
	dax_expect_file(m.fd, 1234, n, 0, opt.seed + 1, "file");
	dax_expect_file(m.fd, 1234 + n, 64, 1234 + n, opt.seed, "behind");
}

static void ptrace_remote(void)
{
	long w, want;
	int status;

	start_owner(PROT_READ | PROT_WRITE);
	dax_must(!ptrace(PTRACE_ATTACH, owner, 0, 0), "attach");
	dax_must(waitpid(owner, &status, 0) == owner, "waitpid");
	errno = 0;
	w = ptrace(PTRACE_PEEKDATA, owner, m.p + 4096, 0);
	dax_must(!errno, "peek");
	dax_fill(&want, sizeof(want), 4096, opt.seed);
	if (w != want)
		dax_fail("peek: %#lx instead of %#lx", w, want);
	dax_fill(&w, sizeof(w), 4096, opt.seed + 1);
	dax_must(!ptrace(PTRACE_POKEDATA, owner, m.p + 4096, w), "poke");
	dax_expect_file(m.fd, 0, 4096, 0, opt.seed, "before");
	dax_expect_file(m.fd, 4096, sizeof(w), 4096, opt.seed + 1, "poked");
	dax_expect_file(m.fd, 4096 + sizeof(w), 4096, 4096 + sizeof(w), opt.seed,
			"behind");
}

static void proc_mem(void)
{
	char path[64], *buf = dax_anon(LEN);
	ssize_t n;
	int fd;

	start_owner(PROT_READ | PROT_WRITE);
	snprintf(path, sizeof(path), "/proc/%d/mem", owner);
	fd = open(path, O_RDWR);
	dax_must(fd >= 0, "open %s", path);
	n = pread(fd, buf, LEN, (off_t)(uintptr_t)m.p);
	dax_must(n >= 0, "pread %s", path);
	dax_expect(buf, LEN, 0, opt.seed, "what was read");
	dax_fill(buf, LEN, 0, opt.seed + 1);
	n = pwrite(fd, buf, 8 * KB, (off_t)(uintptr_t)m.p + 4097);
	dax_must(n >= 0, "pwrite %s", path);
	if (n != 8 * KB)
		dax_fail("pwrite %s: %zd bytes", path, n);
	dax_expect_file(m.fd, 0, 4097, 0, opt.seed, "before");
	dax_expect_file(m.fd, 4097, 8 * KB, 0, opt.seed + 1, "written");
	dax_expect_file(m.fd, 4097 + 8 * KB, 64, 4097 + 8 * KB, opt.seed, "behind");
}

static const struct dax_test tests[] = {
	{ "gup: process_vm_readv", readv_remote },
	{ "gup: process_vm_writev", writev_remote },
	{ "gup: ptrace peek and poke", ptrace_remote },
	{ "gup: /proc/pid/mem", proc_mem },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
