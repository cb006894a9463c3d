// SPDX-License-Identifier: GPL-2.0
/* What may be pinned for long, and what cannot be done to a file meanwhile. */
#include <linux/falloc.h>
#include <linux/if_xdp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "dax_leaf.h"
#include "dax_longterm.h"
#include "../../../../mm/gup_test.h"

#define SWITCH	"/proc/sys/vm/dax_longterm_pin"

static int to_part(struct dax_map *m)
{
	return ftruncate(m->fd, m->len / 2);
}

static int by_path(struct dax_map *m)
{
	return truncate(m->path, PAGE);
}

static int by_open(struct dax_map *m)
{
	int fd = open(m->path, O_WRONLY | O_TRUNC);

	return fd < 0 ? fd : close(fd);
}

static int punch_entry(struct dax_map *m)
{
	return dax_punch(m->fd, m->len / 3, m->len / 3);
}

static int punch_all(struct dax_map *m)
{
	return dax_punch(m->fd, 0, m->len);
}

/* The last page of the entry: another one than that which is pinned if it is 2M. */
static int punch_page(struct dax_map *m)
{
	return dax_punch(m->fd, m->len * 2 / 3 - PAGE, PAGE);
}

static int zero(struct dax_map *m)
{
	return fallocate(m->fd, FALLOC_FL_ZERO_RANGE, m->len / 3, m->len / 3);
}

static int collapse(struct dax_map *m)
{
	return fallocate(m->fd, FALLOC_FL_COLLAPSE_RANGE, m->len / 3, m->len / 3);
}

static int collapse_before(struct dax_map *m)
{
	return fallocate(m->fd, FALLOC_FL_COLLAPSE_RANGE, 0, m->len / 3);
}

static int insert_before(struct dax_map *m)
{
	return fallocate(m->fd, FALLOC_FL_INSERT_RANGE, 0, m->len / 3);
}

static void dax_truncate_4k(void) { dax_refuses(PAGE, dax_truncate); }
static void dax_truncate_2m(void) { dax_refuses(HUGE, dax_truncate); }
static void to_part_4k(void) { dax_refuses(PAGE, to_part); }
static void to_part_2m(void) { dax_refuses(HUGE, to_part); }
static void by_path_4k(void) { dax_refuses(PAGE, by_path); }
static void by_path_2m(void) { dax_refuses(HUGE, by_path); }
static void by_open_4k(void) { dax_refuses(PAGE, by_open); }
static void by_open_2m(void) { dax_refuses(HUGE, by_open); }
static void punch_entry_4k(void) { dax_refuses(PAGE, punch_entry); }
static void punch_entry_2m(void) { dax_refuses(HUGE, punch_entry); }
static void punch_all_4k(void) { dax_refuses(PAGE, punch_all); }
static void punch_all_2m(void) { dax_refuses(HUGE, punch_all); }
static void punch_page_4k(void) { dax_refuses(PAGE, punch_page); }
static void punch_page_2m(void) { dax_refuses(HUGE, punch_page); }
static void zero_4k(void) { dax_refuses(PAGE, zero); }
static void zero_2m(void) { dax_refuses(HUGE, zero); }
static void collapse_4k(void) { dax_refuses(PAGE, collapse); }
static void collapse_2m(void) { dax_refuses(HUGE, collapse); }
static void collapse_before_4k(void) { dax_refuses(PAGE, collapse_before); }
static void collapse_before_2m(void) { dax_refuses(HUGE, collapse_before); }
static void insert_before_4k(void) { dax_refuses(PAGE, insert_before); }
static void insert_before_2m(void) { dax_refuses(HUGE, insert_before); }

