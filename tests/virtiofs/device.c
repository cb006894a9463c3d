// SPDX-License-Identifier: GPL-2.0
/* The virtio device: its configuration, its window and the thread that serves it. */
#include <linux/device.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "virtiofs_loop.h"

#define RING	256

static unsigned long base, size;
module_param(base, ulong, 0444);
MODULE_PARM_DESC(base, "physical address of the window: memory that the kernel does not use");
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "its size, a multiple of 2M");

struct vl_count vl_count;
module_param_named(setup, vl_count.setup, ulong, 0444);
module_param_named(removed, vl_count.removed, ulong, 0444);
module_param_named(mapped, vl_count.mapped, ulong, 0444);
module_param_named(wrong, vl_count.wrong, ulong, 0444);

/* Guards the store, the window and the queues. */
DEFINE_MUTEX(vl_lock);

static int get_stray(char *buffer, const struct kernel_param *kp)
{
	mutex_lock(&vl_lock);
	vl_window_scan();
	mutex_unlock(&vl_lock);
	return sysfs_emit(buffer, "%lu\n", vl_count.stray);
}

static const struct kernel_param_ops stray_ops = { .get = get_stray };
module_param_cb(stray, &stray_ops, NULL, 0444);

/* "INODE SIZE": the host changes a file, and the kernel is not told. */
static int set_truncate(const char *val, const struct kernel_param *kp)
{
	unsigned long long id, size;
	struct vl_node *node;
	int err = -ENOENT;

	if (sscanf(val, "%llu %llu", &id, &size) != 2)
		return -EINVAL;
	mutex_lock(&vl_lock);
	node = vl_node(id);
	if (node && S_ISREG(node->mode)) {
		vl_node_resize(node, size);
		err = 0;
	}
	mutex_unlock(&vl_lock);
	return err;
}

static const struct kernel_param_ops truncate_ops = { .set = set_truncate };
module_param_cb(truncate, &truncate_ops, NULL, 0200);

static struct device *root;
static struct virtio_device *vdev;
static struct task_struct *server;
static struct vl_queue queues[VL_QUEUES];
static struct virtio_fs_config config = { .tag = "loop" };
static DECLARE_WAIT_QUEUE_HEAD(kicked);
static bool kick;
static u8 status;

static bool serve_one(struct vl_request *req)
{
	bool some = false;
	int i;

	mutex_lock(&vl_lock);
	for (i = 0; i < VL_QUEUES && (status & VIRTIO_CONFIG_S_DRIVER_OK); i++)
		some |= queues[i].vq && vl_queue_serve(&queues[i], req);
	mutex_unlock(&vl_lock);
	return some;
}

static int serve(void *unused)
{
	/* Reclaim may evict inodes, and their requests come here. */
	unsigned int flags = memalloc_nofs_save();
	struct vl_request req = {
		.in = kvmalloc(VL_BUFFER, GFP_KERNEL | __GFP_NOFAIL),
		.out = kvmalloc(VL_BUFFER, GFP_KERNEL | __GFP_NOFAIL),
	};

	while (!kthread_should_stop()) {
		wait_event_interruptible(kicked, xchg(&kick, false) ||
					 kthread_should_stop());
		while (serve_one(&req))
			cond_resched();
	}
	kvfree(req.in);
	kvfree(req.out);
	memalloc_nofs_restore(flags);
	return 0;
}

static bool notify(struct virtqueue *vq)
{
	WRITE_ONCE(kick, true);
	wake_up(&kicked);
	return true;
}

static void vl_get(struct virtio_device *dev, unsigned int offset, void *buf,
		   unsigned int len)
{
	memcpy(buf, (void *)&config + offset, len);
}

static void vl_set(struct virtio_device *dev, unsigned int offset,
		   const void *buf, unsigned int len)
{
}

static u8 vl_get_status(struct virtio_device *dev)
{
	return status;
}

static void vl_set_status(struct virtio_device *dev, u8 value)
{
	mutex_lock(&vl_lock);
	status = value;
	mutex_unlock(&vl_lock);
	notify(NULL);	/* requests may have come before DRIVER_OK */
}

