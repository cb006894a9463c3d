// SPDX-License-Identifier: GPL-2.0
/*
 * Struct pages for device memory: build them, take them down, and know what
 * the last reference to one means.
 *
 * Each type of device memory is a row in rules[]: whether the CPU reaches it,
 * and with how many references a page of it idles.  A page that is live holds
 * its pagemap, so the memmap goes only when nobody can still put a page of it.
 */
#define pr_fmt(fmt) "memremap: " fmt

#include <linux/dax_pin.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/kasan.h>
#include <linux/memcontrol.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page-isolation.h>
#include <linux/pgtable.h>
#include <linux/wait_bit.h>
#include "dev_pagemap.h"
#include "internal.h"

/**
 * struct device_memory_rule - how one type of device memory differs
 * @enabled: this kernel has users for the type
 * @mapped: the CPU reaches it: it needs the linear mapping, not a memmap alone
 * @needs_owner: users tell their own memory from others' by the owner
 * @needs_free: the last reference ends in the host's page_free
 * @idle_count: references to a page that nobody uses
 */
struct device_memory_rule {
	bool enabled;
	bool mapped;
	bool needs_owner;
	bool needs_free;
	int idle_count;
};

static const struct device_memory_rule rules[] = {
	[MEMORY_DEVICE_PRIVATE] = {
		.enabled = IS_ENABLED(CONFIG_DEVICE_PRIVATE),
		.needs_owner = true,
		.needs_free = true,
	},
	[MEMORY_DEVICE_COHERENT] = {
		.enabled = true,
		.mapped = true,
		.needs_owner = true,
		.needs_free = true,
	},
	[MEMORY_DEVICE_FS_DAX] = {
		.enabled = !IS_ENABLED(CONFIG_FS_DAX_LIMITED),
		.mapped = true,
	},
	[MEMORY_DEVICE_GENERIC] = {
		.enabled = true,
		.mapped = true,
		.idle_count = 1,
	},
	[MEMORY_DEVICE_PCI_P2PDMA] = {
		.enabled = true,
		.mapped = true,
		.needs_free = true,
		.idle_count = 1,
	},
};

#ifndef CONFIG_ARCH_HAS_MEMREMAP_COMPAT_ALIGN
/**
 * memremap_compat_align - alignment good for every mode of a namespace
 *
 * memremap() takes any page; a memmap grows by subsections.  A namespace has
 * to be good for both, or it could not change its mode later.
 *
 * Context: any.
 * Return: bytes.
 */
unsigned long memremap_compat_align(void)
{
	return SUBSECTION_SIZE;
}
EXPORT_SYMBOL_GPL(memremap_compat_align);
#endif

static unsigned long range_folios(struct dev_pagemap *pgmap, int i)
{
	return (pgmap_end_pfn(pgmap, i) - pgmap_first_pfn(pgmap, i)) >>
		pgmap->vmemmap_shift;
}

/* To loop over the folios of a pagemap: where the next one starts. */
static unsigned long next_folio_pfn(struct dev_pagemap *pgmap,
				    unsigned long pfn)
{
	pfn += pgmap_vmemmap_nr(pgmap);
	if (IS_ALIGNED(pfn, PAGES_PER_SECTION))
		cond_resched();
	return pfn;
}

#define for_each_device_folio(pfn, pgmap, i)				\
	for ((i) = 0; (i) < (pgmap)->nr_range; (i)++)			\
		for ((pfn) = pgmap_first_pfn(pgmap, i);			\
		     (pfn) < pgmap_end_pfn(pgmap, i);			\
		     (pfn) = next_folio_pfn(pgmap, pfn))

static pgprot_t linear_prot(const struct dev_pagemap *pgmap)
{
	switch (pgmap->type) {
	case MEMORY_DEVICE_FS_DAX:
		return pgprot_decrypted(PAGE_KERNEL);
	case MEMORY_DEVICE_PCI_P2PDMA:
		return pgprot_noncached(PAGE_KERNEL);
	default:
		return PAGE_KERNEL;
	}
}

