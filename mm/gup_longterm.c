// SPDX-License-Identifier: GPL-2.0
/*
 * Long-term pins of DAX files: the walk.
 *
 * What a long-term pin of a shared mapping needs of a file is a block of its
 * own (an extent that files share would be copied away from the pin by a later
 * store, a hole filled), and a mark that refuses layout changes: see
 * fs/dax_pin.c.  So this walk has the VMA, and takes all folios of a page
 * table under one hold of its lock.
 *
 * The folio belongs to this file alone where folio->mapping says so.  That
 * holds while the leaf stands: to share its block a file system breaks the
 * layout, which clears the leaf, under the page-table lock, before anything
 * else.  A break that comes later finds reference and mark.
 */
#include <linux/dax_pin.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_context.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include "internal.h"

/*
 * struct longterm - a walk over a VMA
 * @pin: where the next folio is recorded, or %NULL
 * @pfn: of a folio that @pin does not cover, and
 * @index: its page offset in the file
 */
struct longterm {
	struct vm_area_struct *vma;
	unsigned int flags;
	struct dax_pin_holder *holder;
	struct dax_pin *pin;
	unsigned long pfn;
	pgoff_t index;
};

static int vma_allows(struct vm_area_struct *vma, unsigned int flags)
{
	const bool write = flags & FOLL_WRITE;

	if (!dax_pin_allowed(vma->vm_file))
		return -EOPNOTSUPP;
	/* Who may only read the file must not keep its owner from changing it. */
	if (!(vma->vm_flags & VM_MAYWRITE))
		return -EACCES;
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ)))
		return -EFAULT;
	if (!arch_vma_access_permitted(vma, write, false, flags & FOLL_REMOTE))
		return -EFAULT;
	return 0;
}

/*
 * Pin and mark @nr pages of a folio, from @page on.  0: they are not this
 * file's alone, or idle; -EXDEV: @lt->pin does not cover them.
 */
static long pin_pages(struct longterm *lt, struct page *page, pgoff_t index,
		      unsigned int nr, struct page **pages, bool locked)
{
	struct folio *folio = page_folio(page);
	unsigned int i;

	if (READ_ONCE(folio->mapping) != lt->vma->vm_file->f_mapping)
		return 0;
	lt->pfn = folio_pfn(folio);
	lt->index = index - folio_page_idx(folio, page);
	if (!lt->pin || !dax_pin_covers(lt->pin, lt->pfn, lt->index))
		return -EXDEV;

	if (!locked)
		dax_pin_lock(lt->pin);
	page = gup_devmap_pages(page, &nr, lt->flags);
	if (!IS_ERR_OR_NULL(page))
		dax_pin_mark(lt->pin, folio);
	if (!locked)
		dax_pin_unlock(lt->pin);
	if (IS_ERR_OR_NULL(page))
		return PTR_ERR(page);
	for (i = 0; i < nr; i++) {
		pages[i] = page + i;
		flush_dcache_page(page + i);
	}
	return nr;
}

static long pin_pmd(struct longterm *lt, unsigned long addr, pmd_t *pmdp,
		    unsigned long nr, struct page **pages)
{
	unsigned long in_leaf = (addr & ~PMD_MASK) >> PAGE_SHIFT;
	struct mm_struct *mm = lt->vma->vm_mm;
	spinlock_t *ptl = pmd_lock(mm, pmdp);
	long ret = 0;

	if (pmd_devmap(*pmdp) &&
	    (!(lt->flags & FOLL_WRITE) || pmd_write(*pmdp)))
		ret = pin_pages(lt, pmd_page(*pmdp) + in_leaf,
				linear_page_index(lt->vma, addr),
				min(nr, HPAGE_PMD_NR - in_leaf), pages, false);
	spin_unlock(ptl);
	return ret;
}

static long pin_pte(struct longterm *lt, unsigned long addr, pte_t pte,
		    struct page **page)
{
	if (!pte_present(pte) || pte_protnone(pte) ||
	    ((lt->flags & FOLL_WRITE) && !pte_write(pte)))
		return 0;
	/* The zero page of a hole gives way to a block. */
	if (!pte_devmap(pte))
		return is_zero_pfn(pte_pfn(pte)) ? 0 : -EFAULT;
	return pin_pages(lt, pte_page(pte), linear_page_index(lt->vma, addr),
			 1, page, true);
}

static long pin_ptes(struct longterm *lt, unsigned long addr, pmd_t *pmdp,
		     unsigned long nr, struct page **pages)
{
	struct dax_pin *pin = lt->pin;
	pte_t *start, *ptep;
	unsigned long i;
	spinlock_t *ptl;
	long ret = 0;

	nr = min(nr, (pmd_addr_end(addr, addr + (nr << PAGE_SHIFT)) - addr) >>
		     PAGE_SHIFT);
	start = pte_offset_map_lock(lt->vma->vm_mm, pmdp, addr, &ptl);
	if (!start)
		return 0;
	ptep = start;
	if (pin)
		dax_pin_lock(pin);
	for (i = 0; i < nr; i++, ptep++, addr += PAGE_SIZE) {
		ret = pin_pte(lt, addr, ptep_get(ptep), pages + i);
		if (ret <= 0)
			break;
	}
	if (pin)
		dax_pin_unlock(pin);
	pte_unmap_unlock(start, ptl);
	return i ? i : ret;
}

