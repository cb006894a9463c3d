// SPDX-License-Identifier: GPL-2.0
/*
 * Those that go by page frames or by use, to age, merge, move or reclaim memory: a
 * page of a DAX leaf, of 4K or 2M, is none of theirs.
 */
#include <sys/prctl.h>
#include <time.h>

#include "dax_leaf.h"

#define DATA	(opt.seed + 1)

static struct dax_map by_2m, by_4k;

static void map_both(void)
{
	dax_new_both(&by_2m, &by_4k, DATA);
}

static void put(const char *path, const char *text)
{
	dax_must(dax_put(path, text), "%s to %s", text, path);
}

static void put_number(const char *path, unsigned long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", number);
	put(path, text);
}

static unsigned long number_of(const char *path)
{
	unsigned long number;

	dax_must(dax_number(path, &number), "%s", path);
	return number;
}

static uint64_t pfn_of(const void *p)
{
	return DAX_PM_PFN(dax_pagemap(p));
}

/* The word of page @pfn, of those that are in pages of memory that is online, else -1. */
static uint64_t word_of(const char *path, uint64_t pfn)
{
	int fd = open(path, O_RDONLY);
	uint64_t word = -1;
	ssize_t n;

	dax_must(fd >= 0, "%s", path);
	n = pread(fd, &word, sizeof(word), pfn * sizeof(word));
	dax_must(n == 0 || n == sizeof(word), "read of %s", path);
	close(fd);
	return word;
}

#define KPF_NOPAGE	(1ULL << 20)

/* By page frame, a DAX page is none: it is not memory that is online. */
static void by_frame(void)
{
	unsigned char *anon = dax_anon(PAGE), *p[2];
	uint64_t flags, count;
	size_t i;

	anon[0] = 1;
	if (word_of("/proc/kpageflags", pfn_of(anon)) & KPF_NOPAGE ||
	    word_of("/proc/kpagecount", pfn_of(anon)) != 1)
		dax_skip("kpageflags and kpagecount do not know anonymous memory");
	map_both();
	p[0] = by_2m.p + PAGE;
	p[1] = by_4k.p + 600 * PAGE;
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		flags = word_of("/proc/kpageflags", pfn_of(p[i]));
		count = word_of("/proc/kpagecount", pfn_of(p[i]));
		if (flags != (uint64_t)-1 && flags != KPF_NOPAGE)
			dax_fail("kpageflags of a DAX page: %#llx", (unsigned long long)flags);
		if (count != (uint64_t)-1 && count)
			dax_fail("kpagecount of a DAX page: %llu", (unsigned long long)count);
	}
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

#define IDLE	"/sys/kernel/mm/page_idle/bitmap"

/* Marks the page, and says whether that stays. */
static bool idle(int fd, uint64_t pfn)
{
	uint64_t bit = 1ULL << pfn % 64, word = bit;
	ssize_t n = pwrite(fd, &word, sizeof(word), pfn / 64 * sizeof(word));

	if (n < 0 && errno == ENXIO)
		return false;
	dax_must(n == sizeof(word), "write to " IDLE);
	dax_must(pread(fd, &word, sizeof(word), pfn / 64 * sizeof(word)) == sizeof(word),
		 "read of " IDLE);
	return word & bit;
}

static void idle_pages(void)
{
	size_t len = 256 * PAGE;
	unsigned char *anon = dax_anon(len);
	int fd = open(IDLE, O_RDWR), i;

	if (fd < 0 && errno == ENOENT)
		dax_skip("no " IDLE ": CONFIG_IDLE_PAGE_TRACKING is off");
	dax_must(fd >= 0, IDLE);
	memset(anon, 1, len);	/* enough that the first is on an LRU list by now */
	if (!idle(fd, pfn_of(anon)))
		dax_fail("anonymous memory does not become idle");
	map_both();
	for (i = 0; i < 8; i++)
		if (idle(fd, pfn_of(by_2m.p + i * PAGE)) ||
		    idle(fd, pfn_of(by_4k.p + (700 + i) * PAGE)))
			dax_fail("a DAX page became idle");
	if (!dax_is_huge(by_2m.p))
		dax_fail("a leaf is gone");
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

#define DAMON	"/sys/kernel/mm/damon/admin/kdamonds"
#define CONTEXT	DAMON "/0/contexts/0"
#define SCHEME	CONTEXT "/schemes/0"

/* kdamond has the lock for moments, and who writes does not wait for it. */
static void damon_do(const char *command)
{
	uint64_t end = dax_now() + 10000000000;

	while (!dax_put(DAMON "/0/state", command))
		dax_must(errno == EBUSY && dax_now() < end, "%s of DAMON", command);
}

static void damon_watch(const struct dax_map *maps, unsigned int nr)
{
	char path[128];
	unsigned int i;

	put(DAMON "/nr_kdamonds", "1");
	put(DAMON "/0/contexts/nr_contexts", "1");
	put(CONTEXT "/operations", "fvaddr");
	put(CONTEXT "/monitoring_attrs/intervals/sample_us", "5000");
	put(CONTEXT "/monitoring_attrs/intervals/aggr_us", "100000");
	put(CONTEXT "/monitoring_attrs/intervals/update_us", "1000000");
	put(CONTEXT "/targets/nr_targets", "1");
	put_number(CONTEXT "/targets/0/pid_target", getpid());
	put_number(CONTEXT "/targets/0/regions/nr_regions", nr);
	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), CONTEXT "/targets/0/regions/%u/start", i);
		put_number(path, (unsigned long)maps[i].p);
		snprintf(path, sizeof(path), CONTEXT "/targets/0/regions/%u/end", i);
		put_number(path, (unsigned long)maps[i].p + maps[i].len);
	}
	/* Whatever was used at all */
	put(CONTEXT "/schemes/nr_schemes", "1");
	put(SCHEME "/action", "stat");
	put_number(SCHEME "/access_pattern/sz/max", -1);
	put(SCHEME "/access_pattern/nr_accesses/min", "1");
	put_number(SCHEME "/access_pattern/nr_accesses/max", INT32_MAX);
	put_number(SCHEME "/access_pattern/age/max", INT32_MAX);
	damon_do("on");
}

