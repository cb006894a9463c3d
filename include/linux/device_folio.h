/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_DEVICE_FOLIO_H_
#define _LINUX_DEVICE_FOLIO_H_
/* Compound folios of idle device pages: mm/device_folio.c. */
#include <linux/types.h>

struct folio;
struct page;

#ifdef CONFIG_ZONE_DEVICE
bool device_folio_assemble(struct page *head, unsigned int order);
void device_folio_dismantle(struct folio *folio);
#else
static inline bool device_folio_assemble(struct page *head, unsigned int order)
{
	return false;
}

static inline void device_folio_dismantle(struct folio *folio)
{
}
#endif

#endif /* _LINUX_DEVICE_FOLIO_H_ */
