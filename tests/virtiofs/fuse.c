// SPDX-License-Identifier: GPL-2.0
/* The FUSE server: one operation a function, one request at a time. */
#include <linux/err.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/stat.h>

#include "virtiofs_loop.h"

#define BLOCKS	BIT(18)		/* of the file system, and the most of a file: 1G */

struct call {
	const struct fuse_in_header *h;
	struct vl_node *node;
	void *arg;		/* what follows the header */
	size_t arg_len;
	void *out;		/* what follows the header of the answer */
	size_t out_len;
};

static void fill_attr(const struct vl_node *node, struct fuse_attr *attr)
{
	attr->ino = node->id;
	attr->size = node->size;
	attr->blocks = node->nr_pages * (PAGE_SIZE / 512);
	attr->mode = node->mode;
	attr->nlink = S_ISDIR(node->mode) ? 2 : node->linked;
	attr->uid = node->uid;
	attr->gid = node->gid;
	attr->blksize = PAGE_SIZE;
}

/* Nothing is cached, so that every stat() and open() asks. */
static int entry(struct call *c, struct vl_node *node)
{
	struct fuse_entry_out *out = c->out;

	node->nlookup++;
	out->nodeid = node->id;
	fill_attr(node, &out->attr);
	c->out_len = sizeof(*out);
	return 0;
}

static int attr(struct call *c)
{
	struct fuse_attr_out *out = c->out;

	fill_attr(c->node, &out->attr);
	c->out_len = sizeof(*out);
	return 0;
}

static int opened(struct call *c)
{
	c->out_len += sizeof(struct fuse_open_out);
	return 0;
}

static int make(struct call *c, const char *name, umode_t mode)
{
	struct vl_node *node = vl_node_new(c->node->id, name, mode);

	if (IS_ERR(node))
		return PTR_ERR(node);
	node->uid = c->h->uid;
	node->gid = c->h->gid;
	return entry(c, node);
}

static int do_init(struct call *c)
{
	const struct fuse_init_in *in = c->arg;
	struct fuse_init_out *out = c->out;

	vl_nodes_forget_all();
	vl_node(FUSE_ROOT_ID)->nlookup = 1;
	out->major = FUSE_KERNEL_VERSION;
	out->minor = FUSE_KERNEL_MINOR_VERSION;
	out->max_readahead = in->max_readahead;
	out->flags = in->flags & (FUSE_MAP_ALIGNMENT | FUSE_MAX_PAGES |
				  FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC);
	out->max_write = VL_MAX_IO;
	out->max_pages = VL_MAX_IO / PAGE_SIZE;
	out->map_alignment = PAGE_SHIFT;
	out->time_gran = 1;
	c->out_len = sizeof(*out);
	return 0;
}

static int do_destroy(struct call *c)
{
	vl_nodes_forget_all();
	return 0;
}

static int do_lookup(struct call *c)
{
	struct vl_node *node = vl_node_named(c->node->id, c->arg);

	return node ? entry(c, node) : -ENOENT;
}

static int do_forget(struct call *c)
{
	const struct fuse_forget_in *in = c->arg;

	vl_node_forget(c->node, in->nlookup);
	return 0;
}

static int do_setattr(struct call *c)
{
	const struct fuse_setattr_in *in = c->arg;

	if (in->valid & FATTR_MODE)
		c->node->mode = (c->node->mode & S_IFMT) | (in->mode & 07777);
	if (in->valid & FATTR_UID)
		c->node->uid = in->uid;
	if (in->valid & FATTR_GID)
		c->node->gid = in->gid;
	if (in->valid & FATTR_SIZE)
		vl_node_resize(c->node, in->size);
	return attr(c);
}

static int do_mknod(struct call *c)
{
	const struct fuse_mknod_in *in = c->arg;

	return make(c, c->arg + sizeof(*in), in->mode);
}

static int do_mkdir(struct call *c)
{
	const struct fuse_mkdir_in *in = c->arg;

	return make(c, c->arg + sizeof(*in), S_IFDIR | in->mode);
}

static int do_create(struct call *c)
{
	const struct fuse_create_in *in = c->arg;

	return make(c, c->arg + sizeof(*in), in->mode) ?: opened(c);
}

static int do_tmpfile(struct call *c)
{
	const struct fuse_create_in *in = c->arg;

	return make(c, NULL, in->mode) ?: opened(c);
}

static int do_unlink(struct call *c)
{
	struct vl_node *node = vl_node_named(c->node->id, c->arg);

	return node ? vl_node_unlink(node) : -ENOENT;
}

static int do_rename(struct call *c)
{
	const struct fuse_rename_in *in = c->arg;
	const char *from = c->arg + sizeof(*in);
	struct vl_node *node = vl_node_named(c->node->id, from);

	return node ? vl_node_rename(node, in->newdir, from + strlen(from) + 1) :
		      -ENOENT;
}

static int do_open(struct call *c)
{
	const struct fuse_open_in *in = c->arg;

	if ((in->flags & O_TRUNC) && S_ISREG(c->node->mode))
		vl_node_resize(c->node, 0);
	return opened(c);
}

static int do_readdir(struct call *c)
{
	const struct fuse_read_in *in = c->arg;
	struct vl_node *node = vl_node_after(c->node->id, in->offset);

	for (; node; node = vl_node_after(c->node->id, node->id)) {
		struct fuse_dirent *d = c->out + c->out_len;

		if (c->out_len + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET +
						   strlen(node->name)) > in->size)
			break;
		d->ino = d->off = node->id;
		d->namelen = strlen(node->name);
		d->type = node->mode >> 12;
		memcpy(d->name, node->name, d->namelen);
		c->out_len += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d->namelen);
	}
	return 0;
}

