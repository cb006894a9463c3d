/* SPDX-License-Identifier: GPL-2.0 */
/* Which leaf of the page table maps an address of this process. */
#ifndef DAX_LEAF_H
#define DAX_LEAF_H

#include <sys/ioctl.h>

#include "dax_test.h"

#define HUGE		(2 * MB)

/* PAGEMAP_SCAN, as in linux/fs.h from 6.7 on */
#define DAX_IS_WRITTEN		(1 << 1)
#define DAX_IS_PRESENT		(1 << 3)
#define DAX_IS_HUGE		(1 << 6)
#define DAX_IS_SOFT_DIRTY	(1 << 7)
#define DAX_SCAN_WP		(1 << 0)
#define DAX_SCAN_WP_ONLY	(1 << 1)	/* EPERM where that cannot be */
struct dax_region { uint64_t start, end, categories; };
struct dax_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof, wanted;
};

#define DAX_SCAN	_IOWR('f', 16, struct dax_scan)

/* Of an entry of pagemap */
#define DAX_PM_SOFT_DIRTY	(1ULL << 55)
#define DAX_PM_WP		(1ULL << 57)
#define DAX_PM_FILE		(1ULL << 61)
#define DAX_PM_PRESENT		(1ULL << 63)
#define DAX_PM_PFN(entry)	((entry) & ((1ULL << 55) - 1))

uint64_t dax_pagemap(const void *p);
bool dax_is_huge(const void *p);

/* How many faults this thread has had, and has where it loads a byte each @step. */
long dax_faults(void);
long dax_load_faults(const unsigned char *p, size_t len, size_t step);
/* Stores to @p until they fault no more, and leaves what was there. */
long dax_store_faults(unsigned char *p);

/* Map at @p, which nothing else needs, or where 2M are aligned if it is NULL. */
unsigned char *dax_map_at(unsigned char *p, int fd, size_t len, off_t off, int prot,
			  int flags);

/* A file of @nr times 2M that holds stream @seed and is mapped by @nr leaves. */
struct dax_map dax_new_huge(const char *name, unsigned int nr, uint64_t seed);

/* Two leaves of 2M, and the same file by ptes from its second page on. */
void dax_new_both(struct dax_map *by_2m, struct dax_map *by_4k, uint64_t seed);

#endif
