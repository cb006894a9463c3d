// SPDX-License-Identifier: GPL-2.0
/*
 * No block is freed under DMA.
 *
 * Before a file system frees or moves blocks it breaks the layout of the
 * range: everything in it is unmapped, its entries are disarmed, and whoever
 * still uses one of the folios is waited for.  It does not matter whether the
 * file is mapped: a pin outlives the mapping it came from.  Nobody waits for a
 * long-term pin: then the change is refused, before anything is unmapped.
 *
 * Against get_user_pages_fast(): it takes its reference and then looks whether
 * the leaf is still there.  A break clears the leaf, then gives up the entry's
 * reference, then looks at the count.  Either it sees the new reference or
 * get_user_pages_fast() sees the leaf gone and puts it, which wakes the break.
 * get_user_pages() does the same under the page-table lock.
 *
 * Against page faults: the caller holds the invalidate lock, so none maps
 * anything in the range, until the break drops the lock to wait.  It has to:
 * the DMA may belong to a call that has yet to fault a page of this very
 * range.  Such a fault arms the entry again, and the break starts over.
 */
#include <linux/dax.h>
#include <linux/dax_pin.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include "dax_entry.h"
#include "internal.h"

/* With the pauses in between, about ten seconds of a range that is re-armed. */
#define BREAK_ROUNDS	128

static pgoff_t last_page(loff_t end)
{
	return end == LLONG_MAX ? ULONG_MAX : end >> PAGE_SHIFT;
}

/*
 * An entry is broken as a whole: where a PMD entry reaches over an end of the
 * range its pages are unmapped there too, from processes that map it by ptes.
 * The caller keeps faults out, so the entries stay what they are.
 */
static void cover_entries(struct address_space *mapping, pgoff_t *first,
			  pgoff_t *last)
{
	void *entry = xa_load(&mapping->i_pages, *first);

	if (entry)
		*first = dax_entry_index(entry, *first);
	entry = xa_load(&mapping->i_pages, *last);
	if (entry)
		*last = dax_entry_index(entry, *last) +
			(1UL << dax_entry_order(entry)) - 1;
}

/*
 * Truncation drops an entry as a whole, too, and with it the mark that an fsync
 * of what the range leaves would look for.  An error here is that fsync's to
 * tell.
 */
static void write_back_cut(struct address_space *mapping, loff_t at)
{
	void *entry = xa_load(&mapping->i_pages, at >> PAGE_SHIFT);

	if (entry && dax_is_pmd_entry(entry) && (at & ~PMD_MASK) &&
	    xa_get_mark(&mapping->i_pages, at >> PAGE_SHIFT,
			PAGECACHE_TAG_DIRTY))
		filemap_fdatawrite_range(mapping, at, at);
}

/*
 * Only what is armed: a folio that is not, and in use, the scan of the break
 * comes upon.
 */
static bool has_longterm_pins(struct address_space *mapping, pgoff_t first,
			      pgoff_t last)
{
	XA_STATE(xas, &mapping->i_pages, first);
	unsigned int scanned = 0;
	bool pinned = false;
	void *entry;

	if (!dax_pin_any())
		return false;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, last) {
		entry = dax_walk_entry(&xas, entry);
		if (!entry)
			continue;
		pinned = dax_is_armed(entry) &&
			 dax_folio_longterm(pfn_folio(dax_to_pfn(entry)));
		dax_put_unlocked_entry(&xas, entry, WAKE_NEXT);
		if (pinned)
			break;
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
	return pinned;
}

/*
 * What begins at EOF leaves the page there where it is, and zeroes the rest of
 * it at most; in a copy where its block is shared, but a block that is pinned
 * for long is not.  So such a pin does not keep the file from growing.
 */
static pgoff_t first_page(struct inode *inode, loff_t start)
{
	pgoff_t first = start >> PAGE_SHIFT;

	if (offset_in_page(start) && start == i_size_read(inode) &&
	    has_longterm_pins(inode->i_mapping, first, first))
		return first + 1;
	return first;
}

static int refuse(struct inode *inode, loff_t start, loff_t end)
{
	dax_pin_refuse(inode, start, end);
	return -ETXTBSY;
}

/*
 * The next folio in use from *index on; with @disarm also disarms all there
 * is up to @last, and goes on to do so when it has found one.
 */
