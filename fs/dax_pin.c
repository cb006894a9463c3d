// SPDX-License-Identifier: GPL-2.0
/*
 * Long-term pins of DAX files.
 *
 * RDMA, io_uring and vfio pin memory for as long as they like.  What they pin
 * of a DAX file stays that file's: a layout change that wants a block of it is
 * refused (ETXTBSY), since nobody could say how long it would wait.
 *
 * A folio that somebody pinned for long is marked: folio->private leads to the
 * region of the device that it is in.  A region has a record for each holder
 * and extent: which folios, from where in which file.  A record has its
 * holder, and a holder keeps the file: a struct file of its own, so that the
 * locks, leases and ->release of the application's stay the application's.
 *
 * Unpinning does not say whether a pin was long.  So the mark lasts until the
 * folio has no pin at all; then all records let it go.  What is in a record is
 * exact: a bit goes with the last pin of its folio, a record with its last
 * bit, the file with the last record.
 *
 * When has a folio no pin?  A large one counts its pins apart.  In the count
 * of an order-0 folio a pin is worth GUP_PIN_COUNTING_BIAS: below that there
 * is none.  As many plain references look like one, so there the mark may
 * outlive the pins: until the next layout break, the next check by
 * recheck_work(), or the end of all references, whichever is first.
 *
 * Safety does not hang on marks: a layout break looks at the reference count.
 * A mark only turns waiting into refusing.
 *
 * Locks: pin_lock() of the pfn covers the region, its records and the marks of
 * its folios.  It nests inside the page-table lock and the i_pages lock, and
 * is taken in interrupts: the last put of a pin may be there.
 */
#include <linux/cred.h>
#include <linux/dax.h>
#include <linux/dax_pin.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/dax_pin.h>

#define REGION_ORDER	9
#define REGION_PAGES	(1UL << REGION_ORDER)
#define PIN_LOCK_BITS	6
#define HOLDER_BITS	6
#define RECORDS_MAX	256
#define RECHECK_MAX	(8 * HZ)
#define KEY_IDLE	(30 * HZ)

/*
 * struct dax_pin_holder - a process that pins a file, as one user, by one mount
 * @file: keeps inode and mount; no open of the application's
 * @sb: of @file, to compare when that is gone
 * @refs: a record each, and who is about to add one
 * @leaving: without a reference: in the list of that name, or in @others of
 *	the one of its super block that is there
 * @born: when the process was: its pins, and @pid's next owner, may outlive it
 * @told: an unbind has named it in the log
 */
struct dax_pin_holder {
	struct hlist_node hash;
	struct file *file;
	struct super_block *sb;
	refcount_t refs;
	struct list_head leaving;
	struct list_head others;
	struct work_struct work;
	pid_t pid;
	u64 born;
	kuid_t uid;
	char comm[TASK_COMM_LEN];
	bool told;
};

/*
 * struct dax_region - aligned REGION_PAGES of a device
 * @suspect: a mark in it may be stale, with nobody left to see it
 */
struct dax_region {
	struct list_head pins;
	unsigned long pfn;
	bool suspect;
};

/*
 * struct dax_pin - what a holder has of an extent in a region
 * @delta: file index of a page minus its pfn
 * @nr: bits in @folios
 * @filling: how often dax_pin_prepare() gave it out and dax_pin_finish() is to
 *	come
 * @folios: by the first page of each, its place in the region
 */
struct dax_pin {
	struct list_head list;
	struct dax_region *region;
	struct dax_pin_holder *holder;
	unsigned long delta;
	unsigned int nr;
	unsigned int filling;
	unsigned long irqflags;
	DECLARE_BITMAP(folios, REGION_PAGES);
};

DEFINE_STATIC_KEY_FALSE(dax_pin_key);

static DEFINE_XARRAY_FLAGS(regions, XA_FLAGS_LOCK_IRQ);
static spinlock_t pin_locks[1 << PIN_LOCK_BITS];
static struct hlist_head holders[1 << HOLDER_BITS];
static LIST_HEAD(leaving);
static DEFINE_SPINLOCK(holders_lock);
static int longterm_pin = 1;

static void recheck_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(recheck, recheck_work);
static unsigned long recheck_delay = HZ;

static void key_off_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(key_off, key_off_work);

static spinlock_t *pin_lock(unsigned long pfn)
{
	return &pin_locks[hash_long(pfn >> REGION_ORDER, PIN_LOCK_BITS)];
}

