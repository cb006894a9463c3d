/* SPDX-License-Identifier: GPL-2.0 */
/* Which leaf of the page table maps an address of this process. */
#ifndef DAX_LEAF_H
#define DAX_LEAF_H

#include "dax_test.h"

#define HUGE		(2 * MB)

/* Of an entry of pagemap */
#define DAX_PM_SOFT_DIRTY	(1ULL << 55)
#define DAX_PM_WP		(1ULL << 57)
#define DAX_PM_FILE		(1ULL << 61)
#define DAX_PM_PRESENT		(1ULL << 63)
#define DAX_PM_PFN(entry)	((entry) & ((1ULL << 55) - 1))

uint64_t dax_pagemap(const void *p);
bool dax_is_huge(const void *p);

/* Map at @p, which nothing else needs, or where 2M are aligned if it is NULL. */
unsigned char *dax_map_at(unsigned char *p, int fd, size_t len, off_t off, int prot,
			  int flags);

/* A file of @nr times 2M that holds stream @seed and is mapped by @nr leaves. */
struct dax_map dax_new_huge(const char *name, unsigned int nr, uint64_t seed);

#endif
