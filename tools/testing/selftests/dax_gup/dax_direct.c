// SPDX-License-Identifier: GPL-2.0
/* O_DIRECT between a drive and a DAX mapping, in every state of the mapping. */
#include <linux/falloc.h>
#include <sys/uio.h>

#include "dax_test.h"

static const size_t sizes[] = { 512, 1536, 4 * KB, 12 * KB, 64 * KB, MB };
static const size_t starts[] = { 0, 512, 3584, 4 * KB, 64 * KB + 1024 };

#define SPAN	(2 * MB)
#define SRC	0x5eed		/* added to opt.seed: what the drive holds */

static void fill_drive(int drive)
{
	dax_drive_fill(drive, 0, SPAN, opt.seed + SRC);
}

/* All of @len bytes, from @at of the drive to @buf. */
static void read_all(int drive, void *buf, size_t len, off_t at)
{
	ssize_t n = pread(drive, buf, len, at);

	dax_must(n >= 0, "read of %zu from %lld", len, (long long)at);
	if ((size_t)n != len)
		dax_fail("read of %zu from %lld: only %zd", len, (long long)at, n);
}

static void write_all(int drive, const void *buf, size_t len, off_t at)
{
	ssize_t n = pwrite(drive, buf, len, at);

	dax_must(n >= 0, "write of %zu to %lld", len, (long long)at);
	if ((size_t)n != len)
		dax_fail("write of %zu to %lld: only %zd", len, (long long)at, n);
}

/* Read into the middle of a file that was @layout; its ends must stay. */
static void read_into(enum dax_layout layout)
{
	int drive = dax_drive();
	struct dax_map m;
	size_t i, j;

	fill_drive(drive);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(starts); j++) {
			size_t len = sizes[i], at = starts[j], end = at + len;

			m = dax_new("into", SPAN, layout);
			read_all(drive, m.p + at, len, 512);
			dax_expect(m.p + at, len, 512, opt.seed + SRC, "mapping");
			if (layout == DAX_WRITTEN) {
				dax_expect(m.p, at, 0, opt.seed, "before the read");
				dax_expect(m.p + end, 8 * KB, end, opt.seed,
					   "behind the read");
			} else {
				dax_expect_zero(m.p, at, "before the read");
				dax_expect_zero(m.p + end, 8 * KB, "behind the read");
			}
			dax_must(!msync(m.p, m.len, MS_SYNC), "msync");
			munmap(m.p, m.len);
			dax_expect_file(m.fd, at, len, 512, opt.seed + SRC, "file");
			close(m.fd);
		}
	}
}

static void read_written(void) { read_into(DAX_WRITTEN); }
static void read_unwritten(void) { read_into(DAX_UNWRITTEN); }
static void read_hole(void) { read_into(DAX_HOLE); }

static void write_from(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("from", SPAN, DAX_WRITTEN);
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (j = 0; j < ARRAY_SIZE(starts); j++) {
			fill_drive(drive);
			write_all(drive, m.p + starts[j], sizes[i], 4 * KB);
			dax_drive_expect(drive, 4 * KB, sizes[i], starts[j],
					 opt.seed, "written");
			dax_drive_expect(drive, 0, 4 * KB, 0, opt.seed + SRC,
					 "before the write");
			dax_drive_expect(drive, 4 * KB + sizes[i], 4 * KB,
					 4 * KB + sizes[i], opt.seed + SRC,
					 "behind the write");
		}
	}
}

/* A hole reads as the zero page, which is ordinary memory: no DAX page. */
static void write_hole(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("hole", SPAN, DAX_HOLE);
	char *zero = dax_anon(MB);

	fill_drive(drive);
	write_all(drive, m.p + 512, 64 * KB, 0);
	read_all(drive, zero, 128 * KB, 0);
	dax_expect_zero(zero, 64 * KB, "what the hole gave");
	dax_expect(zero + 64 * KB, 64 * KB, 64 * KB, opt.seed + SRC, "behind it");
}

