// SPDX-License-Identifier: GPL-2.0
/*
 * A DAX entry owns its pages.
 *
 * An fsdax folio that nobody uses has no reference.  The DAX entries that may
 * be mapped over it, one in each file that shares the block, hold a single
 * reference together: the first to be armed takes it, the last to be disarmed
 * gives it back.  Everybody else (get_user_pages() and its like) holds
 * references of their own.  A disarmed folio is therefore idle exactly when
 * its count is zero, and whoever puts it last wakes those who wait for that.
 *
 * A folio armed by one file has that file in folio->mapping and ->index, for
 * memory failure.  Shared by several it has no mapping, and counts the armed
 * entries in page->share.
 *
 * An entry is one folio: a PMD entry a compound one.  It is assembled when the
 * entry is armed over idle pages, and stays assembled when it is idle again,
 * as files are truncated more often than their blocks find a smaller use.
 * Until then it does no harm: it has no reference, no mapping and no share, so
 * nobody finds it, and a bio never looked at the page.  It is taken apart
 * by the entry that needs it smaller, before that is armed.  A block that files
 * share is mapped page by page: no PMD entry is armed over it.
 *
 * Locks: the entry lock belongs to one file and one index; a block may be in
 * several files.  What is said above of a folio changes under folio_lock_of(),
 * nested inside the entry lock or the i_pages lock.  A reference to a folio
 * comes from somewhere only in two ways: from zero under folio_lock_of(), or
 * by a try-get from one that is there.
 */
#include <linux/dax.h>
#include <linux/dax_pin.h>
#include <linux/device_folio.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pfn_t.h>
#include <linux/wait_bit.h>
#include "dax_entry.h"
#include "internal.h"

#define FOLIO_LOCK_BITS	8

static spinlock_t folio_locks[1 << FOLIO_LOCK_BITS];

static int __init dax_folio_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(folio_locks); i++)
		spin_lock_init(&folio_locks[i]);
	return 0;
}
fs_initcall(dax_folio_init);

/* One lock for all pages that a PMD entry could make a folio of. */
static spinlock_t *folio_lock_of(unsigned long pfn)
{
	return &folio_locks[hash_long(pfn >> PMD_ORDER, FOLIO_LOCK_BITS)];
}

/**
 * dax_has_pages - do the pfns of a device have struct pages
 * @dax_dev: the device
 *
 * For file systems that cannot do without: a block that several files share
 * is counted in its page.
 *
 * Context: process context, sleeps.
 * Return: false where they have none, or the device is gone.
 */
bool dax_has_pages(struct dax_device *dax_dev)
{
	pfn_t pfn;
	long nr;
	int id;

	/* The mode that takes no notice of bad blocks. */
	id = dax_read_lock();
	nr = dax_direct_access(dax_dev, 0, 1, DAX_RECOVERY_WRITE, NULL, &pfn);
	dax_read_unlock(id);
	return nr > 0 && pfn_t_has_page(pfn);
}
EXPORT_SYMBOL_GPL(dax_has_pages);

static unsigned long folio_armed(struct folio *folio)
{
	return folio->mapping ? 1 : folio->page.share;
}

static void folio_set_armed(struct folio *folio, struct address_space *mapping,
			    pgoff_t index, bool shared)
{
	unsigned long armed = folio_armed(folio);

	if (armed || shared) {
		WRITE_ONCE(folio->mapping, NULL);
		folio->page.share = armed + 1;
	} else {
		folio->index = index;
		WRITE_ONCE(folio->mapping, mapping);
	}
}

/*
 * The folio that an entry is to be armed over, assembled or taken apart as
 * it needs it; NULL where the pages are in use in another shape.
 */
static struct folio *folio_for(void *entry, bool shared)
{
	struct page *page = pfn_to_page(dax_to_pfn(entry));
	unsigned int order = dax_entry_order(entry);
	struct folio *folio = page_folio(page);

	lockdep_assert_held(folio_lock_of(dax_to_pfn(entry)));

	if (order) {
		if (shared)
			return NULL;
		if (folio_order(folio) != order &&
		    !device_folio_assemble(page, order))
			return NULL;
		return page_folio(page);
	}
	if (folio_test_large(folio)) {
		/* No block finds a new use before its folio is idle. */
		if (WARN_ON_ONCE(folio_ref_count(folio)))
			return NULL;
		device_folio_dismantle(folio);
	}
	return page_folio(page);
}

