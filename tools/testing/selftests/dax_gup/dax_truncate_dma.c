// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks leave a file while a read from a slow drive is on its way into them,
 * and another file takes them: the read must not land in the other file,
 * whether or not the first one is still mapped.
 */
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "dax_inflight.h"

#define LEN	(512 * KB)
#define EXTENTS	512

struct blocks {
	struct fiemap map;
	struct fiemap_extent ext[EXTENTS];
};

static void get_blocks(int fd, struct blocks *b)
{
	b->map = (struct fiemap){
		.fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC,
		.fm_extent_count = EXTENTS,
	};
	dax_must(!ioctl(fd, FS_IOC_FIEMAP, b), "FIEMAP");
}

/* Blocks that the file system keeps for itself would hide the freed ones. */
static void drop_reserve(int fd)
{
	struct { uint64_t want, have; } none = { 0, 0 };
	char link[64], name[256] = "", path[320];
	struct stat st;
	int sys;

	ioctl(fd, _IOWR('X', 114, none), &none);	/* XFS_IOC_SET_RESBLKS */
	dax_must(!fstat(fd, &st), "fstat");
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_dev),
		 minor(st.st_dev));
	if (readlink(link, name, sizeof(name) - 1) < 0 || !strrchr(name, '/'))
		return;
	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/reserved_clusters",
		 strrchr(name, '/') + 1);
	sys = open(path, O_WRONLY);
	if (sys >= 0 && write(sys, "0", 1) != 1)
		dax_note("%s: cannot be set", path);
	if (sys >= 0)
		close(sys);
}

/* Give @fd every block that is free. */
static void grow(int fd)
{
	size_t chunk = 128 * MB;
	off_t end = lseek(fd, 0, SEEK_END);

	dax_must(!syncfs(fd), "syncfs");
	while (chunk >= 4 * KB) {
		if (!fallocate(fd, 0, end, chunk))
			end += chunk;
		else
			chunk /= 2;
	}
}

/* Write, or check, the parts of @fd that lie in blocks of @old. */
static size_t overlap(int fd, const struct blocks *old, bool check)
{
	static struct blocks now;
	size_t i, j, sum = 0;
	char *buf = dax_anon(LEN);

	get_blocks(fd, &now);
	for (i = 0; i < now.map.fm_mapped_extents; i++) {
		for (j = 0; j < old->map.fm_mapped_extents; j++) {
			const struct fiemap_extent *n = &now.ext[i], *o = &old->ext[j];
			uint64_t from = n->fe_physical > o->fe_physical ?
					n->fe_physical : o->fe_physical;
			uint64_t nend = n->fe_physical + n->fe_length;
			uint64_t oend = o->fe_physical + o->fe_length;
			uint64_t to = nend < oend ? nend : oend;
			off_t at = n->fe_logical + from - n->fe_physical;

			if (from >= to)
				continue;
			sum += to - from;
			if (check) {
				dax_expect_file(fd, at, to - from, at, opt.seed + 2,
						"the other file");
				continue;
			}
			dax_fill(buf, to - from, at, opt.seed + 2);
			dax_must(pwrite(fd, buf, to - from, at) ==
				 (ssize_t)(to - from), "pwrite");
		}
	}
	munmap(buf, LEN);
	return sum;
}

static void truncated(struct dax_map *m)
{
	dax_must(!ftruncate(m->fd, 0), "ftruncate");
}

static void punched(struct dax_map *m)
{
	dax_must(!fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    LEN), "punch hole");
}

static void collapsed(struct dax_map *m)
{
	dax_must(!fallocate(m->fd, FALLOC_FL_COLLAPSE_RANGE, 0, LEN), "collapse");
}

static void unlinked(struct dax_map *m)
{
	dax_must(!unlink(m->path), "unlink");
	dax_must(!close(m->fd), "close");
}

static void scenario(enum dax_engine engine, bool unmap,
		     void (*release)(struct dax_map *m))
{
	static struct blocks old;
	struct timespec tick = { .tv_nsec = 20000000 };
	int drive = dax_drive(), other = dax_open("other", 0, DAX_HOLE), tries;
	struct dax_map m = dax_new("first", LEN + 4 * KB, DAX_WRITTEN);
	struct dax_read r;
	bool flying;
	size_t early;

	drop_reserve(m.fd);
	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	get_blocks(m.fd, &old);
	grow(other);
	dax_start_read(&r, engine, drive, m.p, LEN, 0);
	if (unmap)
		munmap(m.p, m.len);
	dax_still_reading(&r, "before the blocks went");
	release(&m);
	grow(other);
	flying = dax_reading(&r);
	early = overlap(other, &old, false);
	dax_finish_read(&r);
	if (early && flying)
		dax_note("%zu bytes had a new owner with the read in flight", early);
	overlap(other, &old, true);

	/* The test has shown something only if the blocks do come back. */
	for (tries = 0; tries < 250; tries++) {
		grow(other);
		if (overlap(other, &old, false) >= LEN)
			return;
		nanosleep(&tick, NULL);
	}
	dax_fail("the blocks of the first file never came back");
}

static void aio_truncate_a(void) { scenario(DAX_AIO, false, truncated); }
static void aio_punch_a(void) { scenario(DAX_AIO, false, punched); }
static void aio_collapse_a(void) { scenario(DAX_AIO, false, collapsed); }
static void uring_truncate_a(void) { scenario(DAX_URING, false, truncated); }
static void aio_truncate_b(void) { scenario(DAX_AIO, true, truncated); }
static void aio_punch_b(void) { scenario(DAX_AIO, true, punched); }
static void aio_collapse_b(void) { scenario(DAX_AIO, true, collapsed); }
static void aio_unlink_b(void) { scenario(DAX_AIO, true, unlinked); }
static void uring_truncate_b(void) { scenario(DAX_URING, true, truncated); }
static void uring_unlink_b(void) { scenario(DAX_URING, true, unlinked); }

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
	{ "break: unlink with an io_uring read in flight, unmapped", uring_unlink_b },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
