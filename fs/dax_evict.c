// SPDX-License-Identifier: GPL-2.0
/*
 * Eviction of a DAX inode whose pages are in use.
 *
 * A pin holds pages and no file.  The last close of an unlinked file may come
 * while DMA goes on, or from the very task whose next system call would end
 * it (it holds the pages in a pipe, or in a ring that it has yet to enter).
 * Eviction waits for the pages, so it must not do that in close().
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include "dax_entry.h"
#include "internal.h"

struct eviction {
	struct work_struct work;
	struct list_head list;
	struct inode *inode;
	struct super_block *sb;		/* outlives the inode */
};

static LIST_HEAD(evictions);
static DEFINE_SPINLOCK(evictions_lock);
static struct workqueue_struct *evictions_wq;

static int __init dax_evict_init(void)
{
	evictions_wq = alloc_workqueue("dax_evict", WQ_UNBOUND, 0);
	return evictions_wq ? 0 : -ENOMEM;
}
fs_initcall(dax_evict_init);

/* Nobody maps the file any more, and nobody can open it. */
static bool has_pinned_pages(struct address_space *mapping)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	unsigned int scanned = 0;
	bool pinned = false;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		pinned = dax_entry_pinned(entry);
		if (pinned)
			break;
		dax_walk_pause(&xas, &scanned);
	}
	xas_unlock_irq(&xas);
	return pinned;
}

static void evict_work(struct work_struct *work)
{
	struct eviction *eviction = container_of(work, struct eviction, work);

	evict(eviction->inode);

	spin_lock(&evictions_lock);
	list_del(&eviction->list);
	spin_unlock(&evictions_lock);
	wake_up_var(&evictions);
	kfree(eviction);
}

/**
 * dax_evict_later - leave an inode with pages in use to a worker
 * @inode: an inode that is I_FREEING, as for evict()
 *
 * Context: process context, sleeps.
 * Return: true where the worker evicts @inode, false where the caller has to:
 * nothing of it is in use, or there is no memory to say so.
 */
bool dax_evict_later(struct inode *inode)
{
	struct eviction *eviction;

	if (!dax_mapping(&inode->i_data) || mapping_empty(&inode->i_data) ||
	    !has_pinned_pages(&inode->i_data))
		return false;
	eviction = kmalloc(sizeof(*eviction), GFP_NOFS);
	if (!eviction)
		return false;

	INIT_WORK(&eviction->work, evict_work);
	eviction->inode = inode;
	eviction->sb = inode->i_sb;
	spin_lock(&evictions_lock);
	list_add_tail(&eviction->list, &evictions);
	spin_unlock(&evictions_lock);
	queue_work(evictions_wq, &eviction->work);
	return true;
}

static bool has_evictions(struct super_block *sb)
{
	struct eviction *eviction;
	bool found = false;

	spin_lock(&evictions_lock);
	list_for_each_entry(eviction, &evictions, list)
		found |= eviction->sb == sb;
	spin_unlock(&evictions_lock);
	return found;
}

/**
 * dax_wait_evictions - wait for the inodes of a super block left to the worker
 * @sb: the super block, on its way out: none comes in addition
 *
 * Context: process context, sleeps; uninterruptible, but the worker says in
 * the log what it waits for.
 */
void dax_wait_evictions(struct super_block *sb)
{
	wait_var_event(&evictions, !has_evictions(sb));
}
