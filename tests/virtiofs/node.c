// SPDX-License-Identifier: GPL-2.0
/* The store: files and folders, each a number, a name and pages. */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "virtiofs_loop.h"

static DEFINE_XARRAY_ALLOC1(nodes);
static u64 pages;

u64 vl_nodes_pages(void)
{
	return pages;
}

struct vl_node *vl_node(u64 id)
{
	return xa_load(&nodes, id);
}

/* The next name of a folder: ids are in their order. */
struct vl_node *vl_node_after(u64 parent, u64 id)
{
	struct vl_node *node;
	unsigned long i;

	xa_for_each_start(&nodes, i, node, id + 1)
		if (node->linked && node->parent == parent &&
		    node->id != FUSE_ROOT_ID)
			return node;
	return NULL;
}

struct vl_node *vl_node_named(u64 parent, const char *name)
{
	struct vl_node *node = vl_node_after(parent, 0);

	while (node && strcmp(node->name, name))
		node = vl_node_after(parent, node->id);
	return node;
}

/* Without a name: a file that has none. */
struct vl_node *vl_node_new(u64 parent, const char *name, umode_t mode)
{
	struct vl_node *node;
	static u32 next;
	u32 id;

	if (name && strlen(name) > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	if (name && vl_node_named(parent, name))
		return ERR_PTR(-EEXIST);
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return ERR_PTR(-ENOMEM);
	/* A number is not used again soon: the inode may still be known. */
	if (xa_alloc_cyclic(&nodes, &id, node, xa_limit_31b, &next,
			    GFP_KERNEL) < 0) {
		kfree(node);
		return ERR_PTR(-ENOMEM);
	}
	node->id = id;
	node->parent = parent;
	node->mode = mode;
	xa_init(&node->pages);
	if (name) {
		node->linked = true;
		strscpy(node->name, name, sizeof(node->name));
	}
	return node;
}

static void free_node(struct vl_node *node)
{
	unsigned long i;
	void *page;

	vl_window_evict(node);
	xa_for_each(&node->pages, i, page)
		vl_node_drop_page(node, i);
	xa_destroy(&node->pages);
	xa_erase(&nodes, node->id);
	kfree(node);
}

void vl_node_forget(struct vl_node *node, u64 nlookup)
{
	node->nlookup -= min(node->nlookup, nlookup);
	if (!node->nlookup && !node->linked)
		free_node(node);
}

int vl_node_unlink(struct vl_node *node)
{
	if (S_ISDIR(node->mode) && vl_node_after(node->id, 0))
		return -ENOTEMPTY;
	node->linked = false;
	vl_node_forget(node, 0);
	return 0;
}

int vl_node_rename(struct vl_node *node, u64 parent, const char *name)
{
	struct vl_node *old = vl_node_named(parent, name);
	int err = old && old != node ? vl_node_unlink(old) : 0;

	if (!err) {
		node->parent = parent;
		strscpy(node->name, name, sizeof(node->name));
	}
	return err;
}

/* The connection is over: nobody looks at any file. */
void vl_nodes_forget_all(void)
{
	struct vl_node *node;
	unsigned long i;

	vl_window_remove_all();
	xa_for_each(&nodes, i, node)
		vl_node_forget(node, U64_MAX);
}

/* A page of the store, NULL for a hole; with @make it gets one. */
void *vl_node_page(struct vl_node *node, pgoff_t index, bool make)
{
	void *page = xa_load(&node->pages, index);

	if (page || !make)
		return page;
	page = (void *)get_zeroed_page(GFP_KERNEL | __GFP_NOFAIL);
	xa_store(&node->pages, index, page, GFP_KERNEL | __GFP_NOFAIL);
	node->nr_pages++;
	pages++;
	return page;
}

void vl_node_drop_page(struct vl_node *node, pgoff_t index)
{
	void *page = xa_erase(&node->pages, index);

	if (!page)
		return;
	free_page((unsigned long)page);
	node->nr_pages--;
	pages--;
}

/* Where a file's page is now: in the window or in the store. */
static void *where(struct vl_node *node, pgoff_t index, bool make)
{
	return vl_window_page(node, index) ?: vl_node_page(node, index, make);
}

void vl_node_zero(struct vl_node *node, loff_t at, loff_t len)
{
	while (len > 0) {
		size_t part = min_t(loff_t, len, PAGE_SIZE - offset_in_page(at));
		void *page = where(node, at >> PAGE_SHIFT, false);

		if (page)
			memset(page + offset_in_page(at), 0, part);
		if (part == PAGE_SIZE)
			vl_node_drop_page(node, at >> PAGE_SHIFT);
		at += part;
		len -= part;
	}
}

/* What is mapped of the pages that a file loses or gains. */
void vl_node_resize(struct vl_node *node, loff_t size)
{
	pgoff_t from = DIV_ROUND_UP_ULL(min(size, node->size), PAGE_SIZE);
	pgoff_t to = DIV_ROUND_UP_ULL(max(size, node->size), PAGE_SIZE);
	bool grows = size > node->size;
	void *page;

	vl_node_zero(node, min(size, node->size),
		     (loff_t)from * PAGE_SIZE - min(size, node->size));
	for (; from < to; from++) {
		vl_node_drop_page(node, from);
		page = vl_window_page(node, from);
		if (!page)
			continue;
		if (grows) {
			vl_window_check(page, node, from);
			clear_page(page);
		} else {
			vl_window_poison(page);
		}
	}
	node->size = size;
}

/* Returns how much was read or written. */
int vl_node_io(struct vl_node *node, loff_t at, void *buf, size_t len,
	       bool write)
{
	size_t done;

	if (!write)
		len = at < node->size ? min_t(loff_t, len, node->size - at) : 0;
	else if (at + (loff_t)len > node->size)
		vl_node_resize(node, at + len);
	for (done = 0; done < len;) {
		size_t part = min(len - done, PAGE_SIZE - offset_in_page(at));
		void *page = where(node, at >> PAGE_SHIFT, write);

		if (write)
			memcpy(page + offset_in_page(at), buf + done, part);
		else if (page)
			memcpy(buf + done, page + offset_in_page(at), part);
		else
			memset(buf + done, 0, part);
		done += part;
		at += part;
	}
	return len;
}

int vl_nodes_init(void)
{
	struct vl_node *root = vl_node_new(0, "/", S_IFDIR | 0777);

	if (IS_ERR(root))
		return PTR_ERR(root);
	if (WARN_ON(root->id != FUSE_ROOT_ID))
		return -EINVAL;
	return 0;
}

void vl_nodes_exit(void)
{
	struct vl_node *node;
	unsigned long i;

	xa_for_each(&nodes, i, node)
		free_node(node);
	xa_destroy(&nodes);
}
