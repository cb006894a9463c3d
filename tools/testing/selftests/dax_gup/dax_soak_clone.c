// SPDX-License-Identifier: GPL-2.0
/* The operations of the soak that share or swap the blocks of two files. */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "dax_soak.h"
#include "dax_swap.h"

/* The kernel's own: not for processes to see. */
#define ERESTARTSYS	512

static unsigned char buf[256 * KB];

/* Own files, and the donor, which has no DMA that writes. */
static struct file *source(const struct choice *c)
{
	return c->bits & 3 ? &files[c->other] : &files[FILES - 1];
}

static void cloned(struct file *f, size_t to, struct file *from, size_t at, size_t len)
{
	if (from->kind == OF_ONE)
		landed(from, at, at + len);
	landed(f, to, to + len);
	set_clone(f, to, from, at, len);
}

static bool no_clone(struct file *f, bool odd)
{
	if (errno == EOPNOTSUPP || errno == ENOTTY || (errno == EINVAL && odd))
		return false;
	expect_error(f, "clone");
	return true;
}

bool clone_range(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len, to = c->to / PAGE * PAGE;
	struct file *from = source(c);
	struct file_clone_range range;

	if (!in_range(from, &at, &len))
		return false;
	at = at / PAGE * PAGE;
	len = len / PAGE * PAGE;
	if (len > FILE_MAX - to)
		len = FILE_MAX - to;
	if (!len || at + len > (size_t)from->m->size ||
	    (from == f && to < at + len && at < to + len))
		return false;
	settle_unsure(from);
	settle_unsure(f);
	range = (struct file_clone_range){
		.src_fd = from->fd, .src_offset = at, .src_length = len, .dest_offset = to,
	};
	if (ioctl(f->fd, FICLONERANGE, &range))
		return no_clone(f, to + len < (size_t)f->m->size && f->m->size % PAGE);
	cloned(f, to, from, at, len);
	grown(f, to + len);
	return true;
}

bool clone_all(struct file *f, const struct choice *c)
{
	struct file *from = source(c);
	size_t size = from->m->size;

	if (from == f || !size)
		return false;
	settle_unsure(from);
	settle_unsure(f);
	if (ioctl(f->fd, FICLONE, from->fd))
		return no_clone(f, size % PAGE);
	cloned(f, 0, from, 0, page_up(size));
	grown(f, size);
	return true;
}

/* The same data in another file, or all but the last unit of it, is one's own then. */
bool do_dedupe(struct file *f, const struct choice *c)
{
	struct file *from = &files[c->other];
	size_t at = c->at / PAGE * PAGE, len = page_up(c->len);
	bool differs = c->bits & 4, data = true;
	size_t i;

	if (len > sizeof(buf))
		len = sizeof(buf);
	if (from == f || at + len > (size_t)from->m->size || flies(from, at, len) ||
	    flies(f, at, len))
		return false;
	settle_unsure(from);
	settle_unsure(f);
	check_file(from, at, len, "dedupe");
	dax_must(pread(from->fd, buf, len, at) == (ssize_t)len, "pread");
	for (i = 0; i < len; i += UNIT)
		data &= !stamp_is(buf + i, 0);
	if (differs)
		stamp_fill(buf + len - UNIT, stamp(f->id, (at + len) / UNIT - 1, new_gen()));
	if (pwrite(f->fd, buf, len, at) != (ssize_t)len) {
		renew(f);
		return false;
	}
	grown(f, at + len);
	set_clone(f, at, from, at, len - (differs ? UNIT : 0));
	if (differs)
		set(f, at + len - UNIT, UNIT, me << 28 | board->gen[me]);
	if (!dax_dedupe(from->fd, f->fd, at, len)) {
		if (differs)
			dax_fail("dedupe of file %#x with %#x at %zu len %zu: not seen", f->id,
				 from->id, at, len);
	} else if (errno == EOPNOTSUPP || errno == ENOTTY) {
		return false;
	} else if (errno == ERESTARTSYS) {	/* fails the soak when it ends */
		count(&board->restarts, 1);
	} else {
		said_no = true;
		/* A hole is not the same as zeroes. */
		if (errno != EILSEQ || (!differs && data))
			dax_must(errno == ENOSPC, "dedupe of file %#x with %#x at %zu len %zu",
				 f->id, from->id, at, len);
	}
	return true;
}

