// SPDX-License-Identifier: GPL-2.0
/*
 * Device memory that hosts the memmap of its own range.
 *
 * A pool of persistent memory can be far larger than DRAM, and its struct
 * pages are 1/64 of it.  The driver sets a part of the pool aside, and
 * vmemmap_populate() takes its blocks from there.
 *
 * The allocator keeps a bit for each page.  Blocks of 2M lie aligned, which
 * leaves a hole behind the driver's own reserve; the last of the memmap, where
 * no whole block is left, is made of base pages that come out of that hole.
 * So a reserve that is just large enough is large enough.
 */
#include <linux/bitmap.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/slab.h>

static unsigned long first_pfn(const struct vmem_altmap *altmap)
{
	return altmap->base_pfn + altmap->reserve;
}

/**
 * vmem_altmap_init - make an altmap ready to allocate from
 * @altmap: with base_pfn, end_pfn, reserve and free set
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM; vmem_altmap_exit() undoes it.
 */
int vmem_altmap_init(struct vmem_altmap *altmap)
{
	altmap->used = 0;
	altmap->hint = 0;
	altmap->map = kvcalloc(BITS_TO_LONGS(altmap->free), sizeof(long),
			       GFP_KERNEL);
	return altmap->map ? 0 : -ENOMEM;
}

/**
 * vmem_altmap_exit - the end of an altmap
 * @altmap: the altmap, all of its memory given back
 *
 * Context: process context.
 */
void vmem_altmap_exit(struct vmem_altmap *altmap)
{
	WARN(altmap->used, "altmap at pfn %#lx: %lu pages still in use\n",
	     altmap->base_pfn, altmap->used);
	kvfree(altmap->map);
	altmap->map = NULL;
}

/**
 * vmem_altmap_alloc - take a block for the memmap
 * @altmap: the altmap
 * @size: bytes, a power of two, at least a page; the block is aligned to it
 *
 * The memory is not cleared, and may not be reachable yet.
 *
 * Context: under mem_hotplug_lock, which is what serialises all callers.
 * Return: the block's address in the linear mapping, or %NULL.
 */
void *vmem_altmap_alloc(struct vmem_altmap *altmap, unsigned long size)
{
	unsigned long nr = PHYS_PFN(size);
	unsigned long first = first_pfn(altmap);
	unsigned long start = altmap->hint, index;

	if (!nr || WARN_ON_ONCE(!is_power_of_2(size)))
		return NULL;

	for (;;) {
		index = bitmap_find_next_zero_area_off(altmap->map,
						       altmap->free, start, nr,
						       nr - 1, first);
		if (index + nr <= altmap->free)
			break;
		/* Once more, for the holes before the last block. */
		if (!start)
			return NULL;
		start = 0;
	}
	bitmap_set(altmap->map, index, nr);
	altmap->hint = index + nr;
	altmap->used += nr;
	return __va(PFN_PHYS(first + index));
}

/**
 * vmem_altmap_free - give a block back, if it is the altmap's
 * @altmap: the altmap the memmap was populated with, or %NULL
 * @pfn: first page of the block
 * @nr_pages: size of the block, in pages
 *
 * Blocks may come back in any order, and in other sizes than they were taken.
 *
 * Context: under mem_hotplug_lock.
 * Return: true where the block was the altmap's; false where it is DRAM, for
 * the caller to free.
 */
bool vmem_altmap_free(struct vmem_altmap *altmap, unsigned long pfn,
		      unsigned long nr_pages)
{
	unsigned long index;

	if (!altmap || pfn < first_pfn(altmap) ||
	    pfn - first_pfn(altmap) >= altmap->free)
		return false;

	index = pfn - first_pfn(altmap);
	if (WARN_ON_ONCE(index + nr_pages > altmap->free ||
			 find_next_zero_bit(altmap->map, index + nr_pages,
					    index) < index + nr_pages))
		return true;
	bitmap_clear(altmap->map, index, nr_pages);
	altmap->hint = min(altmap->hint, index);
	altmap->used -= nr_pages;
	return true;
}

/**
 * vmem_altmap_covers - are a piece of the memmap's pages all the device's
 * @altmap: the altmap
 * @addr: address in the vmemmap
 * @size: bytes of vmemmap from there
 *
 * Where a page of the vmemmap is larger than a section's share of it (64K base
 * pages), the struct pages of two owners can stand in one.  Such a page must
 * not go with one of them.
 *
 * Return: true where all struct pages in the piece are of @altmap's range.
 */
bool vmem_altmap_covers(const struct vmem_altmap *altmap, unsigned long addr,
			unsigned long size)
{
	/* Bytes: a piece may begin inside a struct page. */
	unsigned long offset = addr - (unsigned long)pfn_to_page(0);
	unsigned long first = offset / sizeof(struct page);
	unsigned long last = (offset + size - 1) / sizeof(struct page);

	return first >= altmap->base_pfn && last <= altmap->end_pfn;
}
