/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Leaves of each size that there is: two areas, of 2M and of 4K leaves, of one file;
 * or one, of a device of device-dax, of 4K, 2M or 1G.
 */
#ifndef DAX_AREA_H
#define DAX_AREA_H

#include "dax_leaf.h"

#define DAX_GIB	(1024 * MB)

struct dax_area {
	const char *what;
	unsigned char *p;
	size_t len;		/* of the mapping: whole leaves */
	size_t data, off;	/* it starts with @data bytes of a stream, from @off on */
	size_t leaf;
	int fd;
};

/* Make and map them, writable leaves that hold stream @seed; returns how many. */
unsigned int dax_areas(struct dax_area areas[2], uint64_t seed);

/*
 * Fail unless loads of all of @a's stream fault @faults times, its leaves are as large
 * as they were, and it has its stream. @when: after what.
 */
void dax_area_expect(const struct dax_area *a, uint64_t seed, long faults, const char *when);

#endif
