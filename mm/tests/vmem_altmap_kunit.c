// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of mm/vmem_altmap.c: device memory for the device's own memmap.
 * The allocator hands out numbers; no memory is touched.
 */
#include <kunit/test.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sizes.h>

#define BASE_PFN	0x100000UL	/* 2M aligned */
#define RESERVE		2UL		/* an info block */
#define BLOCK		(PMD_SIZE >> PAGE_SHIFT)

static struct vmem_altmap *altmap_new(struct kunit *test, unsigned long free)
{
	struct vmem_altmap *altmap = kunit_kzalloc(test, sizeof(*altmap),
						   GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, altmap);
	altmap->base_pfn = BASE_PFN;
	altmap->end_pfn = BASE_PFN + 64 * BLOCK - 1;
	altmap->reserve = RESERVE;
	altmap->free = free;
	KUNIT_ASSERT_EQ(test, vmem_altmap_init(altmap), 0);
	return altmap;
}

/* The pfn of a block, after the checks that hold for every block. */
static unsigned long take(struct kunit *test, struct vmem_altmap *altmap,
			  unsigned long nr)
{
	void *block = vmem_altmap_alloc(altmap, nr << PAGE_SHIFT);
	unsigned long pfn;

	if (!block)
		return 0;
	pfn = PHYS_PFN(__pa(block));
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(pfn, nr));
	KUNIT_EXPECT_GE(test, pfn, BASE_PFN + RESERVE);
	KUNIT_EXPECT_LE(test, pfn + nr, BASE_PFN + RESERVE + altmap->free);
	return pfn;
}

static void give(struct kunit *test, struct vmem_altmap *altmap,
		 unsigned long pfn, unsigned long nr)
{
	KUNIT_EXPECT_TRUE(test, vmem_altmap_free(altmap, pfn, nr));
}

static void altmap_alignment_test(struct kunit *test)
{
	struct vmem_altmap *altmap = altmap_new(test, 4 * BLOCK);
	unsigned long pfn[16], nr;
	int i, n = 0;

	for (nr = 1; nr <= BLOCK; nr *= 2) {
		KUNIT_ASSERT_LT(test, n, 16);
		pfn[n] = take(test, altmap, nr);
		KUNIT_EXPECT_NE(test, pfn[n++], 0);
	}
	KUNIT_EXPECT_EQ(test, altmap->used, 2 * BLOCK - 1);
	for (i = 0, nr = 1; i < n; i++, nr *= 2)
		give(test, altmap, pfn[i], nr);
	KUNIT_EXPECT_EQ(test, altmap->used, 0);
	vmem_altmap_exit(altmap);
}

/* Just enough is enough: blocks first, then the hole behind the reserve. */
static void altmap_exhaustion_test(struct kunit *test)
{
	const unsigned long blocks = 8;
	struct vmem_altmap *altmap = altmap_new(test, blocks * BLOCK);
	unsigned long i, pfn;

	for (i = 0; i < blocks - 1; i++) {
		pfn = take(test, altmap, BLOCK);
		KUNIT_EXPECT_EQ(test, pfn, BASE_PFN + (i + 1) * BLOCK);
	}
	KUNIT_EXPECT_EQ(test, take(test, altmap, BLOCK), 0);
	for (i = 0; i < BLOCK; i++)
		KUNIT_ASSERT_NE(test, take(test, altmap, 1), 0);
	KUNIT_EXPECT_EQ(test, take(test, altmap, 1), 0);
	KUNIT_EXPECT_EQ(test, altmap->used, altmap->free);

	give(test, altmap, BASE_PFN + RESERVE, altmap->free);
	KUNIT_EXPECT_EQ(test, altmap->used, 0);
	vmem_altmap_exit(altmap);
}