/**
 * dax_entry_arm - give an entry its share of the folio before it is mapped
 * @entry: a locked entry for a block whose pfn has a struct page, not armed
 * @mapping: the file
 * @index: page offset of @entry in the file
 * @shared: other files may have the block too
 *
 * Against teardown: it kills the pagemap's reference, then visits each entry
 * of each file under the entry lock.  Either it finds this one armed, or the
 * look at the reference here comes after the kill.  From zero that look is a
 * try-get, whose reference the folio keeps; a folio that is live has its own,
 * so there a look is enough.
 *
 * Context: process context, the entry lock held; and what keeps the memmap, as
 * it may be on its way out: dax_read_lock() held ever since
 * dax_direct_access() gave out the pfn, or a reference to the pagemap.
 * Return: @entry, armed, for the caller to store; %NULL where the device that
 * hosts the pfn is gone, or the pages of a PMD entry cannot be one folio now:
 * some are in use by themselves, or @shared.
 */
void *dax_entry_arm(void *entry, struct address_space *mapping, pgoff_t index,
		    bool shared)
{
	unsigned long pfn = dax_to_pfn(entry), flags;
	struct dev_pagemap *pgmap;
	bool joined = false;
	struct folio *folio;

	if (WARN_ON_ONCE(dax_is_armed(entry)))
		return entry;

	spin_lock_irqsave(folio_lock_of(pfn), flags);
	folio = folio_for(entry, shared);
	if (!folio)
		goto refuse;
	pgmap = folio->page.pgmap;
	if (folio_armed(folio)) {
		if (percpu_ref_is_dying(&pgmap->ref))
			goto refuse;
	} else if (folio_try_get(folio)) {
		/* Disarmed by a break, and pinned still. */
		joined = true;
	} else {
		if (!percpu_ref_tryget_live(&pgmap->ref))
			goto refuse;
		folio_ref_unfreeze(folio, 1);
	}
	folio_set_armed(folio, mapping, index, shared);
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);

	/* A break that waits for zero would wait for this entry now. */
	if (joined) {
		/*
		 * It queues itself, then looks at the folio without the lock:
		 * the stores to the folio before the look at the queue.
		 */
		smp_mb();
		wake_up_var(&folio->_refcount);
	}
	return xa_mk_value(xa_to_value(entry) | DAX_ARMED);

refuse:
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);
	return NULL;
}

/**
 * dax_entry_claim - the file has a block for itself that was shared
 * @entry: a locked entry, armed
 * @mapping: the file
 * @index: page offset of @entry in the file
 *
 * The other files gave it up one by one and left a share of one.  From here on
 * the folio leads to @mapping again.
 *
 * Context: process context, the entry lock held.
 */
void dax_entry_claim(void *entry, struct address_space *mapping, pgoff_t index)
{
	unsigned long pfn = dax_to_pfn(entry), flags;
	struct folio *folio = pfn_folio(pfn);

	if (READ_ONCE(folio->mapping))
		return;

	spin_lock_irqsave(folio_lock_of(pfn), flags);
	if (!folio->mapping && folio->page.share == 1) {
		/* Index and share are one word. */
		folio->index = index;
		WRITE_ONCE(folio->mapping, mapping);
	}
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);

	/*
	 * A waiter that looked in between took an index of zero for a folio
	 * that is not armed: let it look again.
	 */
	smp_mb();
	wake_up_var(&folio->_refcount);
}

/**
 * dax_poison_page - mark a page of fsdax memory as poisoned
 * @page: the page; its memmap stays while the caller looks at it
 *
 * A folio that is made or taken apart has its first flags written as a word:
 * not at the same time, or the mark is lost.
 *
 * Context: any that may take a lock with interrupts off.
 */
void dax_poison_page(struct page *page)
{
	spinlock_t *lock = folio_lock_of(page_to_pfn(page));
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	SetPageHWPoison(page);
	spin_unlock_irqrestore(lock, flags);
}

/**
 * dax_entry_disarm - take back an armed entry's share of its folio
 * @entry: an armed entry that nothing maps any more
 * @busy: set to the folio, with a reference to its pagemap, where others than
 *	entries use it; or %NULL
 *
 * Whoever takes a reference without the page-table lock looks at the leaf
 * after that, and the leaf is gone: so the count that is seen here, before the
 * entry's own reference goes, leaves out nobody who stays.
 *
 * Context: the entry lock held, or the i_pages lock and the entry unlocked.
 * Return: @entry, not armed, for the caller to store.
 */