/**
 * dax_pin_allowed - may a file be pinned for long
 * @file: a DAX file
 *
 * Return: false where the administrator says no (vm.dax_longterm_pin), or the
 * file system cannot refuse a layout change.
 */
bool dax_pin_allowed(struct file *file)
{
	return READ_ONCE(longterm_pin) && file->f_op->fop_flags & FOP_DAX_PIN;
}

/* static_key_enabled() says so before every processor has the key on. */
static bool key_is_on(void)
{
	return atomic_read_acquire(&dax_pin_key.key.enabled) > 0;
}

/**
 * dax_pin_enable - let every unpin look for marks
 *
 * From its return on, until nothing has been pinned for long for KEY_IDLE.
 *
 * Context: process context, sleeps; without the mmap_lock, as text patching
 * takes locks that others hold when they take that.
 */
void dax_pin_enable(void)
{
	if (!key_is_on()) {
		static_branch_enable(&dax_pin_key);
		/* Perhaps nothing is pinned after all. */
		queue_delayed_work(system_wq, &key_off, KEY_IDLE);
	}
}

static int release_pin_file(struct inode *inode, struct file *file)
{
	put_write_access(inode);
	mnt_put_write_access(file->f_path.mnt);
	return 0;
}

static const struct file_operations dax_pin_fops = {
	.release	= release_pin_file,
};

/*
 * DMA may write to the file at any time: the mount stays writable, and the file
 * counts as open for writing, so that nobody runs it or has a lease on it.
 */
static struct file *open_pin_file(struct file *base)
{
	struct file *file;
	int error;

	error = mnt_get_write_access(base->f_path.mnt);
	if (error)
		return ERR_PTR(error);
	error = get_write_access(file_inode(base));
	if (error)
		goto put_mount;
	/*
	 * One for writing: when it is the last, IMA looks at the file anew.
	 * Without FMODE_WRITER: release_pin_file() puts what was got here.
	 */
	file = alloc_file_clone(base, O_WRONLY, &dax_pin_fops);
	if (IS_ERR(file)) {
		error = PTR_ERR(file);
		goto put_inode;
	}
	file->f_mode |= FMODE_NONOTIFY;
	return file;

put_inode:
	put_write_access(file_inode(base));
put_mount:
	mnt_put_write_access(base->f_path.mnt);
	return ERR_PTR(error);
}

static struct hlist_head *holders_of(struct inode *inode)
{
	return &holders[hash_ptr(inode, HOLDER_BITS)];
}

static struct dax_pin_holder *find_holder(struct file *file)
{
	struct dax_pin_holder *holder;
	unsigned long flags;

	spin_lock_irqsave(&holders_lock, flags);
	hlist_for_each_entry(holder, holders_of(file_inode(file)), hash) {
		if (holder->pid == current->tgid &&
		    holder->born == current->group_leader->start_boottime &&
		    uid_eq(holder->uid, current_uid()) &&
		    file_inode(holder->file) == file_inode(file) &&
		    holder->file->f_path.mnt == file->f_path.mnt &&
		    refcount_inc_not_zero(&holder->refs))
			break;
	}
	spin_unlock_irqrestore(&holders_lock, flags);
	return holder;
}

/**
 * dax_pin_hold - the holder that the current process is for a file
 * @file: the file
 *
 * Context: process context, sleeps.  The mmap_lock may be held.
 * Return: the holder with a reference, for dax_pin_drop(); ERR_PTR(-EROFS)
 * where the mount is read-only by now, -ENFILE, -ENOMEM.
 */
struct dax_pin_holder *dax_pin_hold(struct file *file)
{
	struct dax_pin_holder *holder = find_holder(file);
	struct file *own;

	if (holder)
		return holder;
	holder = kzalloc(sizeof(*holder), GFP_KERNEL_ACCOUNT);
	if (!holder)
		return ERR_PTR(-ENOMEM);
	own = open_pin_file(file);
	if (IS_ERR(own)) {
		kfree(holder);
		return ERR_CAST(own);
	}
	holder->file = own;
	holder->sb = file_inode(own)->i_sb;
	refcount_set(&holder->refs, 1);
	holder->pid = current->tgid;
	holder->born = current->group_leader->start_boottime;
	holder->uid = current_uid();
	get_task_comm(holder->comm, current->group_leader);
	spin_lock_irq(&holders_lock);
	hlist_add_head(&holder->hash, holders_of(file_inode(own)));
	spin_unlock_irq(&holders_lock);
	return holder;
}

