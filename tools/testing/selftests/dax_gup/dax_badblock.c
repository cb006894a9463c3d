// SPDX-License-Identifier: GPL-2.0
/* Bad blocks of the device under a file: pmem0's /sys/block/pmem0/badblocks. */
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

/* What a file of @dir has, a number; 0 if there is no such file. */
static unsigned long number(const char *dir, const char *name)
{
	unsigned long n = 0;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	dax_must(dax_number(path, &n) || errno == ENOENT, "%s", path);
	return n;
}

/* The list of bad blocks of the disk under @fd, and which sector of it @at is. */
static FILE *open_list(int fd, off_t at, unsigned long long *sector, const char *mode)
{
	char dir[64], path[96];
	struct stat st;
	FILE *bb;

	*sector = dax_extent(fd, at, PAGE).fe_physical / 512;
	dax_must(!fstat(fd, &st), "fstat");
	snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
	*sector += number(dir, "start");
	/* The list of a partition is its disk's. */
	snprintf(path, sizeof(path), "%s%s/badblocks", dir, number(dir, "partition") ? "/.." : "");
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
