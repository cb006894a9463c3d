// SPDX-License-Identifier: GPL-2.0
/*
 * A character device of device-dax (DIR is e.g. /dev/dax0.0): what its mappings
 * hold, and O_DIRECT into and from them. What the device held is lost.
 */
#include <limits.h>
#include <sys/sysmacros.h>

#include "dax_test.h"

#define LEN	(4 * MB)

static unsigned long attribute(const char *name)
{
	char path[PATH_MAX];
	unsigned long value;
	struct stat st;
	FILE *f;

	dax_must(!stat(opt.device, &st), "stat %s", opt.device);
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(st.st_rdev),
		 minor(st.st_rdev), name);
	f = fopen(path, "r");
	dax_must(f, "open %s", path);
	if (fscanf(f, "%lu", &value) != 1)
		dax_fail("%s: no number", path);
	fclose(f);
	return value;
}

/* The first @len bytes, or the whole device if @len is zero, in its leaves. */
static struct dax_map map(size_t len)
{
	size_t size = attribute("size"), align = attribute("align");
	struct dax_map m = { .len = len ? (len + align - 1) / align * align : size };
	uintptr_t p;

	if (m.len > size)
		dax_fail("the device has %zu bytes, the test wants %zu", size, m.len);
	m.fd = open(opt.device, O_RDWR);
	dax_must(m.fd >= 0, "open %s", opt.device);
	p = (uintptr_t)mmap(NULL, m.len + align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p = (p + align - 1) / align * align;
	m.p = mmap((void *)p, m.len, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, m.fd, 0);
	dax_must(m.p != MAP_FAILED, "mmap of %zu bytes", m.len);
	return m;
}

static void load_store(void)
{
	struct dax_map m = map(0), other = map(0);
	size_t at = m.len - LEN;

	dax_fill(m.p, LEN, 0, opt.seed);
	dax_fill(m.p + at, LEN, at, opt.seed);
	dax_expect(other.p, LEN, 0, opt.seed, "other mapping");
	munmap(m.p, m.len);
	munmap(other.p, other.len);
	m = map(0);
	dax_expect(m.p, LEN, 0, opt.seed, "mapped again");
	dax_expect(m.p + at, LEN, at, opt.seed, "the device's end");
}

static void direct_read(void)
{
	int drive = dax_drive();
	struct dax_map m = map(LEN);

	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	memset(m.p, 0, LEN);
	dax_must(pread(drive, m.p, LEN, 0) == LEN, "O_DIRECT read");
	dax_expect(m.p, LEN, 0, opt.seed + 1, "read into the device");
	dax_must(pread(drive, m.p + 12 * KB, 8 * KB, 64 * KB) == 8 * KB, "O_DIRECT read");
	dax_expect(m.p + 12 * KB, 8 * KB, 64 * KB, opt.seed + 1, "two pages");
	dax_expect(m.p + 20 * KB, 44 * KB, 20 * KB, opt.seed + 1, "beside them");
}

static void direct_write(void)
{
	int drive = dax_drive();
	struct dax_map m = map(LEN);

	dax_fill(m.p, LEN, 0, opt.seed + 2);
	dax_must(pwrite(drive, m.p, LEN, 0) == LEN, "O_DIRECT write");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed + 2, "the drive");
}

static void misaligned(void)
{
	size_t align = attribute("align");
	int fd = open(opt.device, O_RDWR);
	uintptr_t p;

	dax_must(fd >= 0, "open %s", opt.device);
	if (align == PAGE)
		dax_skip("the device's alignment is 4K");
	p = (uintptr_t)mmap(NULL, 3 * align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p = (p + align - 1) / align * align + PAGE;
	if (mmap((void *)p, align, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		dax_fail("a mapping at %#lx of a device aligned to %zu", p, align);
	dax_must(errno == EINVAL, "mmap, EINVAL expected");
	if (mmap(NULL, align, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED)
		dax_fail("a private mapping");
	dax_must(errno == EINVAL, "private mmap, EINVAL expected");
}

/* A leaf is the device's smallest: no part of it goes. Who walks it may drop it. */
static void in_a_leaf(void)
{
	size_t align = attribute("align");
	struct dax_map m = map(LEN);
	unsigned char *vec = dax_anon(m.len / PAGE);

	if (align == PAGE)
		dax_skip("the device's alignment is 4K");
	dax_fill(m.p, LEN, 0, opt.seed + 3);
	if (!munmap(m.p + PAGE, PAGE) || errno != EINVAL)
		dax_fail_errno("munmap of a part, EINVAL expected");
	if (!mprotect(m.p + PAGE, PAGE, PROT_READ) || errno != EINVAL)
		dax_fail_errno("mprotect of a part, EINVAL expected");
	dax_must(!mprotect(m.p, m.len, PROT_READ), "mprotect");
	dax_expect(m.p, LEN, 0, opt.seed + 3, "read-only");
	dax_must(!mincore(m.p, m.len, vec), "mincore");
	if ((vec[0] & 1) == (align > 2 * MB))
		dax_fail("mincore: %s: only leaves of 1G are dropped by its walk",
			 vec[0] & 1 ? "there" : "not there");
	dax_expect(m.p, LEN, 0, opt.seed + 3, "after mincore");
	dax_must(!mprotect(m.p, m.len, PROT_READ | PROT_WRITE), "mprotect");
	dax_fill(m.p, LEN, 0, opt.seed + 4);
	dax_expect(m.p, LEN, 0, opt.seed + 4, "writable again");
}

static const struct dax_test tests[] = {
	{ "dax: device: loads and stores", load_store },
	{ "gup: device: O_DIRECT read into it", direct_read },
	{ "gup: device: O_DIRECT write from it", direct_write },
	{ "dax: device: mappings that are not aligned", misaligned },
	{ "dax: device: parts of leaves stay", in_a_leaf },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
