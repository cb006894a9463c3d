// SPDX-License-Identifier: GPL-2.0
/* Bad blocks of the device under a file: pmem0's /sys/block/pmem0/badblocks. */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "dax_badblock.h"

int dax_written(const char *name, size_t len, uint64_t seed)
{
	int fd = dax_open(name, len, DAX_UNWRITTEN);
	char *buf = dax_anon(len);

	dax_fill(buf, len, 0, seed);
	dax_must(pwrite(fd, buf, len, 0) == (ssize_t)len, "pwrite");
	munmap(buf, len);
	return fd;
}

/* The list of bad blocks of the device under @fd, and which sector of it @at is. */
static FILE *open_list(int fd, off_t at, unsigned long long *sector, const char *mode)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = at, .fm_length = PAGE, .fm_extent_count = 1 } };
	struct stat st;
	char path[64];
	FILE *bb;

	dax_must(!ioctl(fd, FS_IOC_FIEMAP, &f), "FIEMAP");
	if (f.map.fm_mapped_extents != 1)
		dax_fail("no block at %ld", (long)at);
	*sector = (f.extent.fe_physical + at - f.extent.fe_logical) / 512;
	dax_must(!fstat(fd, &st), "fstat");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/badblocks", major(st.st_dev),
		 minor(st.st_dev));
	bb = fopen(path, mode);
	dax_must(bb, "%s", path);
	return bb;
}

/* As the driver of an NVDIMM does after a machine check. */
void dax_set_bad(int fd, off_t at)
{
	unsigned long long sector;
	FILE *bb = open_list(fd, at, &sector, "w");

	dax_must(fprintf(bb, "%llu %lu", sector, PAGE / 512) > 0 && !fclose(bb),
		 "a bad block at %llu", sector);
}

bool dax_is_bad(int fd, off_t at)
{
	unsigned long long sector, first, nr;
	FILE *bb = open_list(fd, at, &sector, "r");
	bool bad = false;

	while (fscanf(bb, "%llu %llu", &first, &nr) == 2)
		bad |= first < sector + PAGE / 512 && sector < first + nr;
	fclose(bb);
	return bad;
}

/* Whole pages only: the old bytes of one are lost. */
void dax_heal(int fd, off_t at, uint64_t seed)
{
	char *buf = dax_anon(PAGE);

	if (!dax_is_bad(fd, at))
		dax_fail("no bad block to write over");
	dax_fill(buf, PAGE, at, seed);
	dax_must(pwrite(fd, buf, PAGE, at) == (ssize_t)PAGE, "write over the bad page");
	if (dax_is_bad(fd, at))
		dax_fail("a bad block is left after a write over it");
	dax_expect_file(fd, at, PAGE, at, seed, "file");
}
