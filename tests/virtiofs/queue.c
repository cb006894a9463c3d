// SPDX-License-Identifier: GPL-2.0
/*
 * The device's side of a split virtqueue, by the ring's memory.  Without
 * VIRTIO_F_ACCESS_PLATFORM addresses are physical ones; what they lead to is in
 * the kernel's linear map: RAM, and device memory that has struct pages.
 */
#include <linux/io.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "virtiofs_loop.h"

static u64 desc_addr(struct virtio_device *vdev, const struct vring_desc *desc)
{
	return virtio64_to_cpu(vdev, desc->addr);
}

/* The readable part of a chain into @req->in; returns the first writable one. */
static u16 gather(struct virtio_device *vdev, const struct vring *ring, u16 i,
		  struct vl_request *req, bool *more)
{
	req->in_len = 0;
	for (*more = true; *more;) {
		const struct vring_desc *desc = &ring->desc[i];
		u16 flags = virtio16_to_cpu(vdev, desc->flags);
		u32 len = virtio32_to_cpu(vdev, desc->len);

		if (flags & VRING_DESC_F_WRITE)
			break;
		if (WARN_ON(len > VL_BUFFER - req->in_len))
			len = VL_BUFFER - req->in_len;
		memcpy(req->in + req->in_len,
		       phys_to_virt(desc_addr(vdev, desc)), len);
		req->in_len += len;
		*more = flags & VRING_DESC_F_NEXT;
		i = virtio16_to_cpu(vdev, desc->next);
	}
	return i;
}

/* @req->out into the writable part, from descriptor @i on. */
static void scatter(struct virtio_device *vdev, const struct vring *ring, u16 i,
		    struct vl_request *req, bool more)
{
	size_t done = 0;

	while (more && done < req->out_len) {
		const struct vring_desc *desc = &ring->desc[i];
		u16 flags = virtio16_to_cpu(vdev, desc->flags);
		u32 len = min_t(size_t, virtio32_to_cpu(vdev, desc->len),
				req->out_len - done);

		memcpy(phys_to_virt(desc_addr(vdev, desc)), req->out + done,
		       len);
		done += len;
		more = flags & VRING_DESC_F_NEXT;
		i = virtio16_to_cpu(vdev, desc->next);
	}
	WARN_ON(done < req->out_len);
}

/* Serves one request, if there is one. */
bool vl_queue_serve(struct vl_queue *queue, struct vl_request *req)
{
	struct virtio_device *vdev = queue->vq->vdev;
	const struct vring *ring = virtqueue_get_vring(queue->vq);
	struct vring_used_elem *elem;
	u16 head, first, used;
	bool more;

	if (queue->avail == virtio16_to_cpu(vdev, READ_ONCE(ring->avail->idx)))
		return false;
	virt_rmb();	/* the index before the entry */
	head = virtio16_to_cpu(vdev, ring->avail->ring[queue->avail++ % ring->num]);

	first = gather(vdev, ring, head, req, &more);
	vl_fuse(req);
	scatter(vdev, ring, first, req, more);

	used = virtio16_to_cpu(vdev, ring->used->idx);
	elem = &ring->used->ring[used % ring->num];
	elem->id = cpu_to_virtio32(vdev, head);
	elem->len = cpu_to_virtio32(vdev, req->out_len);
	virt_wmb();	/* the entry before the index */
	WRITE_ONCE(ring->used->idx, cpu_to_virtio16(vdev, used + 1));
	vring_interrupt(0, queue->vq);
	return true;
}
