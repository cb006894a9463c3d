// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks leave a file while a read from a slow drive is on its way into them,
 * and another file takes them: the read must not land in the other file,
 * whether or not the first one is still mapped. The same with a write from them
 * to the drive: it must bring what the first file had, not the other's data.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <time.h>

#include "dax_inflight.h"

#define PIECE	(8 * KB)
#define PIECES	64
#define LEN	(PIECES * PIECE)	/* what is read, or written */
#define TO	DAX_PRIMED	/* where on the drive it is written */
#define SPARE	(64 * MB)	/* what the other file leaves free */
#define EXTENTS	64

struct blocks {
	struct fiemap map;
	struct fiemap_extent ext[EXTENTS];
};

/*
 * The first file has more than half of the free blocks. When they are free
 * again, the other file takes all but SPARE, wherever the file system looks
 * first; the file system keeps some for itself, and both lie anywhere. So the
 * read lands in pieces all over the first file, 4M apart or more: what nobody
 * takes can hide some of them, but not three in four.
 */
static struct dax_map first;
static off_t first_len;
static int other;

static off_t piece(int i)
{
	return first_len / PIECES * i;
}

static void get_blocks(int fd, off_t from, off_t len, struct blocks *b)
{
	b->map = (struct fiemap){
		.fm_start = from, .fm_length = len,
		.fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = EXTENTS,
	};
	dax_must(!ioctl(fd, FS_IOC_FIEMAP, b), "FIEMAP");
}

/* The extents of the pieces; each is in one, as it was written at once. */
static void get_pieces(struct blocks *old)
{
	int i;

	for (i = 0; i < PIECES; i++)
		old->ext[i] = dax_extent(first.fd, piece(i), PIECE);
	old->map.fm_mapped_extents = PIECES;
}

static void take_blocks(void)
{
	off_t chunk = 64 * MB, end = lseek(other, 0, SEEK_END);

	while (chunk >= (off_t)MB) {
		if (dax_free_bytes(other) >= chunk + SPARE &&
		    !fallocate(other, 0, end, chunk))
			end += chunk;
		else
			chunk /= 2;
	}
}

enum what { WRITE, CHECK };

static void in_range(off_t pos, size_t len, enum what what)
{
	char *buf;

	if (what == CHECK) {
		dax_expect_file(other, pos, len, pos, opt.seed + 2, "the other file");
		return;
	}
	buf = dax_anon(len);
	dax_fill(buf, len, pos, opt.seed + 2);
	dax_must(pwrite(other, buf, len, pos) == (ssize_t)len, "pwrite");
	munmap(buf, len);
}

/* Where extent @n of the other file lies in blocks of @old. */
static size_t in_extent(const struct fiemap_extent *n, const struct blocks *old,
			enum what what)
{
	size_t j, sum = 0;

	for (j = 0; j < old->map.fm_mapped_extents; j++) {
		const struct fiemap_extent *o = &old->ext[j];
		uint64_t nend = n->fe_physical + n->fe_length;
		uint64_t oend = o->fe_physical + o->fe_length;
		uint64_t from = n->fe_physical > o->fe_physical ?
				n->fe_physical : o->fe_physical;
		uint64_t to = nend < oend ? nend : oend;

		if (from >= to)
			continue;
		in_range(n->fe_logical + from - n->fe_physical, to - from, what);
		sum += to - from;
	}
	return sum;
}

/* Write or check what the other file has of @old; returns how many bytes. */
static size_t in_old_blocks(const struct blocks *old, enum what what)
{
	static struct blocks now;
	off_t at = 0, end = lseek(other, 0, SEEK_END);
	size_t i, sum = 0;

	while (at < end) {
		get_blocks(other, at, end - at, &now);
		if (!now.map.fm_mapped_extents)
			break;
		for (i = 0; i < now.map.fm_mapped_extents; i++) {
			at = now.ext[i].fe_logical + now.ext[i].fe_length;
			sum += in_extent(&now.ext[i], old, what);
		}
	}
	return sum;
}

static void truncated(void)
{
	dax_must(!ftruncate(first.fd, 0), "ftruncate");
}

static void punched(void)
{
	dax_must(!fallocate(first.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    0, first_len), "punch hole");
}

static void collapsed(void)
{
	dax_must(!fallocate(first.fd, FALLOC_FL_COLLAPSE_RANGE, 0,
			    first_len - MB), "collapse");
}

static void unlinked(void)
{
	dax_must(!unlink(first.path), "unlink");
	dax_must(!close(first.fd), "close");
}

static void make_files(void)
{
	struct timespec tick = { .tv_nsec = 20000000 };
	char *buf = dax_anon(PIECE);
	int tries, i;

	/* The files of the test before may give their blocks back in a while. */
	other = dax_open("other", 0, DAX_HOLE);
	for (tries = 0; tries < 250; tries++) {
		first_len = (dax_free_bytes(other) * 5 / 8) & ~(off_t)(4 * MB - 1);
		if (first_len >= 4 * (off_t)SPARE)
			break;
		nanosleep(&tick, NULL);
	}
	if (tries == 250)
		dax_skip("the file system has less than 512M free");
	first = dax_new("first", first_len, DAX_UNWRITTEN);
	for (i = 0; i < PIECES; i++) {
		dax_fill(buf, PIECE, piece(i), opt.seed);
		dax_must(pwrite(first.fd, buf, PIECE, piece(i)) == (ssize_t)PIECE,
			 "pwrite");
		dax_expect(first.p + piece(i), PIECE, piece(i), opt.seed,
			   "the first file");
	}
}