static struct dax_pin_holder *find_leaving(struct super_block *sb)
{
	struct dax_pin_holder *holder;

	lockdep_assert_held(&holders_lock);

	list_for_each_entry(holder, &leaving, leaving)
		if (holder->sb == sb)
			return holder;
	return NULL;
}

static void leave_work(struct work_struct *work)
{
	struct dax_pin_holder *first, *next;

	first = container_of(work, struct dax_pin_holder, work);
	__fput_sync(first->file);
	for (;;) {
		spin_lock_irq(&holders_lock);
		next = list_first_entry_or_null(&first->others,
						struct dax_pin_holder, leaving);
		list_del(next ? &next->leaving : &first->leaving);
		spin_unlock_irq(&holders_lock);
		if (!next)
			break;
		__fput_sync(next->file);
		kfree(next);
	}
	wake_up_var(&leaving);
	kfree(first);
}

/*
 * One work for each super block: where that is frozen the work sleeps, with
 * the last reference to an unlinked file, and nobody else's file waits for it.
 */
static void leave_later(struct dax_pin_holder *holder)
{
	struct dax_pin_holder *first = find_leaving(holder->sb);

	if (first) {
		list_add_tail(&holder->leaving, &first->others);
		return;
	}
	INIT_LIST_HEAD(&holder->others);
	INIT_WORK(&holder->work, leave_work);
	list_add_tail(&holder->leaving, &leaving);
	queue_work(system_unbound_wq, &holder->work);
}

/**
 * dax_pin_drop - drop a reference to a holder
 * @holder: the holder; the last reference lets its file go
 *
 * A task does that on its way back to user mode.  Where it may not go there, or
 * in an interrupt, the file is left to a work, and to dax_pin_settle().
 *
 * Context: any but NMI.
 */
void dax_pin_drop(struct dax_pin_holder *holder)
{
	const bool returns = !in_interrupt() &&
		!(current->flags & (PF_KTHREAD | PF_USER_WORKER | PF_EXITING));
	unsigned long flags;

	if (!__cond_lock(&holders_lock,
			 refcount_dec_and_lock_irqsave(&holder->refs,
						       &holders_lock, &flags)))
		return;
	hlist_del(&holder->hash);
	if (!returns)
		leave_later(holder);
	spin_unlock_irqrestore(&holders_lock, flags);
	if (returns) {
		fput(holder->file);
		kfree(holder);
	}
}

static bool is_leaving(struct super_block *sb)
{
	bool found;

	spin_lock_irq(&holders_lock);
	found = find_leaving(sb);
	spin_unlock_irq(&holders_lock);
	return found;
}

/**
 * dax_pin_settle - wait until the files of ended pins are let go
 * @sb: the super block that is to be unmounted
 *
 * Against a last unpin in an interrupt, in a worker or by a task that exits:
 * that has its file in the list before the unpin returns.
 * Against one in a system call that has not returned yet: the mount is busy.
 *
 * Context: process context, sleeps until a frozen file system thaws, or a
 * fatal signal comes; no lock that the last reference to a file may want.
 */
void dax_pin_settle(struct super_block *sb)
{
	/* Unpins that found the key off have left their marks to that. */
	flush_delayed_work(&recheck);
	wait_var_event_killable(&leaving, !is_leaving(sb));
}

/* Lets go of records that are in no region any more; without pin_lock(). */
static void free_pins(struct list_head *dead)
{
	struct dax_pin *pin, *next;

	list_for_each_entry_safe(pin, next, dead, list) {
		dax_pin_drop(pin->holder);
		kfree(pin);
	}
}

static void put_region(struct dax_region *region)
{
	if (!list_empty(&region->pins))
		return;
	xa_erase(&regions, region->pfn >> REGION_ORDER);
	kfree(region);
	if (xa_empty(&regions))
		mod_delayed_work(system_wq, &key_off, KEY_IDLE);
}

/* The region of @pfn; where there is none yet, @fresh becomes it. */
static struct dax_region *find_region(unsigned long pfn,
				      struct dax_region **fresh)
{
	struct dax_region *region = xa_load(&regions, pfn >> REGION_ORDER);

	lockdep_assert_held(pin_lock(pfn));

