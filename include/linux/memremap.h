/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_MEMREMAP_H_
#define _LINUX_MEMREMAP_H_
/*
 * Pagemaps: struct pages for memory that a device brings.
 *
 * A driver describes one or more physical ranges in a struct dev_pagemap and
 * hands it to memremap_pages().  From then on pfn_to_page() works for every
 * pfn of the ranges, and page->pgmap leads from such a page back to its host.
 * mm/dev_pagemap.c answers "who hosts this pfn", mm/memremap.c builds the
 * pages, takes them down and knows what the last reference to one means.
 */
#include <linux/completion.h>
#include <linux/ioport.h>
#include <linux/mmzone.h>
#include <linux/percpu-refcount.h>
#include <linux/range.h>

struct device;

/**
 * struct vmem_altmap - device memory that hosts the memmap of its own range
 * @base_pfn: first pfn of the range
 * @end_pfn: last pfn of the device
 * @reserve: pages from @base_pfn on that the driver keeps to itself
 * @free: pages after those that are for the memmap
 * @inaccessible: not to be touched before it is online (%MHP_OFFLINE_INACCESSIBLE)
 * @used: pages of @free that are taken
 * @hint: where in @free to look first
 * @map: a bit for each page of @free, set where it is taken
 *
 * The first five are the caller's, the rest is vmem_altmap_init()'s.
 */
struct vmem_altmap {
	unsigned long base_pfn;
	unsigned long end_pfn;
	unsigned long reserve;
	unsigned long free;
	bool inaccessible;
	unsigned long used;
	unsigned long hint;
	unsigned long *map;
};

/**
 * enum memory_type - what device memory is for, and when a page of it is idle
 * @MEMORY_DEVICE_PRIVATE: the CPU can neither load nor store; the pages stand
 *	for memory that only the device sees (Documentation/mm/hmm.rst).  Idle
 *	at refcount 0; the last reference ends in &dev_pagemap_ops.page_free.
 * @MEMORY_DEVICE_COHERENT: memory of a device that CPU and device both reach,
 *	cache coherent.  May not be pinned.  Idle at 0, page_free as above.
 * @MEMORY_DEVICE_FS_DAX: a file system hands the pages out as file blocks.
 *	Idle at 0: the DAX entries over a page hold one reference together,
 *	each get_user_pages() one of its own, and the last of them wakes
 *	whoever waits to move the block.
 * @MEMORY_DEVICE_GENERIC: a driver hands the pages out itself (device-dax,
 *	xen).  Idle at 1: the pagemap owns that one until it is torn down.
 * @MEMORY_DEVICE_PCI_P2PDMA: a PCI BAR as the target of peer-to-peer DMA.
 *	Idle at 1; a page whose last reference goes is given to page_free
 *	and is idle again.
 *
 * Zero is kept free to catch a type that was never set.
 */
enum memory_type {
	MEMORY_DEVICE_PRIVATE = 1,
	MEMORY_DEVICE_COHERENT,
	MEMORY_DEVICE_FS_DAX,
	MEMORY_DEVICE_GENERIC,
	MEMORY_DEVICE_PCI_P2PDMA,
};

/**
 * struct dev_pagemap_ops - what a host does for its pages
 * @page_free: the last reference is gone.  Any context that may put a page,
 *	interrupts included.  Not called for fsdax and generic memory.
 * @migrate_to_ram: device private memory: the CPU touched the page, bring its
 *	content back to memory that the CPU can reach.
 * @revoke: teardown has begun and no page becomes live again: unmap what is
 *	mapped and give up the references that mapping holds.  May sleep.
 * @memory_failure: @nr_pages from @pfn are poisoned: tell whoever uses them.
 *	-EOPNOTSUPP, or no method, leaves that to the core.
 */
struct dev_pagemap_ops {
	void (*page_free)(struct page *page);
	vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf);
	void (*revoke)(struct dev_pagemap *pgmap);
	int (*memory_failure)(struct dev_pagemap *pgmap, unsigned long pfn,
			      unsigned long nr_pages, int mf_flags);
};

/* The first pages of the first range host the memmap of all of that range. */
#define PGMAP_ALTMAP_VALID	BIT(0)

/**
 * struct dev_pagemap - a device's ranges of memory that have struct pages
 * @ref: live users; device memory is mapped and its memmap exists until the
 *	last one is gone.  A live fsdax, private or coherent folio holds one.
 * @done: completed when @ref is down to zero after teardown began
 * @type: what the memory is for
 * @altmap: where the memmap comes from, with %PGMAP_ALTMAP_VALID in @flags
 * @flags: PGMAP_*
 * @vmemmap_shift: order of the compound pages that the memmap is made of; 0
 *	for base pages
 * @ops: the host's methods; may be %NULL where @type needs none
 * @owner: opaque; lets a driver tell its own device memory from another's
 * @nr_range: how many of @ranges are in use
 * @range: the range, in bytes, end included, where there is one only
 * @ranges: all of them
 */