/*
 * Pin what is mapped at @addr and behind it, by one page table or leaf.
 * Returns how many pages, 0 where a fault has to come first, or an error;
 * -EXDEV: a record for @lt->pfn is needed.
 */
static long pin_leaves(struct longterm *lt, unsigned long addr,
		       unsigned long nr, struct page **pages)
{
	pgd_t *pgd = pgd_offset(lt->vma->vm_mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd, pmdval;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return 0;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return 0;
	/* No file system maps by pud today: such a leaf would fault for ever. */
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud))
		return 0;
	if (WARN_ON_ONCE(pud_leaf(*pud)))
		return -EFAULT;
	if (pud_bad(*pud))
		return 0;
	pmd = pmd_offset(pud, addr);
	pmdval = pmdp_get_lockless(pmd);
	if (pmd_none(pmdval))
		return 0;
	if (pmd_leaf(pmdval) || pmd_devmap(pmdval))
		return pin_pmd(lt, addr, pmd, nr, pages);
	return pin_ptes(lt, addr, pmd, nr, pages);
}

/*
 * The block is the file's own after a write fault.  For who may only read, by
 * the mapping or its protection key, an unshare fault does the same; the leaf
 * is as writable as the mapping.
 */
static int fault_in(struct longterm *lt, unsigned long addr)
{
	unsigned int flags = lt->flags & FOLL_WRITE ? FAULT_FLAG_WRITE :
						      FAULT_FLAG_UNSHARE;

	if (lt->flags & FOLL_REMOTE)
		flags |= FAULT_FLAG_REMOTE;
	return vm_fault_to_errno(handle_mm_fault(lt->vma, addr, flags, NULL),
				 lt->flags);
}

static int next_record(struct longterm *lt)
{
	if (lt->pin)
		dax_pin_finish(lt->pin);
	lt->pin = dax_pin_prepare(lt->holder, lt->pfn, lt->index);
	return lt->pin ? 0 : -ENOMEM;
}

static long pin_vma(struct longterm *lt, unsigned long addr, unsigned long nr,
		    struct page **pages)
{
	unsigned long done = 0;
	long ret;

	do {
		if (fatal_signal_pending(current))
			return done ? done : -EINTR;
		cond_resched();

		ret = pin_leaves(lt, addr, nr - done, pages + done);
		if (ret > 0) {
			done += ret;
			addr += ret << PAGE_SHIFT;
			continue;
		}
		if (ret == -EXDEV)
			ret = next_record(lt);
		else if (!ret)
			ret = fault_in(lt, addr);
	} while (ret >= 0 && done < nr);
	return done ? done : ret;
}

/**
 * gup_longterm_dax - long-term pins of a shared mapping of a DAX file
 * @mm: whose mapping
 * @start: first address
 * @nr_pages: how many pages from there on
 * @pages: set to them
 * @locked: whether the mmap_lock of @mm is held; it stays as it is
 * @gup_flags: as for pin_user_pages(), with FOLL_LONGTERM and FOLL_PIN
 *
 * Context: process context, sleeps.
 * Return: how many pages were pinned, at least one and none behind the VMA at
 * @start; -EOPNOTSUPP where long-term pins are switched off, or the file
 * system does not do them; -EACCES for a file that was opened read-only;
 * -EFAULT where there is no such mapping, or no struct page; -ENOMEM, -ENFILE,
 * -EROFS, -EINTR.
 */
long gup_longterm_dax(struct mm_struct *mm, unsigned long start,
		      unsigned long nr_pages, struct page **pages,
		      int *locked, unsigned int gup_flags)
{
	struct longterm lt = { .flags = gup_flags };
	const bool lock = !*locked;
	long ret = -EFAULT;

	if (lock) {
		dax_pin_enable();
		if (mmap_read_lock_killable(mm))
			return -EINTR;
	}
	start = untagged_addr_remote(mm, start) & PAGE_MASK;
	lt.vma = vma_lookup(mm, start);
	if (!lt.vma || !vma_is_fsdax_shared(lt.vma))
		goto out;
	ret = vma_allows(lt.vma, gup_flags);
	if (ret)
		goto out;
	lt.holder = dax_pin_hold(lt.vma->vm_file);
	ret = PTR_ERR_OR_ZERO(lt.holder);
	if (ret)
		goto out;

	ret = pin_vma(&lt, start,
		      min(nr_pages, (lt.vma->vm_end - start) >> PAGE_SHIFT),
		      pages);
	if (lt.pin)
		dax_pin_finish(lt.pin);
	dax_pin_drop(lt.holder);
out:
	if (lock)
		mmap_read_unlock(mm);
	return ret;
}