	if (region || !*fresh)
		return region;
	/* Reserved, as a rule: then this allocates nothing. */
	if (xa_is_err(xa_store(&regions, pfn >> REGION_ORDER, *fresh,
			       GFP_NOWAIT)))
		return NULL;
	region = *fresh;
	region->pfn = pfn & ~(REGION_PAGES - 1);
	INIT_LIST_HEAD(&region->pins);
	*fresh = NULL;
	return region;
}

static void suspect(struct dax_region *region)
{
	if (region->suspect)
		return;
	region->suspect = true;
	WRITE_ONCE(recheck_delay, HZ);
	mod_delayed_work(system_wq, &recheck, HZ);
}

/*
 * The record that @holder has already.  In a region with RECORDS_MAX of them
 * that of another holder will do, as it keeps the inode too: there is no end
 * of processes that may come and go while a folio stays pinned.
 */
static struct dax_pin *find_pin(struct dax_region *region,
				struct dax_pin_holder *holder,
				unsigned long delta)
{
	struct dax_pin *pin, *other = NULL;
	unsigned int nr = 0;

	lockdep_assert_held(pin_lock(region->pfn));

	list_for_each_entry(pin, &region->pins, list) {
		nr++;
		if (pin->delta != delta)
			continue;
		if (pin->holder == holder)
			return pin;
		if (file_inode(pin->holder->file) == file_inode(holder->file))
			other = pin;
	}
	return nr < RECORDS_MAX ? NULL : other;
}

/**
 * dax_pin_prepare - a record for the folios of an extent
 * @holder: who pins
 * @pfn: the first page of a folio
 * @index: its page offset in the file
 *
 * Somebody else may have got the same record.
 *
 * Context: process context, sleeps.
 * Return: the record, for dax_pin_mark() and dax_pin_finish(), or %NULL where
 * there is no memory.
 */
struct dax_pin *dax_pin_prepare(struct dax_pin_holder *holder,
				unsigned long pfn, pgoff_t index)
{
	struct dax_region *fresh = NULL, *region;
	struct dax_pin *fresh_pin, *pin;
	bool again = false;

	fresh_pin = kzalloc(sizeof(*fresh_pin), GFP_KERNEL_ACCOUNT);
	if (!fresh_pin)
		return NULL;
	for (;;) {
		spin_lock_irq(pin_lock(pfn));
		region = find_region(pfn, &fresh);
		if (region)
			break;
		spin_unlock_irq(pin_lock(pfn));
		if (!again)
			fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
		if (again || !fresh ||
		    xa_reserve_irq(&regions, pfn >> REGION_ORDER, GFP_KERNEL)) {
			kfree(fresh);
			kfree(fresh_pin);
			return NULL;
		}
		again = true;
	}
	pin = find_pin(region, holder, index - pfn);
	if (!pin) {
		pin = fresh_pin;
		fresh_pin = NULL;
		pin->region = region;
		pin->holder = holder;
		refcount_inc(&holder->refs);
		pin->delta = index - pfn;
		list_add_tail(&pin->list, &region->pins);
	}
	pin->filling++;
	/*
	 * Whoever unpins while the key is off does not look.  The region is
	 * there before this looks at the key: see key_off_work().
	 */
	smp_mb();
	if (!key_is_on())
		suspect(region);
	spin_unlock_irq(pin_lock(pfn));
	kfree(fresh);
	kfree(fresh_pin);
	return pin;
}

/**
 * dax_pin_finish - the caller adds no more folios to a record
 * @pin: from dax_pin_prepare(); gone where nothing is in it
 *
 * Context: process context.
 */
void dax_pin_finish(struct dax_pin *pin)
{
	spinlock_t *lock = pin_lock(pin->region->pfn);
	LIST_HEAD(dead);

	spin_lock_irq(lock);
	pin->filling--;
	if (!pin->nr && !pin->filling) {
		list_move(&pin->list, &dead);
		put_region(pin->region);
	}
	spin_unlock_irq(lock);
	free_pins(&dead);
}

/**
 * dax_pin_covers - is a record the one for a folio
 * @pin: from dax_pin_prepare()
 * @pfn: the first page of the folio
 * @index: its page offset in the file
 *
 * Return: true for another folio of the same extent and region.
 */
bool dax_pin_covers(struct dax_pin *pin, unsigned long pfn, pgoff_t index)
{
	return pfn - pin->region->pfn < REGION_PAGES &&
		pin->delta == index - pfn;
}