/* Six entries, the third is pinned: the others are as free as ever. */
static void outside(size_t unit)
{
	size_t len = 6 * unit, at = 2 * unit;
	struct dax_map m = unit == HUGE ? dax_new_huge("outside", 6, opt.seed) :
				       dax_new("outside", len, DAX_WRITTEN);
	char *buf = dax_anon(len);
	int ring = dax_pin(m.p + at, PAGE);

	dax_must(!dax_punch(m.fd, unit, unit), "punch before");
	dax_must(!dax_punch(m.fd, at + unit, unit), "punch behind");
	dax_must(!fallocate(m.fd, FALLOC_FL_ZERO_RANGE, 0, unit), "zero before");
	dax_expect_zero(m.p, at, "zeroed and punched before");
	dax_expect_zero(m.p + at + unit, unit, "punched behind");
	dax_expect(m.p + at, unit, at, opt.seed, "the pinned entry");
	dax_must(!fallocate(m.fd, FALLOC_FL_COLLAPSE_RANGE, at + unit, unit), "collapse behind");
	dax_expect(m.p + at + unit, 2 * unit, at + 2 * unit, opt.seed, "collapsed behind");
	dax_must(!fallocate(m.fd, FALLOC_FL_INSERT_RANGE, at + unit, unit), "insert behind");
	dax_expect_zero(m.p + at + unit, unit, "inserted behind");
	dax_expect(m.p + at + 2 * unit, 2 * unit, at + 2 * unit, opt.seed, "moved behind");
	dax_must(!ftruncate(m.fd, at + unit), "truncate behind");
	dax_must(!ftruncate(m.fd, len), "truncate to more");
	dax_expect_zero(m.p + at + unit, len - at - unit, "behind the new end");
	dax_fill(buf, len, 0, opt.seed + 1);
	dax_must(pwrite(m.fd, buf, len, 0) == (ssize_t)len, "pwrite to all of it");
	dax_must(!fsync(m.fd), "fsync");
	dax_expect(m.p, len, 0, opt.seed + 1, "written");
	dax_expect_busy(dax_punch(m.fd, at, PAGE), "punch");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void outside_4k(void) { outside(PAGE); }
static void outside_2m(void) { outside(HUGE); }

/* What moves no block. */
static void allowed(void)
{
	struct dax_map m = dax_three("old", PAGE), second;
	int ring = dax_pin(m.p, m.len);
	char path[256];

	dax_path(path, sizeof(path), "new");
	dax_must(!rename(m.path, path) && !link(path, m.path) && !unlink(path), "rename, link");
	dax_must(!chmod(m.path, 0400) && !chmod(m.path, 0600), "chmod");
	dax_must(!fallocate(m.fd, 0, 0, 8 * m.len), "fallocate");
	dax_must(!ftruncate(m.fd, 8 * m.len), "truncate to the same");
	dax_fill(m.p, m.len, 0, opt.seed + 1);
	dax_must(!msync(m.p, m.len, MS_SYNC) && !fsync(m.fd), "msync, fsync");
	dax_expect_file(m.fd, 0, m.len, 0, opt.seed + 1, "file");
	second = dax_new("second", m.len, DAX_WRITTEN);
	dax_must(!rename(second.path, m.path), "rename over a file with pins");
	dax_expect(m.p, m.len, 0, opt.seed + 1, "the file that lost its name");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

static int grow_a_little(struct dax_map *m) { return ftruncate(m->fd, m->len - 50); }
static int grow(struct dax_map *m) { return ftruncate(m->fd, 3 * m->len); }
static int grow_by_fallocate(struct dax_map *m) { return fallocate(m->fd, 0, 2 * m->len, m->len); }

static int grow_by_write(struct dax_map *m)
{
	return pwrite(m->fd, m->p, 1, 2 * m->len) == 1 ? 0 : -1;
}

/* Its last page is pinned, and stays where it is. */
static void grows_by(size_t unit, int (*op)(struct dax_map *m), const char *what)
{
	struct dax_map m = dax_three(what, unit);
	size_t size = m.len - 100, at = m.len - PAGE;
	unsigned char *seen = dax_anon(PAGE);
	int gup;

	dax_must(!ftruncate(m.fd, size), "ftruncate");
	gup = dax_gup_pin(m.p + at, PAGE, DAX_WRITE);
	dax_must(!op(&m), "%s", what);
	dax_expect(m.p, size, 0, opt.seed, what);
	dax_expect_zero(m.p + size, m.len - size, what);
	dax_expect_busy(ftruncate(m.fd, size), "truncate into the page");
	dax_fill(m.p + at, PAGE, at, opt.seed + 1);
	dax_gup_see(gup, seen);
	dax_expect(seen, PAGE, at, opt.seed + 1, "pinned page");
	dax_gup_unpin(gup);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void grows(size_t unit)
{
	grows_by(unit, grow_a_little, "truncate to a little more");
	grows_by(unit, grow, "truncate to more");
	grows_by(unit, grow_by_fallocate, "fallocate behind the end");
	grows_by(unit, grow_by_write, "write behind the end");
}

static void grows_4k(void) { grows(PAGE); }
static void grows_2m(void) { grows(HUGE); }

static void read_only(void)
{
	struct dax_map m = dax_three("reader", PAGE);
	int fd = open(m.path, O_RDONLY);
	unsigned char *p;

	dax_unpin(dax_pin(m.p, PAGE));		/* or the kernel cannot do it at all */
	dax_must(fd >= 0, "open");
	p = dax_mmap(fd, m.len, PROT_READ, MAP_SHARED);
	dax_expect(p, m.len, 0, opt.seed, "mapping");
	if (dax_gup_try_pin(p, m.len, DAX_READ) >= 0 || dax_gup_try_pin(p, m.len, DAX_FAST) >= 0)
		dax_fail("a read-only descriptor is enough to pin");
	dax_must(errno == EACCES, "pin by a read-only descriptor, EACCES expected");
	dax_until_free(dax_truncate, &m, GRACE);
}

/* Whoever may write the file may pin it for reading by a mapping to read. */
static void read_mapping(size_t unit)
{
	struct dax_map m = dax_three("reader", unit);
	unsigned char *p = dax_map_at(NULL, m.fd, m.len, 0, PROT_READ, MAP_SHARED);
	unsigned char *seen = dax_anon(m.len);
	int gup = dax_gup_pin(p, m.len, DAX_READ);

	dax_gup_see(gup, seen);
	dax_expect(seen, m.len, 0, opt.seed, "pinned pages");
	dax_fill(m.p, m.len, 0, opt.seed + 1);
	dax_gup_see(gup, seen);
	dax_expect(seen, m.len, 0, opt.seed + 1, "pinned pages after a store");
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_gup_unpin(gup);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void read_mapping_4k(void) { read_mapping(PAGE); }
static void read_mapping_2m(void) { read_mapping(HUGE); }

/* The pages under the pin are the file's, from the first byte on. */
static void blocks(enum dax_layout layout, unsigned int flags)
{
	const size_t len = 8 * PAGE;
	struct dax_map m = dax_new("blocks", len, layout);
	unsigned char *seen = dax_anon(len);
	int gup = dax_gup_pin(m.p, len, flags);
	struct stat st;

	dax_gup_see(gup, seen);
	dax_expect_zero(seen, len, "pinned pages");
	dax_must(!fstat(m.fd, &st), "fstat");
	if (st.st_blocks * 512 < (off_t)len)
		dax_fail("a pinned file has %lld blocks", (long long)st.st_blocks);
	dax_fill(seen, len, 0, opt.seed + 1);
	dax_must(pwrite(m.fd, seen, len, 0) == (ssize_t)len, "pwrite");
	dax_gup_see(gup, seen);
	dax_expect(seen, len, 0, opt.seed + 1, "pinned pages after write()");
	dax_fill(m.p, len, 0, opt.seed + 2);
	dax_gup_see(gup, seen);
	dax_expect(seen, len, 0, opt.seed + 2, "pinned pages after stores");
	dax_expect_file(m.fd, 0, len, 0, opt.seed + 2, "file");
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_gup_unpin(gup);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void hole_write(void) { blocks(DAX_HOLE, DAX_WRITE); }
static void hole_read(void) { blocks(DAX_HOLE, DAX_READ); }
static void unwritten_write(void) { blocks(DAX_UNWRITTEN, DAX_WRITE | DAX_FAST); }
static void unwritten_read(void) { blocks(DAX_UNWRITTEN, DAX_READ | DAX_FAST); }

static void switched(void)
{
	struct dax_map m = dax_three("switch", PAGE);
	int ring = dax_pin(m.p, PAGE);

	dax_must(dax_put(SWITCH, "0"), SWITCH);
	if (dax_try_pin(m.p + PAGE, PAGE) >= 0) {
		dax_put(SWITCH, "1");
		dax_fail("vm.dax_longterm_pin=0, and pins work");
	}
	dax_must(errno == EOPNOTSUPP, "vm.dax_longterm_pin=0, EOPNOTSUPP expected");
	dax_expect_busy(dax_punch(m.fd, 0, PAGE), "punch of what was pinned before");
	dax_must(!dax_punch(m.fd, PAGE, PAGE), "punch of what was not");
	dax_must(dax_put(SWITCH, "1"), SWITCH);
	dax_unpin(dax_pin(m.p + PAGE, PAGE));
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

/* A private mapping has pages of its own under the pin. */
static void private_copy(void)
{
	int fd = dax_open("private", 8 * PAGE, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int ring = dax_pin(p, 8 * PAGE);

	dax_expect(p, 8 * PAGE, 0, opt.seed, "private mapping");
	dax_fill(p, 8 * PAGE, 0, opt.seed + 1);
	dax_expect_file(fd, 0, 8 * PAGE, 0, opt.seed, "file");
	dax_must(!ftruncate(fd, 0), "ftruncate");
	dax_unpin(ring);
}

/* All or nothing: what stands before the end of the file is let go again. */
static void beyond_the_end(void)
{
	struct dax_map m = dax_three("short", PAGE);

	dax_unpin(dax_pin(m.p, m.len));
	dax_must(!ftruncate(m.fd, PAGE), "ftruncate");
	if (dax_try_pin(m.p, m.len) >= 0)
		dax_fail("pages behind the end of the file are pinned");
	dax_must(errno == EFAULT, "pin beyond the end of the file, EFAULT expected");
	dax_until_free(dax_truncate, &m, GRACE);
}

static void counts(void)
{
	static const size_t units[] = { PAGE, HUGE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		struct dax_map m = dax_three("counts", units[i]);
		struct gup_test test = {
			.addr = (uintptr_t)m.p, .size = m.len, .nr_pages_per_call = 512,
			.gup_flags = 1,		/* FOLL_WRITE */
		};
		int gup = open("/sys/kernel/debug/gup_test", O_RDWR);

		dax_unpin(dax_pin(m.p, PAGE));		/* gup_test tells no error */
		dax_must(gup >= 0, "gup_test (CONFIG_GUP_TEST)");
		dax_must(!ioctl(gup, PIN_LONGTERM_BENCHMARK, &test), "gup_test");
		if (test.size != m.len)
			dax_fail("%llu bytes pinned of %zu", test.size, m.len);
		close(gup);
		dax_until_free(dax_truncate, &m, GRACE);
	}
}

#define GIB	(1024 * MB)
#define MARK	64		/* bytes at the start of a leaf, of the stream */

/* A file of 1 GiB by leaves of 2M, with a mark in each. */
static struct dax_map new_gib(void)
{
	struct dax_map m = { .len = GIB };
	size_t at, present, huge;

	m.fd = dax_open("gib", 0, DAX_HOLE);
	dax_path(m.path, sizeof(m.path), "gib");
	if (dax_free_bytes(m.fd) < GIB + GIB / 8)
		dax_skip("the file system has %ju MB free", (uintmax_t)dax_free_bytes(m.fd) / MB);
	dax_must(!fallocate(m.fd, 0, 0, GIB), "fallocate");
	m.p = dax_map_at(NULL, m.fd, GIB, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (at = 0; at < GIB; at += HUGE)
		dax_fill(m.p + at, MARK, at, opt.seed);
	/* ext4 has metadata between some of them. */
	huge = dax_huge(m.p, GIB, &present);
	if (huge < GIB / 4 * 3)
		dax_fail("%zu MB of 1024 are by 2M leaves", huge / MB);
	dax_note("%zu MB of 1024 by 2M leaves", huge / MB);
	return m;
}

/* One iovec, the largest that io_uring takes: one call of pin_user_pages(). */
static void gib_at_once(void)
{
	struct dax_map m = new_gib();
	int ring = dax_pin(m.p, GIB);
	size_t at;

	for (at = 0; at < GIB; at += HUGE) {
		dax_expect_busy(dax_punch(m.fd, at, PAGE), "punch");
		dax_expect_busy(dax_punch(m.fd, at + HUGE - PAGE, PAGE), "punch");
		dax_expect(m.p + at, MARK, at, opt.seed, "refused, but the mapping");
	}
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

/* In a process that is not root's: there no limit counts. */
static void memlock(void)
{
	struct dax_map m = dax_new("memlock", 64 * PAGE, DAX_WRITTEN);
	pid_t pid;
	int ring;

	dax_unpin(dax_pin(m.p, m.len));
	pid = dax_fork();
	if (!pid) {
		struct rlimit limit = { 32 * PAGE, 32 * PAGE };

		dax_must(!setrlimit(RLIMIT_MEMLOCK, &limit), "setrlimit");
		dax_must(!setresuid(65534, 65534, 65534), "setresuid");
		if (dax_try_pin(m.p, m.len) >= 0)
			dax_fail("64 pages pinned, RLIMIT_MEMLOCK is 32");
		dax_must(errno == ENOMEM, "pin beyond RLIMIT_MEMLOCK, ENOMEM expected");
		dax_must(!dax_punch(m.fd, 60 * PAGE, 4 * PAGE), "punch after that");
		ring = dax_pin(m.p, 24 * PAGE);
		if (dax_try_pin(m.p + 32 * PAGE, 16 * PAGE) >= 0)
			dax_fail("24 and 16 pages pinned, RLIMIT_MEMLOCK is 32");
		dax_must(errno == ENOMEM, "pin beyond RLIMIT_MEMLOCK, ENOMEM expected");
		dax_unpin(ring);
		_exit(0);
	}
	dax_reap(pid, "nobody");
	dax_until_free(dax_truncate, &m, GRACE);
}

/* Someone who may read a file cannot keep its owner from changing it. */
static void stranger(void)
{
	struct dax_map m = dax_three("owner", PAGE);
	int fd = open(m.path, O_RDONLY);
	pid_t pid;

	dax_must(fd >= 0, "open");
	dax_unpin(dax_pin(m.p, PAGE));
	pid = dax_fork();
	if (!pid) {
		unsigned char *p;

		munmap(m.p, m.len);
		close(m.fd);
		p = dax_mmap(fd, m.len, PROT_READ, MAP_SHARED);
		dax_must(!setresuid(65534, 65534, 65534), "setresuid");
		if (dax_try_pin(p, m.len) >= 0)
			dax_fail("a reader has pinned the file");
		dax_must(errno == EACCES || errno == EFAULT, "pin by a reader");
		if (!mprotect(p, m.len, PROT_READ | PROT_WRITE))
			dax_fail("a reader got a mapping to write");
		_exit(0);
	}
	dax_reap(pid, "reader");
	dax_until_free(dax_truncate, &m, GRACE);
}

/* The memory that the network card's ring is to use. */
static void umem(size_t unit)
{
	struct dax_map m = dax_three("umem", unit);
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)m.p, .len = m.len, .chunk_size = PAGE,
	};
	int sock = socket(AF_XDP, SOCK_RAW, 0);

	dax_unpin(dax_pin(m.p, PAGE));
	if (sock < 0 && errno == EAFNOSUPPORT)
		dax_skip("no AF_XDP in this kernel");
	dax_must(sock >= 0, "AF_XDP socket");
	dax_must(!setsockopt(sock, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)), "XDP_UMEM_REG");
	dax_must(!munmap(m.p, m.len), "munmap");
	dax_expect_busy(dax_punch(m.fd, unit, PAGE), "punch of a umem");
	dax_expect_file(m.fd, 0, m.len, 0, opt.seed, "file");
	close(sock);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void umem_4k(void) { umem(PAGE); }
static void umem_2m(void) { umem(HUGE); }

/*
 * fsync locks an entry while it flushes. A break that meets it waits for the lock; to
 * pass it by would mean to wait for the pin later, where nobody can be told no.
 */
static void refused_beside_fsync(void)
{
	struct dax_map m = dax_three("synced", HUGE);
	unsigned char *p = m.p + HUGE;
	int ring = dax_pin(p, PAGE);
	uint64_t end = dax_ms() + opt.seconds * 1000ULL;
	pid_t syncer = dax_fork(), puncher;
	int status;

	if (!syncer) {
		for (;;) {
			size_t at;

			for (at = 0; at < HUGE; at += PAGE)
				p[at] = *(volatile unsigned char *)(p + at);
			dax_must(!fsync(m.fd), "fsync");
		}
	}
	puncher = dax_fork();
	if (!puncher) {
		while (dax_ms() < end)
			dax_expect_busy(dax_punch(m.fd, HUGE, PAGE), "a punch beside fsync");
		_exit(0);
	}
	while (waitpid(puncher, &status, WNOHANG) != puncher) {
		if (dax_ms() > end + PROMPT) {
			dax_unpin(ring);
			kill(syncer, SIGKILL);
			dax_fail("a punch passed the pinned entry by, and waited");
		}
		usleep(10000);
	}
	kill(syncer, SIGKILL);
	waitpid(syncer, NULL, 0);
	dax_must(WIFEXITED(status) && !WEXITSTATUS(status), "the puncher");
	dax_expect_file(m.fd, 0, m.len, 0, opt.seed, "refused, but the file");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

static const struct dax_test tests[] = {
	{ "longterm: truncate to nothing is refused, 4K", dax_truncate_4k },
	{ "longterm: truncate to nothing is refused, 2M", dax_truncate_2m },
	{ "longterm: truncate into a pinned entry is refused, 4K", to_part_4k },
	{ "longterm: truncate into a pinned entry is refused, 2M", to_part_2m },
	{ "longterm: truncate() by path is refused, 4K", by_path_4k },
	{ "longterm: truncate() by path is refused, 2M", by_path_2m },
	{ "longterm: O_TRUNC is refused, 4K", by_open_4k },
	{ "longterm: O_TRUNC is refused, 2M", by_open_2m },
	{ "longterm: punch of the entry is refused, 4K", punch_entry_4k },
	{ "longterm: punch of the entry is refused, 2M", punch_entry_2m },
	{ "longterm: punch of the whole file is refused, 4K", punch_all_4k },
	{ "longterm: punch of the whole file is refused, 2M", punch_all_2m },
	{ "longterm: punch of a page of the entry is refused, 4K", punch_page_4k },
	{ "longterm: punch of a page of the entry is refused, 2M", punch_page_2m },
	{ "longterm: punch of an entry that fsync has locked is refused", refused_beside_fsync },
	{ "longterm: zero range is refused, 4K", zero_4k },
	{ "longterm: zero range is refused, 2M", zero_2m },
	{ "longterm: collapse is refused, 4K", collapse_4k },
	{ "longterm: collapse is refused, 2M", collapse_2m },
	{ "longterm: collapse before it is refused, 4K", collapse_before_4k },
	{ "longterm: collapse before it is refused, 2M", collapse_before_2m },
	{ "longterm: insert before it is refused, 4K", insert_before_4k },
	{ "longterm: insert before it is refused, 2M", insert_before_2m },
	{ "longterm: everything works beside a pinned entry, 4K", outside_4k },
	{ "longterm: everything works beside a pinned entry, 2M", outside_2m },
	{ "longterm: rename, link, chmod, fallocate, fsync work", allowed },
	{ "longterm: a file grows beside its pinned last page, 4K", grows_4k },
	{ "longterm: a file grows beside its pinned last page, 2M", grows_2m },
	{ "longterm: a read-only descriptor is refused", read_only },
	{ "longterm: a mapping to read is pinned for reading, 4K", read_mapping_4k },
	{ "longterm: a mapping to read is pinned for reading, 2M", read_mapping_2m },
	{ "longterm: a hole is filled, pin for writing", hole_write },
	{ "longterm: a hole is filled, pin for reading", hole_read },
	{ "longterm: unwritten blocks, pin for writing", unwritten_write },
	{ "longterm: unwritten blocks, pin for reading", unwritten_read },
	{ "longterm: vm.dax_longterm_pin", switched },
	{ "longterm: a pinned private copy keeps no block of the file", private_copy },
	{ "longterm: a pin beyond the end of the file holds nothing", beyond_the_end },
	{ "longterm: gup_test pins all that it is asked for", counts },
	{ "longterm: RLIMIT_MEMLOCK counts", memlock },
	{ "longterm: a reader cannot block the owner", stranger },
	{ "longterm: AF_XDP umem, 4K", umem_4k },
	{ "longterm: AF_XDP umem, 2M", umem_2m },
	/* Last: ext4 may find no 2M extents for a while where that was. */
	{ "longterm: 1 GiB of 2M leaves by one iovec", gib_at_once },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