static bool scan(struct address_space *mapping, pgoff_t *index, pgoff_t last,
		 bool disarm, struct dax_busy *busy)
{
	XA_STATE(xas, &mapping->i_pages, *index);
	unsigned int scanned = 0;
	struct dax_busy found;
	void *entry;

	busy->folio = NULL;
	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, last) {
		entry = dax_walk_entry(&xas, entry);
		if (!entry)
			continue;
		if (disarm && dax_is_armed(entry)) {
			entry = dax_entry_disarm(entry, &found);
			xas_store(&xas, entry);
		} else {
			dax_entry_busy(entry, &found);
		}
		dax_put_unlocked_entry(&xas, entry, WAKE_NEXT);
		if (found.folio && !busy->folio) {
			*busy = found;
			*index = xas.xa_index;
			if (!disarm)
				break;
		} else if (found.folio) {
			dax_busy_put(&found);
		}
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
	return busy->folio;
}

/**
 * dax_try_break_layout - break the layout of a range without waiting
 * @inode: the file
 * @start: first byte of the range
 * @end: last byte, or LLONG_MAX for all that follows
 *
 * Context: process context, the invalidate lock of @inode held exclusively.
 * Return: 0 where the range is idle and stays so while the lock is held;
 * -EAGAIN where a folio is in use: dax_wait_layout(), with no lock held, and
 * try again; -ETXTBSY where one is pinned for long.
 */
int dax_try_break_layout(struct inode *inode, loff_t start, loff_t end)
{
	struct address_space *mapping = inode->i_mapping;
	pgoff_t first, last = last_page(end);
	struct dax_busy busy;
	bool pinned;

	if (!dax_mapping(mapping) || mapping_empty(mapping))
		return 0;
	lockdep_assert_held_write(&mapping->invalidate_lock);

	first = first_page(inode, start);
	if (first > last)
		return 0;
	cover_entries(mapping, &first, &last);
	if (has_longterm_pins(mapping, first, last))
		return refuse(inode, start, end);
	unmap_mapping_pages(mapping, first, last - first + 1, false);
	if (!scan(mapping, &first, last, true, &busy)) {
		write_back_cut(mapping, start);
		if (end != LLONG_MAX)
			write_back_cut(mapping, end + 1);
		return 0;
	}
	pinned = dax_folio_longterm(busy.folio);
	dax_busy_put(&busy);
	return pinned ? refuse(inode, start, end) : -EAGAIN;
}
EXPORT_SYMBOL_GPL(dax_try_break_layout);

/* With @blocks all entries of a range go, else those without one. */
static void take_entries(struct address_space *mapping, pgoff_t first,
			 pgoff_t last, bool blocks)
{
	XA_STATE(xas, &mapping->i_pages, first);
	unsigned int scanned = 0;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, last) {
		entry = dax_walk_entry(&xas, entry);
		if (!entry)
			continue;
		if (!blocks && dax_is_block_entry(entry)) {
			dax_put_unlocked_entry(&xas, entry, WAKE_NEXT);
			continue;
		}
		entry = dax_entry_unmap(&xas, mapping, entry, NULL);
		xas_store(&xas, NULL);
		mapping->nrpages -= 1UL << dax_entry_order(entry);
		dax_put_unlocked_entry(&xas, entry, WAKE_ALL);
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
}

/**
 * dax_drop_layout - let nothing lead to the blocks of a range any more
 * @inode: the file
 * @start: first byte of the range
 * @end: last byte
 *
 * For copy-on-write, whose copy is complete and is about to take the place of
 * blocks that are shared.  DMA only reads those: what is in use is parked, so
 * the file system keeps it from its next user, see fs/dax_park.c.  Whether an
 * entry is dirty does not matter: the copy was made of what the CPU sees.
 *
 * Context: process context, sleeps; the invalidate lock of @inode held
 * exclusively since before the blocks were found to be shared, so that none of
 * them is mapped for writing; not in a transaction.
 */
void dax_drop_layout(struct inode *inode, loff_t start, loff_t end)
{
	struct address_space *mapping = inode->i_mapping;
	pgoff_t first = start >> PAGE_SHIFT, last = end >> PAGE_SHIFT;
	pgoff_t index;
	struct dax_busy busy;
	bool disarm = true;

	lockdep_assert_held_write(&mapping->invalidate_lock);
	if (mapping_empty(mapping))
		return;

	cover_entries(mapping, &first, &last);
	unmap_mapping_pages(mapping, first, last - first + 1, false);
	index = first;
	while (scan(mapping, &index, last, disarm, &busy)) {
		index += folio_nr_pages(busy.folio);
		dax_park(dax_park_prepare(), &busy, inode->i_sb);
		disarm = false;
	}
	take_entries(mapping, first, last, true);
}
EXPORT_SYMBOL_GPL(dax_drop_layout);

