// SPDX-License-Identifier: GPL-2.0
/*
 * The DAX window.  A page of it is poisoned unless a file has it: the range is
 * mapped, and the page begins before the end of the file.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "virtiofs_loop.h"

#define POISON	0xdb

struct vl_range {
	struct vl_node *node;
	u64 index;		/* in the file, in ranges */
};

static struct vl_range *ranges;
static unsigned long nr_ranges;
static void *window;

static void *page_of(unsigned long range, unsigned long i)
{
	return window + range * VL_RANGE + i * PAGE_SIZE;
}

void vl_window_poison(void *page)
{
	memset(page, POISON, PAGE_SIZE);
}

/* A page that no file has, or @node no longer: was it written to? */
void vl_window_check(const void *page, struct vl_node *node, pgoff_t index)
{
	const u8 *p = page;
	unsigned long i, bytes = 0;

	if (!memchr_inv(page, POISON, PAGE_SIZE))
		return;
	for (i = 0; i < PAGE_SIZE; i++)
		bytes += p[i] != POISON;
	vl_count.stray += bytes;
	pr_err_ratelimited("virtiofs_loop: %lu bytes written at %#lx of the window, where %s\n",
			   bytes, (unsigned long)(page - window),
			   node ? "its file ends before" : "nothing is mapped");
}

static struct vl_range *find(struct vl_node *node, u64 index)
{
	unsigned long i;

	for (i = 0; i < nr_ranges; i++)
		if (ranges[i].node == node && ranges[i].index == index)
			return &ranges[i];
	return NULL;
}

/* The page of the window that holds a file's page, if it is there. */
void *vl_window_page(struct vl_node *node, pgoff_t index)
{
	struct vl_range *range = find(node, index / VL_RANGE_PAGES);

	return range ? page_of(range - ranges, index % VL_RANGE_PAGES) : NULL;
}

static void unmap(struct vl_range *range)
{
	struct vl_node *node = range->node;
	pgoff_t index = range->index * VL_RANGE_PAGES;
	unsigned long i;

	range->node = NULL;
	for (i = 0; i < VL_RANGE_PAGES; i++, index++) {
		void *page = page_of(range - ranges, i);

		if ((loff_t)index << PAGE_SHIFT >= node->size)
			vl_window_check(page, node, index);
		else if (memchr_inv(page, 0, PAGE_SIZE))
			copy_page(vl_node_page(node, index, true), page);
		vl_window_poison(page);
	}
	vl_count.removed++;
	vl_count.mapped--;
}

static void map(struct vl_range *range, struct vl_node *node, u64 where)
{
	pgoff_t index = where * VL_RANGE_PAGES;
	unsigned long i;

	for (i = 0; i < VL_RANGE_PAGES; i++, index++) {
		void *page = page_of(range - ranges, i), *from;

		vl_window_check(page, NULL, 0);
		if ((loff_t)index << PAGE_SHIFT >= node->size) {
			vl_window_poison(page);
			continue;
		}
		from = vl_node_page(node, index, false);
		if (from)
			copy_page(page, from);
		else
			clear_page(page);
		vl_node_drop_page(node, index);
	}
	range->node = node;
	range->index = where;
	vl_count.setup++;
	vl_count.mapped++;
}

int vl_window_setup(struct vl_node *node, u64 at, u64 len, u64 offset)
{
	struct vl_range *range = ranges + offset / VL_RANGE, *other;

	if (!S_ISREG(node->mode) || len != VL_RANGE || at % VL_RANGE ||
	    offset % VL_RANGE || offset / VL_RANGE >= nr_ranges) {
		vl_count.wrong++;
		return -EINVAL;
	}
	other = find(node, at / VL_RANGE);
	if (other == range)
		return 0;	/* to be writable, too */
	if (other || range->node) {
		pr_err("virtiofs_loop: a range is mapped twice, or over another\n");
		vl_count.wrong++;
		return -EBUSY;
	}
	map(range, node, at / VL_RANGE);
	return 0;
}

int vl_window_remove(u64 offset, u64 len)
{
	struct vl_range *range = ranges + offset / VL_RANGE;

	if (len != VL_RANGE || offset % VL_RANGE ||
	    offset / VL_RANGE >= nr_ranges || !range->node) {
		pr_err("virtiofs_loop: unmapping what is not mapped\n");
		vl_count.wrong++;
		return -EINVAL;
	}
	unmap(range);
	return 0;
}

/* As a host does when the connection ends. */
void vl_window_remove_all(void)
{
	unsigned long i;

	for (i = 0; i < nr_ranges; i++)
		if (ranges[i].node)
			unmap(&ranges[i]);
}

/* The file goes; the kernel should have unmapped all of it before. */
void vl_window_evict(struct vl_node *node)
{
	unsigned long i;

	for (i = 0; i < nr_ranges; i++) {
		if (ranges[i].node != node)
			continue;
		pr_err("virtiofs_loop: a file is forgotten that is mapped\n");
		vl_count.wrong++;
		unmap(&ranges[i]);
	}
}

int vl_window_init(phys_addr_t base, size_t size)
{
	unsigned long i;

	nr_ranges = size / VL_RANGE;
	ranges = kcalloc(nr_ranges, sizeof(*ranges), GFP_KERNEL);
	window = memremap(base, size, MEMREMAP_WB);
	if (!ranges || !window) {
		vl_window_exit();
		return -ENOMEM;
	}
	for (i = 0; i < nr_ranges * VL_RANGE_PAGES; i++)
		vl_window_poison(page_of(0, i));
	return 0;
}

/* What landed after the last range was unmapped is found here. */
void vl_window_scan(void)
{
	unsigned long i;

	for (i = 0; i < nr_ranges * VL_RANGE_PAGES; i++) {
		struct vl_range *range = &ranges[i / VL_RANGE_PAGES];

		if (range->node)
			continue;
		vl_window_check(page_of(0, i), NULL, 0);
		vl_window_poison(page_of(0, i));
	}
}

void vl_window_exit(void)
{
	if (window)
		memunmap(window);
	kfree(ranges);
	window = NULL;
	ranges = NULL;
}
