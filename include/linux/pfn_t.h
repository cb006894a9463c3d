/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_PFN_T_H_
#define _LINUX_PFN_T_H_

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/mm.h>
#include <linux/mmdebug.h>

/**
 * DOC: pfn_t
 *
 * Whether a page frame has a struct page cannot be found out from its number:
 * pfn_valid() speaks for a whole memory section, and device memory that
 * shares a section with system RAM looks valid without a page of its own.
 * Who hands out the pfn knows; a pfn_t carries that knowledge to whoever maps
 * it. Two flags decide:
 *
 * ===========  ======================================================
 * flags        what the pfn is, and which leaf maps it
 * ===========  ======================================================
 * none         ordinary memory: has a struct page
 * DEV          device memory without a struct page: a special leaf, and
 *              get_user_pages() on it is -EFAULT
 * DEV and MAP  device memory whose driver provides a struct page: a
 *              devmap leaf, where the architecture has one
 * ===========  ======================================================
 *
 * PFN_MAP without PFN_DEV adds nothing to ordinary memory.
 *
 * This header only makes, reads and converts pfn_t values. Leaves that keep
 * the difference (pte_mkdevmap() and its like) belong to the page table
 * headers of architectures with ARCH_HAS_PTE_DEVMAP; on others
 * pfn_t_devmap() is constant false and its users fold away.
 */

/*
 * The pfn of a 64-bit physical address leaves PAGE_SHIFT bits free at the
 * top. Those are all that flags may ever use; five are in use.
 */
#define PFN_FLAGS_MASK	(~0ULL << (BITS_PER_LONG_LONG - PAGE_SHIFT))

/* The value is no pfn but points to the next scatterlist: decode nothing. */
#define PFN_SG_CHAIN	BIT_ULL(63)
/* The last entry of a scatterlist. */
#define PFN_SG_LAST	BIT_ULL(62)
/* Device memory: no struct page, unless PFN_MAP is there as well. */
#define PFN_DEV		BIT_ULL(61)
/* The driver has set up a struct page for this device memory. */
#define PFN_MAP		BIT_ULL(60)
/* To be mapped (FS_DAX_LIMITED), but never for get_user_pages(). */
#define PFN_SPECIAL	BIT_ULL(59)

static_assert(!((PFN_SG_CHAIN | PFN_SG_LAST | PFN_DEV | PFN_MAP | PFN_SPECIAL) &
		~PFN_FLAGS_MASK));

/* For __print_flags_u64() in trace events. */
#define PFN_FLAGS_TRACE				\
	{ PFN_DEV,		"DEV" },	\
	{ PFN_MAP,		"MAP" },	\
	{ PFN_SPECIAL,		"SPECIAL" },	\
	{ PFN_SG_LAST,		"SG_LAST" },	\
	{ PFN_SG_CHAIN,		"SG_CHAIN" }

/**
 * __pfn_to_pfn_t - make a pfn_t from a pfn and flags
 * @pfn: page frame number
 * @flags: PFN_* flags; other bits are ignored
 *
 * Return: @pfn marked with @flags.
 */
static inline pfn_t __pfn_to_pfn_t(unsigned long pfn, u64 flags)
{
	return (pfn_t) { .val = (flags & PFN_FLAGS_MASK) | pfn };
}

/**
 * pfn_to_pfn_t - make a pfn_t from the pfn of ordinary memory
 * @pfn: page frame number of memory that has a struct page
 *
 * Device memory needs its flags: see __pfn_to_pfn_t().
 *
 * Return: @pfn without any flag.
 */
static inline pfn_t pfn_to_pfn_t(unsigned long pfn)
{
	return __pfn_to_pfn_t(pfn, 0);
}

/**
 * phys_to_pfn_t - make a pfn_t from a physical address and flags
 * @addr: physical address in bytes; its offset into the page is dropped
 * @flags: PFN_* flags; other bits are ignored
 *
 * Return: the pfn of @addr marked with @flags.
 */
static inline pfn_t phys_to_pfn_t(phys_addr_t addr, u64 flags)
{
	return __pfn_to_pfn_t(PHYS_PFN(addr), flags);
}

/**
 * page_to_pfn_t - make a pfn_t from a page of ordinary memory
 * @page: a page that is not in ZONE_DEVICE
 *
 * What a device page is called, its driver decides: see phys_to_pfn_t().
 *
 * Return: the pfn of @page without any flag.
 */
