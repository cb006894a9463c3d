// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a device page, from memremap_pages() to memunmap_pages().
 *
 * The range is free physical address space: its pages exist, the memory does
 * not, and no test touches it.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/device_folio.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include "../internal.h"

struct host {
	struct dev_pagemap pgmap;
	struct resource *res;
	bool mapped;
	struct folio *folio;		/* the first of the range */
	struct work_struct work;	/* puts @folio, or unmaps @pgmap */
	struct completion done;
	int freed;			/* calls of page_free */
};

static struct host *the_host;

static void count_free(struct page *page)
{
	the_host->freed++;
}

static const struct dev_pagemap_ops counting_ops = {
	.page_free = count_free,
};

static struct host *host_of(struct kunit *test, enum memory_type type)
{
	struct host *host = test->priv;
	void *addr;

	host->pgmap.type = type;
	host->pgmap.ops = &counting_ops;
	host->pgmap.owner = host;
	host->pgmap.nr_range = 1;
	host->pgmap.range.start = host->res->start;
	host->pgmap.range.end = host->res->end;
	addr = memremap_pages(&host->pgmap, NUMA_NO_NODE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(addr));
	host->mapped = true;
	host->folio = pfn_folio(PHYS_PFN(host->res->start));
	return host;
}

/* As fs/dax_folio.c does for the first entry over an idle page. */
static void make_live(struct kunit *test, struct host *host)
{
	KUNIT_ASSERT_EQ(test, folio_ref_count(host->folio), 0);
	KUNIT_ASSERT_TRUE(test, percpu_ref_tryget_live(&host->pgmap.ref));
	folio_ref_unfreeze(host->folio, 1);
}

static void put_work(struct work_struct *work)
{
	folio_put(container_of(work, struct host, work)->folio);
}

static void unmap_work(struct work_struct *work)
{
	struct host *host = container_of(work, struct host, work);

	memunmap_pages(&host->pgmap);
	complete(&host->done);
}

static void start_unmap(struct kunit *test, struct host *host)
{
	INIT_WORK(&host->work, unmap_work);
	host->mapped = false;
	queue_work(system_unbound_wq, &host->work);
	while (!percpu_ref_is_dying(&host->pgmap.ref))
		cond_resched();
	KUNIT_EXPECT_FALSE(test, completion_done(&host->done));
}

static void expect_unmapped(struct kunit *test, struct host *host)
{
	KUNIT_EXPECT_NE(test, 0, wait_for_completion_timeout(&host->done,
							     30 * HZ));
	flush_work(&host->work);
}

static void fsdax_idles_at_zero(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	unsigned long pfn = PHYS_PFN(host->res->start);
	unsigned long last = PHYS_PFN(host->res->end);

	for (; pfn <= last; pfn++) {
		struct page *page = pfn_to_page(pfn);

		if (page_ref_count(page) || page->pgmap != &host->pgmap ||
		    page->mapping || !is_zone_device_page(page))
			break;
	}
	KUNIT_EXPECT_EQ(test, pfn, last + 1);
	KUNIT_EXPECT_TRUE(test, folio_is_fsdax(host->folio));
}

static void lookup_finds_the_host(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	unsigned long pfn = PHYS_PFN(host->res->start);
	unsigned long last = PHYS_PFN(host->res->end);
	struct dev_pagemap *pgmap;

	pgmap = get_dev_pagemap(pfn, NULL);
	KUNIT_ASSERT_PTR_EQ(test, pgmap, &host->pgmap);
	/* The reference moves along; nothing is looked up twice. */
	pgmap = get_dev_pagemap(last, pgmap);
	KUNIT_ASSERT_PTR_EQ(test, pgmap, &host->pgmap);
	KUNIT_EXPECT_TRUE(test, pgmap_pfn_valid(pgmap, last));
	KUNIT_EXPECT_FALSE(test, pgmap_pfn_valid(pgmap, last + 1));
	/* Past the end, where a neighbour may be, the reference is given up. */
	pgmap = get_dev_pagemap(last + 1, pgmap);
	KUNIT_EXPECT_PTR_NE(test, pgmap, &host->pgmap);
	put_dev_pagemap(pgmap);
	KUNIT_EXPECT_NULL(test, get_dev_pagemap(page_to_pfn(virt_to_page(test)),
						NULL));
}

