// SPDX-License-Identifier: GPL-2.0
/*
 * The counts behind the mappings, from /sys/kernel/debug/dev_pagemap: an idle
 * page has none, its entries together have one, whoever gets it has one more.
 */
#include <limits.h>
#include <sys/uio.h>
#include <time.h>

#include "dax_test.h"

#define COUNTS	"/sys/kernel/debug/dev_pagemap"
#define NR	32UL
#define LEN	(NR * PAGE)
#define CROWD	260		/* more works than a queue has at a time */
#define SLOTS	16		/* of a pipe */

struct counts {
	long busy, refs, max;
};

static struct counts now(void)
{
	struct counts sum = { 0 };
	FILE *f = fopen(COUNTS, "r");
	char line[256];

	if (!f)
		dax_skip("no " COUNTS " in this kernel");
	while (fgets(line, sizeof(line), f)) {
		long busy, refs, max;

		if (!strstr(line, " type fsdax "))
			continue;
		if (!strstr(line, " busy ") ||
		    sscanf(strstr(line, " busy "), " busy %ld refs %ld max %ld", &busy,
			   &refs, &max) != 3)
			dax_fail("%s: cannot read \"%s\"", COUNTS, line);
		sum.busy += busy;
		sum.refs += refs;
		if (max > sum.max)
			sum.max = max;
	}
	fclose(f);
	return sum;
}

static void expect(struct counts before, long busy, long refs, const char *when)
{
	struct counts c = now();

	if (c.busy - before.busy != busy || c.refs - before.refs != refs)
		dax_fail("%s: busy %+ld refs %+ld, expected %+ld and %+ld", when,
			 c.busy - before.busy, c.refs - before.refs, busy, refs);
}

static void load_all(const volatile unsigned char *p)
{
	size_t i;

	for (i = 0; i < LEN; i += PAGE)
		(void)p[i];
}

static void entries(void)
{
	struct counts before = now();
	struct dax_map m = dax_new("count", LEN, DAX_WRITTEN);
	unsigned char *again;
	pid_t pid;

	expect(before, 0, 0, "after mmap");
	load_all(m.p);
	expect(before, NR, NR, "after loads");
	dax_fill(m.p, LEN, 0, opt.seed + 1);
	expect(before, NR, NR, "after stores");
	again = dax_mmap(m.fd, LEN, PROT_READ, MAP_SHARED);
	load_all(again);
	pid = dax_fork();
	if (!pid) {
		load_all(m.p);
		expect(before, NR, NR, "in a child");
		_exit(0);
	}
	dax_reap(pid, "child");
	expect(before, NR, NR, "with two mappings");
	dax_must(!fsync(m.fd), "fsync");
	expect(before, NR, NR, "after fsync");
	dax_must(!ftruncate(m.fd, LEN / 2), "ftruncate");
	expect(before, NR / 2, NR / 2, "after truncate to a half");
	dax_must(!ftruncate(m.fd, 0), "ftruncate");
	expect(before, 0, 0, "after truncate");
}

static void gets(void)
{
	struct counts before = now();
	struct dax_map m = dax_new("count", LEN, DAX_WRITTEN);
	struct iovec iov = { m.p, 8 * PAGE };
	char *buf = dax_anon(LEN);
	int pipefd[2];

	dax_must(!pipe(pipefd), "pipe");
	load_all(m.p);
	dax_must(vmsplice(pipefd[1], &iov, 1, 0) == 8 * PAGE, "vmsplice");
	expect(before, NR, NR + 8, "with 8 pages in a pipe");
	if (now().max < 2)
		dax_fail("no page has two references");
	dax_must(read(pipefd[0], buf, 2 * PAGE) == 2 * PAGE, "read");
	expect(before, NR, NR + 6, "with 6 pages in a pipe");
	munmap(m.p, LEN);
	dax_must(read(pipefd[0], buf, 6 * PAGE) == 6 * PAGE, "read");
	dax_must(!ftruncate(m.fd, 0), "ftruncate");
	expect(before, 0, 0, "after truncate");
}

static void direct(void)
{
	struct counts before = now();
	int drive = dax_drive();
	struct dax_map m = dax_new("count", LEN, DAX_UNWRITTEN);

	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	dax_must(pread(drive, m.p, LEN, 0) == LEN, "O_DIRECT read");
	expect(before, NR, NR, "after O_DIRECT");
	munmap(m.p, LEN);
	dax_must(!unlink(m.path) && !close(m.fd), "unlink");
	dax_must(!syncfs(open(opt.dir, O_RDONLY)), "syncfs");
	expect(before, 0, 0, "after unlink");
}

/* Unlinked and closed: all that is left of the file is a page in the pipe. */
static void strand(int held[2], const char *name, size_t len)
{
	struct dax_map m = dax_new(name, len, DAX_WRITTEN);
	struct iovec iov = { m.p, PAGE };

	dax_must(vmsplice(held[1], &iov, 1, 0) == PAGE, "vmsplice");
	dax_must(!munmap(m.p, len) && !unlink(m.path) && !close(m.fd), "unlink");
}

/* Files whose pages are held for ever do not keep another from its end. */
static void crowd(void)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	int dir = open(opt.dir, O_RDONLY), held[2], i;
	char name[32], buf[PAGE];
	uint64_t before, start;

	for (i = 0; i < CROWD; i++) {
		if (i % SLOTS == 0)
			dax_must(!pipe(held), "pipe");
		snprintf(name, sizeof(name), "stuck-%d", i);
		strand(held, name, PAGE);
	}
	dax_must(!pipe(held), "pipe");
	strand(held, "last", 16 * MB);
	before = dax_free_bytes(dir);
	dax_must(read(held[0], buf, PAGE) == (ssize_t)PAGE, "read of the pipe");
	dax_expect(buf, PAGE, 0, opt.seed, "what the pipe held");
	start = dax_now();
	while (dax_free_bytes(dir) < before + 15 * MB) {
		if (dax_now() - start > 10000000000)
			dax_fail("%d files with held pages keep another for 10 s", CROWD);
		nanosleep(&tick, NULL);
	}
}

static const struct dax_test tests[] = {
	{ "gup: entries hold one reference for each page", entries },
	{ "gup: pages in a pipe have a reference each", gets },
	{ "gup: O_DIRECT leaves no reference behind", direct },
	{ "gup: a file goes while others have held pages", crowd },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
