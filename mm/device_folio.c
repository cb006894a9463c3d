// SPDX-License-Identifier: GPL-2.0
/*
 * Compound folios of device pages that idle at zero.
 *
 * memremap_pages() makes base pages of fsdax memory, since nobody knows yet
 * how files will lie on it.  What is mapped by one huge leaf should be one
 * folio: a reference to any part of it is then one atomic operation.  So the
 * host of the pages joins them when it hands them out as one, and takes them
 * apart before it hands them out one by one.  Both happen at a count of zero.
 *
 * An idle folio need not be taken apart at once.  Nobody has a reference to
 * any of its pages, and nobody can get one but from the host.
 *
 * Against get_user_pages_fast(): it may come late, with a page whose leaf is
 * gone.  Its try-get finds zero at whatever folio it takes the page for; or,
 * if the host has handed out that folio again meanwhile, it looks a second
 * time at which folio the page belongs to, and at the leaf, and gives the
 * reference back.
 */
#include <linux/device_folio.h>
#include <linux/export.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include "internal.h"

/* Pages of a compound folio that have more of it than the way to its head. */
#define LENDING_TAILS	2

/* page->pgmap and the way to the head are one word. */
static void detach_tails(struct page *head, unsigned long nr)
{
	struct dev_pagemap *pgmap = head->pgmap;
	unsigned long i;

	for (i = 1; i < nr; i++)
		WRITE_ONCE(head[i].pgmap, pgmap);
}

/* page->private: a host may have marked the page and is about to see to it. */
static bool page_unused(struct page *page)
{
	return !page_ref_count(page) && !READ_ONCE(page->private);
}

/**
 * device_folio_assemble - make one folio of idle pages
 * @head: the first page; its pfn is aligned to @order
 * @order: above one
 *
 * In a tail only the word that leads to the head is written, and what the
 * first two lend to the folio.  TAIL_MAPPING is left out: it would have to be
 * cleared again, and these pages never see the page allocator.
 *
 * Context: any; the caller keeps everybody else from making a page of the
 * range live.
 * Return: true, with the folio idle; false where a page of it is in use, and
 * nothing has changed.
 */
bool device_folio_assemble(struct page *head, unsigned int order)
{
	unsigned long nr = 1UL << order, i;

	VM_WARN_ON_ONCE(!IS_ALIGNED(page_to_pfn(head), nr));
	VM_WARN_ON_ONCE(PageCompound(head));

	if (!page_unused(head))
		return false;
	for (i = 1; i < nr; i++) {
		if (!page_unused(head + i)) {
			detach_tails(head, i);
			return false;
		}
		set_compound_head(head + i, head);
	}
	__SetPageHead(head);
	prep_compound_head(head, order);
	return true;
}
EXPORT_SYMBOL_GPL(device_folio_assemble);

/**
 * device_folio_dismantle - make base pages of an idle folio
 * @folio: the folio, refcount 0
 *
 * Every page is again what memremap_pages() made of it, but for flags that
 * are its own (poison).
 *
 * Context: any; the caller keeps everybody else from making @folio live.
 */
void device_folio_dismantle(struct folio *folio)
{
	struct page *head = &folio->page;
	unsigned long nr = folio_nr_pages(folio), i;

	VM_WARN_ON_ONCE_FOLIO(folio_ref_count(folio), folio);
	VM_WARN_ON_ONCE_FOLIO(atomic_read(&folio->_pincount), folio);

	head[1].flags &= ~PAGE_FLAGS_SECOND;
	for (i = 1; i <= LENDING_TAILS; i++) {
		head[i].zone_device_data = NULL;
		head[i].mapping = NULL;
		head[i].index = 0;
	}
	detach_tails(head, nr);
	__ClearPageHead(head);
}
EXPORT_SYMBOL_GPL(device_folio_dismantle);
