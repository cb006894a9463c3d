// SPDX-License-Identifier: GPL-2.0
/*
 * What a page costs to fault in, to get and put, to pin and unpin, and to unmap,
 * in nanoseconds. In a guest whose
 * clock counts instructions (QEMU: -icount shift=0,sleep=off) a nanosecond is
 * an instruction, and the numbers are the same in every run.
 */
#include <sys/ioctl.h>
#include <time.h>

#include "dax_test.h"
#include "../../../../mm/gup_test.h"

#define LEN	(64 * MB)
#define LEAF	(2 * MB)

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void report(const char *name, const char *what, uint64_t ns, unsigned long nr)
{
	dax_note("cost %s-%s %llu", name, what,
		 (unsigned long long)((ns + nr / 2) / nr));
}

/* An address that is aligned for 2M leaves, and empty. */
static void *aligned(size_t len)
{
	uintptr_t p = (uintptr_t)dax_anon(len + LEAF);

	munmap((void *)p, len + LEAF);
	return (void *)((p + LEAF - 1) & ~(LEAF - 1));
}

static void gup(const char *name, unsigned long cmd, unsigned char *p, size_t len,
		size_t step, const char *get, const char *put)
{
	struct gup_test test = {
		.addr = (uintptr_t)p, .size = len, .nr_pages_per_call = 512,
		.gup_flags = 1,		/* FOLL_WRITE */
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	dax_must(fd >= 0, "gup_test (CONFIG_GUP_TEST)");
	dax_must(!ioctl(fd, cmd, &test), "gup_test");
	if (test.size != len)
		dax_fail("gup_test: %llu of %zu bytes", test.size, len);
	close(fd);
	report(name, get, test.get_delta_usec * 1000ULL, len / step);
	report(name, put, test.put_delta_usec * 1000ULL, len / step);
}

static void measure(const char *name, unsigned char *p, size_t len, size_t step,
		    bool write, bool pages)
{
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
	report(name, write ? "write-fault" : "read-fault", now() - t, len / step);
	if (pages) {
		gup(name, GUP_FAST_BENCHMARK, p, len, step, "get", "put");
		gup(name, PIN_FAST_BENCHMARK, p, len, step, "pin", "unpin");
	}
	t = now();
	dax_must(!munmap(p, len), "munmap");
	report(name, "munmap", now() - t, len / step);
}

/* One page beside the alignment of the file: no leaf can be larger. */
static void dax_4k(void)
{
	int fd = dax_open("cost", LEN + PAGE, DAX_WRITTEN);
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED_NOREPLACE;

	measure("dax-4k", mmap(aligned(LEN), LEN, prot, flags, fd, PAGE), LEN, PAGE,
		true, false);
	measure("dax-4k-again", mmap(aligned(LEN), LEN, prot, flags, fd, PAGE), LEN,
		PAGE, true, false);
	measure("dax-4k", mmap(aligned(LEN), LEN, PROT_READ, flags, fd, PAGE), LEN,
		PAGE, false, false);
}

static void dax_4k_pages(void)
{
	int fd = dax_open("cost", LEN + PAGE, DAX_WRITTEN);

	measure("dax-4k-gup", mmap(aligned(LEN), LEN, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, PAGE),
		LEN, PAGE, true, true);
}

/* In one go, so that the file system finds extents of 2M, aligned. */
static int open_2m(void)
{
	int fd = dax_open("cost", LEN, DAX_UNWRITTEN);
	char *buf = dax_anon(MB);
	size_t at;

	for (at = 0; at < LEN; at += MB)
		dax_must(pwrite(fd, buf, MB, at) == (ssize_t)MB, "pwrite");
	return fd;
}

/* As large as the kernel makes them: what a leaf costs, if it is one of 2M. */
static void dax_2m(void)
{
	int fd = open_2m();

	measure("dax-2m", mmap(aligned(LEN), LEN, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
		LEN, LEAF, true, false);
	measure("dax-2m-again", mmap(aligned(LEN), LEN, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0),
		LEN, LEAF, true, false);
}

/* What 4K of a 2M leaf cost: here and in hugetlbfs. */
static void pages_of_leaves(const char *name, unsigned char *p)
{
	size_t i;

	dax_must(p != MAP_FAILED, "mmap");
	for (i = 0; i < LEN; i += LEAF)
		((volatile unsigned char *)p)[i] = 1;
	gup(name, GUP_FAST_BENCHMARK, p, LEN, PAGE, "get", "put");
	gup(name, PIN_FAST_BENCHMARK, p, LEN, PAGE, "pin", "unpin");
	gup(name, GUP_BASIC_TEST, p, LEN, PAGE, "slow-get", "slow-put");
	gup(name, PIN_BASIC_TEST, p, LEN, PAGE, "slow-pin", "slow-unpin");
	dax_must(!munmap(p, LEN), "munmap");
}

static void dax_2m_pages(void)
{
	int fd = open_2m();

	pages_of_leaves("dax-2m-4k", mmap(aligned(LEN), LEN, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0));
}

static void hugetlb(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	dax_must(f && fprintf(f, "%lu", LEN / LEAF) > 0 && !fclose(f), "nr_hugepages");
	pages_of_leaves("hugetlb-4k", mmap(NULL, LEN, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0));
}

static void memory(void)
{
	unsigned char *p = dax_anon(LEN);

	dax_must(!madvise(p, LEN, MADV_NOHUGEPAGE) || errno == EINVAL, "madvise");
	measure("anon-4k", p, LEN, PAGE, true, true);
}

static void page_cache(void)
{
	int fd = memfd_create("cost", 0);

	dax_must(fd >= 0 && !ftruncate(fd, LEN), "memfd");
	measure("shmem-4k", mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
		LEN, PAGE, true, true);
}

static const struct dax_test tests[] = {
	{ "dax: cost of 4K pages", dax_4k },
	{ "gup: cost of 4K pages to get and pin", dax_4k_pages },
	{ "dax: cost of 2M pages", dax_2m },
	{ "gup: cost of 2M pages to get and pin", dax_2m_pages },
	{ "dax: cost of hugetlb", hugetlb },
	{ "dax: cost of anonymous pages", memory },
	{ "dax: cost of page cache", page_cache },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