/* What is not the altmap's is the caller's to free. */
static void altmap_foreign_test(struct kunit *test)
{
	struct vmem_altmap *altmap = altmap_new(test, BLOCK);
	unsigned long pfn = take(test, altmap, 1);

	KUNIT_EXPECT_FALSE(test, vmem_altmap_free(NULL, pfn, 1));
	KUNIT_EXPECT_FALSE(test, vmem_altmap_free(altmap, BASE_PFN, 1));
	KUNIT_EXPECT_FALSE(test, vmem_altmap_free(altmap, BASE_PFN - 1, 1));
	KUNIT_EXPECT_FALSE(test, vmem_altmap_free(altmap, BASE_PFN + RESERVE +
						  altmap->free, 1));
	KUNIT_EXPECT_EQ(test, altmap->used, 1);
	give(test, altmap, pfn, 1);
	KUNIT_EXPECT_EQ(test, altmap->used, 0);
	vmem_altmap_exit(altmap);
}

/* Blocks come back in any order, whole or in pieces, and are good again. */
static void altmap_any_order_test(struct kunit *test)
{
	const unsigned long blocks = 16, free = (blocks + 1) * BLOCK;
	struct vmem_altmap *altmap = altmap_new(test, free);
	unsigned long pfn[16], i, j, round;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 0x6461786775700001);
	for (round = 0; round < 50; round++) {
		for (i = 0; i < blocks; i++) {
			pfn[i] = take(test, altmap, BLOCK);
			KUNIT_ASSERT_NE(test, pfn[i], 0);
			for (j = 0; j < i; j++)
				KUNIT_ASSERT_NE(test, pfn[i], pfn[j]);
		}
		for (i = blocks; i; i--) {
			j = prandom_u32_state(&rnd) % i;
			swap(pfn[j], pfn[i - 1]);
			give(test, altmap, pfn[i - 1] + BLOCK / 2, BLOCK / 2);
			give(test, altmap, pfn[i - 1], BLOCK / 2);
		}
		KUNIT_ASSERT_EQ(test, altmap->used, 0);
	}
	vmem_altmap_exit(altmap);
}

/* A hole in the middle is found again, and not given out twice. */
static void altmap_reuse_test(struct kunit *test)
{
	struct vmem_altmap *altmap = altmap_new(test, 4 * BLOCK);
	unsigned long first = take(test, altmap, BLOCK);
	unsigned long second = take(test, altmap, BLOCK);

	give(test, altmap, first, BLOCK);
	KUNIT_EXPECT_EQ(test, take(test, altmap, BLOCK), first);
	KUNIT_EXPECT_NE(test, take(test, altmap, BLOCK), second);
	KUNIT_EXPECT_EQ(test, altmap->used, 3 * BLOCK);
	give(test, altmap, first, 3 * BLOCK);
	vmem_altmap_exit(altmap);
}

static void altmap_covers_test(struct kunit *test)
{
	struct vmem_altmap *altmap = altmap_new(test, BLOCK);
	unsigned long first = (unsigned long)pfn_to_page(altmap->base_pfn);
	unsigned long end = (unsigned long)pfn_to_page(altmap->end_pfn + 1);

	KUNIT_EXPECT_TRUE(test, vmem_altmap_covers(altmap, first, end - first));
	KUNIT_EXPECT_FALSE(test, vmem_altmap_covers(altmap, first - PAGE_SIZE,
						    2 * PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, vmem_altmap_covers(altmap, end - PAGE_SIZE,
						    2 * PAGE_SIZE));
	vmem_altmap_exit(altmap);
}

static struct kunit_case altmap_cases[] = {
	KUNIT_CASE(altmap_alignment_test),
	KUNIT_CASE(altmap_exhaustion_test),
	KUNIT_CASE(altmap_foreign_test),
	KUNIT_CASE(altmap_any_order_test),
	KUNIT_CASE(altmap_reuse_test),
	KUNIT_CASE(altmap_covers_test),
	{}
};

static struct kunit_suite altmap_suite = {
	.name = "vmem_altmap",
	.test_cases = altmap_cases,
};
kunit_test_suite(altmap_suite);

MODULE_DESCRIPTION("KUnit test of device memory for the memmap");
MODULE_LICENSE("GPL");