static int pagemap_check(struct dev_pagemap *pgmap, const char *who)
{
	const struct device_memory_rule *rule;
	const struct dev_pagemap_ops *ops = pgmap->ops;
	const char *missing = NULL;

	if (pgmap->type < MEMORY_DEVICE_PRIVATE ||
	    pgmap->type > MEMORY_DEVICE_PCI_P2PDMA) {
		pr_err("%s: type %d is no memory type: the driver has to set one\n",
		       who, pgmap->type);
		return -EINVAL;
	}
	rule = &rules[pgmap->type];

	if (pgmap->nr_range < 1)
		missing = "a range";
	else if (pgmap_altmap(pgmap) && (pgmap->nr_range > 1 || !rule->mapped))
		missing = "one range, mapped by the CPU, to host its memmap";
	else if (!rule->enabled)
		missing = "the kernel option for its type";
	else if (rule->needs_owner && !pgmap->owner)
		missing = "an owner";
	else if (rule->needs_free && !(ops && ops->page_free))
		missing = "ops->page_free";
	else if (!rule->mapped && !(ops && ops->migrate_to_ram))
		missing = "ops->migrate_to_ram";
	if (!missing)
		return 0;

	pr_err("%s: pagemap of type %d lacks %s\n", who, pgmap->type, missing);
	return -EINVAL;
}