/* Which of the mappings DAMON has seen in use: a bit each. */
static unsigned int damon_seen(const struct dax_map *maps, unsigned int nr)
{
	unsigned int i, j, mask = 0;
	char path[128];

	damon_do("update_schemes_tried_regions");
	for (i = 0; ; i++) {
		unsigned long start, end;

		snprintf(path, sizeof(path), SCHEME "/tried_regions/%u/start", i);
		if (access(path, R_OK))
			return mask;
		start = number_of(path);
		snprintf(path, sizeof(path), SCHEME "/tried_regions/%u/end", i);
		end = number_of(path);
		for (j = 0; j < nr; j++)
			if (start < (unsigned long)maps[j].p + maps[j].len &&
			    end > (unsigned long)maps[j].p)
				mask |= 1 << j;
	}
}

static int by_address(const void *a, const void *b)
{
	const struct dax_map *x = a, *y = b;

	return x->p < y->p ? -1 : 1;
}

/* DAMON asks pages that are online memory: anonymous memory is seen, DAX is not. */
static void damon(void)
{
	struct dax_map maps[3], anon = { .fd = -1, .len = HUGE };
	unsigned int i, rounds, mask = 0, want = 0;
	size_t at;

	if (access(DAMON, F_OK))
		dax_skip("no DAMON: CONFIG_DAMON_SYSFS is off");
	map_both();
	anon.p = dax_map_at(NULL, -1, anon.len, 0, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS);
	maps[0] = by_2m;
	maps[1] = by_4k;
	maps[2] = anon;
	qsort(maps, ARRAY_SIZE(maps), sizeof(maps[0]), by_address);
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		want |= (maps[i].p == anon.p) << i;
	damon_watch(maps, ARRAY_SIZE(maps));
	/* Until it has seen something, and a few times more. */
	for (rounds = 0; rounds < 5; rounds += !!mask) {
		for (i = 0; i < ARRAY_SIZE(maps); i++) {
			/* Nothing stays in the TLB: an access sets the bit in the leaf. */
			dax_must(!mprotect(maps[i].p, maps[i].len, PROT_READ) &&
				 !mprotect(maps[i].p, maps[i].len, PROT_READ | PROT_WRITE),
				 "mprotect");
			for (at = 0; at < maps[i].len; at += PAGE)
				__atomic_fetch_xor(maps[i].p + at, 0, __ATOMIC_RELAXED);
		}
		mask |= damon_seen(maps, ARRAY_SIZE(maps));
	}
	damon_do("off");
	put(DAMON "/nr_kdamonds", "0");
	if (mask != want)
		dax_fail("DAMON has seen %#x of the mappings, %#x expected", mask, want);
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

#define KSM	"/sys/kernel/mm/ksm"
#define SAME	32

/* All of @p's pages are page frames of their own, or all are one. */
static bool all_one(unsigned char *p)
{
	size_t i, same = 0;

	for (i = 1; i < SAME; i++)
		same += pfn_of(p + i * PAGE) == pfn_of(p);
	return same == SAME - 1;
}

/* Pages that are all alike: those of anonymous memory become one, those of DAX do not. */
static void merged(void)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	unsigned char *anon = dax_anon(SAME * PAGE), *p[3] = { anon };
	unsigned long scans, to_scan, sleep;
	uint64_t pfns[3][SAME];
	size_t i, j;

	if (access(KSM "/run", W_OK))
		dax_skip("no KSM: CONFIG_KSM is off");
	map_both();
	p[1] = by_2m.p;
	p[2] = by_4k.p + HUGE;
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		for (j = 0; j < SAME; j++) {
			dax_fill(p[i] + j * PAGE, PAGE, 0, DATA + 2);
			pfns[i][j] = pfn_of(p[i] + j * PAGE);
		}
	}
	dax_must(!madvise(anon, SAME * PAGE, MADV_MERGEABLE), "MADV_MERGEABLE of memory");
	dax_must(!madvise(by_2m.p, by_2m.len, MADV_MERGEABLE) &&
		 !madvise(by_4k.p, by_4k.len, MADV_MERGEABLE), "MADV_MERGEABLE of DAX");
	dax_must(!prctl(67 /* PR_SET_MEMORY_MERGE */, 1, 0, 0, 0), "PR_SET_MEMORY_MERGE");
	to_scan = number_of(KSM "/pages_to_scan");
	sleep = number_of(KSM "/sleep_millisecs");
	put(KSM "/pages_to_scan", "10000");
	put(KSM "/sleep_millisecs", "1");
	put(KSM "/run", "1");
	while (!all_one(anon))
		nanosleep(&tick, NULL);
	/* And two scans that began when that had happened. */
	scans = number_of(KSM "/full_scans");
	while (number_of(KSM "/full_scans") < scans + 3)
		nanosleep(&tick, NULL);
	for (i = 1; i < ARRAY_SIZE(p); i++)
		for (j = 0; j < SAME; j++)
			if (pfn_of(p[i] + j * PAGE) != pfns[i][j])
				dax_fail("KSM took page %zu of %s", j,
					 i == 1 ? "a 2M leaf" : "4K leaves");
	if (!dax_is_huge(by_2m.p))
		dax_fail("a leaf is gone");
	put(KSM "/run", "2");
	put(KSM "/run", "0");
	put_number(KSM "/pages_to_scan", to_scan);
	put_number(KSM "/sleep_millisecs", sleep);
	for (i = 0; i < ARRAY_SIZE(p); i++)
		for (j = 0; j < SAME; j++)
			dax_expect(p[i] + j * PAGE, PAGE, 0, DATA + 2, "pages that are alike");
	p[1][PAGE] ^= 1;
	dax_expect(p[1] + 2 * PAGE, PAGE, 0, DATA + 2, "the neighbour of a store");
	dax_expect_file(by_2m.fd, SAME * PAGE, HUGE - SAME * PAGE, SAME * PAGE, DATA, "file");
}

