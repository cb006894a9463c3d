/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio-fs device with a DAX window, and the FUSE server behind it, in one
 * kernel: for tests of virtiofs DAX where QEMU has no such window.
 *
 * Files are in the store (node.c).  A range of 2M that the kernel maps moves
 * into the window and back (window.c), as mmap() and munmap() of a host would
 * do it.  Where nothing is mapped the window holds a pattern: whoever writes
 * there is found out.
 */
#ifndef VIRTIOFS_LOOP_H
#define VIRTIOFS_LOOP_H

#include <linux/fuse.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/xarray.h>

#define VL_QUEUES	2		/* forgets, requests */
#define VL_MAX_IO	(64 * PAGE_SIZE)
#define VL_BUFFER	(VL_MAX_IO + PAGE_SIZE)
#define VL_RANGE	(2UL << 20)	/* what the kernel maps at a time */
#define VL_RANGE_PAGES	(VL_RANGE / PAGE_SIZE)

/* Guards all that is below but the queues' memory. */
extern struct mutex vl_lock;

/* What the tests read: see the module's parameters in device.c. */
struct vl_count {
	unsigned long setup;	/* ranges that were mapped, ever */
	unsigned long removed;	/* ranges that were unmapped, ever */
	unsigned long mapped;	/* now */
	unsigned long stray;	/* bytes written where nothing was mapped */
	unsigned long wrong;	/* requests that no host would get */
};

extern struct vl_count vl_count;

/* queue.c */
struct vl_queue {
	struct virtqueue *vq;
	u16 avail;		/* the next entry of the driver's ring */
};

struct vl_request {
	void *in, *out;		/* of VL_BUFFER bytes */
	size_t in_len, out_len;
};

bool vl_queue_serve(struct vl_queue *queue, struct vl_request *req);

/* fuse.c */
void vl_fuse(struct vl_request *req);

/* node.c */
struct vl_node {
	u64 id, parent, nlookup, nr_pages;
	loff_t size;
	umode_t mode;
	u32 uid, gid;
	bool linked;		/* has a name */
	char name[NAME_MAX + 1];
	struct xarray pages;	/* but for those in the window */
};

int vl_nodes_init(void);
void vl_nodes_exit(void);
void vl_nodes_forget_all(void);
u64 vl_nodes_pages(void);
struct vl_node *vl_node(u64 id);
struct vl_node *vl_node_named(u64 parent, const char *name);
struct vl_node *vl_node_after(u64 parent, u64 id);
struct vl_node *vl_node_new(u64 parent, const char *name, umode_t mode);
void vl_node_forget(struct vl_node *node, u64 nlookup);
int vl_node_unlink(struct vl_node *node);
int vl_node_rename(struct vl_node *node, u64 parent, const char *name);
void *vl_node_page(struct vl_node *node, pgoff_t index, bool make);
void vl_node_drop_page(struct vl_node *node, pgoff_t index);
void vl_node_resize(struct vl_node *node, loff_t size);
void vl_node_zero(struct vl_node *node, loff_t at, loff_t len);
int vl_node_io(struct vl_node *node, loff_t at, void *buf, size_t len,
	       bool write);

/* window.c */
int vl_window_init(phys_addr_t base, size_t size);
void vl_window_exit(void);
void *vl_window_page(struct vl_node *node, pgoff_t index);
int vl_window_setup(struct vl_node *node, u64 at, u64 len, u64 window);
int vl_window_remove(u64 window, u64 len);
void vl_window_remove_all(void);
void vl_window_scan(void);
void vl_window_evict(struct vl_node *node);
void vl_window_poison(void *page);
void vl_window_check(const void *page, struct vl_node *node, pgoff_t index);

#endif