static inline pfn_t page_to_pfn_t(struct page *page)
{
	VM_WARN_ON_ONCE(is_zone_device_page(page));
	return pfn_to_pfn_t(page_to_pfn(page));
}

/**
 * pfn_t_to_pfn - the bare page frame number
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Return: @pfn without its flags.
 */
static inline unsigned long pfn_t_to_pfn(pfn_t pfn)
{
	return pfn.val & ~PFN_FLAGS_MASK;
}

/**
 * pfn_t_to_phys - where the page frame begins
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Return: a physical address in bytes.
 */
static inline phys_addr_t pfn_t_to_phys(pfn_t pfn)
{
	return PFN_PHYS(pfn_t_to_pfn(pfn));
}

/**
 * pfn_t_has_page - is there a struct page to use?
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * The flags decide, and nothing else is looked at. For device memory, true
 * says that the driver's page exists, not that the caller may rely on it
 * staying: that takes a reference.
 *
 * Return: false for device memory without pages, true otherwise.
 */
static inline bool pfn_t_has_page(pfn_t pfn)
{
	return (pfn.val & (PFN_DEV | PFN_MAP)) != PFN_DEV;
}

/**
 * pfn_t_to_page - the struct page, if there is one
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Takes no reference.
 *
 * Return: the page, or NULL where pfn_t_has_page() is false.
 */
static inline struct page *pfn_t_to_page(pfn_t pfn)
{
	if (!pfn_t_has_page(pfn))
		return NULL;
	return pfn_to_page(pfn_t_to_pfn(pfn));
}

/**
 * pfn_t_valid - does the memory map cover the section of this pfn?
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Not to be taken for pfn_t_has_page(). It answers what vm_normal_page() asks
 * on architectures that have no special bit in their leaves.
 *
 * Return: what pfn_valid() says, whatever the flags are.
 */
static inline bool pfn_t_valid(pfn_t pfn)
{
	return pfn_valid(pfn_t_to_pfn(pfn));
}

/**
 * pfn_t_devmap - is a devmap leaf the one to map this pfn with?
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Return: true for device memory with pages on an architecture that can tell
 * such leaves from others, false otherwise.
 */
static inline bool pfn_t_devmap(pfn_t pfn)
{
	return IS_ENABLED(CONFIG_ARCH_HAS_PTE_DEVMAP) &&
	       !(~pfn.val & (PFN_DEV | PFN_MAP));
}

/**
 * pfn_t_special - has the driver asked for a special leaf?
 * @pfn: any pfn_t that is not PFN_SG_CHAIN
 *
 * Return: true if @pfn is PFN_SPECIAL and the architecture has such leaves,
 * false otherwise.
 */
static inline bool pfn_t_special(pfn_t pfn)
{
	return IS_ENABLED(CONFIG_ARCH_HAS_PTE_SPECIAL) &&
	       (pfn.val & PFN_SPECIAL);
}

#ifdef CONFIG_MMU
/**
 * pfn_t_pte - a present, plain pte that maps the pfn
 * @pfn: what to map; its flags do not reach the pte
 * @prot: protection of the new pte
 *
 * Return: the pte. The caller makes it special or devmap as @pfn demands.
 */
static inline pte_t pfn_t_pte(pfn_t pfn, pgprot_t prot)
{
	return pfn_pte(pfn_t_to_pfn(pfn), prot);
}
#endif

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/**
 * pfn_t_pmd - a pmd that maps the pfn, not yet huge, special or devmap
 * @pfn: what to map, aligned to PMD_SIZE; its flags do not reach the pmd
 * @prot: protection of the new pmd
 *
 * Return: the pmd.
 */
static inline pmd_t pfn_t_pmd(pfn_t pfn, pgprot_t prot)
{
	return pfn_pmd(pfn_t_to_pfn(pfn), prot);
}

#ifdef CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD
/**
 * pfn_t_pud - a pud that maps the pfn, not yet huge, special or devmap
 * @pfn: what to map, aligned to PUD_SIZE; its flags do not reach the pud
 * @prot: protection of the new pud
 *
 * Return: the pud.
 */
static inline pud_t pfn_t_pud(pfn_t pfn, pgprot_t prot)
{
	return pfn_pud(pfn_t_to_pfn(pfn), prot);
}
#endif
#endif

#endif /* _LINUX_PFN_T_H_ */
