// SPDX-License-Identifier: GPL-2.0
/*
 * Those that tell which pages were written to, of DAX leaves of 4K and 2M: soft-dirty
 * bits, and write protection by userfaultfd with PAGEMAP_SCAN.
 */
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/syscall.h>

#include "dax_device.h"
#include "dax_leaf.h"

#define DATA	(opt.seed + 1)
#define PAGES	(2 * HUGE / PAGE)

static struct dax_map by_2m, by_4k;
static unsigned char seen[PAGES + HUGE / PAGE];	/* a device has a leaf more */

static void map_both(void)
{
	dax_new_both(&by_2m, &by_4k, DATA);
}

static void put(const char *path, const char *text)
{
	dax_must(dax_put(path, text), "%s to %s", text, path);
}

static void store(unsigned char *p)
{
	__atomic_fetch_xor(p, 1, __ATOMIC_RELAXED);
	__atomic_fetch_xor(p, 1, __ATOMIC_RELAXED);
}

/* Who remembers stores: begin() forgets all, get() fills seen[], a byte a page. */
struct tracker {
	void (*begin)(void);
	void (*get)(const struct dax_map *m);
};

/* One page, or all of its leaf, is seen, and no other. */
static void expect_seen(const struct tracker *t, const struct dax_map *m, const char *what,
			size_t page)
{
	size_t leaf = m == &by_2m ? HUGE / PAGE : 1, i;

	memset(seen, 0, sizeof(seen));
	t->get(m);
	for (i = 0; i < m->len / PAGE; i++)
		if (seen[i] && i / leaf != page / leaf)
			dax_fail("%s: page %zu was not written to, but is told", what, i);
	if (page < PAGES && !seen[page])
		dax_fail("%s: page %zu was written to, and is not told", what, page);
}

static void stores(const struct tracker *t, struct dax_map *m)
{
	struct dax_map *other = m == &by_2m ? &by_4k : &by_2m;
	size_t at = 37;

	map_both();
	t->begin();
	if (!dax_is_huge(by_2m.p) || !dax_is_huge(by_2m.p + HUGE))
		dax_fail("a leaf is gone");
	expect_seen(t, m, "before", PAGES);
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "2M leaves");
	dax_expect(by_4k.p, by_4k.len, PAGE, DATA, "4K leaves");
	expect_seen(t, m, "after reads", PAGES);
	store(m->p + at * PAGE);
	expect_seen(t, m, "after a store", at);
	expect_seen(t, other, "after a store by another mapping", PAGES);
	dax_must(!fsync(by_2m.fd), "fsync");
	expect_seen(t, m, "after fsync", at);
	store(m->p + at * PAGE);
	expect_seen(t, m, "after a store behind fsync", at);
	t->begin();
	expect_seen(t, m, "begun again", PAGES);
	store(m->p + at * PAGE + 9);
	expect_seen(t, m, "after the next store", at);
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "2M leaves");
	dax_expect_file(by_2m.fd, 0, by_2m.len, 0, DATA, "file");
}

/* DMA is a store to the page, too. */
static void dma(const struct tracker *t)
{
	int drive = dax_drive();

	map_both();
	dax_drive_fill(drive, 0, PAGE, DATA + 1);
	t->begin();
	dax_must(pread(drive, by_2m.p + 40 * PAGE, PAGE, 0) == (ssize_t)PAGE, "read");
	expect_seen(t, &by_2m, "after DMA to a 2M leaf", 40);
	dax_must(pread(drive, by_4k.p + 50 * PAGE, PAGE, 0) == (ssize_t)PAGE, "read");
	expect_seen(t, &by_4k, "after DMA to a 4K leaf", 50);
	dax_expect(by_2m.p + 40 * PAGE, PAGE, 0, DATA + 1, "DMA to a 2M leaf");
	dax_expect(by_4k.p + 50 * PAGE, PAGE, 0, DATA + 1, "DMA to a 4K leaf");
	dax_expect(by_2m.p + HUGE, HUGE, HUGE, DATA, "the other leaf");
}

static void soft_begin(void)
{
	unsigned char *p = dax_anon(PAGE);

	p[0] = 1;
	if (!(dax_pagemap(p) & DAX_PM_SOFT_DIRTY))
		dax_skip("no soft-dirty bit: CONFIG_MEM_SOFT_DIRTY is off");
	put("/proc/self/clear_refs", "4");
	if (dax_pagemap(p) & DAX_PM_SOFT_DIRTY)
		dax_fail("clear_refs left the bit of anonymous memory");
}

static void soft_get(const struct dax_map *m)
{
	static uint64_t entries[PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY);
	size_t nr = m->len / PAGE, i;

	dax_must(fd >= 0, "pagemap");
	dax_must(pread(fd, entries, nr * 8, (uintptr_t)m->p / PAGE * 8) == (ssize_t)nr * 8,
		 "read of pagemap");
	close(fd);
	for (i = 0; i < nr; i++)
		seen[i] = !!(entries[i] & DAX_PM_SOFT_DIRTY);
}