static int range_check(struct dev_pagemap *pgmap, int i, const char *who)
{
	const struct range *range = &pgmap->ranges[i];
	u64 len = range_len(range);

	/* The memmap grows and shrinks by subsections. */
	if (!IS_ALIGNED(range->start | len, SUBSECTION_SIZE)) {
		pr_err("%s: %#llx-%#llx is not aligned to %#lx: align start and size\n",
		       who, range->start, range->end, SUBSECTION_SIZE);
		return -EINVAL;
	}
	/* Compound pages are whole, and lie where their size says. */
	if (!IS_ALIGNED(pgmap_first_pfn(pgmap, i) | pgmap_end_pfn(pgmap, i),
			pgmap_vmemmap_nr(pgmap))) {
		pr_err("%s: %#llx-%#llx is not aligned to compound pages of %#lx: align start and size, or use smaller pages\n",
		       who, range->start, range->end,
		       pgmap_vmemmap_nr(pgmap) << PAGE_SHIFT);
		return -EINVAL;
	}
	if (region_intersects(range->start, len, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("%s: %#llx-%#llx overlaps System RAM: choose another range\n",
		       who, range->start, range->end);
		return -ENXIO;
	}
	if (!mhp_range_allowed(range->start, len, rules[pgmap->type].mapped)) {
		pr_err("%s: %#llx-%#llx is out of this machine's reach\n",
		       who, range->start, range->end);
		return -EINVAL;
	}
	return 0;
}

/*
 * Is there DRAM for the memmap?  To find out by running out of it would take
 * everybody else's memory first.
 */
static int dram_check(struct dev_pagemap *pgmap, const struct range *range,
		      const char *who)
{
	unsigned long nr = PHYS_PFN(range_len(range));
	long available = si_mem_available();
	unsigned long need;

	if (pgmap_altmap(pgmap))
		return 0;
	if (vmemmap_can_optimize(NULL, pgmap))
		need = (nr >> pgmap->vmemmap_shift) * VMEMMAP_RESERVE_NR;
	else
		need = PFN_UP(nr * sizeof(struct page));
	/* Page tables, and the pages of whoever comes meanwhile. */
	need += need / 16;
	if (available > 0 && need < available)
		return 0;

	pr_err("%s: %#llx-%#llx: struct pages need %lu MiB of DRAM, %ld MiB are available: let the device host them (ndctl create-namespace --map=dev)\n",
	       who, range->start, range->end, need >> (20 - PAGE_SHIFT),
	       available >> (20 - PAGE_SHIFT));
	return -ENOMEM;
}

static void __ref memmap_fill(unsigned long pfn, unsigned long end,
			      const struct page *template)
{
	struct page *page = pfn_to_page(pfn);

	for (; pfn < end; pfn++, page++) {
		*page = *template;
#ifdef WANT_PAGE_VIRTUAL
		set_page_address(page, __va(PFN_PHYS(pfn)));
#endif
	}
}

/*
 * The struct pages of a compound page in the memmap.  All tails are alike, and
 * behind the first few they may be the same memory: never written then.
 */
static void __ref memmap_init_compound(struct dev_pagemap *pgmap,
				       struct page *head,
				       const struct page *idle,
				       const struct page *tail)
{
	unsigned long pfn = page_to_pfn(head);
	unsigned long nr = pgmap_vmemmap_nr(pgmap), i;

	/* Boot memory's memmap, where device memory shares a section, is whole. */
	if (vmemmap_can_optimize(pgmap_altmap(pgmap), pgmap) &&
	    !early_section(__pfn_to_section(pfn)) &&
	    !vmemmap_is_leaf((unsigned long)head + PAGE_SIZE))
		nr = VMEMMAP_RESERVE_NR * PAGE_SIZE / sizeof(*head);

	memmap_fill(pfn, pfn + 1, idle);
	memmap_fill(pfn + 1, pfn + nr, tail);
	__SetPageHead(head);
	for (i = 1; i < nr; i++)
		prep_compound_tail(head, i);
	prep_compound_head(head, pgmap->vmemmap_shift);
}

/*
 * Every page of the range starts out the same, so the first one is made with
 * care and the rest are copies: with a vmemmap no page holds its own number
 * (but some architectures keep its address, WANT_PAGE_VIRTUAL).  The pages that
 * host the memmap itself are in use for as long as it stands.
 * Nobody can see the pages yet.
 */
static void __ref memmap_init(struct dev_pagemap *pgmap, int i, int nid)
{
	unsigned long pfn = PHYS_PFN(pgmap->ranges[i].start), next;
	unsigned long data = pgmap_first_pfn(pgmap, i);
	unsigned long end = pgmap_end_pfn(pgmap, i);
	struct page *page = pfn_to_page(pfn);
	struct page host, idle, tail;

	if (highest_memmap_pfn < end - 1)
		highest_memmap_pfn = end - 1;

	__init_single_page(page, pfn, ZONE_DEVICE, nid);
	__SetPageReserved(page);
	page->pgmap = pgmap;
	page->zone_device_data = NULL;
	host = *page;
	set_page_count(page, 0);
	tail = *page;
	set_page_count(page, rules[pgmap->type].idle_count);
	idle = *page;

	memmap_fill(pfn, data, &host);
	if (pgmap->vmemmap_shift)
		for (next = data; next < end; next = next_folio_pfn(pgmap, next))
			memmap_init_compound(pgmap, pfn_to_page(next), &idle,
					     &tail);

	for (; pfn < end; pfn = next) {
		next = min(end, pageblock_end_pfn(pfn));
		if (!pgmap->vmemmap_shift)
			memmap_fill(max(pfn, data), next, &idle);
		if (pageblock_aligned(pfn))
			set_pageblock_migratetype(pfn_to_page(pfn),
						  MIGRATE_MOVABLE);
		cond_resched();
	}
}

static int __ref range_add_memory(struct dev_pagemap *pgmap,
				  const struct range *range, int nid,
				  pgprot_t prot)
{
	struct mhp_params params = {
		.altmap = pgmap_altmap(pgmap),
		.pgprot = prot,
		.pgmap = pgmap,
	};
	const bool mapped = rules[pgmap->type].mapped;
	u64 len = range_len(range);
	void *shadow = __va(range->start);
	int error;

	mem_hotplug_begin();
	if (mapped) {
		error = kasan_add_zero_shadow(shadow, len);
		if (error)
			goto out;
		error = arch_add_memory(nid, range->start, len, &params);
		if (error)
			kasan_remove_zero_shadow(shadow, len);
	} else {
		/*
		 * Not add_pages(): where the CPU cannot reach, max_pfn stays
		 * what it is, or other devices would bounce their DMA.
		 */
		error = __add_pages(nid, PHYS_PFN(range->start), PHYS_PFN(len),
				    &params);
	}
	if (!error)
		move_pfn_range_to_zone(&NODE_DATA(nid)->node_zones[ZONE_DEVICE],
				       PHYS_PFN(range->start), PHYS_PFN(len),
				       MIGRATE_MOVABLE);
out:
	mem_hotplug_done();
	return error;
}

static void range_remove_memory(struct dev_pagemap *pgmap,
				const struct range *range)
{
	unsigned long pfn = PHYS_PFN(range->start);
	u64 len = range_len(range);

	mem_hotplug_begin();
	remove_pfn_range_from_zone(page_zone(pfn_to_page(pfn)), pfn,
				   PHYS_PFN(len));
	if (rules[pgmap->type].mapped) {
		arch_remove_memory(range->start, len, pgmap_altmap(pgmap),
				   pgmap);
		kasan_remove_zero_shadow(__va(range->start), len);
	} else {
		__remove_pages(pfn, PHYS_PFN(len), NULL, pgmap);
	}
	mem_hotplug_done();
}

static int range_setup(struct dev_pagemap *pgmap, int i, int nid,
		       const char *who)
{
	const struct range *range = &pgmap->ranges[i];
	unsigned long pfn = PHYS_PFN(range->start);
	pgprot_t prot = linear_prot(pgmap);
	int error;

	error = range_check(pgmap, i, who);
	if (!error)
		error = dram_check(pgmap, range, who);
	/*
	 * First: from here on pfn_to_online_page() knows whose these are, in
	 * the section that they share with System RAM.  Nobody gets a
	 * reference before all ranges stand.
	 */
	if (!error)
		error = dev_pagemap_register(pgmap, range);
	if (error == -EBUSY)
		pr_err("%s: %#llx-%#llx has a pagemap: unbind the driver that made it\n",
		       who, range->start, range->end);
	if (error)
		return error;

	/* May change @prot: to what others have mapped the memory as. */
	error = track_pfn_remap(NULL, &prot, pfn, 0, range_len(range));
	if (error)
		goto unregister;
	error = range_add_memory(pgmap, range, nid, prot);
	if (error) {
		pr_err("%s: %#llx-%#llx: no struct pages (%d): free memory, or let the device host them (ndctl create-namespace --map=dev)\n",
		       who, range->start, range->end, error);
		goto untrack;
	}
	memmap_init(pgmap, i, nid);
	if (rules[pgmap->type].idle_count)
		percpu_ref_get_many(&pgmap->ref, range_folios(pgmap, i));
	return 0;

untrack:
	untrack_pfn(NULL, pfn, range_len(range), true);
unregister:
	dev_pagemap_unregister(range);
	return error;
}

static void range_teardown(struct dev_pagemap *pgmap, int i)
{
	const struct range *range = &pgmap->ranges[i];

	range_remove_memory(pgmap, range);
	untrack_pfn(NULL, PHYS_PFN(range->start), range_len(range), true);
	dev_pagemap_unregister(range);
}

/* All ranges that stand, and what is common to them. */
static void pagemap_teardown(struct dev_pagemap *pgmap)
{
	int i;

	/*
	 * get_user_pages_fast() runs with interrupts off: whoever read a leaf
	 * before it was cleared is done with the struct page after this.
	 */
	synchronize_rcu();
	for (i = 0; i < pgmap->nr_range; i++)
		range_teardown(pgmap, i);
	if (pgmap_altmap(pgmap))
		vmem_altmap_exit(pgmap_altmap(pgmap));
	percpu_ref_exit(&pgmap->ref);
}

/* Give up the references that idle pages of a type hold for themselves. */
static void drop_idle_refs(struct dev_pagemap *pgmap)
{
	unsigned long pfn;
	int i;

	if (!rules[pgmap->type].idle_count)
		return;
	/* The host of a BAR counts the pages that it gave out. */
	if (pgmap->type == MEMORY_DEVICE_PCI_P2PDMA) {
		for (i = 0; i < pgmap->nr_range; i++)
			percpu_ref_put_many(&pgmap->ref, range_folios(pgmap, i));
		return;
	}
	for_each_device_folio(pfn, pgmap, i)
		folio_put(pfn_folio(pfn));
}

static void report_busy(struct dev_pagemap *pgmap)
{
	/* Teardown dropped the idle references, but for those of a BAR. */
	const int idle = pgmap->type == MEMORY_DEVICE_PCI_P2PDMA;
	unsigned long pfn, busy = 0, first = 0;
	int i;

	for_each_device_folio(pfn, pgmap, i) {
		if (page_ref_count(pfn_to_page(pfn)) > idle && !busy++)
			first = pfn;
	}
	/* None: a reference to the pagemap itself is on its way back. */
	pr_info("%#llx-%#llx: waiting for %lu pages in use (pfn %#lx: %d references)\n",
		pgmap->range.start, pgmap->range.end, busy, first,
		busy ? page_ref_count(pfn_to_page(first)) : 0);
}

/**
 * memunmap_pages - take down what memremap_pages() built
 * @pgmap: the pagemap
 *
 * From the first step on no page of @pgmap becomes live again.  Then what is
 * mapped is unmapped, and what is pinned is waited for, uninterruptibly: DMA
 * may be under way.  The log says so every ten seconds.
 *
 * Context: process context, sleeps.
 */
void memunmap_pages(struct dev_pagemap *pgmap)
{
	percpu_ref_kill(&pgmap->ref);
	if (pgmap->ops && pgmap->ops->revoke)
		pgmap->ops->revoke(pgmap);
	drop_idle_refs(pgmap);

	while (!wait_for_completion_timeout(&pgmap->done, 10 * HZ))
		report_busy(pgmap);

	pagemap_teardown(pgmap);
}
EXPORT_SYMBOL_GPL(memunmap_pages);

static void pagemap_idle(struct percpu_ref *ref)
{
	struct dev_pagemap *pgmap = container_of(ref, struct dev_pagemap, ref);

	complete(&pgmap->done);
}

/* @who: whose name the log gives with an error */
static void *pagemap_build(struct dev_pagemap *pgmap, int nid, const char *who)
{
	const int nr_range = pgmap->nr_range;
	int error;

	error = pagemap_check(pgmap, who);
	if (error)
		return ERR_PTR(error);
	if (nid < 0)
		nid = numa_mem_id();

	init_completion(&pgmap->done);
	error = percpu_ref_init(&pgmap->ref, pagemap_idle,
				PERCPU_REF_INIT_DEAD, GFP_KERNEL);
	if (error)
		return ERR_PTR(error);
	if (pgmap_altmap(pgmap))
		error = vmem_altmap_init(pgmap_altmap(pgmap));
	if (error) {
		percpu_ref_exit(&pgmap->ref);
		return ERR_PTR(error);
	}

	/* Counts the ranges that stand: an error takes down no others. */
	for (pgmap->nr_range = 0; pgmap->nr_range < nr_range;
	     pgmap->nr_range++) {
		error = range_setup(pgmap, pgmap->nr_range, nid, who);
		if (error)
			break;
	}
	if (error) {
		/* Nobody has seen them. */
		pagemap_teardown(pgmap);
		pgmap->nr_range = nr_range;
		return ERR_PTR(error);
	}
	percpu_ref_resurrect(&pgmap->ref);
	return __va(pgmap->ranges[0].start);
}

/**
 * memremap_pages - build struct pages for device memory
 * @pgmap: type, ranges, and ops and owner where the type needs them; altmap
 *	and %PGMAP_ALTMAP_VALID where the range hosts its memmap
 * @nid: node whose memory the memmap comes from; below zero for any
 *
 * Ranges are in bytes, end included, and aligned to memremap_compat_align().
 * Where there are several the pages stand ready range by range; nothing is
 * left behind on an error.
 *
 * Context: process context, sleeps.
 * Return: the kernel address of the first range (for memory that the CPU
 * reaches), or -EINVAL, -ENXIO where the range is System RAM, -EBUSY where it
 * has a pagemap, -ENOMEM; memunmap_pages() undoes it.
 */
void *memremap_pages(struct dev_pagemap *pgmap, int nid)
{
	return pagemap_build(pgmap, nid, "device memory");
}
EXPORT_SYMBOL_GPL(memremap_pages);

static void devm_memremap_pages_release(void *pgmap)
{
	memunmap_pages(pgmap);
}

/**
 * devm_memremap_pages - memremap_pages() for as long as a driver is bound
 * @dev: the device that hosts the memory
 * @pgmap: as for memremap_pages(); must outlive the binding
 *
 * Context: process context, sleeps.
 * Return: as memremap_pages().
 */
void *devm_memremap_pages(struct device *dev, struct dev_pagemap *pgmap)
{
	void *addr = pagemap_build(pgmap, dev_to_node(dev), dev_name(dev));
	int error;

	if (IS_ERR(addr))
		return addr;
	error = devm_add_action_or_reset(dev, devm_memremap_pages_release,
					 pgmap);
	return error ? ERR_PTR(error) : addr;
}
EXPORT_SYMBOL_GPL(devm_memremap_pages);

/**
 * devm_memunmap_pages - undo devm_memremap_pages() before the driver unbinds
 * @dev: as given there
 * @pgmap: as given there
 *
 * Context: process context, sleeps.
 */
void devm_memunmap_pages(struct device *dev, struct dev_pagemap *pgmap)
{
	devm_release_action(dev, devm_memremap_pages_release, pgmap);
}
EXPORT_SYMBOL_GPL(devm_memunmap_pages);

/**
 * zone_device_page_init - hand out an idle private or coherent page
 * @page: the page, refcount 0
 *
 * The page comes back locked with one reference, and holds its pagemap.
 *
 * Context: any; the caller owns @page and its pagemap is not going.
 */
void zone_device_page_init(struct page *page)
{
	WARN_ON_ONCE(!percpu_ref_tryget_live(&page->pgmap->ref));
	set_page_count(page, 1);
	lock_page(page);
}
EXPORT_SYMBOL_GPL(zone_device_page_init);

/* Migrated-to device memory: an anonymous folio's life ends here. */
static void free_migrated_folio(struct folio *folio)
{
	mem_cgroup_uncharge(folio);
	if (folio_test_anon(folio)) {
		VM_WARN_ON_ONCE_FOLIO(folio_test_large(folio), folio);
		__ClearPageAnonExclusive(folio_page(folio, 0));
	}
	/* What is left here would mark the next user's folio as anonymous. */
	folio->mapping = NULL;
	folio->page.pgmap->ops->page_free(folio_page(folio, 0));
}

/**
 * free_zone_device_folio - the last reference to a device folio is gone
 * @folio: the folio, refcount 0
 *
 * An fsdax folio may be anything by now, also a tail: its host takes it apart,
 * or makes it part of another, as soon as the count is zero.
 *
 * Context: any that may put a folio, interrupts included.  Once the pagemap's
 * reference is dropped the memmap may go, so that comes last.
 */
void free_zone_device_folio(struct folio *folio)
{
	struct dev_pagemap *pgmap = page_pgmap(&folio->page);

	switch (pgmap->type) {
	case MEMORY_DEVICE_FS_DAX:
		dax_pin_idle(folio);
		/*
		 * A break waits on _refcount: it queues itself, then looks at
		 * the count.  The count went to zero, with a full barrier,
		 * before this looks at the queue.  A fault may have armed the
		 * folio again by now; that took a reference to the pagemap of
		 * its own.
		 */
		wake_up_var(&folio->_refcount);
		break;
	case MEMORY_DEVICE_PRIVATE:
	case MEMORY_DEVICE_COHERENT:
		free_migrated_folio(folio);
		break;
	case MEMORY_DEVICE_PCI_P2PDMA:
		/* First: page_free may hand the page to its next user. */
		folio_set_count(folio, 1);
		pgmap->ops->page_free(folio_page(folio, 0));
		return;
	case MEMORY_DEVICE_GENERIC:
		/* Below its idle reference only teardown may take it. */
		if (WARN_ON_ONCE(!percpu_ref_is_dying(&pgmap->ref))) {
			folio_set_count(folio, 1);
			return;
		}
		break;
	}
	put_dev_pagemap(pgmap);
}
