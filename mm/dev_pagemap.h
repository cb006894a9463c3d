/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DEV_PAGEMAP_H
#define _MM_DEV_PAGEMAP_H

#include <linux/memremap.h>
#include <linux/pfn.h>

/* The first pfn of a pagemap's range that is data: what hosts a memmap is not. */
static inline unsigned long pgmap_first_pfn(struct dev_pagemap *pgmap, int i)
{
	unsigned long pfn = PHYS_PFN(pgmap->ranges[i].start);

	return i ? pfn : pfn + vmem_altmap_offset(pgmap_altmap(pgmap));
}

static inline unsigned long pgmap_end_pfn(struct dev_pagemap *pgmap, int i)
{
	return PHYS_PFN(pgmap->ranges[i].end + 1);
}

bool dev_pagemap_has_pfn(unsigned long pfn);
int dev_pagemap_register(struct dev_pagemap *pgmap, const struct range *range);
void dev_pagemap_unregister(const struct range *range);

#endif
