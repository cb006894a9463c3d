/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _MM_MEMMAP_ON_MEMORY_H
#define _MM_MEMMAP_ON_MEMORY_H

#include <linux/memory_hotplug.h>

#ifdef CONFIG_MHP_MEMMAP_ON_MEMORY
int mhp_add_self_hosted(int nid, struct memory_group *group, u64 start,
			u64 size, mhp_t mhp_flags);
void mhp_remove_self_hosted(u64 start, u64 size);
int mhp_is_self_hosted(u64 start, u64 size);
#else
static inline int mhp_add_self_hosted(int nid, struct memory_group *group,
				      u64 start, u64 size, mhp_t mhp_flags)
{
	return -EOPNOTSUPP;
}

static inline void mhp_remove_self_hosted(u64 start, u64 size)
{
}

static inline int mhp_is_self_hosted(u64 start, u64 size)
{
	return 0;
}
#endif

#endif
