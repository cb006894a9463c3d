// SPDX-License-Identifier: GPL-2.0
/*
 * Hotplugged memory that hosts its own memmap: memmap_on_memory.
 *
 * Each memory block starts with the struct pages of that block.  So a block
 * can be added when there is no memory left to describe it, and goes as a
 * whole.  The blocks' altmaps live in struct memory_block.
 */
#define pr_fmt(fmt) "memmap_on_memory: " fmt

#include <linux/kasan.h>
#include <linux/kstrtox.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/memremap.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include "memmap_on_memory.h"
#include "internal.h"

/* The parameter is documented, and set on command lines, with this name. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "memory_hotplug."

enum {
	MEMMAP_OFF,
	MEMMAP_ON,
	/* Pad the memmap to whole pageblocks where it does not fill them. */
	MEMMAP_FORCE,
};

static int memmap_mode __ro_after_init = MEMMAP_OFF;

static unsigned long block_memmap_size(void)
{
	return PHYS_PFN(memory_block_size_bytes()) * sizeof(struct page);
}

/* What a block gives up for its memmap. */
static unsigned long block_memmap_pages(void)
{
	unsigned long nr = PFN_UP(block_memmap_size());

	return memmap_mode == MEMMAP_FORCE ? pageblock_align(nr) : nr;
}

static int memmap_mode_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int error;

	if (sysfs_streq(val, "force") || sysfs_streq(val, "FORCE")) {
		memmap_mode = MEMMAP_FORCE;
		pr_info("%lu pages of each memory block are padding\n",
			block_memmap_pages() - PFN_UP(block_memmap_size()));
		return 0;
	}
	error = kstrtobool(val, &on);
	if (!error)
		memmap_mode = on ? MEMMAP_ON : MEMMAP_OFF;
	return error;
}

static int memmap_mode_get(char *buffer, const struct kernel_param *kp)
{
	static const char * const names[] = { "N", "Y", "force" };

	return sysfs_emit(buffer, "%s\n", names[memmap_mode]);
}

static const struct kernel_param_ops memmap_mode_ops = {
	.set = memmap_mode_set,
	.get = memmap_mode_get,
};
module_param_cb(memmap_on_memory, &memmap_mode_ops, NULL, 0444);
MODULE_PARM_DESC(memmap_on_memory,
		 "Keep the memmap of hotplugged memory in that memory (Y/N/force: pad it to pageblocks, which costs memory)");

#ifndef arch_supports_memmap_on_memory
/* A memmap of whole PMDs has no page that belongs to two blocks. */
static bool arch_supports_memmap_on_memory(unsigned long memmap_size)
{
	return IS_ALIGNED(memmap_size, PMD_SIZE);
}
#endif

/**
 * mhp_supports_memmap_on_memory - can memory blocks host their own memmap
 *
 * Context: any.
 * Return: true where it is switched on and the block's geometry allows it: its
 * memmap is whole pages, leaves a part of the block, and ends on a pageblock,
 * which is what onlining goes by.
 */
bool mhp_supports_memmap_on_memory(void)
{
	unsigned long nr = block_memmap_pages();

	return memmap_mode != MEMMAP_OFF &&
		PAGE_ALIGNED(block_memmap_size()) && pageblock_aligned(nr) &&
		nr < PHYS_PFN(memory_block_size_bytes()) &&
		arch_supports_memmap_on_memory(block_memmap_size());
}
EXPORT_SYMBOL_GPL(mhp_supports_memmap_on_memory);

/**
 * mhp_init_memmap_on_memory - a block goes online: its memmap's own pages
 * @pfn: first page of the block
 * @nr_pages: how many pages host the memmap
 * @zone: the zone that the block joins
 * @mhp_off_inaccessible: could not be written until now
 *
 * Context: under mem_hotplug_lock.
 * Return: 0 or -ENOMEM.
 */
int mhp_init_memmap_on_memory(unsigned long pfn, unsigned long nr_pages,
			      struct zone *zone, bool mhp_off_inaccessible)
{
	unsigned long sections_end = ALIGN_DOWN(pfn + nr_pages, PAGES_PER_SECTION);
	struct page *page = pfn_to_page(pfn), *end = page + nr_pages;
	int error;

	error = kasan_add_zero_shadow(__va(PFN_PHYS(pfn)), PFN_PHYS(nr_pages));
	if (error)
		return error;
	/* What sparse_add_section() had to leave out. */
	if (mhp_off_inaccessible)
		page_init_poison(page, sizeof(*page) * nr_pages);

	move_pfn_range_to_zone(zone, pfn, nr_pages, MIGRATE_UNMOVABLE);
	for (; page < end; page++) {
		__ClearPageOffline(page);
		SetPageVmemmapSelfHosted(page);
	}
	/* online_pages() marks the sections it is given, not these. */
	if (sections_end > pfn)
		online_mem_sections(pfn, sections_end);
	return 0;
}

