// SPDX-License-Identifier: GPL-2.0
/*
 * get_user_pages() for devmap leaves.
 *
 * A devmap leaf maps device memory that has a struct page and holds no
 * reference to it.  For fsdax the DAX entry behind the leaf does, for
 * device-dax the pagemap; either way the page is live while the leaf stands,
 * and a live page keeps its device.  So there is no device to look up here.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/vmstat.h>
#include "internal.h"

/*
 * The pages of a huge leaf are one folio in all that makes such leaves today.
 * Should they ever be more, take those of the first.
 */
static unsigned int pages_of_folio(struct folio *folio, struct page *page,
				   unsigned int nr)
{
	return min_t(unsigned long, nr, folio_nr_pages(folio) -
					folio_page_idx(folio, page));
}

/**
 * gup_devmap_pages - reference pages behind a devmap leaf
 * @page: the first of them
 * @nr: how many the leaf has from there on, and the caller wants; set to how
 *	many were referenced
 * @flags: FOLL_GET or FOLL_PIN, one of them
 *
 * One atomic operation, or two for a pin, however many pages.
 *
 * As long as entries are unmapped before they are disarmed the count is never
 * zero here.  It is a try-get all the same: no plain increment may bring an
 * idle page to life, whose block is free.  The fault that follows arms the
 * entry, or says why not.
 *
 * Context: the page-table lock that covers the leaf is held.
 * Return: @page with the references, ERR_PTR(-EREMOTEIO) for peer-to-peer
 * memory without FOLL_PCI_P2PDMA, ERR_PTR(-ENOMEM) where the count is about to
 * overflow, or %NULL to fault again.
 */
struct page *gup_devmap_pages(struct page *page, unsigned int *nr,
			      unsigned int flags)
{
	struct folio *folio = page_folio(page);
	unsigned int refs;

	if (unlikely(!(flags & FOLL_PCI_P2PDMA) && is_pci_p2pdma_page(page)))
		return ERR_PTR(-EREMOTEIO);

	*nr = pages_of_folio(folio, page, *nr);
	refs = *nr;
	/* Order-0 folios count pins in their references, large ones apart. */
	if ((flags & FOLL_PIN) && !folio_test_large(folio))
		refs = GUP_PIN_COUNTING_BIAS;
	if (WARN_ON_ONCE(folio_ref_count(folio) < 0))
		return ERR_PTR(-ENOMEM);
	if (!folio_ref_add_unless(folio, refs, 0))
		return NULL;
	if (!(flags & FOLL_PIN))
		return page;

	if (folio_test_large(folio))
		atomic_add(refs, &folio->_pincount);
	node_stat_mod_folio(folio, NR_FOLL_PIN_ACQUIRED, *nr);
	return page;
}

/**
 * gup_devmap_fast_ok - may get_user_pages_fast() keep what it took of a leaf
 * @folio: the folio that it took as many references to as @leaf_nr allows
 * @leaf_nr: pages that the leaf maps, from the start of @folio
 *
 * Return: false where the leaf reaches beyond the folio.
 */
bool gup_devmap_fast_ok(struct folio *folio, unsigned long leaf_nr)
{
	return folio_nr_pages(folio) >= leaf_nr;
}
