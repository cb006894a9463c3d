/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DAX_PIN_H
#define _LINUX_DAX_PIN_H
/* Long-term pins of DAX files: fs/dax_pin.c. */
#include <linux/jump_label.h>
#include <linux/mm_types.h>
#include <linux/types.h>

struct dax_pin;
struct dax_pin_holder;
struct dev_pagemap;
struct file;
struct inode;
struct super_block;

#ifdef CONFIG_FS_DAX_PIN
DECLARE_STATIC_KEY_FALSE(dax_pin_key);

bool dax_pin_allowed(struct file *file);
void dax_pin_enable(void);
struct dax_pin_holder *dax_pin_hold(struct file *file);
void dax_pin_drop(struct dax_pin_holder *holder);
void dax_pin_settle(struct super_block *sb);
struct dax_pin *dax_pin_prepare(struct dax_pin_holder *holder,
				unsigned long pfn, pgoff_t index);
void dax_pin_finish(struct dax_pin *pin);
bool dax_pin_covers(struct dax_pin *pin, unsigned long pfn, pgoff_t index);
void dax_pin_lock(struct dax_pin *pin);
void dax_pin_unlock(struct dax_pin *pin);
void dax_pin_mark(struct dax_pin *pin, struct folio *folio);
void dax_unpin(struct folio *folio, int refs);
void dax_pin_idle(struct folio *folio);
bool dax_pin_any(void);
bool dax_folio_longterm(struct folio *folio);
void dax_pin_refuse(struct inode *inode, loff_t start, loff_t end);
void dax_pin_report(struct dev_pagemap *pgmap);

/* For whoever puts a pin: may the folio be marked?  Patched out until one is. */
static inline bool dax_pin_key_on(void)
{
	return static_branch_unlikely(&dax_pin_key);
}
#else
static inline void dax_pin_settle(struct super_block *sb)
{
}

static inline void dax_unpin(struct folio *folio, int refs)
{
}

static inline void dax_pin_idle(struct folio *folio)
{
}

static inline bool dax_pin_any(void)
{
	return false;
}

static inline bool dax_folio_longterm(struct folio *folio)
{
	return false;
}

static inline void dax_pin_refuse(struct inode *inode, loff_t start, loff_t end)
{
}

static inline void dax_pin_report(struct dev_pagemap *pgmap)
{
}

static inline bool dax_pin_key_on(void)
{
	return false;
}
#endif

#endif /* _LINUX_DAX_PIN_H */
