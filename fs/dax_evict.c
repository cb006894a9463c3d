// SPDX-License-Identifier: GPL-2.0
/*
 * Eviction of a DAX inode whose pages are in use.
 *
 * A pin holds pages and no file.  The last close of an unlinked file may come
 * while DMA goes on, or from the very task whose next system call would end
 * it (it holds the pages in a pipe, or in a ring that it has yet to enter).
 * Eviction waits for the pages, so it must not do that in close().
 *
 * Nor in a work: there are only so many workers, and pages may stay in a pipe
 * for ever.  So a work looks now and then, and evicts when all are idle.
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include "dax_entry.h"
#include "internal.h"

#define LOOK_MAX	(HZ / 2)
#define LOG_INTERVAL	(10 * HZ)

/*
 * struct pinned - a folio that eviction would wait for
 * @index: of an entry over it; no entry before that is in the way
 * @pfn: its first page
 * @refs: its reference count
 */
struct pinned {
	pgoff_t index;
	unsigned long pfn;
	int refs;
};

/*
 * struct eviction - an inode that is left to a work
 * @put: has a name: the work has a reference to it, which it puts when the pages
 *	are idle; else it evicts
 * @sb: outlives the inode, as
 * @ino: does
 * @pinned: changes under evictions_lock
 * @delay: until the next look
 * @since: jiffies at the first
 */
struct eviction {
	struct delayed_work work;
	struct list_head list;
	struct inode *inode;
	bool put;
	struct super_block *sb;
	unsigned long ino;
	struct pinned pinned;
	unsigned long delay;
	unsigned long since;
};

static LIST_HEAD(evictions);
static DEFINE_SPINLOCK(evictions_lock);
static struct workqueue_struct *evictions_wq;

/* A line each LOG_INTERVAL, however many inodes wait. */
static struct ratelimit_state log_limit =
	RATELIMIT_STATE_INIT_FLAGS(log_limit, LOG_INTERVAL, 1,
				   RATELIMIT_MSG_ON_RELEASE);

static int __init dax_evict_init(void)
{
	evictions_wq = alloc_workqueue("dax_evict", WQ_UNBOUND, 0);
	return evictions_wq ? 0 : -ENOMEM;
}
fs_initcall(dax_evict_init);

/*
 * Would eviction wait for the folio of an entry?  Not where another file has
 * it armed as well: then it is that file's to wait for.  Against a change of
 * that, which is under a lock of fs/dax_folio.c: evict() waits all the same,
 * or the next look finds it.
 */
static bool entry_waits(void *entry, struct pinned *pinned)
{
	struct dax_busy busy;
	struct folio *folio;
	bool waits;

	if (!dax_is_armed(entry)) {
		if (!dax_entry_busy(entry, &busy))
			return false;
		pinned->pfn = folio_pfn(busy.folio);
		pinned->refs = folio_ref_count(busy.folio);
		dax_busy_put(&busy);
		return true;
	}

	/* Armed: the folio is live, so its memmap is there. */
	folio = pfn_folio(dax_to_pfn(entry));
	waits = dax_entry_pinned(entry) &&
		(READ_ONCE(folio->mapping) || READ_ONCE(folio->page.share) < 2);
	pinned->pfn = folio_pfn(folio);
	/* Without the entry's own. */
	pinned->refs = folio_ref_count(folio) - 1;
	return waits;
}

/*
 * From @pinned->index on.  Nobody maps the file any more: what was not pinned
 * is not pinned later.  If it has a name somebody may open it for a while, and
 * that may be wrong; but then the work's reference is not the last, or the end
 * of that looks again.
 */
static bool has_pinned_pages(struct address_space *mapping,
			     struct pinned *pinned)
{
	XA_STATE(xas, &mapping->i_pages, pinned->index);
	unsigned int scanned = 0;
	bool found = false;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		found = entry_waits(entry, pinned);
		if (found) {
			pinned->index = xas.xa_index;
			break;
		}
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
	return found;
}

static void log_eviction(struct eviction *eviction)
{
	pr_info("dax: %s: eviction of inode %lu waits for DMA: page %lu, pfn %#lx has %d references left\n",
		eviction->sb->s_id, eviction->ino, eviction->pinned.index,
		eviction->pinned.pfn, eviction->pinned.refs);
}

static bool must_wait(struct eviction *eviction)
{
	struct pinned pinned = eviction->pinned;

	if (!has_pinned_pages(&eviction->inode->i_data, &pinned))
		return false;

	spin_lock(&evictions_lock);
	eviction->pinned = pinned;
	spin_unlock(&evictions_lock);
	if (time_after(jiffies, eviction->since + LOG_INTERVAL) &&
	    __ratelimit(&log_limit))
		log_eviction(eviction);
	return true;
}