static void bad_ranges_are_refused(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct dev_pagemap *bad = kunit_kzalloc(test, sizeof(*bad), GFP_KERNEL);
	phys_addr_t ram = ALIGN_DOWN(virt_to_phys(test), SUBSECTION_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, bad);
	bad->range = host->pgmap.range;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(bad, NUMA_NO_NODE)),
			-EINVAL);
	bad->type = MEMORY_DEVICE_FS_DAX;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(bad, NUMA_NO_NODE)),
			-EINVAL);
	bad->nr_range = 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(bad, NUMA_NO_NODE)),
			-EBUSY);
	bad->range.start = host->pgmap.range.end + 1 + PAGE_SIZE;
	bad->range.end = bad->range.start + SUBSECTION_SIZE - 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(bad, NUMA_NO_NODE)),
			-EINVAL);
	bad->range.start = ram;
	bad->range.end = ram + SUBSECTION_SIZE - 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(bad, NUMA_NO_NODE)),
			-ENXIO);
	/* The range that stands is none the worse for it. */
	KUNIT_EXPECT_PTR_EQ(test, host->folio->page.pgmap, &host->pgmap);
	make_live(test, host);
	folio_put(host->folio);
}

/* Three pages for a memmap of eight: what was populated is given back. */
static void half_a_memmap_is_given_back(struct kunit *test)
{
	struct host *host = test->priv;
	struct dev_pagemap *small = kunit_kzalloc(test, sizeof(*small),
						  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, small);
	small->type = MEMORY_DEVICE_FS_DAX;
	small->nr_range = 1;
	small->range.start = host->res->start;
	small->range.end = host->res->end;
	small->flags = PGMAP_ALTMAP_VALID;
	small->altmap.base_pfn = PHYS_PFN(host->res->start);
	small->altmap.end_pfn = PHYS_PFN(host->res->end);
	small->altmap.free = 3;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(small, NUMA_NO_NODE)),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, small->altmap.used, 0);
	KUNIT_EXPECT_EQ(test, small->nr_range, 1);

	/* One that lies elsewhere is no altmap at all. */
	small->altmap.base_pfn++;
	KUNIT_EXPECT_EQ(test, PTR_ERR(memremap_pages(small, NUMA_NO_NODE)),
			-EINVAL);

	/* The same range, with a memmap in DRAM. */
	host_of(test, MEMORY_DEVICE_FS_DAX);
	make_live(test, host);
	folio_put(host->folio);
}

static void get_and_put(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct folio *folio = host->folio;

	KUNIT_EXPECT_FALSE(test, folio_try_get(folio));
	make_live(test, host);
	KUNIT_EXPECT_TRUE(test, folio_try_get(folio));
	get_page(&folio->page);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 3);
	put_page(&folio->page);
	folio_put_refs(folio, 2);
	KUNIT_EXPECT_EQ(test, folio_ref_count(folio), 0);
	KUNIT_EXPECT_FALSE(test, folio_try_get(folio));
	/* Nothing of the host was called, and it can be live again. */
	KUNIT_EXPECT_EQ(test, host->freed, 0);
	make_live(test, host);
	folio_put(folio);
}

static void last_put_wakes(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);

	make_live(test, host);
	INIT_WORK(&host->work, put_work);
	queue_work(system_unbound_wq, &host->work);
	KUNIT_EXPECT_NE(test, 0,
			wait_var_event_timeout(&host->folio->_refcount,
					       !folio_ref_count(host->folio),
					       30 * HZ));
	flush_work(&host->work);
}

static void put_in_a_batch(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct folio *dram = folio_alloc(GFP_KERNEL, 0);
	unsigned int refs[] = { 1, 3, 1 };
	struct folio_batch batch;

	KUNIT_ASSERT_NOT_NULL(test, dram);
	make_live(test, host);
	folio_ref_add(host->folio, 2);
	folio_get(dram);

	folio_batch_init(&batch);
	folio_batch_add(&batch, dram);
	folio_batch_add(&batch, host->folio);
	folio_batch_add(&batch, dram);
	folios_put_refs(&batch, refs);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 0);
}

