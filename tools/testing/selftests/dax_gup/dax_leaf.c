// SPDX-License-Identifier: GPL-2.0
/* Leaves, as /proc/self/pagemap has them. */
#include <sys/ioctl.h>

#include "dax_leaf.h"

/* As in linux/fs.h from 6.7 on. */
#define IS_HUGE	(1 << 6)
struct region { uint64_t start, end, categories; };
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof, wanted;
};

#define SCAN	_IOWR('f', 16, struct scan)

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
	struct region region = { 0 };
	struct scan scan = {
		.size = sizeof(scan), .start = (uintptr_t)p,
		.end = (uintptr_t)p + PAGE, .vec = (uintptr_t)&region,
		.vec_len = 1, .mask = IS_HUGE, .wanted = IS_HUGE,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY), n;

	dax_must(fd >= 0, "pagemap");
	n = ioctl(fd, SCAN, &scan);
	dax_must(n >= 0, "PAGEMAP_SCAN");
	close(fd);
	return n == 1;
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

struct dax_map dax_huge_file(const char *name, unsigned int nr, uint64_t seed)
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