/**
 * dax_pin_lock - lock the region of a record
 * @pin: from dax_pin_prepare()
 *
 * For a batch: reference and mark of a folio are taken in one hold of this
 * lock, or an unpin of somebody else's could come between them and find no pin
 * and no mark, and a break after it a pin without one.
 *
 * Context: any; the page-table lock may be held.
 */
void dax_pin_lock(struct dax_pin *pin)
	__acquires(pin_lock(pin->region->pfn))
{
	unsigned long flags;

	spin_lock_irqsave(pin_lock(pin->region->pfn), flags);
	pin->irqflags = flags;
}

/**
 * dax_pin_unlock - undo dax_pin_lock()
 * @pin: the record
 */
void dax_pin_unlock(struct dax_pin *pin)
	__releases(pin_lock(pin->region->pfn))
{
	spin_unlock_irqrestore(pin_lock(pin->region->pfn), pin->irqflags);
}

/**
 * dax_pin_mark - a folio is pinned for long
 * @pin: a record that covers it, dax_pin_lock() held
 * @folio: the folio, pinned under the same hold of the lock
 */
void dax_pin_mark(struct dax_pin *pin, struct folio *folio)
{
	unsigned long pfn = folio_pfn(folio);

	WRITE_ONCE(folio->private, pin->region);
	if (__test_and_set_bit(pfn - pin->region->pfn, pin->folios))
		return;
	pin->nr++;
	trace_dax_pin(file_inode(pin->holder->file), pfn + pin->delta,
		      folio_nr_pages(folio), pin->holder->pid);
}

/* A folio has no pin any more: every record lets it go. */
static void unmark(struct folio *folio, struct list_head *dead)
{
	struct dax_region *region = folio->private;
	unsigned long pfn = folio_pfn(folio), bit = pfn - region->pfn;
	struct dax_pin *pin, *next;

	WRITE_ONCE(folio->private, NULL);
	list_for_each_entry_safe(pin, next, &region->pins, list) {
		if (!__test_and_clear_bit(bit, pin->folios))
			continue;
		trace_dax_unpin(file_inode(pin->holder->file), pfn + pin->delta,
				folio_nr_pages(folio), pin->holder->pid);
		if (!--pin->nr && !pin->filling)
			list_move(&pin->list, dead);
	}
	put_region(region);
}

/* Leaving out @refs references, which the caller is about to put. */
static bool has_pins(struct folio *folio, int refs)
{
	if (folio_test_large(folio))
		return atomic_read(&folio->_pincount);
	return folio_ref_count(folio) - refs >= GUP_PIN_COUNTING_BIAS;
}

static bool recheck_mark(struct folio *folio, struct list_head *dead)
{
	if (folio->private && !has_pins(folio, 0))
		unmark(folio, dead);
	return folio->private;
}

/**
 * dax_unpin - put the references of pins of a folio of device memory
 * @folio: the folio; the pins of a large one have been counted down
 * @refs: how many references
 *
 * Against another unpin, of a large folio: each counts down, then looks for
 * the mark; the last one to count down finds it, as whoever counted down
 * before and found the folio pinned left it there.  The barrier orders the
 * two.  One that finds the key off does not look for the mark, but it has
 * counted down before dax_pin_enable() returned, and what is marked after that
 * is no more pinned by it.  Against another unpin of an order-0 folio: marked,
 * they put their references under the lock, so the last finds that it is the
 * last.  One that finds no mark or the key off, then a long-term pin comes and
 * goes, and only then puts, does not look again: who left the mark behind
 * asked for a recheck.
 *
 * The reference that is put keeps the folio what it is until then.
 *
 * Context: any but NMI.
 */
void dax_unpin(struct folio *folio, int refs)
{
	const bool large = folio_test_large(folio);
	unsigned long flags;
	LIST_HEAD(dead);
	spinlock_t *lock;
	bool last;

	/* the count of pins before the mark, see above */
	smp_mb__after_atomic();
	if (folio->page.pgmap->type != MEMORY_DEVICE_FS_DAX ||
	    !READ_ONCE(folio->private)) {
		folio_put_refs(folio, refs);
		return;
	}

	lock = pin_lock(folio_pfn(folio));
	spin_lock_irqsave(lock, flags);
	if (folio->private) {
		if (!has_pins(folio, refs))
			unmark(folio, &dead);
		else if (!large)
			suspect(folio->private);
	}
	/* The last, where others put without the lock: dax_pin_idle() takes it. */
	last = folio_ref_sub_and_test(folio, refs);
	spin_unlock_irqrestore(lock, flags);
	if (last)
		__folio_put(folio);
	free_pins(&dead);
}

