/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FS_DAX_ENTRY_H
#define _FS_DAX_ENTRY_H
/*
 * What stands in i_pages of a DAX file, shared by the files under fs/dax*.c.
 *
 * An entry is an xarray value: the pfn, and below it five bits.  It is locked
 * by its own bit; waiters queue in fs/dax.c.  Without DAX_ZERO_PAGE and
 * DAX_EMPTY it stands for a block of the file system.
 *
 * DAX_ARMED: the entry holds its share of a reference to the folio, and page
 * tables may map it.  Set and cleared by fs/dax_folio.c only, under the entry
 * lock or, where the entry is not locked, under the i_pages lock.  Never set
 * where the pfn has no struct page.
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/xarray.h>

struct address_space;
struct dev_pagemap;
struct dax_parked;
struct folio;
struct super_block;

#define DAX_SHIFT	(5)
#define DAX_LOCKED	BIT(0)
#define DAX_PMD		BIT(1)
#define DAX_ZERO_PAGE	BIT(2)
#define DAX_EMPTY	BIT(3)
#define DAX_ARMED	BIT(4)

/**
 * enum dax_wake_mode - which waiters for an entry to wake
 * @WAKE_ALL: all of them: the entry may be gone
 * @WAKE_NEXT: the first: the entry is there and unlocked
 */
enum dax_wake_mode {
	WAKE_ALL,
	WAKE_NEXT,
};

static inline unsigned long dax_to_pfn(void *entry)
{
	return xa_to_value(entry) >> DAX_SHIFT;
}

static inline void *dax_make_entry(unsigned long pfn, unsigned long flags)
{
	return xa_mk_value(flags | (pfn << DAX_SHIFT));
}

static inline bool dax_is_locked(void *entry)
{
	return xa_to_value(entry) & DAX_LOCKED;
}

static inline bool dax_is_pmd_entry(void *entry)
{
	return xa_to_value(entry) & DAX_PMD;
}

static inline bool dax_is_pte_entry(void *entry)
{
	return !dax_is_pmd_entry(entry);
}

static inline unsigned int dax_entry_order(void *entry)
{
	return dax_is_pmd_entry(entry) ? PMD_ORDER : 0;
}

/* Page offset in the file of an entry that was found at @index. */
static inline pgoff_t dax_entry_index(void *entry, pgoff_t index)
{
	return index & ~((1UL << dax_entry_order(entry)) - 1);
}

/* The pfn of page @index of the file, which is one of the entry's. */
static inline unsigned long dax_entry_pfn(void *entry, pgoff_t index)
{
	return dax_to_pfn(entry) + index - dax_entry_index(entry, index);
}

static inline bool dax_is_zero_entry(void *entry)
{
	return xa_to_value(entry) & DAX_ZERO_PAGE;
}

static inline bool dax_is_empty_entry(void *entry)
{
	return xa_to_value(entry) & DAX_EMPTY;
}

/* A block of the file system, not a hole. */
static inline bool dax_is_block_entry(void *entry)
{
	return !(xa_to_value(entry) & (DAX_ZERO_PAGE | DAX_EMPTY));
}

static inline bool dax_is_armed(void *entry)
{
	return xa_to_value(entry) & DAX_ARMED;
}

/* An entry smaller than the one that was looked for is in the way. */
static inline bool dax_is_conflict(void *entry)
{
	return entry == XA_RETRY_ENTRY;
}

/* fs/dax.c: the entry lock.  All but dax_unlock_entry() under i_pages. */
void *dax_get_unlocked_entry(struct xa_state *xas, unsigned int order);
void dax_put_unlocked_entry(struct xa_state *xas, void *entry,
			    enum dax_wake_mode mode);
void *dax_lock_entry(struct xa_state *xas, void *entry);
void dax_unlock_entry(struct xa_state *xas, void *entry);

/*
 * For the body of xas_for_each() under i_pages: waits where @entry is locked.
 * NULL: it went meanwhile, go on.
 */
static inline void *dax_walk_entry(struct xa_state *xas, void *entry)
{
	if (dax_is_locked(entry))
		entry = dax_get_unlocked_entry(xas, 0);
	if (!entry || WARN_ON_ONCE(!xa_is_value(entry)))
		return NULL;
	return entry;
}

/* Ends that body: now and then lets others have the lock and the CPU. */
static inline void dax_walk_pause(struct xa_state *xas, unsigned int *scanned)
{
	if (++*scanned % XA_CHECK_SCHED)
		return;
	xas_pause(xas);
	xas_unlock_irq(xas);
	cond_resched();
	xas_lock_irq(xas);
}

/**
 * struct dax_busy - a folio that somebody uses beside the DAX entries
 * @folio: the folio, or %NULL where nobody does
 * @pgmap: its host, with a reference that keeps the memmap while one waits
 */
struct dax_busy {
	struct folio *folio;
	struct dev_pagemap *pgmap;
};

/* fs/dax_folio.c */
void *dax_entry_arm(void *entry, struct address_space *mapping, pgoff_t index,
		    bool shared);
void dax_entry_claim(void *entry, struct address_space *mapping,
		     pgoff_t index);
void *dax_entry_disarm(void *entry, struct dax_busy *busy);
void *dax_entry_unmap(struct xa_state *xas, struct address_space *mapping,
		      void *entry, struct dax_busy *busy);
bool dax_entry_busy(void *entry, struct dax_busy *busy);
bool dax_entry_busy_whole(void *entry);
bool dax_entry_pinned(void *entry);
int dax_busy_wait(struct dax_busy *busy);
void dax_busy_wait_final(struct dax_busy *busy);
void dax_busy_put(struct dax_busy *busy);
void dax_visit_mappings(struct super_block *sb,
			void (*visit)(struct address_space *mapping, void *arg),
			void *arg);

/* fs/dax_park.c */
struct dax_parked *dax_park_prepare(void);
void dax_park(struct dax_parked *p, struct dax_busy *busy,
	      struct super_block *sb);

/* fs/dax_layout.c */
void dax_fill_holes(struct address_space *mapping, pgoff_t first,
		    pgoff_t last);

#endif
