/* SPDX-License-Identifier: GPL-2.0 */
/* The ways to swap and to share extents, as in xfs/xfs_fs.h and fs/ext4/ext4.h. */
#ifndef DAX_SWAP_H
#define DAX_SWAP_H

#include <linux/fs.h>
#include <sys/ioctl.h>

#include "dax_test.h"

struct bstat {
	uint64_t ino;
	uint16_t mode, nlink;
	uint32_t uid, gid, rdev;
	int32_t blksize;
	int64_t size;
	int64_t times[6];
	int64_t blocks;
	uint32_t xflags;
	int32_t extsize, extents;
	uint32_t gen;
	uint16_t projid_lo, forkoff, projid_hi;
	unsigned char pad[6];
	uint32_t cowextsize, dmevmask;
	uint16_t dmstate, aextents;
};

struct bulkreq {
	uint64_t *lastip;
	int32_t icount;
	struct bstat *buffer;
	int32_t *ocount;
};

struct swapext {
	int64_t version, target, temp, offset, length;
	char pad[16];
	struct bstat stat;
};

struct exchange {
	int32_t file1;
	uint32_t pad;
	uint64_t offset1, offset2, length, flags;
};

struct move_extent {
	uint32_t reserved, donor;
	uint64_t start, donor_start, len, moved;
};

#define BULKSTAT_ONE	_IOWR('X', 102, struct bulkreq)
#define SWAPEXT		_IOWR('X', 109, struct swapext)
#define EXCHANGE_RANGE	_IOW('X', 129, struct exchange)
#define EXCHANGE_TO_EOF	1
#define MOVE_EXT	_IOWR('f', 15, struct move_extent)
#define SWAP_BOOT	_IO('f', 17)

static inline int dax_bstat(int fd, struct bstat *to)
{
	struct stat st;
	uint64_t ino;
	struct bulkreq req = { .lastip = &ino, .icount = 1, .buffer = to };

	dax_must(!fstat(fd, &st), "fstat");
	ino = st.st_ino;
	return ioctl(fd, BULKSTAT_ONE, &req);
}

/* @len: the size of both files. */
static inline int dax_swapext(int fd, int temp, size_t len)
{
	struct swapext swap = { .target = fd, .temp = temp, .length = len };

	return dax_bstat(fd, &swap.stat) ?: ioctl(fd, SWAPEXT, &swap);
}

/* At the same place in both files. 0, or -1 and errno; EILSEQ: the bytes are not the same. */
static inline int dax_dedupe(int src, int dest, off_t at, size_t len)
{
	struct {
		struct file_dedupe_range head;
		struct file_dedupe_range_info info;
	} range = {
		.head = { .src_offset = at, .src_length = len, .dest_count = 1 },
		.info = { .dest_fd = dest, .dest_offset = at },
	};

	if (ioctl(src, FIDEDUPERANGE, &range))
		return -1;
	if (range.info.status == FILE_DEDUPE_RANGE_SAME)
		return 0;
	errno = range.info.status < 0 ? -range.info.status : EILSEQ;
	return -1;
}

#endif