static const struct tracker soft = { soft_begin, soft_get };

static void soft_4k(void)
{
	stores(&soft, &by_4k);
}

static void soft_2m(void)
{
	stores(&soft, &by_2m);
}

static void soft_dma(void)
{
	dma(&soft);
}

/* As linux/userfaultfd.h has them from 6.4 and 6.7 on */
#define WP_UNPOPULATED	(1ULL << 13)
#define WP_ASYNC	(1ULL << 15)

static int uffd(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0 && errno == ENOSYS)
		dax_skip("no userfaultfd: CONFIG_USERFAULTFD is off");
	dax_must(fd >= 0, "userfaultfd");
	if (ioctl(fd, UFFDIO_API, &api)) {
		if (features && errno == EINVAL)
			dax_skip("no WP_ASYNC: CONFIG_PTE_MARKER_UFFD_WP is off");
		dax_fail_errno("UFFDIO_API");
	}
	return fd;
}

static int uffd_register(int fd, const struct dax_map *m, uint64_t mode)
{
	struct uffdio_register reg = { .range = { (uintptr_t)m->p, m->len }, .mode = mode };

	return ioctl(fd, UFFDIO_REGISTER, &reg);
}

/* Pages cannot be missing, or be put there: a file's blocks are what they are. */
static void fault_fd(void)
{
	static const uint64_t modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_MINOR,
		UFFDIO_REGISTER_MODE_WP,
	};
	size_t i;
	int fd = uffd(0);

	map_both();
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!uffd_register(fd, &by_2m, modes[i]) || !uffd_register(fd, &by_4k, modes[i]))
			dax_fail("userfaultfd took a DAX mapping, mode %zu", i);
		dax_must(errno == EINVAL, "UFFDIO_REGISTER, EINVAL expected");
	}
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

static void wp_scan(const struct dax_map *m, uint64_t flags)
{
	struct dax_region regions[32];
	struct dax_scan scan = {
		.size = sizeof(scan), .flags = flags, .start = (uintptr_t)m->p,
		.end = (uintptr_t)m->p + m->len, .vec = (uintptr_t)regions,
		.vec_len = ARRAY_SIZE(regions), .mask = DAX_IS_WRITTEN,
		.wanted = DAX_IS_WRITTEN,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), n, i;

	dax_must(fd >= 0, "pagemap");
	for (; scan.start < scan.end; scan.start = scan.walk_end) {
		n = ioctl(fd, DAX_SCAN, &scan);
		dax_must(n >= 0, "PAGEMAP_SCAN");
		for (i = 0; i < n; i++)
			memset(seen + (regions[i].start - (uintptr_t)m->p) / PAGE, 1,
			       (regions[i].end - regions[i].start) / PAGE);
	}
	close(fd);
}

static void stuck(int sig)
{
	(void)sig;
	dax_fail("a fault has no end");
}

/* The mappings are new the first time: nothing is protected yet. */
static void wp_begin(void)
{
	static int fd;

	signal(SIGALRM, stuck);
	alarm(60);
	if (!fd) {
		fd = uffd(WP_ASYNC | WP_UNPOPULATED);
		dax_must(!uffd_register(fd, &by_2m, UFFDIO_REGISTER_MODE_WP) &&
			 !uffd_register(fd, &by_4k, UFFDIO_REGISTER_MODE_WP), "UFFDIO_REGISTER");
		memset(seen, 0, sizeof(seen));
		wp_scan(&by_4k, 0);
		if (memchr(seen, 0, by_4k.len / PAGE))
			dax_fail("a page that is not protected is not told");
	}
	wp_scan(&by_2m, DAX_SCAN_WP | DAX_SCAN_WP_ONLY);
	wp_scan(&by_4k, DAX_SCAN_WP | DAX_SCAN_WP_ONLY);
}

static void wp_get(const struct dax_map *m)
{
	wp_scan(m, DAX_SCAN_WP_ONLY);
}

static const struct tracker wp = { wp_begin, wp_get };

static void wp_4k(void)
{
	stores(&wp, &by_4k);
}

static void wp_2m(void)
{
	stores(&wp, &by_2m);
}

static void wp_dma(void)
{
	dma(&wp);
}

