// SPDX-License-Identifier: GPL-2.0
/*
 * Long-term pins and shared blocks (reflink): what is pinned is unshared first,
 * what would share or swap it is refused.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "dax_leaf.h"
#include "dax_longterm.h"
#include "dax_swap.h"

static int other_file(const char *name, size_t len, uint64_t seed)
{
	char *buf = dax_anon(len);
	int fd = dax_open(name, 0, DAX_HOLE);

	dax_fill(buf, len, 0, seed);
	dax_must(pwrite(fd, buf, len, 0) == (ssize_t)len && !fsync(fd), "pwrite");
	munmap(buf, len);
	return fd;
}

static int done(int fd, int result)
{
	int err = errno;

	close(fd);
	errno = err;
	return result;
}

static int clone_from(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed + 9);
	int result = ioctl(fd, FICLONE, m->fd), err = errno;

	if (result)
		dax_expect_file(fd, 0, m->len, 0, opt.seed + 9, "refused, but the clone");
	errno = err;
	return done(fd, result);
}

static int clone_to(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed + 9);
	int result = ioctl(m->fd, FICLONE, fd), err = errno;

	dax_expect_file(fd, 0, m->len, 0, opt.seed + 9, "the source");
	errno = err;
	return done(fd, result);
}

static int clone_range_to(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed + 9);
	struct file_clone_range range = {
		.src_fd = fd, .src_length = m->len / 3, .dest_offset = m->len / 3,
	};

	return done(fd, ioctl(m->fd, FICLONERANGE, &range));
}

static int dedupe_from(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed);

	return done(fd, dax_dedupe(m->fd, fd, 0, m->len));
}

static int dedupe_to(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed);

	return done(fd, dax_dedupe(fd, m->fd, 0, m->len));
}

static int swap(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed);

	return done(fd, dax_swapext(m->fd, fd, m->len));
}

static int result_of_exchange(int fd, int result)
{
	int err = errno;

	if (result)
		dax_expect_file(fd, 0, lseek(fd, 0, SEEK_END), 0, opt.seed + 9,
				"refused, but the other file");
	errno = err;
	return done(fd, result);
}

static int exchange(struct dax_map *m)
{
	int fd = other_file("other", m->len, opt.seed + 9);
	struct exchange arg = { .file1 = fd, .length = m->len };

	return result_of_exchange(fd, ioctl(m->fd, EXCHANGE_RANGE, &arg));
}

/* Only the entry that is pinned, and the other way round. */
static int exchange_part(struct dax_map *m)
{
	size_t unit = m->len / 3;
	int fd = other_file("other", m->len, opt.seed + 9);
	struct exchange arg = {
		.file1 = m->fd, .offset1 = unit, .offset2 = unit, .length = unit,
	};

	return result_of_exchange(fd, ioctl(fd, EXCHANGE_RANGE, &arg));
}

static void clone_from_4k(void) { dax_refuses(PAGE, clone_from); }
static void clone_from_2m(void) { dax_refuses(HUGE, clone_from); }
static void clone_to_4k(void) { dax_refuses(PAGE, clone_to); }
static void clone_to_2m(void) { dax_refuses(HUGE, clone_to); }
static void clone_range_to_4k(void) { dax_refuses(PAGE, clone_range_to); }
static void clone_range_to_2m(void) { dax_refuses(HUGE, clone_range_to); }
static void dedupe_from_4k(void) { dax_refuses(PAGE, dedupe_from); }
static void dedupe_from_2m(void) { dax_refuses(HUGE, dedupe_from); }
static void dedupe_to_4k(void) { dax_refuses(PAGE, dedupe_to); }
static void dedupe_to_2m(void) { dax_refuses(HUGE, dedupe_to); }

static void swapped(void)
{
	struct dax_map m = dax_three("free", PAGE);

	dax_unpin(dax_pin(dax_three("pin", PAGE).p, PAGE));
	munmap(m.p, m.len);
	if (swap(&m))
		dax_skip("XFS_IOC_SWAPEXT of DAX files: %s", strerrorname_np(errno));
	dax_refuses(PAGE, swap);
}