/* Two files that take blocks in turn: each block of "a" is an extent. */
static void extents(void)
{
	int drive = dax_drive(), other = dax_open("b", 0, DAX_HOLE);
	struct dax_map m = dax_new("a", SPAN, DAX_HOLE);
	size_t at;

	fill_drive(drive);
	for (at = 0; at < MB; at += 4 * KB) {
		dax_must(!fallocate(m.fd, 0, at, 4 * KB), "fallocate a");
		dax_must(!fallocate(other, 0, at, 4 * KB), "fallocate b");
	}
	read_all(drive, m.p + 512, MB - 512, 512);
	dax_expect(m.p + 512, MB - 512, 512, opt.seed + SRC, "mapping");
	write_all(drive, m.p + 512, MB - 512, MB);
	dax_drive_expect(drive, MB, MB - 512, 512, opt.seed + SRC, "drive");
}

/* Written blocks, a hole, unwritten blocks and another hole in one read. */
static void mixture(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("mixture", SPAN, DAX_HOLE);

	fill_drive(drive);
	dax_must(pwrite(m.fd, "x", 1, 0) == 1, "pwrite");
	dax_must(!fallocate(m.fd, 0, 64 * KB, 32 * KB), "fallocate");
	dax_must(!fallocate(m.fd, FALLOC_FL_ZERO_RANGE, 128 * KB, 32 * KB),
		 "zero range");
	dax_must(m.p[64 * KB] == 0 && m.p[256 * KB] == 0, "load");
	read_all(drive, m.p, MB, 0);
	dax_expect(m.p, MB, 0, opt.seed + SRC, "mapping");
	dax_expect_file(m.fd, 0, MB, 0, opt.seed + SRC, "file");
}

