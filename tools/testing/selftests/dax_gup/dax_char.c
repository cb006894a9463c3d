// SPDX-License-Identifier: GPL-2.0
/*
 * A character device of device-dax (DIR is e.g. /dev/dax0.0): what its mappings
 * hold, and O_DIRECT into and from them. What the device held is lost.
 */
#include "dax_device.h"
#include "dax_leaf.h"
#include "dax_longterm.h"

#define LEN	(4 * MB)

static void load_store(void)
{
	struct dax_map m = dax_device_map(0), other = dax_device_map(0);
	size_t at = m.len - LEN;

	dax_fill(m.p, LEN, 0, opt.seed);
	dax_fill(m.p + at, LEN, at, opt.seed);
	dax_expect(other.p, LEN, 0, opt.seed, "other mapping");
	munmap(m.p, m.len);
	munmap(other.p, other.len);
	m = dax_device_map(0);
	dax_expect(m.p, LEN, 0, opt.seed, "mapped again");
	dax_expect(m.p + at, LEN, at, opt.seed, "the device's end");
}

static void direct_read(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_device_map(LEN);

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
	struct dax_map m = dax_device_map(LEN);

	dax_fill(m.p, LEN, 0, opt.seed + 2);
	dax_must(pwrite(drive, m.p, LEN, 0) == LEN, "O_DIRECT write");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed + 2, "the drive");
}

static void misaligned(void)
{
	size_t align = dax_device_attribute("align");
	int fd = open(opt.device, O_RDWR);
	uintptr_t p;

	dax_must(fd >= 0, "open %s", opt.device);
	p = (uintptr_t)mmap(NULL, 3 * align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p = (p + align - 1) / align * align + PAGE;
	if (mmap((void *)p, align, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED) {
		if (align > PAGE)
			dax_fail("a mapping at %#lx of a device aligned to %zu", p, align);
	} else {
		dax_must(align > PAGE && errno == EINVAL, "mmap, EINVAL for large leaves expected");
	}
	if (mmap(NULL, align, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED)
		dax_fail("a private mapping");
	dax_must(errno == EINVAL, "private mmap, EINVAL expected");
}

/* A pin lasts until it is let go, whatever becomes of the mapping; the page is the leaf's. */
static void longterm(void)
{
	struct dax_map m = dax_device_map(LEN);
	size_t at = 3 * MB - 2 * PAGE, len = 4 * PAGE;
	unsigned char *buf = dax_anon(len);
	int gup;

	dax_fill(m.p, LEN, 0, opt.seed + 5);
	gup = dax_gup_pin(m.p + at, len, DAX_WRITE);
	dax_gup_see(gup, buf);
	dax_expect(buf, len, at, opt.seed + 5, "pinned");
	dax_fill(m.p + at, len, at, opt.seed + 6);
	munmap(m.p, m.len);
	dax_gup_see(gup, buf);
	dax_expect(buf, len, at, opt.seed + 6, "pinned, not mapped any more");
	dax_gup_unpin(gup);
	m = dax_device_map(LEN);
	dax_expect(m.p, at, 0, opt.seed + 5, "before what was pinned");
	dax_expect(m.p + at, len, at, opt.seed + 6, "what was pinned");
	dax_expect(m.p + at + len, LEN - at - len, at + len, opt.seed + 5, "behind it");
}

/* A leaf is the device's smallest: no part of it goes. Who walks it may drop it. */
static void in_a_leaf(void)
{
	size_t align = dax_device_attribute("align");
	struct dax_map m = dax_device_map(LEN);
	unsigned char *vec = dax_anon(m.len / PAGE);

	dax_fill(m.p, LEN, 0, opt.seed + 3);
	if (align > PAGE && (!munmap(m.p + PAGE, PAGE) || errno != EINVAL))
		dax_fail_errno("munmap of a part, EINVAL expected");
	if (align > PAGE && (!mprotect(m.p + PAGE, PAGE, PROT_READ) || errno != EINVAL))
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

static void by_pagemap(const struct dax_map *m)
{
	bool large = dax_device_attribute("align") > HUGE;

	if (!(dax_pagemap(m->p + PAGE) & DAX_PM_PRESENT) != large)
		dax_fail("pagemap: %spresent", large ? "" : "not ");
}

static void by_scan(const struct dax_map *m)
{
	bool huge = dax_device_attribute("align") == HUGE;

	if (dax_is_huge(m->p + PAGE) != huge)
		dax_fail("PAGEMAP_SCAN: %s", huge ? "no huge leaf" : "a huge leaf");
}

static void by_smaps(const struct dax_map *m)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];

	(void)m;
	dax_must(f, "smaps");
	while (fgets(line, sizeof(line), f))
		;
	fclose(f);
}

static void by_clear_refs(const struct dax_map *m)
{
	(void)m;
	dax_must(dax_put("/proc/self/clear_refs", "1"), "clear_refs");
}

static void by_cold(const struct dax_map *m)
{
	dax_must(!madvise(m->p, m->len, MADV_COLD), "MADV_COLD");
}

static void by_pageout(const struct dax_map *m)
{
	dax_must(!madvise(m->p, m->len, MADV_PAGEOUT), "MADV_PAGEOUT");
}

/* Those who know no leaves of 1G take them away; the next access has them back. */
static void walked(void)
{
	static const struct {
		const char *who;
		void (*walk)(const struct dax_map *m);
	} walkers[] = {
		{ "pagemap", by_pagemap },
		{ "PAGEMAP_SCAN", by_scan },
		{ "smaps", by_smaps },
		{ "clear_refs", by_clear_refs },
		{ "MADV_COLD", by_cold },
		{ "MADV_PAGEOUT", by_pageout },
	};
	long faults, want = dax_device_attribute("align") > HUGE;
	struct dax_map m = dax_device_map(LEN);
	size_t i;

	dax_fill(m.p, LEN, 0, opt.seed + 7);
	for (i = 0; i < ARRAY_SIZE(walkers); i++) {
		walkers[i].walk(&m);
		faults = dax_load_faults(m.p, LEN, PAGE);
		if (faults != want)
			dax_fail("%s: %ld faults after it, %ld expected", walkers[i].who,
				 faults, want);
		dax_expect(m.p, LEN, 0, opt.seed + 7, walkers[i].who);
	}
}

static const struct dax_test tests[] = {
	{ "dax: device: loads and stores", load_store },
	{ "gup: device: O_DIRECT read into it", direct_read },
	{ "gup: device: O_DIRECT write from it", direct_write },
	{ "gup: device: a long-term pin", longterm },
	{ "dax: device: mappings that are not aligned", misaligned },
	{ "dax: device: parts of leaves stay", in_a_leaf },
	{ "dax: device: walkers of its leaves", walked },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
