/* SPDX-License-Identifier: GPL-2.0 */
/* Bad blocks of the device under a file: pmem0's /sys/block/pmem0/badblocks. */
#ifndef DAX_BADBLOCK_H
#define DAX_BADBLOCK_H

#include "dax_test.h"

/* A file whose extents are aligned to 2M, where it has so many, full of @seed. */
int dax_written(const char *name, size_t len, uint64_t seed);

/* The page at @at is bad for the driver, as it is after a machine check. */
void dax_set_bad(int fd, off_t at);
bool dax_is_bad(int fd, off_t at);

/* Write @seed over the whole of the bad page, which must be good then. */
void dax_heal(int fd, off_t at, uint64_t seed);

#endif