/**
 * dax_folio_longterm - is a folio pinned for long
 * @folio: a folio of device memory that is live, or idle and kept
 *
 * Context: any but NMI; the i_pages lock may be held.
 * Return: true where it is.  A mark that outlived the pins is taken away.
 */
bool dax_folio_longterm(struct folio *folio)
{
	unsigned long flags;
	LIST_HEAD(dead);
	spinlock_t *lock;
	bool marked;

	if (!READ_ONCE(folio->private))
		return false;
	lock = pin_lock(folio_pfn(folio));
	spin_lock_irqsave(lock, flags);
	marked = recheck_mark(folio, &dead);
	spin_unlock_irqrestore(lock, flags);
	free_pins(&dead);
	return marked;
}

/**
 * dax_pin_idle - the last reference to an fsdax folio is gone
 * @folio: the folio; a fault may have armed it again by now
 *
 * Only the mark of an order-0 folio can be there still, and while it is the
 * page becomes no part of a large one (device_folio_assemble()).
 *
 * Context: any but NMI.
 */
void dax_pin_idle(struct folio *folio)
{
	dax_folio_longterm(folio);
}

/**
 * dax_pin_any - is anything pinned for long
 *
 * Return: false where no look at a folio is worth while.
 */
bool dax_pin_any(void)
{
	return !xa_empty(&regions);
}

/**
 * dax_pin_refuse - a layout change was refused
 * @inode: the file
 * @start: first byte of the range
 * @end: last byte
 */
void dax_pin_refuse(struct inode *inode, loff_t start, loff_t end)
{
	trace_dax_layout_refused(inode, start, end);
}

/* For a walk: is there a region from *key on? */
static bool next_region(unsigned long *key)
{
	return xa_find(&regions, key, ULONG_MAX, XA_PRESENT);
}

/* Locks the place of a region, which may be gone by now: then %NULL. */
static struct dax_region *lock_region(unsigned long key)
	__acquires(pin_lock(key << REGION_ORDER))
{
	spin_lock_irq(pin_lock(key << REGION_ORDER));
	return xa_load(&regions, key);
}

static void unlock_region(unsigned long *key)
	__releases(pin_lock(*key << REGION_ORDER))
{
	spin_unlock_irq(pin_lock(*key << REGION_ORDER));
	(*key)++;
	cond_resched();
}

/* A folio with a mark has a reference, so its memmap is there. */
static bool recheck_region(struct dax_region *region, struct list_head *dead)
{
	DECLARE_BITMAP(folios, REGION_PAGES);
	unsigned long pfn = region->pfn, bit;
	struct dax_pin *pin;
	bool left = false;

	bitmap_zero(folios, REGION_PAGES);
	list_for_each_entry(pin, &region->pins, list) {
		bitmap_or(folios, folios, pin->folios, REGION_PAGES);
		left |= pin->filling > 0;
	}
	/* The region goes with its last mark. */
	for_each_set_bit(bit, folios, REGION_PAGES)
		left |= recheck_mark(pfn_folio(pfn + bit), dead);
	return left;
}

static void recheck_work(struct work_struct *work)
{
	struct dax_region *region;
	unsigned long key = 0;
	bool left = false;

	dax_pin_enable();
	while (next_region(&key)) {
		LIST_HEAD(dead);

		region = lock_region(key);
		if (region && region->suspect)
			left |= recheck_region(region, &dead);
		unlock_region(&key);
		free_pins(&dead);
	}
	if (!left)
		return;
	WRITE_ONCE(recheck_delay, min(2 * recheck_delay, RECHECK_MAX));
	queue_delayed_work(system_wq, &recheck, recheck_delay);
}

/*
 * Against dax_pin_prepare(): that stores its region, then looks at the key;
 * this turns the key off, then looks for regions.  So one sees the other: a
 * region that came meanwhile is suspect, as it is where its maker found the
 * key off.
 */
static void key_off_work(struct work_struct *work)
{
	struct dax_region *region;
	unsigned long key = 0;

	if (!xa_empty(&regions))
		return;
	static_branch_disable(&dax_pin_key);
	/* the key before the regions, see above */
	smp_mb();
	while (next_region(&key)) {
		region = lock_region(key);
		if (region)
			suspect(region);
		unlock_region(&key);
	}
}

