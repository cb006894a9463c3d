// SPDX-License-Identifier: GPL-2.0
/* Data that knows its place, DAX files, and the drive on the other side. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>

#include "dax_leaf.h"

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint64_t dax_random(uint64_t *state)
{
	return mix((*state)++);
}

/* The eight bytes of the stream at @off, which need not be aligned. */
static uint64_t word(uint64_t off, uint64_t seed)
{
	unsigned int shift = off % 8 * 8;
	uint64_t w = mix(seed ^ off / 8) >> shift;

	return shift ? w | mix(seed ^ (off / 8 + 1)) << (64 - shift) : w;
}

void dax_fill(void *buf, size_t len, uint64_t off, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len; i += 8) {
		uint64_t w = word(off + i, seed);

		memcpy((char *)buf + i, &w, len - i < 8 ? len - i : 8);
	}
}

/* Returns how many bytes differ, and in @first which is the first of them. */
size_t dax_diff(const void *buf, size_t len, uint64_t off, uint64_t seed,
		size_t *first)
{
	size_t i, j, bad = 0;

	for (i = 0; i < len; i += 8) {
		size_t n = len - i < 8 ? len - i : 8;
		uint64_t w = word(off + i, seed);

		if (!memcmp((const char *)buf + i, &w, n))
			continue;
		for (j = 0; j < n; j++)
			if (((const char *)buf)[i + j] != ((char *)&w)[j] &&
			    !bad++)
				*first = i + j;
	}
	return bad;
}

void dax_expect(const void *buf, size_t len, uint64_t off, uint64_t seed,
		const char *what)
{
	size_t first = 0, bad = dax_diff(buf, len, off, seed, &first);

	if (bad)
		dax_fail("%s: %zu of %zu bytes wrong, first at %zu (seed %#llx)",
			 what, bad, len, first, (unsigned long long)seed);
}

void dax_expect_zero(const void *buf, size_t len, const char *what)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (((const char *)buf)[i])
			dax_fail("%s: byte %zu of %zu is not zero", what, i, len);
}

void dax_expect_or_zero(const void *buf, size_t len, uint64_t off, uint64_t seed,
			size_t grain)
{
	const char *p = buf;
	size_t at, first;

	for (at = 0; at < len; at += grain)
		if ((p[at] || grain > 1) &&
		    dax_diff(p + at, grain, off + at, seed, &first))
			dax_expect_zero(p + at, grain, "neither data nor zero");
}

void dax_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", opt.dir, name);
}

int dax_open(const char *name, size_t len, enum dax_layout layout)
{
	char path[256], *buf;
	size_t at, chunk = len < MB ? len : MB;
	int fd;

	dax_path(path, sizeof(path), name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dax_must(fd >= 0, "open %s", path);
	if (layout == DAX_HOLE)
		dax_must(!ftruncate(fd, len), "ftruncate %s", path);
	if (layout == DAX_UNWRITTEN)
		dax_must(!fallocate(fd, 0, 0, len), "fallocate %s", path);
	if (layout != DAX_WRITTEN)
		return fd;
	buf = dax_anon(chunk);
	for (at = 0; at < len; at += chunk) {
		size_t n = len - at < chunk ? len - at : chunk;

		dax_fill(buf, n, at, opt.seed);
		dax_must(pwrite(fd, buf, n, at) == (ssize_t)n, "pwrite %s", path);
	}
	munmap(buf, chunk);
	return fd;
}

void *dax_mmap(int fd, size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags, fd, 0);

	dax_must(p != MAP_FAILED, "mmap of %zu bytes", len);
	return p;
}

struct dax_map dax_new(const char *name, size_t len, enum dax_layout layout)
{
	struct dax_map m = { .len = len };

	dax_path(m.path, sizeof(m.path), name);
	m.fd = dax_open(name, len, layout);
	m.p = dax_mmap(m.fd, len, PROT_READ | PROT_WRITE, MAP_SHARED);
	return m;
}

/* What read(2) sees, beside what the mapping shows. */
void dax_expect_file(int fd, off_t at, size_t len, uint64_t off, uint64_t seed,
		     const char *what)
{
	char *buf = dax_anon(len);
	ssize_t n = pread(fd, buf, len, at);

	dax_must(n >= 0, "%s: pread", what);
	if ((size_t)n != len)
		dax_fail("%s: pread gave %zd of %zu bytes", what, n, len);
	dax_expect(buf, len, off, seed, what);
	munmap(buf, len);
}

void dax_get_state(int fd, struct dax_state *s)
{
	memset(s, 0, sizeof(*s));
	s->map = (struct fiemap){
		.fm_length = FIEMAP_MAX_OFFSET, .fm_flags = FIEMAP_FLAG_SYNC,
		.fm_extent_count = DAX_STATE_EXTENTS,
	};
	dax_must(!fstat(fd, &s->st), "fstat");
	/* virtiofs has no extents to show: size, blocks and data remain. */
	dax_must(!ioctl(fd, FS_IOC_FIEMAP, &s->map) || errno == EOPNOTSUPP, "FIEMAP");
}

