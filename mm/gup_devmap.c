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

/**
 * gup_devmap_page - reference the page behind a devmap leaf
 * @page: the page that the leaf maps
 * @flags: FOLL_GET or FOLL_PIN, one of them
 *
 * As long as entries are unmapped before they are disarmed the count is never
 * zero here.  It is a try-get all the same: no plain increment may bring an
 * idle page to life, whose block is free.  The fault that follows arms the
 * entry, or says why not.
 *
 * Context: the page-table lock that covers the leaf is held.
 * Return: @page with a reference, ERR_PTR(-EREMOTEIO) for peer-to-peer memory
 * without FOLL_PCI_P2PDMA, ERR_PTR(-ENOMEM) where the count is about to
 * overflow, or %NULL to fault again.
 */
struct page *gup_devmap_page(struct page *page, unsigned int flags)
{
	struct folio *folio = page_folio(page);
	int refs = 1;

	if (unlikely(!(flags & FOLL_PCI_P2PDMA) && is_pci_p2pdma_page(page)))
		return ERR_PTR(-EREMOTEIO);

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
		atomic_inc(&folio->_pincount);
	node_stat_mod_folio(folio, NR_FOLL_PIN_ACQUIRED, 1);
	return page;
}