/**
 * dax_inode_pinned - would the eviction of an inode wait
 * @inode: an inode that is I_WILL_FREE: nobody maps it
 *
 * Disarms what it has, so that the end of the device, which passes by an inode
 * that is I_WILL_FREE, finds nothing that it should have taken back if the
 * inode stays after all.
 *
 * Context: process context, sleeps.
 * Return: true where it would, for DMA to its pages.
 */
bool dax_inode_pinned(struct inode *inode)
{
	struct address_space *mapping = &inode->i_data;
	struct dax_busy busy;
	pgoff_t first = 0;

	if (!dax_mapping(mapping) || mapping_empty(mapping) ||
	    !scan(mapping, &first, ULONG_MAX, true, &busy))
		return false;
	dax_busy_put(&busy);
	return true;
}

/**
 * dax_wait_layout - wait for those who use a range that was broken
 * @inode: the file
 * @start: first byte of the range
 * @end: last byte, or LLONG_MAX for all that follows
 * @round: how often the caller has been here for this range; from the second
 *	time on somebody arms it again, and the wait pauses to let the DMA end
 *
 * Context: process context, sleeps.  Not with the invalidate lock, nor any
 * other that a page fault or the end of an I/O may want.
 * Return: 0, to try again; -ETXTBSY where a folio is pinned for long, by now;
 * -EBUSY after too many rounds; -ERESTARTSYS on a signal.
 */
int dax_wait_layout(struct inode *inode, loff_t start, loff_t end,
		    unsigned int round)
{
	struct address_space *mapping = inode->i_mapping;
	pgoff_t index = first_page(inode, start), last = last_page(end);
	struct dax_busy busy;
	int error;

	if (has_longterm_pins(mapping, index, last))
		return refuse(inode, start, end);
	if (round >= BREAK_ROUNDS)
		return -EBUSY;
	if (round)
		schedule_timeout_interruptible(min_t(long, round, HZ / 10));
	if (signal_pending(current))
		return -ERESTARTSYS;

	while (scan(mapping, &index, last, false, &busy)) {
		if (dax_folio_longterm(busy.folio)) {
			dax_busy_put(&busy);
			return refuse(inode, start, end);
		}
		error = dax_busy_wait(&busy);
		if (error)
			return error;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(dax_wait_layout);

/**
 * dax_break_layout - make a range of a file safe to free or move
 * @inode: the file
 * @start: first byte of the range
 * @end: last byte, or LLONG_MAX for all that follows
 *
 * Waits until nobody uses the folios of the range, whoever maps the file or
 * no longer does.  Drops the invalidate lock while it waits and holds it
 * again on return, whatever it returns.  On an error nothing has changed.
 *
 * Context: process context, sleeps; the invalidate lock of @inode held
 * exclusively.
 * Return: 0; -ETXTBSY where a folio is pinned for long; -ERESTARTSYS on a
 * signal; -EBUSY where the range is used again and again while this waits.
 */
int dax_break_layout(struct inode *inode, loff_t start, loff_t end)
{
	struct address_space *mapping = inode->i_mapping;
	unsigned int round = 0;
	int error;

	for (;;) {
		error = dax_try_break_layout(inode, start, end);
		if (error != -EAGAIN)
			return error;
		filemap_invalidate_unlock(mapping);
		error = dax_wait_layout(inode, start, end, round++);
		filemap_invalidate_lock(mapping);
		if (error)
			return error;
	}
}
EXPORT_SYMBOL_GPL(dax_break_layout);

/**
 * dax_fill_holes - take what stands for a hole out before a block fills it
 * @mapping: the file
 * @first: first page of the range
 * @last: last page
 *
 * Nobody can pin a zero page.  Faults are not kept out, so what one comes upon
 * meanwhile, the block that fills the hole, stays.
 *
 * Context: process context, sleeps; i_rwsem of the file held.
 */
void dax_fill_holes(struct address_space *mapping, pgoff_t first, pgoff_t last)
{
	/* A fault that found a hole had an entry before the hole was filled. */
	if (mapping_empty(mapping))
		return;
	take_entries(mapping, first, last, false);
	/* Zero pages by pte are unmapped all at once. */
	unmap_mapping_pages(mapping, first, last - first + 1, false);
}
