// SPDX-License-Identifier: GPL-2.0
/*
 * A device that has the page tables of a process for its own, and one that takes pages
 * into its memory: hmm_range_fault() and migrate_vma_setup(), by test_hmm, of leaves of
 * 4K and 2M of a file, or of 4K, 2M and 1G of a device of device-dax.
 */
#include <sys/sysmacros.h>

#include "dax_area.h"

#define DATA	(opt.seed + 1)

/* As lib/test_hmm_uapi.h has it */
struct hmm_cmd { uint64_t addr, ptr, npages, cpages, faults; };
#define HMM_READ	_IOWR('H', 0, struct hmm_cmd)
#define HMM_WRITE	_IOWR('H', 1, struct hmm_cmd)
#define HMM_MIGRATE	_IOWR('H', 2, struct hmm_cmd)
#define HMM_SNAPSHOT	_IOWR('H', 4, struct hmm_cmd)
#define HMM_EXCLUSIVE	_IOWR('H', 5, struct hmm_cmd)
#define HMM_WRITABLE	2
#define HMM_PMD		4
#define HMM_PUD		8

static int hmm_open(void)
{
	char line[128], path[200];
	FILE *f = fopen("/proc/devices", "r");
	unsigned int nr, major = 0;
	int fd;

	dax_must(f, "/proc/devices");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%u HMM_DMIRRO%*s", &nr) == 1 && strstr(line, "HMM_DMIRROR"))
			major = nr;
	fclose(f);
	if (!major)
		dax_skip("no HMM_DMIRROR: CONFIG_TEST_HMM is off");
	snprintf(path, sizeof(path), "/tmp/dax_hmm.%d", getpid());
	dax_must(!mknod(path, S_IFCHR | 0600, makedev(major, 0)), "mknod %s", path);
	fd = open(path, O_RDWR);
	unlink(path);
	dax_must(fd >= 0, "open %s", path);
	return fd;
}

static void hmm_do(int fd, unsigned long what, void *p, void *buf, size_t pages)
{
	struct hmm_cmd cmd = { .addr = (uintptr_t)p, .ptr = (uintptr_t)buf, .npages = pages };

	dax_must(!ioctl(fd, what, &cmd), "hmm %lu", what & 0xff);
	if (what != HMM_SNAPSHOT && cmd.cpages != pages)
		dax_fail("hmm %lu: %llu pages of %zu", what & 0xff,
			 (unsigned long long)cmd.cpages, pages);
}

/* A device that mirrors the page tables reads and writes through them. */
static void mirrored(void)
{
	unsigned char seen, want, *buf = dax_anon(8 * PAGE);
	struct dax_area areas[2], *a;
	unsigned int nr;
	int fd = hmm_open();

	nr = dax_areas(areas, DATA);
	for (a = areas; a < areas + nr; a++) {
		unsigned char *p = a->p + 3 * PAGE;
		size_t off = a->off + 3 * PAGE;

		want = HMM_WRITABLE | (a->leaf == HUGE ? HMM_PMD : a->leaf > HUGE ? HMM_PUD : 0);
		hmm_do(fd, HMM_SNAPSHOT, p, &seen, 1);
		if (seen != want)
			dax_fail("%s: hmm sees %#x, %#x expected", a->what, seen, want);
		hmm_do(fd, HMM_READ, p, buf, 8);
		dax_expect(buf, 8 * PAGE, off, DATA, a->what);
		dax_fill(buf, 8 * PAGE, 5, DATA);
		hmm_do(fd, HMM_WRITE, p, buf, 8);
		dax_expect(p, 8 * PAGE, 5, DATA, a->what);
		if (!opt.device)
			dax_expect_file(a->fd, off, 8 * PAGE, 5, DATA, a->what);
		dax_fill(p, 8 * PAGE, off, DATA);
		dax_area_expect(a, DATA, 0, "after hmm");
	}
	/* What it has seen goes with the leaf. */
	for (a = areas; a < areas + nr; a++) {
		if (opt.device)
			dax_must(!madvise(a->p, a->len, MADV_DONTNEED), "MADV_DONTNEED");
		else
			dax_must(!ftruncate(a->fd, HUGE), "ftruncate");
		hmm_do(fd, HMM_SNAPSHOT, a->p + HUGE, &seen, 1);
		if (seen)
			dax_fail("hmm sees %#x where %s were", seen, a->what);
		dax_expect(a->p, HUGE - a->off, a->off, DATA, "what is left");
	}
}

/* A device's own memory takes pages of anonymous memory, and none of DAX. */
static void kept(void)
{
	unsigned char *anon = dax_anon(8 * PAGE), *buf = dax_anon(8 * PAGE);
	struct hmm_cmd cmd = { .ptr = (uintptr_t)buf, .npages = 8 };
	struct dax_area areas[2], *a;
	int fd = hmm_open();
	unsigned int nr;

	dax_fill(anon, 8 * PAGE, 0, DATA);
	hmm_do(fd, HMM_MIGRATE, anon, buf, 8);
	dax_expect(buf, 8 * PAGE, 0, DATA, "anonymous memory in the device");
	if (dax_pagemap(anon) & DAX_PM_PRESENT)
		dax_fail("anonymous memory is not in the device");
	nr = dax_areas(areas, DATA);
	for (a = areas; a < areas + nr; a++) {
		cmd.addr = (uintptr_t)a->p + PAGE;
		if (!ioctl(fd, HMM_MIGRATE, &cmd))
			dax_fail("the device took pages of %s", a->what);
		dax_must(errno == EINVAL, "migration to a device, EINVAL expected");
		dax_area_expect(a, DATA, 0, "after migration to a device");
	}
	dax_expect(anon, 8 * PAGE, 0, DATA, "anonymous memory, back");
}

/* Nor for itself for a while, and no leaf is split for the attempt. */
static void shared(void)
{
	struct hmm_cmd cmd = { .ptr = (uintptr_t)dax_anon(8 * PAGE), .npages = 8 };
	struct dax_area areas[2], *a;
	int fd = hmm_open();
	unsigned int nr;

	nr = dax_areas(areas, DATA);
	for (a = areas; a < areas + nr; a++) {
		cmd.addr = (uintptr_t)a->p + PAGE;
		if (!ioctl(fd, HMM_EXCLUSIVE, &cmd))
			dax_fail("the device has pages of %s for itself", a->what);
		dax_must(errno == EBUSY, "make_device_exclusive(), EBUSY expected");
		dax_area_expect(a, DATA, 0, "after make_device_exclusive()");
	}
}

static const struct dax_test tests[] = {
	{ "dax: hmm_range_fault() of leaves of each size", mirrored },
	{ "dax: migrate_vma_setup() takes no DAX page", kept },
	{ "dax: make_device_exclusive() takes none, and leaves the leaf", shared },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