/* Neither the leaves nor the file's entries, which are no page cache. */
static void reclaimed(void)
{
	static uint64_t pfns[2 * HUGE / PAGE];
	size_t i;

	map_both();
	for (i = 0; i < by_2m.len / PAGE; i++)
		pfns[i] = pfn_of(by_2m.p + i * PAGE);
	dax_must(!fsync(by_2m.fd), "fsync");
	put("/proc/sys/vm/drop_caches", "3");
	if (!access("/proc/sys/vm/compact_memory", W_OK))
		put("/proc/sys/vm/compact_memory", "1");
	dax_must(!madvise(by_2m.p, by_2m.len, MADV_PAGEOUT) &&
		 !madvise(by_4k.p, by_4k.len, MADV_PAGEOUT), "MADV_PAGEOUT");
	for (i = 1; i < by_2m.len / PAGE; i++)
		if (pfn_of(by_2m.p + i * PAGE) != pfns[i] ||
		    pfn_of(by_4k.p + (i - 1) * PAGE) != pfns[i])
			dax_fail("page %zu is gone, or moved", i);
	if (!dax_is_huge(by_2m.p) || !dax_is_huge(by_2m.p + HUGE))
		dax_fail("a leaf is gone");
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
	/* The entries are there still: the leaves go with the blocks. */
	dax_must(!ftruncate(by_2m.fd, PAGE) && !ftruncate(by_2m.fd, by_2m.len), "ftruncate");
	dax_expect_zero(by_2m.p + PAGE, by_2m.len - PAGE, "2M leaves after truncate");
	dax_expect_zero(by_4k.p, by_4k.len, "4K leaves after truncate");
}

static const struct dax_test tests[] = {
	{ "dax: kpageflags and kpagecount have no DAX page", by_frame },
	{ "dax: page_idle has no DAX page", idle_pages },
	{ "dax: DAMON sees no access to 4K and 2M leaves", damon },
	{ "dax: KSM merges no DAX page", merged },
	{ "dax: drop_caches, compaction, PAGEOUT leave 4K and 2M leaves", reclaimed },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