/**
 * mhp_deinit_memmap_on_memory - undo mhp_init_memmap_on_memory()
 * @pfn: first page of the block
 * @nr_pages: how many pages host the memmap
 *
 * Context: under mem_hotplug_lock.
 */
void mhp_deinit_memmap_on_memory(unsigned long pfn, unsigned long nr_pages)
{
	unsigned long sections_end = ALIGN_DOWN(pfn + nr_pages, PAGES_PER_SECTION);

	if (sections_end > pfn)
		offline_mem_sections(pfn, sections_end);
	remove_pfn_range_from_zone(page_zone(pfn_to_page(pfn)), pfn, nr_pages);
	kasan_remove_zero_shadow(__va(PFN_PHYS(pfn)), PFN_PHYS(nr_pages));
}

static struct vmem_altmap *block_altmap_alloc(u64 start, mhp_t mhp_flags)
{
	struct vmem_altmap *altmap = kzalloc(sizeof(*altmap), GFP_KERNEL);

	if (!altmap)
		return NULL;
	altmap->base_pfn = PHYS_PFN(start);
	altmap->end_pfn = PHYS_PFN(start + memory_block_size_bytes() - 1);
	altmap->free = block_memmap_pages();
	altmap->inaccessible = mhp_flags & MHP_OFFLINE_INACCESSIBLE;
	if (vmem_altmap_init(altmap)) {
		kfree(altmap);
		return NULL;
	}
	return altmap;
}

static void block_altmap_free(struct vmem_altmap *altmap)
{
	vmem_altmap_exit(altmap);
	kfree(altmap);
}

static int block_add(int nid, struct memory_group *group, u64 start,
		     mhp_t mhp_flags)
{
	struct mhp_params params = { .pgprot = pgprot_mhp(PAGE_KERNEL) };
	u64 size = memory_block_size_bytes();
	int error = -ENOMEM;

	params.altmap = block_altmap_alloc(start, mhp_flags);
	if (!params.altmap)
		return error;
	error = arch_add_memory(nid, start, size, &params);
	if (error)
		goto free;
	error = create_memory_block_devices(start, size, params.altmap, group);
	if (error)
		goto remove;
	return 0;

remove:
	arch_remove_memory(start, size, params.altmap, NULL);
free:
	block_altmap_free(params.altmap);
	return error;
}

static void block_remove(u64 start)
{
	unsigned long section = pfn_to_section_nr(PHYS_PFN(start));
	struct memory_block *mem = find_memory_block(section);
	u64 size = memory_block_size_bytes();
	struct vmem_altmap *altmap;

	if (WARN_ON_ONCE(!mem))
		return;
	altmap = mem->altmap;
	mem->altmap = NULL;
	put_device(&mem->dev);

	remove_memory_block_devices(start, size);
	arch_remove_memory(start, size, altmap, NULL);
	block_altmap_free(altmap);
}

/**
 * mhp_add_self_hosted - add memory whose blocks host their memmaps
 * @nid: node
 * @group: memory group, or %NULL
 * @start: first byte
 * @size: bytes, whole memory blocks
 * @mhp_flags: as for add_memory()
 *
 * Context: under mem_hotplug_lock and the device hotplug lock.
 * Return: 0 or an error, with nothing added.
 */
int mhp_add_self_hosted(int nid, struct memory_group *group, u64 start,
			u64 size, mhp_t mhp_flags)
{
	u64 pos;
	int error;

	for (pos = start; pos < start + size; pos += memory_block_size_bytes()) {
		error = block_add(nid, group, pos, mhp_flags);
		if (error) {
			mhp_remove_self_hosted(start, pos - start);
			return error;
		}
	}
	return 0;
}

/**
 * mhp_remove_self_hosted - undo mhp_add_self_hosted()
 * @start: first byte
 * @size: bytes, whole memory blocks, all of them offline
 *
 * Context: as mhp_add_self_hosted().
 */
void mhp_remove_self_hosted(u64 start, u64 size)
{
	u64 pos;

	for (pos = start; pos < start + size; pos += memory_block_size_bytes())
		block_remove(pos);
}

static int count_altmaps(struct memory_block *mem, void *count)
{
	*(unsigned long *)count += !!mem->altmap;
	return 0;
}

/**
 * mhp_is_self_hosted - do the blocks of a range host their memmaps
 * @start: first byte
 * @size: bytes, whole memory blocks
 *
 * Context: under the device hotplug lock.
 * Return: 1 where all do, 0 where none does, -EINVAL where some do: the range
 * was not added as one.
 */
int mhp_is_self_hosted(u64 start, u64 size)
{
	unsigned long count = 0;

	if (memmap_mode == MEMMAP_OFF)
		return 0;
	walk_memory_blocks(start, size, &count, count_altmaps);
	if (!count)
		return 0;
	return WARN_ON_ONCE(count != size / memory_block_size_bytes()) ?
		-EINVAL : 1;
}