static void private_into(void)
{
	int drive = dax_drive(), fd = dax_open("private", SPAN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	fill_drive(drive);
	dax_expect(p, MB, 0, opt.seed, "before");
	read_all(drive, p + 512, 64 * KB, 0);
	p[MB] ^= 0xff;			/* and one that a store has copied */
	read_all(drive, p + MB, 4 * KB, 0);
	dax_expect(p + 512, 64 * KB, 0, opt.seed + SRC, "mapping");
	dax_expect(p + MB, 4 * KB, 0, opt.seed + SRC, "copied page");
	dax_expect_file(fd, 0, SPAN, 0, opt.seed, "file");
}

static void private_from(void)
{
	int drive = dax_drive(), fd = dax_open("private", SPAN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	fill_drive(drive);
	write_all(drive, p, 64 * KB, 0);
	dax_drive_expect(drive, 0, 64 * KB, 0, opt.seed, "before a copy");
	dax_fill(p, 8 * KB, 0, opt.seed + 1);
	write_all(drive, p, 64 * KB, 0);
	dax_drive_expect(drive, 0, 8 * KB, 0, opt.seed + 1, "the copy");
	dax_drive_expect(drive, 8 * KB, 56 * KB, 8 * KB, opt.seed, "the rest");
	dax_expect_file(fd, 0, SPAN, 0, opt.seed, "file");
}

static void readonly_from(void)
{
	int drive = dax_drive(), fd = dax_open("readonly", SPAN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, SPAN, PROT_READ, MAP_SHARED);

	write_all(drive, p + 4 * KB, MB, 0);
	dax_drive_expect(drive, 0, MB, 4 * KB, opt.seed, "drive");
}

static void expect_efault(ssize_t n, const char *what)
{
	if (n >= 0)
		dax_fail("%s: %zd instead of EFAULT", what, n);
	dax_must(errno == EFAULT, "%s", what);
}

static void readonly_into(void)
{
	int drive = dax_drive(), fd = dax_open("readonly", SPAN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, SPAN, PROT_READ, MAP_SHARED);

	fill_drive(drive);
	expect_efault(pread(drive, p, 64 * KB, 0), "read into a read-only mapping");
	dax_expect(p, SPAN, 0, opt.seed, "mapping");
}

static void beyond_end(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("short", 4 * MB, DAX_HOLE);

	fill_drive(drive);
	dax_must(!ftruncate(m.fd, 64 * KB), "ftruncate");
	expect_efault(pread(drive, m.p + 64 * KB, 4 * KB, 0), "read behind the end");
	expect_efault(pwrite(drive, m.p + MB, 4 * KB, 0), "write from behind the end");
	dax_drive_expect(drive, 0, SPAN, 0, opt.seed + SRC, "drive");
}

/* Pieces of two DAX files and of memory in one call, both ways. */
static void vectors(void)
{
	int drive = dax_drive();
	struct dax_map a = dax_new("a", SPAN, DAX_UNWRITTEN);
	struct dax_map b = dax_new("b", SPAN, DAX_HOLE);
	unsigned char *mem = dax_anon(SPAN);
	struct iovec iov[] = {
		{ a.p + 512, 512 },	{ mem, 8 * KB },	{ b.p + MB, 64 * KB },
		{ a.p + 8 * KB, 1536 },	{ b.p, 512 },		{ mem + MB, 4 * KB },
	};
	size_t i, len = 0, at = 0;
	ssize_t n;

	for (i = 0; i < ARRAY_SIZE(iov); i++)
		len += iov[i].iov_len;
	fill_drive(drive);
	n = preadv(drive, iov, ARRAY_SIZE(iov), 4 * KB);
	dax_must(n >= 0, "preadv");
	if ((size_t)n != len)
		dax_fail("preadv: %zd of %zu", n, len);
	for (i = 0; i < ARRAY_SIZE(iov); at += iov[i++].iov_len)
		dax_expect(iov[i].iov_base, iov[i].iov_len, 4 * KB + at,
			   opt.seed + SRC, "one vector");
	n = pwritev(drive, iov, ARRAY_SIZE(iov), MB);
	dax_must(n >= 0, "pwritev");
	if ((size_t)n != len)
		dax_fail("pwritev: %zd of %zu", n, len);
	dax_drive_expect(drive, MB, len, 4 * KB, opt.seed + SRC, "drive");
}

/* The DMA is all that dirtied the page: a sync must still find it. */
static void synced(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("synced", SPAN, DAX_UNWRITTEN);

	fill_drive(drive);
	read_all(drive, m.p, 64 * KB, 0);
	dax_must(!fsync(m.fd), "fsync");
	read_all(drive, m.p, 64 * KB, 64 * KB);
	dax_must(!fdatasync(m.fd), "fdatasync");
	munmap(m.p, m.len);
	m.p = dax_mmap(m.fd, m.len, PROT_READ, MAP_SHARED);
	dax_expect(m.p, 64 * KB, 64 * KB, opt.seed + SRC, "mapped again");
}

static const struct dax_test tests[] = {
	{ "gup: O_DIRECT read into a mapping", read_written },
	{ "gup: O_DIRECT read into unwritten blocks", read_unwritten },
	{ "gup: O_DIRECT read into a hole", read_hole },
	{ "gup: O_DIRECT write from a mapping", write_from },
	{ "dax: O_DIRECT write from a hole", write_hole },
	{ "gup: O_DIRECT across many extents", extents },
	{ "gup: O_DIRECT read into a mixture of blocks and holes", mixture },
	{ "dax: O_DIRECT read into a private mapping", private_into },
	{ "gup: O_DIRECT write from a private mapping", private_from },
	{ "gup: O_DIRECT write from a read-only mapping", readonly_from },
	{ "dax: O_DIRECT read into a read-only mapping is EFAULT", readonly_into },
	{ "dax: O_DIRECT behind the end of the file is EFAULT", beyond_end },
	{ "gup: preadv and pwritev mix files and memory", vectors },
	{ "gup: fsync after the DMA", synced },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
