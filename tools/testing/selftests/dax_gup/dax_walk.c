// SPDX-License-Identifier: GPL-2.0
/*
 * Those walkers of page tables that no other program asks about DAX leaves, of 4K
 * and 2M: fault-around, pagemap, smaps, mincore, MADV_REMOVE, fsync's write
 * protection, core dumps.
 */
#include <elf.h>
#include <sys/resource.h>

#include "dax_leaf.h"

#define DATA	(opt.seed + 1)

static struct dax_map by_2m, by_4k;

static void map_both(void)
{
	dax_new_both(&by_2m, &by_4k, DATA);
}

static void pagemap(void)
{
	uint64_t pfn, entry;
	size_t at;

	map_both();
	for (at = PAGE; at < by_2m.len; at += PAGE) {
		entry = dax_pagemap(by_2m.p + at);
		pfn = DAX_PM_PFN(entry);
		if (!(entry & DAX_PM_PRESENT))
			dax_fail("%#zx in a 2M leaf: not present", at);
		if (!(entry & DAX_PM_FILE))
			dax_fail("%#zx in a 2M leaf: not of a file", at);
		if (pfn % (HUGE / PAGE) != at % HUGE / PAGE)
			dax_fail("%#zx in a 2M leaf: pfn %#llx", at, (unsigned long long)pfn);
		entry = dax_pagemap(by_4k.p + at - PAGE);
		if (!(entry & DAX_PM_PRESENT) || DAX_PM_PFN(entry) != pfn)
			dax_fail("%#zx by ptes: entry %#llx, but pfn %#llx in the 2M leaf", at,
				 (unsigned long long)entry, (unsigned long long)pfn);
	}
	dax_must(!munmap(by_4k.p, PAGE), "munmap");
	by_4k.p = dax_map_at(by_4k.p, by_2m.fd, PAGE, PAGE, PROT_READ, MAP_SHARED);
	if (dax_pagemap(by_4k.p) & DAX_PM_PRESENT)
		dax_fail("present before it was touched");
}

/* A fault maps what it was asked for; page cache would map what is around it, too. */
static void around(void)
{
	size_t at = 40, i;

	map_both();
	dax_must(!madvise(by_4k.p, by_4k.len, MADV_DONTNEED), "MADV_DONTNEED");
	dax_expect(by_4k.p + at * PAGE, PAGE, (at + 1) * PAGE, DATA, "4K leaf");
	for (i = 0; i < by_4k.len / PAGE; i++)
		if (i != at && dax_pagemap(by_4k.p + i * PAGE) & DAX_PM_PRESENT)
			dax_fail("page %zu is mapped after a fault in page %zu alone", i, at);
	dax_must(!madvise(by_2m.p, by_2m.len, MADV_DONTNEED), "MADV_DONTNEED");
	dax_expect(by_2m.p + at * PAGE, PAGE, at * PAGE, DATA, "2M leaf");
	if (!dax_is_huge(by_2m.p))
		dax_fail("no 2M leaf after a read");
	if (dax_pagemap(by_2m.p + HUGE) & DAX_PM_PRESENT)
		dax_fail("the next leaf after a fault in this one alone");
}

/* MADV_REMOVE of a page of 4K leaves, a part of a 2M leaf, a whole one. */
static void removed(void)
{
	map_both();
	dax_must(!madvise(by_4k.p + 600 * PAGE, PAGE, MADV_REMOVE), "MADV_REMOVE, 4K leaf");
	dax_expect_zero(by_2m.p + 601 * PAGE, PAGE, "hole");
	dax_expect_zero(by_4k.p + 600 * PAGE, PAGE, "hole by ptes");
	dax_expect(by_2m.p, 601 * PAGE, 0, DATA, "before the hole");
	dax_expect(by_4k.p + 601 * PAGE, by_4k.len - 601 * PAGE, 602 * PAGE, DATA, "behind it");
	if (!dax_is_huge(by_2m.p))
		dax_fail("the leaf beside the hole is gone");
	dax_must(!madvise(by_2m.p + 7 * PAGE, 2 * PAGE, MADV_REMOVE), "MADV_REMOVE, 2M leaf");
	dax_expect_zero(by_2m.p + 7 * PAGE, 2 * PAGE, "hole in a 2M leaf");
	dax_expect(by_2m.p, 7 * PAGE, 0, DATA, "before the hole");
	dax_expect(by_2m.p + 9 * PAGE, HUGE - 9 * PAGE, 9 * PAGE, DATA, "behind it");
	dax_must(!madvise(by_2m.p + HUGE, HUGE, MADV_REMOVE), "MADV_REMOVE of a leaf");
	dax_expect_zero(by_2m.p + HUGE, HUGE, "hole of 2M");
	dax_expect_zero(by_4k.p + HUGE - PAGE, HUGE, "hole of 2M by ptes");
	dax_fill(by_2m.p + HUGE, HUGE, HUGE, DATA);
	dax_fill(by_2m.p + 7 * PAGE, 2 * PAGE, 7 * PAGE, DATA);
	dax_expect_file(by_2m.fd, 0, by_2m.len, 0, DATA, "file");
}

