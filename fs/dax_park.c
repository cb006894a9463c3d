// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that copy-on-write took from a file while DMA read them.
 *
 * A write to a block that files share gives its file a copy.  It does not wait
 * for DMA that still reads the old block: a fault cannot, as the page may be in
 * a pipe of the very task.  From then on the block is the other files' to free,
 * and if none of them maps it, none has an entry by which a break would find
 * the DMA.  So the fault, and dax_drop_layout() for write(2), zeroing and
 * unsharing, park the folio here, and the file system that frees a parked block
 * keeps it from its next user until the folio is idle.
 *
 * A folio is parked before the file system takes the block from the file.
 * Whoever frees the block, perhaps that very write, does so later, and finds it
 * here.
 *
 * There is hardly ever one.  A worker looks ten times a second for those that
 * have become idle, as long as there are any: the put of a page need not know.
 */
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pfn_t.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "dax_entry.h"
#include "internal.h"

#define LOOK	(HZ / 10)

struct dax_parked {
	struct list_head list;
	struct dax_busy busy;
	struct super_block *sb;
};

static void look(struct work_struct *work);

static LIST_HEAD(parked);
static DEFINE_SPINLOCK(parked_lock);	/* nests in i_pages locks */
static DECLARE_DELAYED_WORK(looking, look);

static void look(struct work_struct *work)
{
	struct dax_parked *p, *next;
	LIST_HEAD(idle);

	spin_lock_irq(&parked_lock);
	list_for_each_entry_safe(p, next, &parked, list)
		if (!folio_ref_count(p->busy.folio))
			list_move(&p->list, &idle);
	if (!list_empty(&parked))
		schedule_delayed_work(&looking, LOOK);
	spin_unlock_irq(&parked_lock);

	list_for_each_entry_safe(p, next, &idle, list) {
		dax_busy_put(&p->busy);
		kfree(p);
	}
}

/**
 * dax_park_prepare - memory for dax_park()
 *
 * Context: process context, sleeps; not in a transaction.
 * Return: what dax_park() takes, never %NULL.
 */
struct dax_parked *dax_park_prepare(void)
{
	return kmalloc(sizeof(struct dax_parked), GFP_NOFS | __GFP_NOFAIL);
}

/**
 * dax_park - remember a folio that its file gives up while it is in use
 * @p: from dax_park_prepare(); consumed
 * @busy: from dax_entry_disarm(); consumed if it has a folio
 * @sb: the file system whose block it is
 *
 * Context: any that may take a lock with interrupts off.
 */
void dax_park(struct dax_parked *p, struct dax_busy *busy,
	      struct super_block *sb)
{
	struct dax_parked *q;
	unsigned long flags;

	if (!busy->folio) {
		kfree(p);
		return;
	}
	p->busy = *busy;
	p->sb = sb;
	spin_lock_irqsave(&parked_lock, flags);
	/* Once is enough, or a page in a pipe could bring in any number. */
	list_for_each_entry(q, &parked, list)
		if (q->busy.folio == busy->folio && q->sb == sb)
			break;
	if (list_entry_is_head(q, &parked, list)) {
		list_add_tail(&p->list, &parked);
		schedule_delayed_work(&looking, LOOK);
		p = NULL;
	}
	spin_unlock_irqrestore(&parked_lock, flags);
	if (p) {
		dax_busy_put(&p->busy);
		kfree(p);
	}
}

/**
 * dax_any_parked - is there a block that was given up under DMA
 *
 * Context: any.
 * Return: false most of the time: then no block is parked that was freed
 * before the call.
 */
bool dax_any_parked(void)
{
	return !list_empty(&parked);
}
EXPORT_SYMBOL_GPL(dax_any_parked);

static bool pfns_parked(unsigned long pfn, unsigned long nr)
{
	struct dax_parked *p;
	bool found = false;

	spin_lock_irq(&parked_lock);
	list_for_each_entry(p, &parked, list)
		found |= folio_pfn(p->busy.folio) < pfn + nr &&
			 pfn < folio_pfn(p->busy.folio) +
				folio_nr_pages(p->busy.folio) &&
			 folio_ref_count(p->busy.folio);
	spin_unlock_irq(&parked_lock);
	return found;
}

/**
 * dax_blocks_parked - does DMA still read blocks that were freed
 * @dax_dev: the device
 * @pgoff: the first of them, in pages of the device
 * @nr_pages: how many
 *
 * Context: process context, sleeps.
 * Return: true where the blocks must not have a new owner yet: ask again.
 */
bool dax_blocks_parked(struct dax_device *dax_dev, pgoff_t pgoff,
		       unsigned long nr_pages)
{
	bool found = false;
	pfn_t pfn;
	long nr;
	int id;

	if (!dax_any_parked())
		return false;

	id = dax_read_lock();
	while (nr_pages && !found) {
		/* The mode that takes no notice of bad blocks. */
		nr = dax_direct_access(dax_dev, pgoff, nr_pages,
				       DAX_RECOVERY_WRITE, NULL, &pfn);
		if (nr <= 0)
			break;	/* gone, and its blocks with it */
		nr = min_t(unsigned long, nr, nr_pages);
		found = pfns_parked(pfn_t_to_pfn(pfn), nr);
		pgoff += nr;
		nr_pages -= nr;
	}
	dax_read_unlock(id);
	return found;
}
EXPORT_SYMBOL_GPL(dax_blocks_parked);

static struct folio *parked_of(struct super_block *sb)
{
	struct folio *folio = NULL;
	struct dax_parked *p;

	spin_lock_irq(&parked_lock);
	list_for_each_entry(p, &parked, list)
		if (p->sb == sb)
			folio = p->busy.folio;
	spin_unlock_irq(&parked_lock);
	return folio;
}

/**
 * dax_wait_parked - wait for the DMA that reads blocks of a super block
 * @sb: the super block, on its way out: none comes in addition
 *
 * Context: process context, sleeps; uninterruptible, but says in the log every
 * ten seconds what it waits for.
 */
void dax_wait_parked(struct super_block *sb)
{
	unsigned long told = jiffies;
	struct folio *folio;

	while ((folio = parked_of(sb))) {
		if (time_after(jiffies, told + 10 * HZ)) {
			pr_info("dax: umount of %s waits for DMA: pfn %#lx\n",
				sb->s_id, folio_pfn(folio));
			told = jiffies;
		}
		schedule_timeout_uninterruptible(LOOK);
	}
}
