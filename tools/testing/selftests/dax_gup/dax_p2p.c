// SPDX-License-Identifier: GPL-2.0
/*
 * Peer-to-peer DMA: memory of a PCI device (an NVMe disk's controller memory
 * buffer) is mapped, and that disk reads and writes it directly.
 *
 * usage: dax_p2p ALLOCATE DISK, e.g. /sys/bus/pci/devices/0000:00:04.0/p2pmem/allocate
 * /dev/nvme0n1. The disk's first bytes are lost.
 */
#include "dax_test.h"

#define LEN	(256 * KB)

static void die(const char *what)
{
	fprintf(stderr, "dax_p2p: error: %s: %s\n", what, strerror(errno));
	exit(KSFT_FAIL);
}

static void expect(const void *buf, uint64_t seed, const char *what)
{
	size_t first = 0, bad = dax_diff(buf, LEN, 0, seed, &first);

	if (!bad)
		return;
	fprintf(stderr, "dax_p2p: error: %s: %zu bytes wrong, first at %zu\n", what, bad, first);
	exit(KSFT_FAIL);
}

int main(int argc, char **argv)
{
	unsigned char *p, *mem;
	int from, disk;

	if (argc != 3) {
		fprintf(stderr, "usage: dax_p2p ALLOCATE DISK\n");
		return KSFT_FAIL;
	}
	from = open(argv[1], O_RDWR);
	disk = open(argv[2], O_RDWR | O_DIRECT);
	if (from < 0 || disk < 0)
		die(from < 0 ? argv[1] : argv[2]);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, from, 0);
	if (p == MAP_FAILED || mem == MAP_FAILED)
		die("mmap");
	dax_fill(p, LEN, 0, 1);
	expect(p, 1, "the device's memory");
	if (pwrite(disk, p, LEN, 0) != LEN)
		die("write from the device's memory");
	if (pread(disk, mem, LEN, 0) != LEN)
		die("read into memory");
	expect(mem, 1, "written from the device's memory");
	dax_fill(mem, LEN, 0, 2);
	if (pwrite(disk, mem, LEN, 0) != LEN)
		die("write from memory");
	if (pread(disk, p, LEN, 0) != LEN)
		die("read into the device's memory");
	expect(p, 2, "read into the device's memory");
	return KSFT_PASS;
}