void dax_expect_state(int fd, const struct dax_state *before, const char *what)
{
	struct dax_state now;

	dax_get_state(fd, &now);
	if (now.st.st_size != before->st.st_size || now.st.st_blocks != before->st.st_blocks)
		dax_fail("%s, but the file has %lld bytes in %lld blocks, not %lld in %lld", what,
			 (long long)now.st.st_size, (long long)now.st.st_blocks,
			 (long long)before->st.st_size, (long long)before->st.st_blocks);
	if (now.map.fm_mapped_extents != before->map.fm_mapped_extents ||
	    memcmp(now.ext, before->ext, sizeof(now.ext)))
		dax_fail("%s, but the file has other extents than before", what);
}

/* DAX delays no allocation: there is nothing to write first. */
struct fiemap_extent dax_extent(int fd, off_t at, size_t len)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = at, .fm_length = len, .fm_extent_count = 1 } };
	struct fiemap_extent *e = &f.extent;

	dax_must(!ioctl(fd, FS_IOC_FIEMAP, &f), "FIEMAP");
	if (f.map.fm_mapped_extents != 1 || e->fe_logical > (uint64_t)at)
		dax_fail("no block at %ld", (long)at);
	e->fe_physical += at - e->fe_logical;
	e->fe_length -= at - e->fe_logical;
	if (e->fe_length > len)
		e->fe_length = len;
	e->fe_logical = at;
	return *e;
}

bool dax_is_shared(int fd, off_t at)
{
	return dax_extent(fd, at, PAGE).fe_flags & FIEMAP_EXTENT_SHARED;
}

uint64_t dax_free_bytes(int fd)
{
	struct statvfs st;

	dax_must(!syncfs(fd) && !fstatvfs(fd, &st), "fstatvfs");
	return (uint64_t)st.f_bfree * st.f_frsize;
}

void dax_hold_page(int pipefd[2], void *p)
{
	struct iovec iov = { p, PAGE };

	dax_must(!pipe(pipefd), "pipe");
	dax_must(vmsplice(pipefd[1], &iov, 1, 0) == (ssize_t)PAGE, "vmsplice");
}

int dax_leave(size_t left)
{
	int ballast = dax_open("ballast", 0, DAX_HOLE);
	size_t chunk = 128 * MB;
	off_t end = 0;

	while (chunk >= 4 * KB) {
		if (!fallocate(ballast, 0, end, chunk))
			end += chunk;
		else
			chunk /= 2;
	}
	if (end < (off_t)left)
		dax_skip("the file system is too small");
	dax_must(!ftruncate(ballast, end - left), "ftruncate");
	dax_must(!syncfs(ballast), "syncfs");
	return ballast;
}

size_t dax_huge(const void *p, size_t len, size_t *present)
{
	struct dax_region regions[32];
	struct dax_scan scan = {
		.size = sizeof(scan), .start = (uintptr_t)p,
		.end = ((uintptr_t)p + len + PAGE - 1) / PAGE * PAGE,
		.vec = (uintptr_t)regions, .vec_len = ARRAY_SIZE(regions),
		.mask = DAX_IS_PRESENT, .wanted = DAX_IS_PRESENT | DAX_IS_HUGE,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), n, i;
	size_t huge = 0;

	dax_must(fd >= 0, "pagemap");
	*present = 0;
	for (; scan.start < scan.end; scan.start = scan.walk_end) {
		n = ioctl(fd, DAX_SCAN, &scan);
		dax_must(n >= 0, "PAGEMAP_SCAN");
		for (i = 0; i < n; i++) {
			size_t part = regions[i].end - regions[i].start;

			*present += part;
			if (regions[i].categories & DAX_IS_HUGE)
				huge += part;
		}
	}
	close(fd);
	return huge;
}

uint64_t dax_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

void dax_await_tick(void)
{
	struct timespec was, is;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &was);
	do {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &is);
	} while (is.tv_nsec == was.tv_nsec);
}

int dax_drive(void)
{
	struct statx sx;
	int fd;

	if (!opt.drive)
		dax_skip("no drive given");
	fd = open(opt.drive, O_RDWR | O_DIRECT);
	dax_must(fd >= 0, "open %s with O_DIRECT", opt.drive);
	dax_must(!statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_DIOALIGN, &sx),
		 "statx %s", opt.drive);
	if (!S_ISBLK(sx.stx_mode) && !sx.stx_dio_mem_align)
		dax_fail("%s takes O_DIRECT but does not do it: name a block device",
			 opt.drive);
	return fd;
}

void *dax_anon(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	dax_must(p != MAP_FAILED, "mmap of %zu bytes of memory", len);
	return p;
}

void dax_drive_fill(int drive, off_t at, size_t len, uint64_t seed)
{
	char *buf = dax_anon(len);

	dax_fill(buf, len, at, seed);
	dax_must(pwrite(drive, buf, len, at) == (ssize_t)len, "fill the drive");
	munmap(buf, len);
}

void dax_drive_expect(int drive, off_t at, size_t len, uint64_t off,
		      uint64_t seed, const char *what)
{
	char *buf = dax_anon(len);

	dax_must(pread(drive, buf, len, at) == (ssize_t)len, "read the drive");
	dax_expect(buf, len, off, seed, what);
	munmap(buf, len);
}