static void start(struct dax_flight *r, enum dax_engine engine, bool write, int drive)
{
	struct iovec iov[PIECES];
	int i;

	for (i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ first.p + piece(i), PIECE };
	if (write)
		dax_start_writev(r, engine, drive, iov, PIECES, TO);
	else
		dax_start_readv(r, engine, drive, iov, PIECES, 0);
}

static void expect_written(int drive)
{
	int i;

	for (i = 0; i < PIECES; i++)
		dax_drive_expect(drive, TO + i * PIECE, PIECE, piece(i), opt.seed,
				 "what the drive has of the first file");
}

static void scenario(enum dax_engine engine, bool write, bool unmap, void (*release)(void))
{
	static struct blocks old;
	struct timespec tick = { .tv_nsec = 20000000 };
	int drive = dax_drive(), tries;
	struct dax_flight r;
	size_t early, late;
	bool flying;

	/* What is read, or what a write must replace: the test before wrote the same. */
	dax_drive_fill(drive, write ? TO : 0, LEN, opt.seed + 1);
	make_files();
	get_pieces(&old);
	start(&r, engine, write, drive);
	if (unmap)
		munmap(first.p, first.len);
	dax_still_flying(&r, "before the blocks went");
	release();
	flying = dax_flying(&r);
	take_blocks();
	early = in_old_blocks(&old, WRITE);
	/*
	 * If nobody waited for it, and the blocks have their new owner's data,
	 * then a read must land now, and a write find it: not before that data.
	 */
	if (flying && early)
		dax_still_flying(&r, "before the blocks were written");
	dax_land(&r);
	in_old_blocks(&old, CHECK);
	if (write)
		expect_written(drive);

	/* This has shown something only if the blocks do come back. */
	for (tries = 0; tries < 250; tries++) {
		take_blocks();
		late = in_old_blocks(&old, WRITE);
		if (late >= LEN / 4)
			return;
		nanosleep(&tick, NULL);
	}
	dax_fail("the blocks never came back: of %zu the other file got %zu, %ju are free",
		 LEN, late, (uintmax_t)dax_free_bytes(other));
}

static void aio_truncate_a(void) { scenario(DAX_AIO, false, false, truncated); }
static void aio_punch_a(void) { scenario(DAX_AIO, false, false, punched); }
static void aio_collapse_a(void) { scenario(DAX_AIO, false, false, collapsed); }
static void uring_truncate_a(void) { scenario(DAX_URING, false, false, truncated); }
static void aio_truncate_b(void) { scenario(DAX_AIO, false, true, truncated); }
static void aio_punch_b(void) { scenario(DAX_AIO, false, true, punched); }
static void aio_collapse_b(void) { scenario(DAX_AIO, false, true, collapsed); }
static void aio_unlink_b(void) { scenario(DAX_AIO, false, true, unlinked); }
static void uring_truncate_b(void) { scenario(DAX_URING, false, true, truncated); }
static void uring_punch_b(void) { scenario(DAX_URING, false, true, punched); }
static void uring_collapse_b(void) { scenario(DAX_URING, false, true, collapsed); }
static void uring_unlink_b(void) { scenario(DAX_URING, false, true, unlinked); }
static void aio_truncate_w(void) { scenario(DAX_AIO, true, true, truncated); }
static void aio_punch_w(void) { scenario(DAX_AIO, true, true, punched); }
static void aio_unlink_w(void) { scenario(DAX_AIO, true, true, unlinked); }
static void uring_truncate_w(void) { scenario(DAX_URING, true, true, truncated); }

static const struct dax_test tests[] = {
	{ "gup: truncate with a libaio read in flight, mapped", aio_truncate_a },
	{ "gup: punch with a libaio read in flight, mapped", aio_punch_a },
	{ "gup: collapse with a libaio read in flight, mapped", aio_collapse_a },
	{ "gup: truncate with an io_uring read in flight, mapped", uring_truncate_a },
	{ "break: truncate with a libaio read in flight, unmapped", aio_truncate_b },
	{ "break: punch with a libaio read in flight, unmapped", aio_punch_b },
	{ "break: collapse with a libaio read in flight, unmapped", aio_collapse_b },
	{ "break: unlink with a libaio read in flight, unmapped", aio_unlink_b },
	{ "break: truncate with an io_uring read in flight, unmapped", uring_truncate_b },
	{ "break: punch with an io_uring read in flight, unmapped", uring_punch_b },
	{ "break: collapse with an io_uring read in flight, unmapped", uring_collapse_b },
	{ "break: unlink with an io_uring read in flight, unmapped", uring_unlink_b },
	{ "break: truncate with a libaio write in flight, unmapped", aio_truncate_w },
	{ "break: punch with a libaio write in flight, unmapped", aio_punch_w },
	{ "break: unlink with a libaio write in flight, unmapped", aio_unlink_w },
	{ "break: truncate with an io_uring write in flight, unmapped", uring_truncate_w },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