static void report_region(struct dax_region *region, struct dev_pagemap *pgmap)
{
	struct dax_pin *pin;

	list_for_each_entry(pin, &region->pins, list) {
		struct dax_pin_holder *holder = pin->holder;

		if (!pin->nr || holder->told ||
		    !pgmap_pfn_valid(pgmap, region->pfn +
				     find_first_bit(pin->folios, REGION_PAGES)))
			continue;
		holder->told = true;
		pr_info("dax: %s: inode %lu is pinned by %s (pid %d, uid %u); the device goes when it lets go\n",
			file_inode(holder->file)->i_sb->s_id,
			file_inode(holder->file)->i_ino, holder->comm,
			holder->pid,
			from_kuid_munged(&init_user_ns, holder->uid));
	}
}

/**
 * dax_pin_report - name in the log who pins a device that is going
 * @pgmap: the device
 *
 * Each holder once; the wait for it goes on.
 *
 * Context: process context.
 */
void dax_pin_report(struct dev_pagemap *pgmap)
{
	struct dax_region *region;
	unsigned long key = 0;

	while (next_region(&key)) {
		region = lock_region(key);
		if (region)
			report_region(region, pgmap);
		unlock_region(&key);
	}
}

/* A line of the debugfs file: a run of pages, as long as it goes on. */
struct pin_line {
	const void *holder;		/* to compare, it may be gone */
	char device[sizeof_field(struct super_block, s_id)];
	unsigned long ino;
	pgoff_t index;
	unsigned long nr;
	pid_t pid;
	uid_t uid;
	char comm[TASK_COMM_LEN];
};

static void show_line(struct seq_file *m, const struct pin_line *line)
{
	if (line->nr)
		seq_printf(m, "%s %lu %llu-%llu %lu %d %u %s\n", line->device,
			   line->ino, (u64)line->index << PAGE_SHIFT,
			   ((u64)(line->index + line->nr) << PAGE_SHIFT) - 1,
			   line->nr, line->pid, line->uid, line->comm);
}

static void show_folio(struct seq_file *m, struct pin_line *line,
		       struct dax_pin *pin, unsigned long bit)
{
	struct dax_pin_holder *holder = pin->holder;
	struct inode *inode = file_inode(holder->file);
	unsigned long pfn = pin->region->pfn + bit;
	unsigned long nr = folio_nr_pages(pfn_folio(pfn));

	if (line->holder == holder && line->ino == inode->i_ino &&
	    line->index + line->nr == pfn + pin->delta) {
		line->nr += nr;
		return;
	}
	show_line(m, line);
	line->holder = holder;
	strscpy(line->device, inode->i_sb->s_id);
	line->ino = inode->i_ino;
	line->index = pfn + pin->delta;
	line->nr = nr;
	line->pid = holder->pid;
	line->uid = from_kuid_munged(&init_user_ns, holder->uid);
	strscpy(line->comm, holder->comm);
}

static void show_region(struct seq_file *m, struct pin_line *line,
			struct dax_region *region)
{
	struct dax_pin *pin;
	unsigned long bit;

	list_for_each_entry(pin, &region->pins, list)
		for_each_set_bit(bit, pin->folios, REGION_PAGES)
			show_folio(m, line, pin, bit);
}

static int pins_show(struct seq_file *m, void *unused)
{
	struct pin_line line = { .nr = 0 };
	struct dax_region *region;
	unsigned long key = 0;

	seq_puts(m, "device inode range pages pid uid comm\n");
	while (next_region(&key)) {
		region = lock_region(key);
		if (region)
			show_region(m, &line, region);
		unlock_region(&key);
	}
	show_line(m, &line);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(pins);

static struct ctl_table dax_pin_table[] = {
	{
		.procname	= "dax_longterm_pin",
		.data		= &longterm_pin,
		.maxlen		= sizeof(longterm_pin),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
};

static int __init dax_pin_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(pin_locks); i++)
		spin_lock_init(&pin_locks[i]);
	register_sysctl_init("vm", dax_pin_table);
	debugfs_create_file("pins", 0400, debugfs_create_dir("dax", NULL), NULL,
			    &pins_fops);
	return 0;
}
fs_initcall(dax_pin_init);