static void teardown_waits(struct kunit *test, enum memory_type type)
{
	struct host *host = host_of(test, type);
	unsigned long pfn = PHYS_PFN(host->res->start);

	if (type == MEMORY_DEVICE_FS_DAX)
		make_live(test, host);
	else
		folio_get(host->folio);
	start_unmap(test, host);
	KUNIT_EXPECT_NULL(test, get_dev_pagemap(pfn, NULL));
	KUNIT_EXPECT_FALSE(test, percpu_ref_tryget_live(&host->pgmap.ref));
	/* Still there for whoever holds it. */
	KUNIT_EXPECT_PTR_EQ(test, host->folio->page.pgmap, &host->pgmap);
	folio_get(host->folio);
	folio_put(host->folio);
	KUNIT_EXPECT_FALSE(test, completion_done(&host->done));

	folio_put(host->folio);
	expect_unmapped(test, host);
}

static void fsdax_teardown_waits(struct kunit *test)
{
	teardown_waits(test, MEMORY_DEVICE_FS_DAX);
}

static void generic_teardown_waits(struct kunit *test)
{
	teardown_waits(test, MEMORY_DEVICE_GENERIC);
}

static void generic_idles_at_one(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_GENERIC);

	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 1);
	folio_get(host->folio);
	folio_put(host->folio);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 1);
	KUNIT_EXPECT_EQ(test, host->freed, 0);
}

static void p2pdma_is_freed_and_idle_again(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_PCI_P2PDMA);

	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 1);
	folio_put(host->folio);
	KUNIT_EXPECT_EQ(test, host->freed, 1);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 1);
}

static void coherent_is_freed_at_zero(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_COHERENT);

	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 0);
	zone_device_page_init(&host->folio->page);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 1);
	folio_unlock(host->folio);
	folio_put(host->folio);
	KUNIT_EXPECT_EQ(test, host->freed, 1);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 0);
}

static void it_comes_and_goes(struct kunit *test)
{
	struct host *host;
	int i;

	for (i = 0; i < 20; i++) {
		host = host_of(test, MEMORY_DEVICE_FS_DAX);
		make_live(test, host);
		folio_put(host->folio);
		memunmap_pages(&host->pgmap);
		host->mapped = false;
	}
}

#define HUGE_ORDER	9
#define HUGE_NR		(1UL << HUGE_ORDER)

static void assemble(struct kunit *test, struct host *host)
{
	KUNIT_ASSERT_TRUE(test, device_folio_assemble(&host->folio->page,
						      HUGE_ORDER));
}

static void assembled_is_one_folio(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct page *head = &host->folio->page;
	unsigned long i;

	assemble(test, host);
	KUNIT_EXPECT_EQ(test, folio_order(host->folio), HUGE_ORDER);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 0);
	for (i = 0; i < HUGE_NR; i++) {
		if (page_folio(head + i) != host->folio ||
		    page_ref_count(head + i) ||
		    !folio_is_fsdax(page_folio(head + i)) ||
		    !zone_device_pages_have_same_pgmap(head + i, head) ||
		    page_pgmap(head + i) != &host->pgmap)
			break;
	}
	KUNIT_EXPECT_EQ(test, i, HUGE_NR);

	/* Nothing but the host brings it to life, from no page of it. */
	KUNIT_EXPECT_FALSE(test, folio_try_get(page_folio(head + 7)));
	make_live(test, host);
	get_page(head + 7);
	get_page(head + HUGE_NR - 1);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 3);
	put_page(head + 1);
	put_page(head + 7);
	folio_put(host->folio);
	KUNIT_EXPECT_EQ(test, folio_ref_count(host->folio), 0);

	/* The pages are idle, and yet one folio. */
	make_live(test, host);
	put_page(head + 2);
	device_folio_dismantle(host->folio);
}

static void dismantled_pages_are_as_made(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct page *head = pfn_to_page(folio_pfn(host->folio)), *as_made;
	int i;

	as_made = kunit_kmalloc_array(test, HUGE_NR, sizeof(*head), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, as_made);
	memcpy(as_made, head, HUGE_NR * sizeof(*head));

	for (i = 0; i < 3; i++) {
		assemble(test, host);
		make_live(test, host);
		atomic_add(5, &host->folio->_pincount);
		folio_ref_add(host->folio, 5);
		atomic_sub(5, &host->folio->_pincount);
		folio_put_refs(host->folio, 6);
		device_folio_dismantle(host->folio);
		KUNIT_EXPECT_EQ(test, 0, memcmp(as_made, head,
						HUGE_NR * sizeof(*head)));

		/* Base pages again, each on its own. */
		make_live(test, host);
		KUNIT_EXPECT_EQ(test, page_ref_count(head + 1), 0);
		folio_put(host->folio);
	}
}