struct dev_pagemap {
	struct percpu_ref ref;
	struct completion done;
	enum memory_type type;
	struct vmem_altmap altmap;
	unsigned int flags;
	unsigned long vmemmap_shift;
	const struct dev_pagemap_ops *ops;
	void *owner;
	int nr_range;
	union {
		struct range range;
		DECLARE_FLEX_ARRAY(struct range, ranges);
	};
};

static inline struct vmem_altmap *pgmap_altmap(struct dev_pagemap *pgmap)
{
	return pgmap->flags & PGMAP_ALTMAP_VALID ? &pgmap->altmap : NULL;
}

/* Pages at the start of an altmap's range that are nobody's data. */
static inline unsigned long vmem_altmap_offset(const struct vmem_altmap *altmap)
{
	return altmap ? altmap->reserve + altmap->free : 0;
}

static inline bool pgmap_has_memory_failure(struct dev_pagemap *pgmap)
{
	return pgmap->ops && pgmap->ops->memory_failure;
}

/* Pages in each compound page of the memmap. */
static inline unsigned long pgmap_vmemmap_nr(struct dev_pagemap *pgmap)
{
	return 1UL << pgmap->vmemmap_shift;
}

static inline bool page_is_device_type(const struct page *page,
				       enum memory_type type)
{
	return is_zone_device_page(page) && page_pgmap(page)->type == type;
}

static inline bool is_device_private_page(const struct page *page)
{
	return IS_ENABLED(CONFIG_DEVICE_PRIVATE) &&
		page_is_device_type(page, MEMORY_DEVICE_PRIVATE);
}

static inline bool folio_is_device_private(const struct folio *folio)
{
	return is_device_private_page(&folio->page);
}

static inline bool is_pci_p2pdma_page(const struct page *page)
{
	return IS_ENABLED(CONFIG_PCI_P2PDMA) &&
		page_is_device_type(page, MEMORY_DEVICE_PCI_P2PDMA);
}

static inline bool is_device_coherent_page(const struct page *page)
{
	return page_is_device_type(page, MEMORY_DEVICE_COHERENT);
}

static inline bool folio_is_device_coherent(const struct folio *folio)
{
	return is_device_coherent_page(&folio->page);
}

static inline bool folio_is_fsdax(const struct folio *folio)
{
	return page_is_device_type(&folio->page, MEMORY_DEVICE_FS_DAX);
}

#ifdef CONFIG_SPARSEMEM_VMEMMAP
int vmem_altmap_init(struct vmem_altmap *altmap);
void vmem_altmap_exit(struct vmem_altmap *altmap);
void *vmem_altmap_alloc(struct vmem_altmap *altmap, unsigned long size);
bool vmem_altmap_free(struct vmem_altmap *altmap, unsigned long pfn,
		      unsigned long nr_pages);
bool vmem_altmap_covers(const struct vmem_altmap *altmap, unsigned long addr,
			unsigned long size);
#else
static inline void *vmem_altmap_alloc(struct vmem_altmap *altmap,
				      unsigned long size)
{
	return NULL;
}

static inline bool vmem_altmap_free(struct vmem_altmap *altmap,
				    unsigned long pfn, unsigned long nr_pages)
{
	return false;
}

static inline bool vmem_altmap_covers(const struct vmem_altmap *altmap,
				      unsigned long addr, unsigned long size)
{
	return false;
}
#endif

#ifdef CONFIG_ZONE_DEVICE
void *memremap_pages(struct dev_pagemap *pgmap, int nid);
void memunmap_pages(struct dev_pagemap *pgmap);
void *devm_memremap_pages(struct device *dev, struct dev_pagemap *pgmap);
void devm_memunmap_pages(struct device *dev, struct dev_pagemap *pgmap);
void zone_device_page_init(struct page *page);

struct dev_pagemap *get_dev_pagemap(unsigned long pfn,
				    struct dev_pagemap *pgmap);
bool pgmap_pfn_valid(struct dev_pagemap *pgmap, unsigned long pfn);
unsigned long memremap_compat_align(void);
#else
static inline void *devm_memremap_pages(struct device *dev,
					struct dev_pagemap *pgmap)
{
	/* Callers choose devm_memremap() where there are no pagemaps. */
	WARN_ON_ONCE(1);
	return ERR_PTR(-ENXIO);
}

static inline void devm_memunmap_pages(struct device *dev,
				       struct dev_pagemap *pgmap)
{
}

static inline struct dev_pagemap *get_dev_pagemap(unsigned long pfn,
						  struct dev_pagemap *pgmap)
{
	return NULL;
}

static inline bool pgmap_pfn_valid(struct dev_pagemap *pgmap, unsigned long pfn)
{
	return false;
}

/* Without pagemaps any page-aligned namespace will do. */
static inline unsigned long memremap_compat_align(void)
{
	return PAGE_SIZE;
}
#endif /* CONFIG_ZONE_DEVICE */

/**
 * put_dev_pagemap - give back what get_dev_pagemap() returned
 * @pgmap: the pagemap, or %NULL
 *
 * Context: any.
 */
static inline void put_dev_pagemap(struct dev_pagemap *pgmap)
{
	if (pgmap)
		percpu_ref_put(&pgmap->ref);
}

#endif /* _LINUX_MEMREMAP_H_ */
