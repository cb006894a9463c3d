// SPDX-License-Identifier: GPL-2.0
/*
 * A file whose bytes say where they belong, to be read again by another kernel:
 * a third is written by write(2), a third by stores into a DAX mapping, a third
 * by DMA (O_DIRECT) into it.
 *
 * usage: dax_media write|check SEED FILE [DRIVE]
 */
#include "dax_test.h"

#define THIRD	(2 * MB)

static void die(const char *what)
{
	fprintf(stderr, "dax_media: error: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *memory(void)
{
	void *p = mmap(NULL, THIRD, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void make(const char *path, const char *drive, uint64_t seed)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int from = open(drive, O_RDWR | O_DIRECT);
	char *buf = memory(), *p;

	if (fd < 0)
		die(path);
	if (from < 0)
		die(drive);
	dax_fill(buf, THIRD, 0, seed);
	if (pwrite(fd, buf, THIRD, 0) != THIRD || ftruncate(fd, 3 * THIRD))
		die("write");
	p = mmap(NULL, 3 * THIRD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	dax_fill(p + THIRD, THIRD, THIRD, seed);
	dax_fill(buf, THIRD, 2 * THIRD, seed);
	if (pwrite(from, buf, THIRD, 0) != THIRD)
		die("write to the drive");
	if (pread(from, p + 2 * THIRD, THIRD, 0) != THIRD)
		die("O_DIRECT read into the mapping");
	if (fsync(fd))
		die("fsync");
}

static void check(const char *path, uint64_t seed)
{
	int fd = open(path, O_RDONLY), third;
	char *buf = memory();
	size_t first, bad;

	if (fd < 0)
		die(path);
	for (third = 0; third < 3; third++) {
		static const char * const by[] = { "write(2)", "stores", "DMA" };

		errno = 0;
		if (pread(fd, buf, THIRD, third * THIRD) != THIRD)
			die("read");
		bad = dax_diff(buf, THIRD, third * THIRD, seed, &first);
		if (bad) {
			fprintf(stderr, "dax_media: error: %s: %zu bytes wrong of those written by %s\n",
				path, bad, by[third]);
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	if (argc == 5 && !strcmp(argv[1], "write"))
		make(argv[3], argv[4], seed);
	else if (argc == 4 && !strcmp(argv[1], "check"))
		check(argv[3], seed);
	else
		fprintf(stderr, "usage: dax_media write|check SEED FILE [DRIVE]\n");
	return 0;
}