/* The value, in kB, of @key in smaps of the mapping that begins at @p. */
static unsigned long smaps_value(const void *p, const char *key)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512], start[32], name[64];
	unsigned long kib;
	bool here = false;

	dax_must(f, "smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, start, strlen(start))) {
			here = true;
		} else if (here && sscanf(line, "%63[^:]: %lu", name, &kib) == 2 &&
			   !strcmp(name, key)) {
			fclose(f);
			return kib;
		}
	}
	dax_fail("no %s in smaps of %s", key, start);
}

/* Leaves that are not the page's: nothing is resident, nothing is lost. */
static void smaps_of(void)
{
	static const char * const keys[] = { "Rss", "Pss", "Shared_Dirty", "FilePmdMapped" };
	size_t i;

	map_both();
	if (smaps_value(by_2m.p, "Size") != by_2m.len / KB)
		dax_fail("smaps has not the mapping's size");
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (smaps_value(by_2m.p, keys[i]) || smaps_value(by_4k.p, keys[i]))
			dax_fail("%s: %lu kB of 2M leaves, %lu kB of 4K leaves", keys[i],
				 smaps_value(by_2m.p, keys[i]), smaps_value(by_4k.p, keys[i]));
	if (!dax_is_huge(by_2m.p) || !dax_is_huge(by_2m.p + HUGE))
		dax_fail("a leaf is gone");
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

/* DAX has no page cache to ask: what has no leaf is not there. */
static void in_core(void)
{
	static unsigned char vec[2 * HUGE / PAGE];
	size_t i, touched = 0;

	map_both();
	dax_must(!mincore(by_4k.p, by_4k.len, vec), "mincore");
	for (i = 0; i < by_4k.len / PAGE; i++)
		touched += vec[i] & 1;
	if (touched != by_4k.len / PAGE)
		dax_fail("mincore: %zu of %zu 4K leaves", touched, by_4k.len / PAGE);
	dax_must(!madvise(by_2m.p, HUGE, MADV_DONTNEED), "MADV_DONTNEED");
	dax_must(!mincore(by_2m.p, by_2m.len, vec), "mincore");
	for (i = 0; i < sizeof(vec); i++)
		if ((vec[i] & 1) != (i >= HUGE / PAGE))
			dax_fail("mincore: page %zu is %s", i, vec[i] & 1 ? "there" : "not there");
}

/* fsync writes an entry back once: every leaf of it is made read-only for that. */
static void clean(void)
{
	long by_2m_faults, by_4k_faults;

	map_both();
	dax_store_faults(by_2m.p + PAGE);
	dax_store_faults(by_4k.p);
	if (dax_store_faults(by_2m.p + PAGE) || dax_store_faults(by_4k.p))
		dax_fail("stores to leaves that can be written fault");
	dax_must(!fsync(by_2m.fd), "fsync");
	by_2m_faults = dax_store_faults(by_2m.p + PAGE);
	by_4k_faults = dax_store_faults(by_4k.p);
	if (by_2m_faults != 1 || by_4k_faults != 1)
		dax_fail("%ld faults in the 2M leaf, %ld in the 4K leaf after fsync, 1 expected",
			 by_2m_faults, by_4k_faults);
	if (dax_store_faults(by_2m.p + 9 * PAGE))
		dax_fail("a fault for each page of a 2M leaf after fsync");
	if (!dax_is_huge(by_2m.p))
		dax_fail("fsync took the leaf away");
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

#define CORE	"/tmp/dax_walk.core"

static void put(const char *path, const char *text)
{
	dax_must(dax_put(path, text), "%s", path);
}

/* The part of a core that has the mapping at @p, of which @len bytes are there. */
static unsigned char *core_of(const void *p, size_t *len)
{
	struct stat st;
	Elf64_Ehdr *head;
	Elf64_Phdr *part;
	int fd = open(CORE, O_RDONLY), i;

	dax_must(fd >= 0 && !fstat(fd, &st), "%s", CORE);
	head = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	dax_must(head != MAP_FAILED, "mmap of %s", CORE);
	part = (void *)((char *)head + head->e_phoff);
	for (i = 0; i < head->e_phnum; i++, part++) {
		if (part->p_type != PT_LOAD || part->p_vaddr != (uintptr_t)p)
			continue;
		*len = part->p_filesz;
		return (unsigned char *)head + part->p_offset;
	}
	dax_fail("no mapping at %p in the core", p);
}

static void none_in_core(const void *p, const char *what)
{
	size_t len;

	core_of(p, &len);
	if (len)
		dax_fail("%zu bytes in a core whose filter has no %s", len, what);
}

static void dump(const char *filter)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = dax_fork();
	int status;

	if (!pid) {
		dax_must(!setrlimit(RLIMIT_CORE, &all), "setrlimit");
		put("/proc/self/coredump_filter", filter);
		abort();
	}
	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WCOREDUMP(status))
		dax_fail("no core");
}