void *dax_entry_disarm(void *entry, struct dax_busy *busy)
{
	unsigned long pfn = dax_to_pfn(entry), flags;
	struct folio *folio;
	bool last;

	if (busy)
		busy->folio = NULL;

	/* Armed: the folio is live, so its memmap is there. */
	folio = pfn_folio(pfn);
	spin_lock_irqsave(folio_lock_of(pfn), flags);
	last = folio_armed(folio) == 1;
	if (last) {
		WRITE_ONCE(folio->mapping, NULL);
		folio->page.share = 0;
	} else if (!WARN_ON_ONCE(!folio->page.share)) {
		folio->page.share--;
	}
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);

	if (last) {
		/* With pins enough the count is negative. */
		if (busy && folio_ref_count(folio) != 1) {
			busy->folio = folio;
			busy->pgmap = folio->page.pgmap;
			percpu_ref_get(&busy->pgmap->ref);
		}
		folio_put(folio);
	}
	return xa_mk_value(xa_to_value(entry) & ~DAX_ARMED);
}

/* The body of dax_entry_unmap(), for any entry. */
static void *unmap_and_disarm(struct xa_state *xas,
			      struct address_space *mapping, void *entry,
			      struct dax_busy *busy)
	__must_hold(&xas->xa->xa_lock)
{
	dax_lock_entry(xas, entry);
	xas_unlock_irq(xas);
	/* mapping_mapped() says no while a VMA is made larger. */
	unmap_mapping_pages(mapping, dax_entry_index(entry, xas->xa_index),
			    1UL << dax_entry_order(entry), false);
	if (dax_is_armed(entry))
		entry = dax_entry_disarm(entry, busy);
	xas_reset(xas);
	xas_lock_irq(xas);
	xas_store(xas, entry);
	dax_put_unlocked_entry(xas, entry, WAKE_NEXT);
	return entry;
}

/**
 * dax_entry_unmap - unmap an entry everywhere and disarm it
 * @xas: at the entry, i_pages lock held; dropped and taken again
 * @mapping: the file
 * @entry: the entry as stored, not locked
 * @busy: as for dax_entry_busy(), or %NULL
 *
 * The entry stays locked while it is unmapped, so no fault maps it again
 * before it is disarmed.  For single entries where faults are not kept out;
 * a break unmaps its whole range at once.
 *
 * A PMD entry for a hole may be mapped beyond the range that its caller
 * unmaps; nobody would look for those zero pages once it is gone.
 *
 * Context: process context, sleeps.
 * Return: the entry as stored now, neither locked nor armed.
 */
void *dax_entry_unmap(struct xa_state *xas, struct address_space *mapping,
		      void *entry, struct dax_busy *busy)
	__must_hold(&xas->xa->xa_lock)
{
	if (dax_is_armed(entry))
		return unmap_and_disarm(xas, mapping, entry, busy);
	if (busy)
		dax_entry_busy(entry, busy);
	if (dax_is_zero_entry(entry) && dax_is_pmd_entry(entry))
		return unmap_and_disarm(xas, mapping, entry, NULL);
	return entry;
}

/*
 * The pages of an entry that is not armed are one folio, or many: then another
 * file has armed entries of its own over some of them, or had.
 */
static struct folio *find_busy(void *entry)
{
	unsigned long pfn = dax_to_pfn(entry);
	unsigned long end = pfn + (1UL << dax_entry_order(entry));
	struct folio *folio;

	for (; pfn < end; pfn += folio_nr_pages(folio)) {
		folio = pfn_folio(pfn);
		if (folio_ref_count(folio) && !folio_armed(folio))
			return folio;
	}
	return NULL;
}

/**
 * dax_entry_busy - is a disarmed entry's folio in use
 * @entry: an entry
 * @busy: set to the folio, with a reference to its pagemap, where it is
 *
 * A folio that another file has armed is that file's to wait for: this one
 * gives up its share of the block and frees nothing.  On a device that is
 * going nothing is busy: its blocks find no next user.
 *
 * Context: the i_pages lock held.
 * Return: true, and @busy for dax_busy_wait(), or false and a @busy without a
 * folio.
 */
bool dax_entry_busy(void *entry, struct dax_busy *busy)
{
	unsigned long pfn = dax_to_pfn(entry), flags;

	busy->folio = NULL;
	if (!dax_is_block_entry(entry) || dax_is_armed(entry))
		return false;
	busy->pgmap = get_dev_pagemap(pfn, NULL);
	if (!busy->pgmap)
		return false;

	spin_lock_irqsave(folio_lock_of(pfn), flags);
	busy->folio = find_busy(entry);
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);
	if (!busy->folio)
		put_dev_pagemap(busy->pgmap);
	return busy->folio;
}

/**
 * dax_entry_busy_whole - are a disarmed PMD entry's pages one folio, in use
 * @entry: an entry for blocks, not armed
 *
 * Pages that are in use one by one, as another file maps them that shares the
 * blocks, do not count.
 *
 * Context: the i_pages lock held.
 * Return: true where the entry cannot be split.
 */