static int do_read(struct call *c)
{
	const struct fuse_read_in *in = c->arg;

	c->out_len = vl_node_io(c->node, in->offset, c->out,
				min_t(size_t, in->size, VL_MAX_IO), false);
	return 0;
}

static int do_write(struct call *c)
{
	const struct fuse_write_in *in = c->arg;
	struct fuse_write_out *out = c->out;

	out->size = vl_node_io(c->node, in->offset, c->arg + sizeof(*in),
			       min_t(size_t, in->size, c->arg_len - sizeof(*in)),
			       true);
	c->out_len = sizeof(*out);
	return 0;
}

static int do_fallocate(struct call *c)
{
	const struct fuse_fallocate_in *in = c->arg;
	loff_t end = in->offset + in->length, size = c->node->size;

	if (in->mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
			 FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (end > (loff_t)BLOCKS * PAGE_SIZE)
		return -ENOSPC;
	if (end > size && !(in->mode & FALLOC_FL_KEEP_SIZE))
		vl_node_resize(c->node, end);
	if (in->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		vl_node_zero(c->node, in->offset,
			     min(end, c->node->size) - (loff_t)in->offset);
	return 0;
}

static int do_copy(struct call *c)
{
	const struct fuse_copy_file_range_in *in = c->arg;
	struct vl_node *to = vl_node(in->nodeid_out);
	struct fuse_write_out *out = c->out;
	char buf[512];

	if (!to)
		return -ENOENT;
	while (out->size < in->len) {
		int n = vl_node_io(c->node, in->off_in + out->size, buf,
				   min_t(u64, sizeof(buf), in->len - out->size),
				   false);

		if (!n)
			break;
		out->size += vl_node_io(to, in->off_out + out->size, buf, n,
					true);
	}
	c->out_len = sizeof(*out);
	return 0;
}

static int do_statfs(struct call *c)
{
	struct fuse_statfs_out *out = c->out;

	out->st.bsize = out->st.frsize = PAGE_SIZE;
	out->st.blocks = BLOCKS;
	out->st.bfree = out->st.bavail = BLOCKS - vl_nodes_pages();
	out->st.namelen = NAME_MAX;
	c->out_len = sizeof(*out);
	return 0;
}

static int do_setupmapping(struct call *c)
{
	const struct fuse_setupmapping_in *in = c->arg;

	return vl_window_setup(c->node, in->foffset, in->len, in->moffset);
}

static int do_removemapping(struct call *c)
{
	const struct fuse_removemapping_in *in = c->arg;
	const struct fuse_removemapping_one *one = c->arg + sizeof(*in);
	u32 i;
	int err = 0;

	for (i = 0; i < in->count; i++)
		err = vl_window_remove(one[i].moffset, one[i].len) ?: err;
	return err;
}

static int nothing(struct call *c)
{
	return 0;
}

static int (*const ops[])(struct call *c) = {
	[FUSE_LOOKUP] = do_lookup,
	[FUSE_FORGET] = do_forget,
	[FUSE_GETATTR] = attr,
	[FUSE_SETATTR] = do_setattr,
	[FUSE_MKNOD] = do_mknod,
	[FUSE_MKDIR] = do_mkdir,
	[FUSE_UNLINK] = do_unlink,
	[FUSE_RMDIR] = do_unlink,
	[FUSE_RENAME] = do_rename,
	[FUSE_OPEN] = do_open,
	[FUSE_READ] = do_read,
	[FUSE_WRITE] = do_write,
	[FUSE_STATFS] = do_statfs,
	[FUSE_RELEASE] = nothing,
	[FUSE_FSYNC] = nothing,
	[FUSE_FLUSH] = nothing,
	[FUSE_INIT] = do_init,
	[FUSE_OPENDIR] = opened,
	[FUSE_READDIR] = do_readdir,
	[FUSE_RELEASEDIR] = nothing,
	[FUSE_FSYNCDIR] = nothing,
	[FUSE_CREATE] = do_create,
	[FUSE_DESTROY] = do_destroy,
	[FUSE_FALLOCATE] = do_fallocate,
	[FUSE_COPY_FILE_RANGE] = do_copy,
	[FUSE_SETUPMAPPING] = do_setupmapping,
	[FUSE_REMOVEMAPPING] = do_removemapping,
	[FUSE_TMPFILE] = do_tmpfile,
};

/* INIT and DESTROY name no file. */
static bool wants_node(u32 opcode)
{
	return opcode != FUSE_INIT && opcode != FUSE_DESTROY;
}

void vl_fuse(struct vl_request *req)
{
	const struct fuse_in_header *h = req->in;
	struct fuse_out_header *answer = req->out;
	struct call c = {
		.h = h,
		.node = vl_node(h->nodeid),
		.arg = req->in + sizeof(*h),
		.arg_len = req->in_len - sizeof(*h),
		.out = req->out + sizeof(*answer),
	};
	int err = -ENOSYS;

	/* Only reads answer with more, and they fill it. */
	memset(req->out, 0, PAGE_SIZE + sizeof(*answer));
	if (h->opcode < ARRAY_SIZE(ops) && ops[h->opcode])
		err = c.node || !wants_node(h->opcode) ? ops[h->opcode](&c) :
							 -ESTALE;
	if (h->opcode == FUSE_FORGET) {
		req->out_len = 0;	/* is not answered */
		return;
	}
	answer->unique = h->unique;
	answer->error = err;
	answer->len = req->out_len = sizeof(*answer) + (err ? 0 : c.out_len);
}
