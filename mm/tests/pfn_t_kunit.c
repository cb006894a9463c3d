// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit test of <linux/pfn_t.h>: what a pfn is, its pfn_t says.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pfn_t.h>

#define ALL_FLAGS	(PFN_SG_CHAIN | PFN_SG_LAST | PFN_DEV | PFN_MAP | \
			 PFN_SPECIAL)

/* The highest pfn that a pfn_t, and an unsigned long, can hold. */
#define MAX_PFN		((unsigned long)~PFN_FLAGS_MASK)

static const struct kind {
	const char *name;
	u64 flags;
	bool has_page;
	bool devmap;	/* where the architecture has devmap leaves */
	bool special;	/* where the architecture has special leaves */
} kinds[] = {
	{ "ordinary memory", 0, true, false, false },
	{ "DEV", PFN_DEV, false, false, false },
	{ "DEV|MAP", PFN_DEV | PFN_MAP, true, true, false },
	{ "MAP", PFN_MAP, true, false, false },
	{ "DEV|SPECIAL", PFN_DEV | PFN_SPECIAL, false, false, true },
	{ "DEV|MAP|SG_LAST", PFN_DEV | PFN_MAP | PFN_SG_LAST, true, true, false },
};

static const unsigned long pfns[] = { 0, 1, 0x12345, MAX_PFN - 1, MAX_PFN };