bool dax_entry_busy_whole(void *entry)
{
	unsigned long pfn = dax_to_pfn(entry), flags;
	struct dev_pagemap *pgmap = get_dev_pagemap(pfn, NULL);
	struct folio *folio;
	bool busy;

	if (!pgmap)
		return false;
	spin_lock_irqsave(folio_lock_of(pfn), flags);
	folio = pfn_folio(pfn);
	busy = folio_test_large(folio) && folio_ref_count(folio);
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);
	put_dev_pagemap(pgmap);
	return busy;
}

/**
 * dax_entry_pinned - does an entry's folio have users beside the entries
 * @entry: an entry
 *
 * Context: the i_pages lock held, or the entry locked.
 * Return: true where DMA may still write to the block.
 */
bool dax_entry_pinned(void *entry)
{
	struct dax_busy busy;

	if (dax_is_armed(entry))
		return folio_ref_count(pfn_folio(dax_to_pfn(entry))) != 1;
	if (!dax_entry_busy(entry, &busy))
		return false;
	dax_busy_put(&busy);
	return true;
}

/*
 * Zero, or armed again: then zero will not come, and the caller has to unmap
 * and disarm once more.  Both events end in wake_up_var() on the count.
 */
static bool wait_is_over(struct folio *folio)
{
	return !folio_ref_count(folio) || folio_armed(folio);
}

/**
 * dax_busy_put - forget a busy folio without waiting for it
 * @busy: from dax_entry_busy()
 *
 * Context: any.
 */
void dax_busy_put(struct dax_busy *busy)
{
	put_dev_pagemap(busy->pgmap);
	busy->folio = NULL;
	busy->pgmap = NULL;
}

/**
 * dax_busy_wait - wait until a folio may be idle
 * @busy: from dax_entry_busy(); forgotten on return
 *
 * Context: process context, sleeps; no lock that a page fault may want.
 * Return: 0, for the caller to look again, or -ERESTARTSYS on a signal.
 */
int dax_busy_wait(struct dax_busy *busy)
{
	int error = wait_var_event_interruptible(&busy->folio->_refcount,
						 wait_is_over(busy->folio));

	dax_busy_put(busy);
	return error;
}

/**
 * dax_busy_wait_final - wait until a folio may be idle, where one cannot fail
 * @busy: from dax_entry_busy(); forgotten on return
 *
 * For eviction.  Says in the log every ten seconds what it waits for.
 *
 * Context: process context, sleeps.
 */
void dax_busy_wait_final(struct dax_busy *busy)
{
	while (!wait_var_event_timeout(&busy->folio->_refcount,
				       wait_is_over(busy->folio), 10 * HZ))
		pr_info("dax: eviction waits for DMA: pfn %#lx has %d references left\n",
			folio_pfn(busy->folio), folio_ref_count(busy->folio));
	dax_busy_put(busy);
}

/**
 * dax_page_mapping - the file that may map a page
 * @page: a page of fsdax memory; the caller keeps its pagemap
 * @index: set to its page offset in that file
 * @shared: set to whether several files may map it
 *
 * The file may lose the page as soon as this returns.
 *
 * Context: any but NMI; the RCU read lock, to keep the inode.
 * Return: the file, or %NULL where there is none, or several.
 */
struct address_space *dax_page_mapping(struct page *page, pgoff_t *index,
				       bool *shared)
{
	unsigned long pfn = page_to_pfn(page), flags;
	struct address_space *mapping;
	struct folio *folio;

	spin_lock_irqsave(folio_lock_of(pfn), flags);
	folio = page_folio(page);
	mapping = folio->mapping;
	*index = folio->index + folio_page_idx(folio, page);
	*shared = !mapping && folio->page.share;
	spin_unlock_irqrestore(folio_lock_of(pfn), flags);
	return mapping;
}

/**
 * dax_lock_mapping_entry - lock what a file has at an index
 * @mapping: the file; the caller keeps its inode
 * @index: page offset in the file
 * @page: set to the page that may be mapped at @index, or %NULL
 *
 * While it is locked no fault maps the page, and the file does not lose it.
 *
 * Context: process context, sleeps.
 * Return: a cookie for dax_unlock_mapping_entry(), 0 where there is no entry.
 */
