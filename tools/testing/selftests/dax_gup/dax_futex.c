// SPDX-License-Identifier: GPL-2.0
/* A shared futex is keyed by its page's file and offset: on DAX files, too. */
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "dax_test.h"

#define LEN	(64 * KB)

static long futex(unsigned int *word, int op, unsigned int val)
{
	struct timespec limit = { .tv_sec = 30 };

	return syscall(SYS_futex, word, op, val,
		       op == FUTEX_WAIT ? &limit : NULL, NULL, 0);
}

static unsigned int *at(struct dax_map *m, size_t off)
{
	return (unsigned int *)(m->p + off);
}

/* A child that waits on the word at @off of file @name, by its own mapping. */
static pid_t waiter(const char *path, size_t off)
{
	pid_t pid = dax_fork();
	int status;

	if (!pid) {
		int fd = open(path, O_RDWR);
		char *p;

		dax_must(fd >= 0, "open %s", path);
		p = dax_mmap(fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
		if (futex((unsigned int *)(p + off), FUTEX_WAIT, 7) &&
		    errno != EAGAIN)
			dax_fail_errno("FUTEX_WAIT");
		_exit(0);
	}
	dax_wait_asleep(pid, "waiter");
	if (waitpid(pid, &status, WNOHANG) == pid) {
		if (status)
			_exit(1);	/* its reason stands already */
		dax_fail("the waiter did not wait");
	}
	return pid;
}

static void wake(struct dax_map *m, size_t off, long want, const char *what)
{
	long n = futex(at(m, off), FUTEX_WAKE, INT_MAX);

	dax_must(n >= 0, "FUTEX_WAKE");
	if (n != want)
		dax_fail("%s: woke %ld instead of %ld", what, n, want);
}

static struct dax_map words(const char *name, enum dax_layout layout)
{
	struct dax_map m = dax_new(name, LEN, layout);
	size_t off;

	for (off = 0; off < LEN; off += 4096) {
		*at(&m, off) = 7;
		*at(&m, off + 128) = 7;
	}
	return m;
}

static void two_mappings(enum dax_layout layout)
{
	struct dax_map m = words("futex", layout);
	pid_t pid = waiter(m.path, 4096);

	wake(&m, 4096, 1, "same word");
	dax_reap(pid, "waiter");
}

static void wake_written(void) { two_mappings(DAX_WRITTEN); }
static void wake_hole(void) { two_mappings(DAX_HOLE); }

static void apart(void)
{
	struct dax_map m = words("one", DAX_UNWRITTEN);
	struct dax_map other = words("two", DAX_UNWRITTEN);
	pid_t pid = waiter(m.path, 4096);

	wake(&other, 4096, 0, "same offset of another file");
	wake(&m, 8192, 0, "another page");
	wake(&m, 4096 + 128, 0, "another word of the page");
	wake(&m, 0, 0, "the page before");
	wake(&m, 4096, 1, "same word");
	dax_reap(pid, "waiter");
}

static void many(void)
{
	struct dax_map m = words("many", DAX_UNWRITTEN);
	pid_t pid[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = waiter(m.path, i < 3 ? 128 : 4096);
	wake(&m, 128, 3, "three waiters");
	wake(&m, 4096, 1, "one waiter");
	for (i = 0; i < ARRAY_SIZE(pid); i++)
		dax_reap(pid[i], "waiter");
}

/* The key outlives the mapping and its page-table leaf. */
static void mapped_again(void)
{
	struct dax_map m = words("again", DAX_UNWRITTEN);
	pid_t pid = waiter(m.path, 4096);

	munmap(m.p, LEN);
	m.p = dax_mmap(m.fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	wake(&m, 4096, 1, "mapped again");
	dax_reap(pid, "waiter");
}

static void mismatch(void)
{
	struct dax_map m = words("mismatch", DAX_UNWRITTEN);

	wake(&m, 0, 0, "nobody waits");
	if (futex(at(&m, 0), FUTEX_WAIT, 8) != -1 || errno != EAGAIN)
		dax_fail_errno("FUTEX_WAIT for another value");
}

static const struct dax_test tests[] = {
	{ "gup: futex on a DAX page, two processes", wake_written },
	{ "gup: futex on what was a hole", wake_hole },
	{ "gup: futexes of different files and offsets stay apart", apart },
	{ "gup: futex with many waiters", many },
	{ "gup: futex after munmap and mmap", mapped_again },
	{ "gup: futex of another value", mismatch },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