static void kind_desc(const struct kind *k, char *desc)
{
	strscpy(desc, k->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_desc);

/* One page of RAM; freed by the caller. */
static struct page *ram_page(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

static void pfn_t_flags_test(struct kunit *test)
{
	const u64 all = ALL_FLAGS, mask = PFN_FLAGS_MASK;

	/* Each flag is one bit of its own, and a pfn can never reach it. */
	KUNIT_EXPECT_EQ(test, hweight64(all), 5);
	KUNIT_EXPECT_EQ(test, all & ~mask, 0);
	KUNIT_EXPECT_EQ(test, hweight64(mask), PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, (u64)PHYS_PFN(~(phys_addr_t)0) & PFN_FLAGS_MASK, 0);
}

static void pfn_t_pfn_test(struct kunit *test)
{
	const struct kind *k = test->param_value;
	pfn_t pfn;
	int i;

	for (i = 0; i < ARRAY_SIZE(pfns); i++) {
		pfn = __pfn_to_pfn_t(pfns[i], k->flags);
		KUNIT_EXPECT_EQ(test, pfn_t_to_pfn(pfn), pfns[i]);
		KUNIT_EXPECT_EQ(test, pfn.val & PFN_FLAGS_MASK, k->flags);
		KUNIT_EXPECT_EQ(test, pfn_t_to_phys(pfn), PFN_PHYS(pfns[i]));
	}

	/* What is no flag must not change the pfn. */
	pfn = __pfn_to_pfn_t(0x1000, k->flags | 0xfff);
	KUNIT_EXPECT_EQ(test, pfn_t_to_pfn(pfn), 0x1000);
}

static void pfn_t_phys_test(struct kunit *test)
{
	const struct kind *k = test->param_value;
	phys_addr_t top = ~(phys_addr_t)0;
	pfn_t pfn;

	pfn = phys_to_pfn_t(3 * PAGE_SIZE + 123, k->flags);
	KUNIT_EXPECT_EQ(test, pfn_t_to_pfn(pfn), 3);
	KUNIT_EXPECT_EQ(test, pfn_t_to_phys(pfn), 3 * PAGE_SIZE);

	/* Neither end of the address space is cut off. */
	pfn = phys_to_pfn_t(top, k->flags);
	KUNIT_EXPECT_EQ(test, pfn_t_to_pfn(pfn), PHYS_PFN(top));
	KUNIT_EXPECT_EQ(test, pfn.val & PFN_FLAGS_MASK, k->flags);
}

static void pfn_t_page_test(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct page *page = ram_page(test);
	pfn_t pfn = __pfn_to_pfn_t(page_to_pfn(page), k->flags);

	/*
	 * The pfn is valid in every case, as that of a device can be which
	 * shares a section with RAM: the flags decide nevertheless.
	 */
	KUNIT_EXPECT_TRUE(test, pfn_t_valid(pfn));
	KUNIT_EXPECT_EQ(test, pfn_t_has_page(pfn), k->has_page);
	KUNIT_EXPECT_PTR_EQ(test, pfn_t_to_page(pfn), k->has_page ? page : NULL);
	__free_page(page);
}

static void pfn_t_ordinary_test(struct kunit *test)
{
	struct page *page = ram_page(test);
	pfn_t pfn = page_to_pfn_t(page);

	KUNIT_EXPECT_EQ(test, pfn.val, page_to_pfn(page));
	KUNIT_EXPECT_EQ(test, pfn.val, pfn_to_pfn_t(page_to_pfn(page)).val);
	KUNIT_EXPECT_PTR_EQ(test, pfn_t_to_page(pfn), page);
	KUNIT_EXPECT_FALSE(test, pfn_t_devmap(pfn));
	KUNIT_EXPECT_FALSE(test, pfn_t_special(pfn));
	__free_page(page);
}

static void pfn_t_leaf_kind_test(struct kunit *test)
{
	const struct kind *k = test->param_value;
	bool devmap = IS_ENABLED(CONFIG_ARCH_HAS_PTE_DEVMAP) && k->devmap;
	bool special = IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL) && k->special;
	int i;

	for (i = 0; i < ARRAY_SIZE(pfns); i++) {
		pfn_t pfn = __pfn_to_pfn_t(pfns[i], k->flags);

		KUNIT_EXPECT_EQ(test, pfn_t_devmap(pfn), devmap);
		KUNIT_EXPECT_EQ(test, pfn_t_special(pfn), special);
		/* Only what has a page may get a devmap leaf. */
		KUNIT_EXPECT_TRUE(test, !pfn_t_devmap(pfn) || pfn_t_has_page(pfn));
	}
}

#ifdef CONFIG_MMU
static void pfn_t_pte_test(struct kunit *test)
{
	const struct kind *k = test->param_value;
	struct page *page = ram_page(test);
	unsigned long nr = page_to_pfn(page);
	pgprot_t prot = vm_get_page_prot(VM_READ);
	pte_t pte = pfn_t_pte(__pfn_to_pfn_t(nr, k->flags), prot);

	/* The flags of the pfn_t do not become bits of the pte. */
	KUNIT_EXPECT_TRUE(test, pte_same(pte, pfn_pte(nr, prot)));
	KUNIT_EXPECT_EQ(test, pte_pfn(pte), nr);
	KUNIT_EXPECT_TRUE(test, pte_present(pte));
	__free_page(page);
}
#else
static void pfn_t_pte_test(struct kunit *test)
{
	kunit_skip(test, "no page tables without an MMU");
}
#endif

static struct kunit_case pfn_t_cases[] = {
	KUNIT_CASE(pfn_t_flags_test),
	KUNIT_CASE_PARAM(pfn_t_pfn_test, kind_gen_params),
	KUNIT_CASE_PARAM(pfn_t_phys_test, kind_gen_params),
	KUNIT_CASE_PARAM(pfn_t_page_test, kind_gen_params),
	KUNIT_CASE(pfn_t_ordinary_test),
	KUNIT_CASE_PARAM(pfn_t_leaf_kind_test, kind_gen_params),
	KUNIT_CASE_PARAM(pfn_t_pte_test, kind_gen_params),
	{}
};

static struct kunit_suite pfn_t_suite = {
	.name = "pfn_t",
	.test_cases = pfn_t_cases,
};

kunit_test_suite(pfn_t_suite);

MODULE_DESCRIPTION("KUnit test for pfn_t");
MODULE_LICENSE("GPL");