dax_entry_t dax_lock_mapping_entry(struct address_space *mapping,
				   unsigned long index, struct page **page)
{
	XA_STATE(xas, &mapping->i_pages, index);
	void *entry;

	*page = NULL;
	xas_lock_irq(&xas);
	entry = dax_get_unlocked_entry(&xas, 0);
	if (entry)
		dax_lock_entry(&xas, entry);
	xas_unlock_irq(&xas);
	if (entry && dax_is_armed(entry))
		*page = pfn_to_page(dax_entry_pfn(entry, index));
	return (dax_entry_t)entry;
}

/**
 * dax_unlock_mapping_entry - undo dax_lock_mapping_entry()
 * @mapping: as given there
 * @index: as given there
 * @cookie: what it returned
 *
 * Context: process context.
 */
void dax_unlock_mapping_entry(struct address_space *mapping,
			      unsigned long index, dax_entry_t cookie)
{
	XA_STATE(xas, &mapping->i_pages, index);

	if (cookie)
		dax_unlock_entry(&xas, (void *)cookie);
}

/*
 * struct revoke - what goes
 * @pgmap: the pagemap of a device with pages, or %NULL
 * @pfn: without: the first pfn of the device
 * @nr: and how many
 */
struct revoke {
	struct dev_pagemap *pgmap;
	unsigned long pfn;
	unsigned long nr;
};

static bool must_revoke(void *entry, const struct revoke *revoke)
{
	unsigned long pfn = dax_to_pfn(entry);

	if (revoke->pgmap)
		return dax_is_armed(entry) &&
			pgmap_pfn_valid(revoke->pgmap, pfn);
	return dax_is_block_entry(entry) && pfn - revoke->pfn < revoke->nr;
}

static void revoke_mapping(struct address_space *mapping, void *revoke)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	unsigned int scanned = 0;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		/* Locked: it may be about to be armed, or mapped. */
		entry = dax_walk_entry(&xas, entry);
		if (!entry)
			continue;
		if (must_revoke(entry, revoke))
			unmap_and_disarm(&xas, mapping, entry, NULL);
		else
			dax_put_unlocked_entry(&xas, entry, WAKE_NEXT);
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
}

/**
 * dax_visit_mappings - visit the DAX files of a super block
 * @sb: the super block, kept by s_umount, or on its way out
 * @visit: called for each, without a lock
 * @arg: for @visit
 *
 * A file on its way out is passed by: it gives up its entries by itself.
 *
 * Context: process context, sleeps.
 */
void dax_visit_mappings(struct super_block *sb,
			void (*visit)(struct address_space *mapping, void *arg),
			void *arg)
{
	struct inode *inode, *held = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		spin_lock(&inode->i_lock);
		if (!IS_DAX(inode) ||
		    (inode->i_state & (I_FREEING | I_WILL_FREE | I_NEW))) {
			spin_unlock(&inode->i_lock);
			continue;
		}
		__iget(inode);
		spin_unlock(&inode->i_lock);
		spin_unlock(&sb->s_inode_list_lock);

		/* Keeps its place in the list; the one before may go now. */
		iput(held);
		held = inode;
		visit(inode->i_mapping, arg);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(held);
}

static void revoke_super(struct super_block *sb, void *revoke)
{
	dax_visit_mappings(sb, revoke_mapping, revoke);
}

/**
 * dax_revoke_pagemap - take back every mapping of a device that is going
 * @pgmap: the pagemap; its reference is killed already
 *
 * Walks the files of every file system of which DAX has mapped any: the device
 * cannot tell who uses it (a partition, a dm target or ext4 leaves no holder
 * behind).  What is armed on @pgmap is unmapped and disarmed; a fault that comes
 * later finds the device gone and ends in SIGBUS.
 *
 * Context: process context, sleeps; takes s_umount of each of those super blocks.
 */
void dax_revoke_pagemap(struct dev_pagemap *pgmap)
{
	struct revoke revoke = { .pgmap = pgmap };

	iterate_supers_dax(revoke_super, &revoke);
	dax_pin_report(pgmap);
}
EXPORT_SYMBOL_GPL(dax_revoke_pagemap);

/**
 * dax_revoke_pfns - take back every mapping of a device that has no pages
 * @pfn: its first pfn
 * @nr: how many
 *
 * As dax_revoke_pagemap(), after kill_dax(): a fault stores its pfn while
 * kill_dax() waits for it, and keeps the entry locked until the leaf is there.
 *
 * Context: process context, sleeps; takes s_umount of each of those super blocks.
 */
void dax_revoke_pfns(unsigned long pfn, unsigned long nr)
{
	struct revoke revoke = { .pfn = pfn, .nr = nr };

	iterate_supers_dax(revoke_super, &revoke);
}
EXPORT_SYMBOL_GPL(dax_revoke_pfns);
