// SPDX-License-Identifier: GPL-2.0
/*
 * What a page costs to fault in and to unmap, in nanoseconds. In a guest whose
 * clock counts instructions (QEMU: -icount shift=0,sleep=off) a nanosecond is
 * an instruction, and the numbers are the same in every run.
 */
#include <time.h>

#include "dax_test.h"

#define LEN	(64 * MB)
#define LEAF	(2 * MB)

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void report(const char *what, uint64_t ns, unsigned long nr)
{
	dax_note("cost %s %llu", what, (unsigned long long)((ns + nr / 2) / nr));
}

/* An address that is aligned for 2M leaves, and empty. */
static void *aligned(size_t len)
{
	uintptr_t p = (uintptr_t)dax_anon(len + LEAF);

	munmap((void *)p, len + LEAF);
	return (void *)((p + LEAF - 1) & ~(LEAF - 1));
}

static void measure(const char *name, unsigned char *p, size_t len, size_t step,
		    bool write)
{
	char what[64];
	uint64_t t;
	size_t i;

	dax_must(p != MAP_FAILED, "mmap");
	t = now();
	for (i = 0; i < len; i += step) {
		if (write)
			((volatile unsigned char *)p)[i] = 1;
		else
			(void)((volatile unsigned char *)p)[i];
	}
	t = now() - t;
	snprintf(what, sizeof(what), "%s-%s", name, write ? "write-fault" : "read-fault");
	report(what, t, len / step);
	t = now();
	dax_must(!munmap(p, len), "munmap");
	t = now() - t;
	snprintf(what, sizeof(what), "%s-munmap", name);
	report(what, t, len / step);
}

/* One page beside the alignment of the file: no leaf can be larger. */
static void dax_4k(void)
{
	int fd = dax_open("cost", LEN + PAGE, DAX_WRITTEN);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED_NOREPLACE;

	measure("dax-4k", mmap(aligned(LEN), LEN, prot, flags, fd, PAGE), LEN, PAGE,
		true);
	measure("dax-4k-again", mmap(aligned(LEN), LEN, prot, flags, fd, PAGE), LEN,
		PAGE, true);
	measure("dax-4k", mmap(aligned(LEN), LEN, PROT_READ, flags, fd, PAGE), LEN,
		PAGE, false);
}

/* As large as the kernel makes them: what a leaf costs, if it is one of 2M. */
static void dax_2m(void)
{
	int fd = dax_open("cost", LEN, DAX_WRITTEN);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED_NOREPLACE;

	measure("dax-2m", mmap(aligned(LEN), LEN, prot, flags, fd, 0), LEN, LEAF, true);
}

static void memory(void)
{
	unsigned char *p = dax_anon(LEN);

	dax_must(!madvise(p, LEN, MADV_NOHUGEPAGE) || errno == EINVAL, "madvise");
	measure("anon-4k", p, LEN, PAGE, true);
}

static void page_cache(void)
{
	int fd = memfd_create("cost", 0);

	dax_must(fd >= 0 && !ftruncate(fd, LEN), "memfd");
	measure("shmem-4k", mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		LEN, PAGE, true);
}

static const struct dax_test tests[] = {
	{ "dax: cost of 4K pages", dax_4k },
	{ "dax: cost of 2M pages", dax_2m },
	{ "dax: cost of anonymous pages", memory },
	{ "dax: cost of page cache", page_cache },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
