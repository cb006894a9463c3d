// SPDX-License-Identifier: GPL-2.0
/*
 * Is an fsdax or devdax info block fit for use?
 *
 * The block is read from media: any bit of it may be anything, and the memmap
 * is laid out by what it says.  So every field is checked against the range
 * that the namespace has, before anybody computes with it.
 */
#include <linux/ioport.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include "nd-core.h"
#include "pfn.h"
#include "nd.h"

/**
 * nd_pfn_sb_check - find what is wrong with an info block
 * @sb: the block, signature and checksum good, versions below 4 filled up
 * @res: the namespace
 * @align: the alignment of the mapping that the block asks for, in bytes
 *
 * Context: any.
 * Return: %NULL where the block is good, or what is wrong, field first, for
 * the log.
 */
const char *nd_pfn_sb_check(const struct nd_pfn_sb *sb,
			    const struct resource *res, unsigned long align)
{
	u64 size = resource_size(res);
	u64 dataoff = le64_to_cpu(sb->dataoff);
	u64 npfns = le64_to_cpu(sb->npfns);
	u64 start_pad = le32_to_cpu(sb->start_pad);
	u64 end_trunc = le32_to_cpu(sb->end_trunc);
	u32 page_size = le32_to_cpu(sb->page_size);
	u32 mode = le32_to_cpu(sb->mode);
	u64 len;

	if (le16_to_cpu(sb->version_major) != 1)
		return "version_major: made by a newer ndctl or kernel";
	if (mode != PFN_MODE_RAM && mode != PFN_MODE_PMEM)
		return "mode: neither mem nor dev";
	if (!is_power_of_2(page_size) || page_size < SZ_4K)
		return "page_size: no page size";
	if (!is_power_of_2(align))
		return "align: no power of two";
	if (align > size)
		return "align: larger than the namespace";

	if (start_pad + end_trunc >= size)
		return "start_pad, end_trunc: nothing left of the namespace";
	len = size - start_pad - end_trunc;
	if (!IS_ALIGNED(res->start + start_pad, memremap_compat_align()))
		return "start_pad: start of the memory misaligned";
	if (!IS_ALIGNED(len, memremap_compat_align()))
		return "end_trunc: end of the memory misaligned";

	if (dataoff < nd_info_block_reserve())
		return "dataoff: inside the info block";
	if (dataoff >= len)
		return "dataoff: behind the end of the namespace";
	if (!PAGE_ALIGNED(dataoff) ||
	    !IS_ALIGNED(res->start + start_pad + dataoff, align))
		return "dataoff: data not aligned as align says";
	if (!npfns)
		return "npfns: no data";
	if (!memcmp(sb->signature, DAX_SIG, PFN_SIG_LEN) &&
	    !IS_ALIGNED(len - dataoff, align))
		return "end_trunc: data does not end as align says";

	if (mode == PFN_MODE_RAM)
		return NULL;
	if (page_size > PAGE_SIZE)
		return "page_size: made by a kernel with larger pages";
	if (le16_to_cpu(sb->page_struct_size) < sizeof(struct page))
		return "page_struct_size: this kernel's struct page is larger";
	/* As whoever wrote it has reckoned, with pages of any size. */
	if (dataoff - SZ_8K < PHYS_PFN(len - SZ_8K) * sizeof(struct page))
		return "dataoff: no room for the memmap before it";
	return NULL;
}