static void vl_reset(struct virtio_device *dev)
{
	vl_set_status(dev, 0);
}

static void vl_del_vqs(struct virtio_device *dev)
{
	struct virtqueue *vq, *next;

	mutex_lock(&vl_lock);
	memset(queues, 0, sizeof(queues));
	mutex_unlock(&vl_lock);
	list_for_each_entry_safe(vq, next, &dev->vqs, list)
		vring_del_virtqueue(vq);
}

static int vl_find_vqs(struct virtio_device *dev, unsigned int nvqs,
		       struct virtqueue *vqs[], struct virtqueue_info info[],
		       struct irq_affinity *desc)
{
	unsigned int i;

	if (nvqs != VL_QUEUES)
		return -EINVAL;
	for (i = 0; i < nvqs; i++) {
		vqs[i] = vring_create_virtqueue(i, RING, PAGE_SIZE, dev, true,
						false, false, notify,
						info[i].callback, info[i].name);
		if (!vqs[i]) {
			vl_del_vqs(dev);
			return -ENOMEM;
		}
		queues[i].vq = vqs[i];
	}
	return 0;
}

static u64 vl_get_features(struct virtio_device *dev)
{
	return BIT_ULL(VIRTIO_F_VERSION_1);
}

static int vl_finalize_features(struct virtio_device *dev)
{
	vring_transport_features(dev);
	return 0;
}

static const char *vl_bus_name(struct virtio_device *dev)
{
	return "loop";
}

static bool vl_get_shm_region(struct virtio_device *dev,
			      struct virtio_shm_region *region, u8 id)
{
	*region = (struct virtio_shm_region){ .addr = base, .len = size };
	return id == VIRTIO_FS_SHMCAP_ID_CACHE && size;
}

static const struct virtio_config_ops vl_ops = {
	.get = vl_get,
	.set = vl_set,
	.get_status = vl_get_status,
	.set_status = vl_set_status,
	.reset = vl_reset,
	.find_vqs = vl_find_vqs,
	.del_vqs = vl_del_vqs,
	.get_features = vl_get_features,
	.finalize_features = vl_finalize_features,
	.bus_name = vl_bus_name,
	.get_shm_region = vl_get_shm_region,
};

static void vl_release(struct device *dev)
{
	kfree(dev_to_virtio(dev));
}

static int vl_add_device(void)
{
	int err;

	root = root_device_register("virtiofs_loop");
	if (IS_ERR(root))
		return PTR_ERR(root);
	vdev = kzalloc(sizeof(*vdev), GFP_KERNEL);
	if (!vdev) {
		root_device_unregister(root);
		return -ENOMEM;
	}
	vdev->dev.parent = root;
	vdev->dev.release = vl_release;
	vdev->id.device = VIRTIO_ID_FS;
	vdev->config = &vl_ops;
	err = register_virtio_device(vdev);
	if (err) {
		put_device(&vdev->dev);
		root_device_unregister(root);
	}
	return err;
}

static int __init vl_init(void)
{
	int err;

	if (!size || size % VL_RANGE || base % VL_RANGE) {
		pr_err("virtiofs_loop: base= and size= must be multiples of 2M\n");
		return -EINVAL;
	}
	config.num_request_queues = cpu_to_le32(VL_QUEUES - 1);
	err = vl_window_init(base, size);
	if (err)
		return err;
	err = vl_nodes_init();
	if (err)
		goto window;
	server = kthread_run(serve, NULL, "virtiofs_loop");
	if (IS_ERR(server)) {
		err = PTR_ERR(server);
		goto nodes;
	}
	err = vl_add_device();
	if (!err)
		return 0;
	kthread_stop(server);
nodes:
	vl_nodes_exit();
window:
	vl_window_exit();
	return err;
}

static void __exit vl_exit(void)
{
	unregister_virtio_device(vdev);
	root_device_unregister(root);
	kthread_stop(server);
	vl_nodes_forget_all();
	vl_window_scan();
	vl_nodes_exit();
	vl_window_exit();
}

module_init(vl_init);
module_exit(vl_exit);
MODULE_DESCRIPTION("virtio-fs device with a DAX window, in software: for tests");
MODULE_LICENSE("GPL");
