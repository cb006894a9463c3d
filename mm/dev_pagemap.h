/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_DEV_PAGEMAP_H
#define _MM_DEV_PAGEMAP_H

struct dev_pagemap;
struct range;

bool dev_pagemap_overlaps(const struct range *range);
int dev_pagemap_register(struct dev_pagemap *pgmap, const struct range *range);
void dev_pagemap_unregister(const struct range *range);

#endif