static void swap_models(struct model *a, struct model *b)
{
	static struct model m;

	m = *a;
	*a = *b;
	*b = m;
}

/* No block of the tree of extents is elsewhere: its checksum is of another inode then. */
static bool in_inode(const struct file *f)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[4];
	} arg = { .map = { .fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 4 } };
	struct stat st;
	uint64_t sum = 0;
	unsigned int i;

	dax_must(!fstat(f->fd, &st), "fstat");
	dax_must(!ioctl(f->fd, FS_IOC_FIEMAP, &arg), "FIEMAP");
	for (i = 0; i < arg.map.fm_mapped_extents; i++)
		sum += arg.extents[i].fe_length;
	return sum == st.st_blocks * 512ULL;
}

/* Of ext4, with the file that only a boot loader reads: it is one worker's. */
static bool swap_boot(struct file *f)
{
	if (me || !in_inode(f))
		return false;
	settle_unsure(f);
	if (ioctl(f->fd, SWAP_BOOT)) {
		dax_must(errno == ENOTTY, "EXT4_IOC_SWAP_BOOT of file %#x", f->id);
		return false;
	}
	landed(f, 0, FILE_MAX);
	swap_models(f->m, &board->boot);
	return true;
}

/* Whole files of one size: the one with more extents has to come first. */
static bool swap_files(struct file *f, struct file *other)
{
	size_t size = f->m->size > other->m->size ? f->m->size : other->m->size;
	struct bstat a, b;

	if (other == f || !size)
		return false;
	unpromise(other);
	if (!truncate_to(f, size) || !truncate_to(other, size))
		return false;
	settle_unsure(f);
	settle_unsure(other);
	dax_must(!dax_bstat(f->fd, &a) && !dax_bstat(other->fd, &b), "XFS_IOC_FSBULKSTAT_SINGLE");
	if (a.extents < b.extents ? dax_swapext(other->fd, f->fd, size) :
				    dax_swapext(f->fd, other->fd, size)) {
		/* One has too many extents for the other's inode. */
		dax_must(errno == EINVAL || errno == ENOSPC, "XFS_IOC_SWAPEXT of file %#x", f->id);
		return false;
	}
	landed(f, 0, FILE_MAX);
	landed(other, 0, FILE_MAX);
	swap_models(f->m, other->m);
	return true;
}

bool swap_extents(struct file *f, const struct choice *c)
{
	struct bstat st;

	return dax_bstat(f->fd, &st) ? swap_boot(f) : swap_files(f, &files[c->other]);
}

static void exchange_units(struct unit *a, struct unit *b, size_t len)
{
	size_t i;

	for (i = 0; i < len / UNIT; i++) {
		struct unit u = a[i];

		a[i] = b[i];
		b[i] = u;
	}
}

/* Pages of two files or of one, or all that both have. */
bool exchange(struct file *f, const struct choice *c)
{
	struct file *other = &files[c->other];
	bool all = c->bits & 1 && other != f;
	size_t at = all ? 0 : c->at / PAGE * PAGE, to = all ? 0 : c->to / PAGE * PAGE;
	size_t len = all ? FILE_MAX : page_up(c->len);
	struct exchange range = {
		.file1 = other->fd, .offset1 = at, .offset2 = to, .length = all ? 0 : len,
		.flags = all ? EXCHANGE_TO_EOF : 0,
	};

	if (!all && (at + len > (size_t)other->m->size || to + len > (size_t)f->m->size ||
		     (other == f && at < to + len && to < at + len)))
		return false;
	unpromise(other);
	settle_unsure(f);
	settle_unsure(other);
	if (ioctl(f->fd, EXCHANGE_RANGE, &range)) {
		dax_must(errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSPC,
			 "XFS_IOC_EXCHANGE_RANGE of file %#x", f->id);
		return false;
	}
	landed(other, at, at + len);
	landed(f, to, to + len);
	if (all)
		swap_models(f->m, other->m);
	else
		exchange_units(&f->m->unit[to / UNIT], &other->m->unit[at / UNIT], len);
	return true;
}
