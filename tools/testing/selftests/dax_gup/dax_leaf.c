// SPDX-License-Identifier: GPL-2.0
/* Leaves, as /proc/self/pagemap has them. */
#include <sys/resource.h>

#include "dax_leaf.h"

uint64_t dax_pagemap(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;

	dax_must(fd >= 0, "pagemap");
	dax_must(pread(fd, &entry, sizeof(entry), (uintptr_t)p / PAGE * sizeof(entry)) ==
		 sizeof(entry), "read of pagemap");
	close(fd);
	return entry;
}

bool dax_is_huge(const void *p)
{
	size_t present;

	return dax_huge((const void *)((uintptr_t)p & ~(PAGE - 1)), PAGE, &present);
}

long dax_faults(void)
{
	struct rusage ru;

	dax_must(!getrusage(RUSAGE_THREAD, &ru), "getrusage");
	return ru.ru_minflt + ru.ru_majflt;
}

long dax_load_faults(const unsigned char *p, size_t len, size_t step)
{
	long before = dax_faults();
	size_t at;

	for (at = 0; at < len; at += step)
		__atomic_load_n(p + at, __ATOMIC_RELAXED);
	return dax_faults() - before;
}

long dax_store_faults(unsigned char *p)
{
	long before = dax_faults();

	__atomic_fetch_xor(p, 1, __ATOMIC_RELAXED);
	__atomic_fetch_xor(p, 1, __ATOMIC_RELAXED);
	return dax_faults() - before;
}

unsigned char *dax_map_at(unsigned char *p, int fd, size_t len, off_t off, int prot,
			  int flags)
{
	if (!p) {
		p = dax_anon(len + HUGE);
		munmap(p, len + HUGE);
		p = (void *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	}
	p = mmap(p, len, prot, flags | MAP_FIXED, fd, off);
	dax_must(p != MAP_FAILED, "mmap");
	return p;
}

struct dax_map dax_new_huge(const char *name, unsigned int nr, uint64_t seed)
{
	struct dax_map m = { .len = nr * HUGE };
	unsigned int i;

	dax_path(m.path, sizeof(m.path), name);
	m.fd = dax_open(name, m.len, DAX_UNWRITTEN);
	m.p = dax_map_at(NULL, m.fd, m.len, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (i = 0; i < nr; i++) {
		m.p[i * HUGE] = 1;
		if (!dax_is_huge(m.p + i * HUGE + PAGE))
			dax_fail("no 2M leaf for a file of 2M extents");
	}
	dax_fill(m.p, m.len, 0, seed);
	return m;
}

void dax_new_both(struct dax_map *by_2m, struct dax_map *by_4k, uint64_t seed)
{
	*by_2m = dax_new_huge("both", 2, seed);
	by_4k->len = by_2m->len - PAGE;
	by_4k->p = dax_map_at(NULL, by_2m->fd, by_4k->len, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED);
	dax_expect(by_4k->p, by_4k->len, PAGE, seed, "4K leaves");
	if (dax_is_huge(by_4k->p))
		dax_fail("a 2M leaf where the file is not aligned");
}