/* Where no leaf is, a marker stands for the protection until the fault comes. */
static void wp_nothing(void)
{
	struct uffdio_writeprotect range = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int fd = uffd(WP_ASYNC | WP_UNPOPULATED);
	struct dax_map *maps[] = { &by_4k, &by_2m }, *m;
	size_t i;

	signal(SIGALRM, stuck);
	alarm(60);
	map_both();
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		m = maps[i];
		dax_must(!uffd_register(fd, m, UFFDIO_REGISTER_MODE_WP), "UFFDIO_REGISTER");
		dax_must(!madvise(m->p, 64 * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
		range.range = (struct uffdio_range){ (uintptr_t)m->p, m->len };
		dax_must(!ioctl(fd, UFFDIO_WRITEPROTECT, &range), "UFFDIO_WRITEPROTECT");
		expect_seen(&wp, m, "protected", PAGES);
		if (m == &by_2m && dax_is_huge(m->p + HUGE))
			dax_fail("UFFDIO_WRITEPROTECT left a 2M leaf");
		dax_expect(m->p, m->len, m == &by_4k ? PAGE : 0, DATA, "mapping");
		expect_seen(&wp, m, "after reads", PAGES);
		store(m->p + 5 * PAGE);
		memset(seen, 0, sizeof(seen));
		wp_get(m);
		if (!seen[5] || memchr(seen, 1, 5) || memchr(seen + 6, 1, m->len / PAGE - 6))
			dax_fail("not page 5 alone is told where a marker was");
	}
	dax_expect_file(by_2m.fd, 0, by_2m.len, 0, DATA, "file");
}

/*
 * A character device has leaves of its one size: all of it is told. The third 2M are
 * mapped by no leaf when they are protected, and can be used after that.
 */
static void device_protected(void (*protect)(const struct dax_map *m, int fd))
{
	struct dax_map m = dax_device_map(3 * HUGE), three = m;
	struct uffdio_range all = { (uintptr_t)m.p, m.len };
	unsigned long align = dax_device_attribute("align");
	int fd = uffd(WP_ASYNC | WP_UNPOPULATED);
	size_t at[] = { 37, 2 * HUGE / PAGE + 41 }, leaf = align / PAGE, i, j;

	signal(SIGALRM, stuck);
	alarm(60);
	dax_fill(m.p, 2 * HUGE, 0, DATA);
	dax_must(!uffd_register(fd, &m, UFFDIO_REGISTER_MODE_WP), "UFFDIO_REGISTER");
	three.len = 3 * HUGE;	/* of a leaf of 1G */
	protect(&three, fd);
	memset(seen, 0, sizeof(seen));
	wp_get(&three);
	if (align <= HUGE && memchr(seen, 1, 2 * HUGE / PAGE))
		dax_fail("a page is told that was not written to");
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		store(m.p + at[i] * PAGE);
		memset(seen, 0, sizeof(seen));
		wp_get(&three);
		if (align <= HUGE && !seen[at[i]])
			dax_fail("page %zu was written to, and is not told", at[i]);
		for (j = 0; j < HUGE / PAGE && align <= HUGE; j++)
			if (seen[HUGE / PAGE + j] || (j / leaf != at[0] / leaf && seen[j]))
				dax_fail("a leaf without a store is told");
	}
	dax_expect(m.p, 2 * HUGE, 0, DATA, "mapping");
	dax_must(!ioctl(fd, UFFDIO_UNREGISTER, &all), "UFFDIO_UNREGISTER");
	dax_fill(m.p, 3 * HUGE, 0, DATA + 1);
	dax_expect(m.p, 3 * HUGE, 0, DATA + 1, "mapping without userfaultfd");
}

static void by_scan(const struct dax_map *m, int fd)
{
	(void)fd;
	wp_scan(m, DAX_SCAN_WP | DAX_SCAN_WP_ONLY);
}

static void by_ioctl(const struct dax_map *m, int fd)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)m->p, m->len }, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	dax_must(!ioctl(fd, UFFDIO_WRITEPROTECT, &wp), "UFFDIO_WRITEPROTECT");
}

static void wp_device(void)
{
	device_protected(by_scan);
}

static void wp_device_all(void)
{
	device_protected(by_ioctl);
}

static const struct dax_test device_tests[] = {
	{ "dax: userfaultfd, WP_ASYNC: stores to a device", wp_device },
	{ "dax: userfaultfd, WP_ASYNC: UFFDIO_WRITEPROTECT of a device", wp_device_all },
};

static const struct dax_test tests[] = {
	{ "dax: soft-dirty of a store to a 4K leaf", soft_4k },
	{ "dax: soft-dirty of a store to a 2M leaf", soft_2m },
	{ "gup: soft-dirty of DMA to 4K and 2M leaves", soft_dma },
	{ "dax: userfaultfd does not take a DAX mapping", fault_fd },
	{ "dax: userfaultfd, WP_ASYNC: a store to a 4K leaf", wp_4k },
	{ "dax: userfaultfd, WP_ASYNC: a store to a 2M leaf", wp_2m },
	{ "gup: userfaultfd, WP_ASYNC: DMA to 4K and 2M leaves", wp_dma },
	{ "dax: userfaultfd, WP_ASYNC: stores where no leaf is", wp_nothing },
};

int main(int argc, char **argv)
{
	if (dax_is_device(argc, argv))
		return dax_main(argc, argv, device_tests, ARRAY_SIZE(device_tests));
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
