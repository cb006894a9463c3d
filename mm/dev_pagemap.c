// SPDX-License-Identifier: GPL-2.0
/*
 * Which device hosts a pfn, and a reference that keeps it.
 *
 * One xarray maps every pfn of every pagemap to its struct dev_pagemap.
 * Lookups run under RCU; what makes the result safe to keep is the reference:
 * percpu_ref_tryget_live() fails from the moment teardown begins, and teardown
 * waits for those taken before.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>
#include "dev_pagemap.h"

static DEFINE_XARRAY(pagemaps);

static bool range_has_pfn(const struct range *range, unsigned long pfn)
{
	return pfn >= PHYS_PFN(range->start) && pfn <= PHYS_PFN(range->end);
}

/**
 * dev_pagemap_has_pfn - is a pfn device memory, be its host live or going
 * @pfn: page frame number
 *
 * Context: any that may take an RCU read lock.
 * Return: true where a pagemap is registered for @pfn.
 */
bool dev_pagemap_has_pfn(unsigned long pfn)
{
	return xa_load(&pagemaps, pfn);
}

static bool dev_pagemap_overlaps(const struct range *range)
{
	unsigned long index = PHYS_PFN(range->start);

	return xa_find(&pagemaps, &index, PHYS_PFN(range->end), XA_PRESENT);
}

/**
 * dev_pagemap_register - make the pfns of a range lead to their pagemap
 * @pgmap: the host
 * @range: bytes, end included
 *
 * The range must not overlap one that is registered.
 *
 * Context: process context, may sleep.
 * Return: 0, -EBUSY where another pagemap hosts a pfn of @range, or -ENOMEM.
 */
int dev_pagemap_register(struct dev_pagemap *pgmap, const struct range *range)
{
	unsigned long first = PHYS_PFN(range->start);
	unsigned long last = PHYS_PFN(range->end);
	int error;

	if (dev_pagemap_overlaps(range))
		return -EBUSY;
	error = xa_err(xa_store_range(&pagemaps, first, last, pgmap,
				      GFP_KERNEL));
	/* A range takes several entries; some may be there. */
	if (error)
		dev_pagemap_unregister(range);
	return error;
}

/**
 * dev_pagemap_unregister - forget the pagemap of a range
 * @range: as registered
 *
 * When it returns no lookup is under way that can still find the pagemap.
 *
 * Context: process context, sleeps for a grace period.
 */
void dev_pagemap_unregister(const struct range *range)
{
	xa_store_range(&pagemaps, PHYS_PFN(range->start), PHYS_PFN(range->end),
		       NULL, GFP_KERNEL);
	synchronize_rcu();
}

/**
 * get_dev_pagemap - find the host of a pfn and keep it
 * @pfn: page frame number
 * @pgmap: a pagemap that the caller has a reference to, or %NULL
 *
 * For loops over pfns: where @pgmap hosts @pfn it is returned as it is, with
 * the caller's reference; else that reference is dropped and the right host
 * looked up.
 *
 * Context: any that may take an RCU read lock.
 * Return: the pagemap with a reference for put_dev_pagemap(), or %NULL where
 * @pfn is not device memory with a struct page, or its host is going.
 */
struct dev_pagemap *get_dev_pagemap(unsigned long pfn,
				    struct dev_pagemap *pgmap)
{
	if (pgmap) {
		if (pgmap->nr_range == 1 && range_has_pfn(&pgmap->range, pfn))
			return pgmap;
		put_dev_pagemap(pgmap);
	}

	rcu_read_lock();
	pgmap = xa_load(&pagemaps, pfn);
	if (pgmap && !percpu_ref_tryget_live_rcu(&pgmap->ref))
		pgmap = NULL;
	rcu_read_unlock();
	return pgmap;
}
EXPORT_SYMBOL_GPL(get_dev_pagemap);

/**
 * pgmap_pfn_valid - is a pfn one of a pagemap's
 * @pgmap: the pagemap; the caller has a reference
 * @pfn: page frame number
 *
 * Context: any.
 * Return: true where @pgmap hosts @pfn, and @pfn does not host the memmap.
 */
bool pgmap_pfn_valid(struct dev_pagemap *pgmap, unsigned long pfn)
{
	int i;

	for (i = 0; i < pgmap->nr_range; i++)
		if (pfn >= pgmap_first_pfn(pgmap, i) &&
		    pfn < pgmap_end_pfn(pgmap, i))
			return true;
	return false;
}

#ifdef CONFIG_DEBUG_FS
/*
 * /sys/kernel/debug/dev_pagemap: a line for each range, with what its pages
 * are up to.  It reads refcounts without a lock: a picture, not an invariant,
 * unless the caller has made sure that nothing moves.
 */
static const char * const type_names[] = {
	[MEMORY_DEVICE_PRIVATE]	 = "private",
	[MEMORY_DEVICE_COHERENT] = "coherent",
	[MEMORY_DEVICE_FS_DAX]	 = "fsdax",
	[MEMORY_DEVICE_GENERIC]	 = "generic",
	[MEMORY_DEVICE_PCI_P2PDMA] = "p2pdma",
};

static void show_range(struct seq_file *m, struct dev_pagemap *pgmap, int i)
{
	const struct range *range = &pgmap->ranges[i];
	unsigned long pfn = pgmap_first_pfn(pgmap, i);
	unsigned long end = pgmap_end_pfn(pgmap, i);
	unsigned long pages = end - pfn, busy = 0, refs = 0;
	int max = 0;

	for (; pfn < end; pfn += pgmap_vmemmap_nr(pgmap)) {
		int count = page_ref_count(pfn_to_page(pfn));

		busy += count > 0;
		refs += count;
		max = max(max, count);
		if (IS_ALIGNED(pfn, PAGES_PER_SECTION))
			cond_resched();
	}
	seq_printf(m, "range %#llx-%#llx type %s pages %lu busy %lu refs %lu max %d\n",
		   range->start, range->end, type_names[pgmap->type], pages,
		   busy, refs, max);
}

static int dev_pagemap_show(struct seq_file *m, void *unused)
{
	struct dev_pagemap *pgmap;
	unsigned long pfn = 0;

	rcu_read_lock();
	while ((pgmap = xa_find(&pagemaps, &pfn, ULONG_MAX, XA_PRESENT))) {
		bool live = percpu_ref_tryget_live_rcu(&pgmap->ref);
		/* One that is going is passed by as a whole, too. */
		unsigned long next = (pfn | ((1UL << xa_get_order(&pagemaps,
						pfn)) - 1)) + 1;
		int i;

		rcu_read_unlock();
		for (i = 0; live && i < pgmap->nr_range; i++) {
			if (!range_has_pfn(&pgmap->ranges[i], pfn))
				continue;
			show_range(m, pgmap, i);
			next = PHYS_PFN(pgmap->ranges[i].end) + 1;
		}
		if (live)
			put_dev_pagemap(pgmap);
		pfn = next;
		cond_resched();
		rcu_read_lock();
	}
	rcu_read_unlock();
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(dev_pagemap);

static int __init dev_pagemap_debugfs(void)
{
	debugfs_create_file("dev_pagemap", 0400, NULL, NULL,
			    &dev_pagemap_fops);
	return 0;
}
late_initcall(dev_pagemap_debugfs);
#endif /* CONFIG_DEBUG_FS */