static void busy_pages_are_not_assembled(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct page *head = pfn_to_page(folio_pfn(host->folio)), *as_made;
	static const unsigned int busy[] = { 0, 1, 2, 300, HUGE_NR - 1 };
	int i;

	as_made = kunit_kmalloc_array(test, HUGE_NR, sizeof(*head), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, as_made);

	for (i = 0; i < ARRAY_SIZE(busy); i++) {
		struct folio *folio = page_folio(head + busy[i]);

		KUNIT_ASSERT_TRUE(test,
				  percpu_ref_tryget_live(&host->pgmap.ref));
		folio_ref_unfreeze(folio, 1);
		memcpy(as_made, head, HUGE_NR * sizeof(*head));
		KUNIT_EXPECT_FALSE(test, device_folio_assemble(head,
							       HUGE_ORDER));
		KUNIT_EXPECT_EQ(test, 0, memcmp(as_made, head,
						HUGE_NR * sizeof(*head)));
		folio_put(folio);
	}
	assemble(test, host);
	device_folio_dismantle(host->folio);
}

static void assembled_teardown_waits(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct page *tail = &host->folio->page + 100;

	assemble(test, host);
	make_live(test, host);
	start_unmap(test, host);
	/* From a tail the way to the host is through the head. */
	KUNIT_EXPECT_TRUE(test, folio_is_fsdax(page_folio(tail)));
	put_page(tail);
	expect_unmapped(test, host);
}

/* A put that is late: its count was zero, and the next user came first. */
static void late_put_finds_the_host(struct kunit *test)
{
	struct host *host = host_of(test, MEMORY_DEVICE_FS_DAX);
	struct folio *folio = page_folio(&host->folio->page + 1);

	KUNIT_ASSERT_TRUE(test, percpu_ref_tryget_live(&host->pgmap.ref));
	assemble(test, host);
	free_zone_device_folio(folio);
	device_folio_dismantle(host->folio);
	/* Teardown ends only if its reference went to the right host. */
}

static int host_init(struct kunit *test)
{
	struct host *host = kunit_kzalloc(test, sizeof(*host), GFP_KERNEL);

	if (!host)
		return -ENOMEM;
	init_completion(&host->done);
	host->res = request_free_mem_region(&iomem_resource, SZ_2M,
					    "device_folio_kunit");
	if (IS_ERR(host->res))
		return PTR_ERR(host->res);
	test->priv = host;
	the_host = host;
	return 0;
}

static void host_exit(struct kunit *test)
{
	struct host *host = test->priv;

	if (!host)
		return;
	if (host->mapped)
		memunmap_pages(&host->pgmap);
	release_mem_region(host->res->start, resource_size(host->res));
}

static struct kunit_case device_folio_cases[] = {
	KUNIT_CASE(fsdax_idles_at_zero),
	KUNIT_CASE(lookup_finds_the_host),
	KUNIT_CASE(bad_ranges_are_refused),
	KUNIT_CASE(half_a_memmap_is_given_back),
	KUNIT_CASE(get_and_put),
	KUNIT_CASE(last_put_wakes),
	KUNIT_CASE(put_in_a_batch),
	KUNIT_CASE(fsdax_teardown_waits),
	KUNIT_CASE(generic_teardown_waits),
	KUNIT_CASE(generic_idles_at_one),
	KUNIT_CASE(p2pdma_is_freed_and_idle_again),
	KUNIT_CASE(coherent_is_freed_at_zero),
	KUNIT_CASE(it_comes_and_goes),
	KUNIT_CASE(assembled_is_one_folio),
	KUNIT_CASE(dismantled_pages_are_as_made),
	KUNIT_CASE(busy_pages_are_not_assembled),
	KUNIT_CASE(assembled_teardown_waits),
	KUNIT_CASE(late_put_finds_the_host),
	{}
};

static struct kunit_suite device_folio_suite = {
	.name = "device_folio",
	.init = host_init,
	.exit = host_exit,
	.test_cases = device_folio_cases,
};
kunit_test_suite(device_folio_suite);

MODULE_DESCRIPTION("KUnit tests for the life of device pages");
MODULE_LICENSE("GPL");