static void exchanged(size_t unit, int (*op)(struct dax_map *m))
{
	struct dax_map m = dax_three("free", unit);

	dax_unpin(dax_pin(m.p, PAGE));		/* or the kernel cannot do it at all */
	if (op(&m)) {
		dax_must(errno == EOPNOTSUPP || errno == ENOTTY, "XFS_IOC_EXCHANGE_RANGE");
		dax_skip("this xfs was made without exchange-range");
	}
	dax_expect(m.p + unit, unit, unit, opt.seed + 9, "exchanged");
	dax_refuses(unit, op);
}

static void exchanged_4k(void) { exchanged(PAGE, exchange); }
static void exchanged_2m(void) { exchanged(HUGE, exchange); }
static void exchanged_part_4k(void) { exchanged(PAGE, exchange_part); }
static void exchanged_part_2m(void) { exchanged(HUGE, exchange_part); }

/* What is not pinned can be cloned, to and from. */
static void outside(size_t unit)
{
	struct dax_map m = dax_three("outside", unit);
	int fd = other_file("other", m.len, opt.seed + 9);
	struct file_clone_range from = {
		.src_fd = m.fd, .src_offset = 2 * unit, .src_length = unit,
	}, to = {
		.src_fd = fd, .src_offset = unit, .src_length = unit,
	};
	int ring = dax_pin(m.p + unit, PAGE);

	dax_must(!ioctl(fd, FICLONERANGE, &from), "FICLONERANGE from behind");
	dax_must(!ioctl(m.fd, FICLONERANGE, &to), "FICLONERANGE to before");
	dax_expect_file(fd, 0, unit, 2 * unit, opt.seed, "cloned from");
	dax_expect(m.p, unit, unit, opt.seed + 9, "cloned to");
	dax_expect(m.p + unit, 2 * unit, unit, opt.seed, "pinned, and behind");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void outside_4k(void) { outside(PAGE); }
static void outside_2m(void) { outside(HUGE); }

/*
 * The second page of a shared file is pinned: it is the file's own, whatever comes by
 * store or write() is under the pin, and the clone keeps what it has.
 */
static void unshared(unsigned int flags, int prot, bool touched)
{
	const size_t len = 4 * PAGE;
	int fd = other_file("first", len, opt.seed), clone = dax_open("clone", 0, DAX_HOLE), gup;
	unsigned char *seen = dax_anon(len), *p, *q;

	dax_must(!ioctl(clone, FICLONE, fd), "FICLONE");
	if (!dax_is_shared(fd, PAGE))
		dax_fail("a clone shares nothing");
	p = dax_mmap(fd, len, prot, MAP_SHARED);
	q = dax_mmap(clone, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (touched) {
		dax_expect(p, len, 0, opt.seed, "mapping");
		dax_expect(q, len, 0, opt.seed, "clone");
	}
	gup = dax_gup_pin(p + PAGE, PAGE, flags);
	if (dax_is_shared(fd, PAGE) || dax_is_shared(clone, PAGE))
		dax_fail("pinned blocks are shared");
	dax_gup_see(gup, seen);
	dax_expect(seen, PAGE, PAGE, opt.seed, "pinned page");

	dax_fill(seen, len, 0, opt.seed + 1);
	dax_must(pwrite(fd, seen, len, 0) == (ssize_t)len, "pwrite");
	dax_gup_see(gup, seen);
	dax_expect(seen, PAGE, PAGE, opt.seed + 1, "pinned page after write()");
	dax_expect(p, len, 0, opt.seed + 1, "mapping after write()");
	dax_expect(q, len, 0, opt.seed, "clone after a write() to the other");
	if (prot & PROT_WRITE) {
		dax_fill(p, len, 0, opt.seed + 2);
		dax_gup_see(gup, seen);
		dax_expect(seen, PAGE, PAGE, opt.seed + 2, "pinned page after a store");
	}
	dax_fill(q, len, 0, opt.seed + 3);
	dax_gup_see(gup, seen);
	dax_expect(seen, PAGE, PAGE, opt.seed + (prot & PROT_WRITE ? 2 : 1),
		   "pinned page after a store to the clone");
	dax_expect_busy(ioctl(clone, FICLONE, fd), "FICLONE");
	dax_gup_unpin(gup);
	dax_expect_file(clone, 0, len, 0, opt.seed + 3, "clone");
}

static void write_pin(void) { unshared(DAX_WRITE, PROT_READ | PROT_WRITE, false); }
static void write_pin_mapped(void) { unshared(DAX_WRITE | DAX_FAST, PROT_READ | PROT_WRITE, true); }
static void read_pin(void) { unshared(DAX_READ, PROT_READ | PROT_WRITE, false); }
static void read_pin_mapped(void) { unshared(DAX_READ | DAX_FAST, PROT_READ | PROT_WRITE, true); }
static void read_mapping(void) { unshared(DAX_READ, PROT_READ, true); }

/* It would zero the rest of the page at the end, in the cache, too. */
static void clone_behind_the_end(void)
{
	struct dax_map m = dax_three("short", PAGE);
	size_t size = m.len - 100;
	int fd = other_file("other", m.len, opt.seed + 9), ring;
	struct file_clone_range range = {
		.src_fd = fd, .src_length = m.len, .dest_offset = 2 * m.len,
	};

	dax_must(!ftruncate(m.fd, size), "ftruncate");
	ring = dax_pin(m.p + m.len - PAGE, PAGE);
	dax_expect_busy(ioctl(m.fd, FICLONERANGE, &range), "clone behind the end");
	dax_expect(m.p, size, 0, opt.seed, "refused, but the file");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
	close(fd);
}

static const struct dax_test tests[] = {
	{ "longterm: FICLONE from pinned blocks is refused, 4K", clone_from_4k },
	{ "longterm: FICLONE from pinned blocks is refused, 2M", clone_from_2m },
	{ "longterm: FICLONE to pinned blocks is refused, 4K", clone_to_4k },
	{ "longterm: FICLONE to pinned blocks is refused, 2M", clone_to_2m },
	{ "longterm: FICLONERANGE to pinned blocks is refused, 4K", clone_range_to_4k },
	{ "longterm: FICLONERANGE to pinned blocks is refused, 2M", clone_range_to_2m },
	{ "longterm: FICLONERANGE behind a pinned last page is refused", clone_behind_the_end },
	{ "longterm: FIDEDUPERANGE from pinned blocks is refused, 4K", dedupe_from_4k },
	{ "longterm: FIDEDUPERANGE from pinned blocks is refused, 2M", dedupe_from_2m },
	{ "longterm: FIDEDUPERANGE to pinned blocks is refused, 4K", dedupe_to_4k },
	{ "longterm: FIDEDUPERANGE to pinned blocks is refused, 2M", dedupe_to_2m },
	{ "longterm: XFS_IOC_SWAPEXT of pinned blocks is refused", swapped },
	{ "longterm: XFS_IOC_EXCHANGE_RANGE with pinned blocks is refused, 4K", exchanged_4k },
	{ "longterm: XFS_IOC_EXCHANGE_RANGE with pinned blocks is refused, 2M", exchanged_2m },
	{ "longterm: XFS_IOC_EXCHANGE_RANGE of a pinned entry is refused, 4K", exchanged_part_4k },
	{ "longterm: XFS_IOC_EXCHANGE_RANGE of a pinned entry is refused, 2M", exchanged_part_2m },
	{ "longterm: clones beside a pinned entry work, 4K", outside_4k },
	{ "longterm: clones beside a pinned entry work, 2M", outside_2m },
	{ "longterm: a pin for writing unshares", write_pin },
	{ "longterm: a pin for writing unshares what was mapped", write_pin_mapped },
	{ "longterm: a pin for reading unshares", read_pin },
	{ "longterm: a pin for reading unshares what was mapped", read_pin_mapped },
	{ "longterm: a pin for reading by a mapping to read unshares", read_mapping },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