static void evict_work(struct work_struct *work)
{
	struct eviction *eviction = container_of(to_delayed_work(work),
						 struct eviction, work);

	/* Who has it open now puts it last. */
	if (!(eviction->put && atomic_read(&eviction->inode->i_count) > 1) &&
	    must_wait(eviction)) {
		eviction->delay = min(2 * eviction->delay, LOOK_MAX);
		queue_delayed_work(evictions_wq, &eviction->work,
				   eviction->delay);
		return;
	}
	if (eviction->put)
		iput(eviction->inode);
	else
		evict(eviction->inode);

	spin_lock(&evictions_lock);
	list_del(&eviction->list);
	spin_unlock(&evictions_lock);
	wake_up_var(&evictions);
	kfree(eviction);
}

static bool leave_to_work(struct inode *inode, bool put)
{
	struct pinned pinned = { .index = 0 };
	struct eviction *eviction;

	if (!dax_mapping(&inode->i_data) || mapping_empty(&inode->i_data) ||
	    !has_pinned_pages(&inode->i_data, &pinned))
		return false;
	eviction = kmalloc(sizeof(*eviction), GFP_NOFS);
	if (!eviction)
		return false;

	INIT_DELAYED_WORK(&eviction->work, evict_work);
	eviction->inode = inode;
	eviction->put = put;
	eviction->sb = inode->i_sb;
	eviction->ino = inode->i_ino;
	eviction->pinned = pinned;
	eviction->delay = 1;
	eviction->since = jiffies;
	spin_lock(&evictions_lock);
	list_add_tail(&eviction->list, &evictions);
	spin_unlock(&evictions_lock);
	queue_delayed_work(evictions_wq, &eviction->work, eviction->delay);
	return true;
}

/**
 * dax_evict_later - leave an inode with pages in use to a work
 * @inode: an inode that is I_FREEING, as for evict()
 *
 * Context: process context, sleeps.
 * Return: true where the work evicts @inode, false where the caller has to:
 * nothing of it is in use, or there is no memory to say so.
 */
bool dax_evict_later(struct inode *inode)
{
	return leave_to_work(inode, false);
}

/**
 * dax_put_later - leave a reference to an inode with pages in use to a work
 * @inode: an inode that has a name, but is not to be cached without users
 *
 * As it is not I_FREEING it can be opened again, without a wait.
 *
 * Context: process context, sleeps.
 * Return: true where the work puts the reference, when no page is in use or
 * @inode has other users; false where the caller has to.
 */
bool dax_put_later(struct inode *inode)
{
	return leave_to_work(inode, true);
}

static struct eviction *find_eviction(struct super_block *sb)
{
	struct eviction *eviction;

	lockdep_assert_held(&evictions_lock);

	list_for_each_entry(eviction, &evictions, list)
		if (eviction->sb == sb)
			return eviction;
	return NULL;
}

static bool has_evictions(struct super_block *sb)
{
	bool found;

	spin_lock(&evictions_lock);
	found = find_eviction(sb);
	spin_unlock(&evictions_lock);
	return found;
}

static void log_evictions(struct super_block *sb)
{
	struct eviction *eviction;

	spin_lock(&evictions_lock);
	eviction = find_eviction(sb);
	if (eviction)
		log_eviction(eviction);
	spin_unlock(&evictions_lock);
}

/**
 * dax_wait_evictions - wait for the inodes of a super block left to works
 * @sb: the super block, on its way out: none comes in addition
 *
 * Says in the log every ten seconds what it waits for.
 *
 * Context: process context, sleeps; uninterruptible.
 */
void dax_wait_evictions(struct super_block *sb)
{
	while (!wait_var_event_timeout(&evictions, !has_evictions(sb),
				       LOG_INTERVAL))
		log_evictions(sb);
}

static void wait_unpinned(struct address_space *mapping, void *unused)
{
	struct pinned pinned = { .index = 0 };
	unsigned long delay = 1, since = jiffies;
	struct inode *inode = mapping->host;

	while (has_pinned_pages(mapping, &pinned)) {
		if (time_after(jiffies, since + LOG_INTERVAL) &&
		    __ratelimit(&log_limit))
			pr_info("dax: %s: umount waits for DMA to inode %lu: page %lu, pfn %#lx has %d references left\n",
				inode->i_sb->s_id, inode->i_ino, pinned.index,
				pinned.pfn, pinned.refs);
		schedule_timeout_uninterruptible(delay);
		delay = min(2 * delay, LOOK_MAX);
	}
}

/**
 * dax_wait_pinned - wait until no page of a super block's files is in use
 * @sb: the super block, on its way out: nobody maps a file of it
 *
 * For file systems that give their memory back before their inodes are
 * evicted.  Says in the log every ten seconds what it waits for.
 *
 * Context: process context, sleeps; uninterruptible.
 */
void dax_wait_pinned(struct super_block *sb)
{
	dax_visit_mappings(sb, wait_unpinned, NULL);
	dax_wait_evictions(sb);
}
EXPORT_SYMBOL_GPL(dax_wait_pinned);