/* Bits 7 and 8 of the filter: private and shared mappings of DAX. */
static void dumped(void)
{
	unsigned char *p, *own;
	char old[128];
	ssize_t n;
	size_t len;
	int fd = open("/proc/sys/kernel/core_pattern", O_RDWR);

	if (fd < 0 || access("/proc/self/coredump_filter", W_OK))
		dax_skip("no core dumps: CONFIG_COREDUMP or CONFIG_ELF_CORE is off");
	n = read(fd, old, sizeof(old));
	dax_must(n > 0, "core_pattern");
	map_both();
	own = dax_map_at(NULL, by_2m.fd, by_2m.len, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	dax_expect(own, by_2m.len, 0, DATA, "private");
	dax_fill(own + 5 * PAGE, PAGE, 0, DATA + 1);
	put("/proc/sys/kernel/core_pattern", CORE);
	dump("0x100");
	p = core_of(by_2m.p, &len);
	if (len != by_2m.len)
		dax_fail("%zu bytes of 2M leaves in the core", len);
	dax_expect(p, len, 0, DATA, "2M leaves in the core");
	p = core_of(by_4k.p, &len);
	if (len != by_4k.len)
		dax_fail("%zu bytes of 4K leaves in the core", len);
	dax_expect(p, len, PAGE, DATA, "4K leaves in the core");
	none_in_core(own, "private mappings");
	dump("0x80");
	p = core_of(own, &len);
	if (len != by_2m.len)
		dax_fail("%zu bytes of a private mapping in the core", len);
	dax_expect(p, 5 * PAGE, 0, DATA, "private mapping in the core");
	dax_expect(p + 5 * PAGE, PAGE, 0, DATA + 1, "its own page in the core");
	dax_expect(p + 6 * PAGE, len - 6 * PAGE, 6 * PAGE, DATA, "the rest in the core");
	none_in_core(by_2m.p, "shared mappings");
	dump("0x0");
	none_in_core(by_2m.p, "DAX");
	none_in_core(own, "DAX");
	unlink(CORE);
	dax_must(pwrite(fd, old, n, 0) == n, "core_pattern");
	dax_expect(by_2m.p, by_2m.len, 0, DATA, "mapping");
}

static const struct dax_test tests[] = {
	{ "dax: pagemap has the pfns of 4K and 2M leaves", pagemap },
	{ "dax: a fault maps nothing around, 4K and 2M leaves", around },
	{ "dax: MADV_REMOVE of 4K and 2M leaves", removed },
	{ "dax: smaps counts no page of 4K and 2M leaves", smaps_of },
	{ "dax: mincore sees 4K and 2M leaves, and none", in_core },
	{ "dax: fsync write-protects 4K and 2M leaves, once", clean },
	{ "gup: a core dump of 4K and 2M leaves", dumped },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
