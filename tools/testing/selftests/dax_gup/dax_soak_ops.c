// SPDX-License-Identifier: GPL-2.0
/* What the soak does to its files, and what that makes of the model. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "dax_soak.h"

static sigjmp_buf no_page;
static unsigned char buf[256 * KB];

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

static void *map(struct file *f, size_t at, size_t len, uint64_t bits)
{
	int prot = f->kind == OF_NONE ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = bits & 0x100 ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;

	return mmap(f->window + at, len, prot, flags | MAP_FIXED, f->fd, at);
}

void map_file(struct file *f, uint64_t bits)
{
	if (f->mapped)
		return;
	signal(SIGBUS, fault);
	dax_must(map(f, 0, FILE_MAX, bits) != MAP_FAILED, "mmap of file %#x", f->id);
	f->mapped = true;
}

void unmap(struct file *f)
{
	void *p = mmap(f->window, FILE_MAX, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	dax_must(p != MAP_FAILED, "mmap of nothing");
	f->mapped = false;
}

void open_file(struct file *f)
{
	uint64_t end = dax_now() + 60000000000;

	/* What was unlinked under DMA is free when that has ended, soon. */
	do {
		f->fd = open(f->path, O_RDWR | O_CREAT, 0600);
	} while (f->fd < 0 && errno == ENOSPC && dax_now() < end && !usleep(10000));
	dax_must(f->fd >= 0, "open %s", f->path);
}

/* False if there was no room for all of it, or the file is short. */
bool store(struct file *f, size_t at, size_t len)
{
	uint32_t gen = new_gen();
	volatile size_t done = 0;

	map_file(f, 0);
	if (!sigsetjmp(no_page, 1)) {
		for (; done < len; done += UNIT)
			stamp_fill(f->window + at + done, stamp(f->id, (at + done) / UNIT, gen));
	}
	set(f, at, done, gen);
	return done == len;
}

bool do_store(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return false;
	store(f, at, len);
	return true;
}

/* How much of the mapping is by 2M leaves. */
static void see_leaves(const struct file *f, size_t at, size_t len)
{
	size_t present, huge = dax_huge(f->window + at / PAGE * PAGE, len, &present);

	count(&board->present, present);
	count(&board->huge, huge);
}

bool load(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len;
	volatile size_t part, done;

	if (!in_range(f, &at, &len))
		return false;
	map_file(f, c->bits);
	for (done = 0; done < len; done += part) {
		part = len - done < sizeof(buf) ? len - done : sizeof(buf);
		if (sigsetjmp(no_page, 1)) {
			if (f->kind != OF_ALL)
				dax_fail("SIGBUS: file %#x has %zu bytes at %zu", f->id, len, at);
			return true;
		}
		memcpy(buf, f->window + at + done, part);
		check(f, at + done, buf, part, "load");
	}
	if (c->bits & 1)
		see_leaves(f, at, len);
	return true;
}

void grown(struct file *f, off_t end)
{
	if (f->m && f->m->size < end)
		f->m->size = end;
}

static bool do_pwrite(struct file *f, const struct choice *c)
{
	uint32_t gen = new_gen();
	size_t at = c->at, done, i;

	if (flies(f, c->at, c->len))
		return false;
	for (done = 0; done < c->len; ) {
		size_t part = c->len - done < sizeof(buf) ? c->len - done : sizeof(buf);
		ssize_t n;

		for (i = 0; i < part; i += UNIT)
			stamp_fill(buf + i, stamp(f->id, (at + done + i) / UNIT, gen));
		n = pwrite(f->fd, buf, part, at + done);
		if (n < 0) {
			dax_must(errno == ENOSPC, "pwrite to file %#x", f->id);
			said_no = true;
			break;
		}
		if (n % UNIT)
			dax_fail("pwrite to file %#x: %zd of %zu", f->id, n, part);
		set(f, at + done, n, gen);
		done += n;
		grown(f, at + done);
	}
	return true;
}

static bool do_pread(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len;

	if (!in_range(f, &at, &len))
		return false;
	check_file(f, at, len, "pread");
	return true;
}

/* All of the mapping, or a part that is mapped again at once. */
static bool do_unmap(struct file *f, const struct choice *c)
{
	size_t at = c->at / PAGE * PAGE, len = (c->len + PAGE - 1) / PAGE * PAGE;

	if (!f->mapped)
		return false;
	disturb(f);
	if (c->bits & 3) {
		unmap(f);
		return true;
	}
	dax_must(!munmap(f->window + at, len), "munmap");
	dax_must(map(f, at, len, c->bits) != MAP_FAILED, "mmap of a part");
	return true;
}

/* For a change that failed half way: what is in the file is unknown. */
void expect_error(struct file *f, const char *what)
{
	int err = errno;
	struct stat st;

	said_no = true;
	fstat(f->fd, &st);
	errno = err;
	dax_must(err == ENOSPC || (f->kind == OF_ALL && (err == EBUSY || err == EINVAL)),
		 "%s of file %#x, size %ld, expected %ld", what, f->id, (long)st.st_size,
		 (long)f->m->size);
	if (f->kind == OF_ONE)
		renew(f);
}

bool truncate_to(struct file *f, size_t to)
{
	bool shorter;

	disturb(f);
	if (ftruncate(f->fd, to)) {
		expect_error(f, "ftruncate");
		return false;
	}
	if (f->kind == OF_ALL)
		return true;
	shorter = (off_t)to < f->m->size;
	f->m->size = to;
	if (shorter)
		gone(f, to, FILE_MAX);
	return true;
}

static bool do_truncate(struct file *f, const struct choice *c)
{
	truncate_to(f, c->bits & 7 ? c->to : 0);
	return true;
}

static bool change(struct file *f, int mode, size_t at, size_t len)
{
	if (!fallocate(f->fd, mode, at, len)) {
		if (!(mode & FALLOC_FL_KEEP_SIZE))
			grown(f, at + len);
		return true;
	}
	return false;
}

static void allocate(struct file *f, int mode, size_t at, size_t len)
{
	struct stat st;

	if (change(f, mode, at, len))
		return;
	said_no = true;
	dax_must(errno == ENOSPC || (errno == EBUSY && f->kind == OF_ALL),
		 "fallocate of file %#x", f->id);
	if (f->kind == OF_ALL)
		return;
	/* The data is what it was; a part of the new size may be there. */
	dax_must(!fstat(f->fd, &st), "fstat");
	if (st.st_size < f->m->size || st.st_size > (off_t)FILE_MAX)
		dax_fail("fallocate of file %#x failed and left %lld bytes of %lld", f->id,
			 (long long)st.st_size, (long long)f->m->size);
	f->m->size = st.st_size;
}

static bool do_allocate(struct file *f, const struct choice *c)
{
	allocate(f, c->bits & 1 ? FALLOC_FL_KEEP_SIZE : 0, c->at, c->len);
	return true;
}

/* All new, in blocks that may be 2M ones. */
static bool fresh(struct file *f, const struct choice *c)
{
	size_t len = (1 + c->bits % (FILE_MAX / (2 * MB))) * 2 * MB;

	if (truncate_to(f, 0))
		allocate(f, 0, 0, len);
	return true;
}

static bool make_zero(struct file *f, const struct choice *c, int mode, const char *what)
{
	disturb(f);
	if (!change(f, mode, c->at, c->len))
		expect_error(f, what);
	else if (f->kind == OF_ONE)
		gone(f, c->at, c->at + c->len);
	return true;
}

static bool punch(struct file *f, const struct choice *c)
{
	return make_zero(f, c, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
}

static bool do_zero(struct file *f, const struct choice *c)
{
	int keep = c->bits & 1 ? FALLOC_FL_KEEP_SIZE : 0;

	return make_zero(f, c, FALLOC_FL_ZERO_RANGE | keep, "zero range");
}

static bool collapse(struct file *f, const struct choice *c)
{
	size_t at = c->at / PAGE * PAGE, len = page_up(c->len), size = f->m->size;

	if (at + len >= size)
		return false;
	settle_unsure(f);
	if (fallocate(f->fd, FALLOC_FL_COLLAPSE_RANGE, at, len)) {
		expect_error(f, "collapse");
		return true;
	}
	landed(f, at, FILE_MAX);
	set_clone(f, at, f, at + len, page_up(size) - at - len);
	set_zero(f, page_up(size) - len, len);
	f->m->size -= len;
	return true;
}

static bool insert(struct file *f, const struct choice *c)
{
	size_t at = c->at / PAGE * PAGE, len = page_up(c->len), size = f->m->size;

	if (at >= size || page_up(size) + len > FILE_MAX)
		return false;
	settle_unsure(f);
	if (fallocate(f->fd, FALLOC_FL_INSERT_RANGE, at, len)) {
		expect_error(f, "insert");
		return true;
	}
	landed(f, at, FILE_MAX);
	set_clone(f, at + len, f, at, page_up(size) - at);
	set_zero(f, at, len);
	f->m->size += len;
	return true;
}

static bool own_blocks(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len;

	if (!in_range(f, &at, &len))
		return false;
	if (!fallocate(f->fd, FALLOC_FL_UNSHARE_RANGE, at, len))
		return true;
	dax_must(errno == ENOSPC || errno == EOPNOTSUPP, "unshare of file %#x", f->id);
	said_no = true;
	return errno == ENOSPC;
}

/* The file goes, with all that is in flight; its mapping before or after it. */
static void drop(struct file *f, bool unmap_first)
{
	orphan(f);
	if (unmap_first)
		unmap(f);
	dax_must(!close(f->fd), "close");
	unmap(f);
	memset(f->m, 0, sizeof(*f->m));
}

void renew(struct file *f)
{
	dax_must(!unlink(f->path), "unlink");
	drop(f, false);
	open_file(f);
}

static bool do_unlink(struct file *f, const struct choice *c)
{
	dax_must(!unlink(f->path), "unlink");
	drop(f, c->bits & 1);
	open_file(f);
	return true;
}

/* The file takes another one's place, and is made again, empty. */
static bool rename_over(struct file *f, const struct choice *c)
{
	struct file *to = &files[c->other];
	unsigned char *window = to->window;

	if (to == f)
		return false;
	unpromise(to);
	dax_must(!rename(f->path, to->path), "rename");
	drop(to, c->bits & 1);
	to->fd = f->fd;
	to->window = f->window;
	to->mapped = f->mapped;
	memcpy(to->m, f->m, sizeof(*f->m));
	moved(f, to);
	memset(f->m, 0, sizeof(*f->m));
	f->window = window;
	f->mapped = false;
	open_file(f);
	return true;
}

static bool do_fsync(struct file *f, const struct choice *c)
{
	dax_must(!(c->bits & 1 ? fdatasync(f->fd) : fsync(f->fd)), "fsync");
	return true;
}

static bool do_msync(struct file *f, const struct choice *c)
{
	size_t at = c->at / PAGE * PAGE;

	if (!f->mapped)
		return false;
	dax_must(!msync(f->window + at, c->len, MS_SYNC), "msync");
	return true;
}

static bool advise(struct file *f, const struct choice *c)
{
	static const int all[] = {
		MADV_DONTNEED, MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_RANDOM,
		22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */, 25 /* COLLAPSE */,
	};
	int advice = all[c->bits % ARRAY_SIZE(all)];

	if (!f->mapped)
		return false;
	disturb(f);
	/* The file may be short, the file system full: the data tells. */
	madvise(f->window + c->at / PAGE * PAGE, page_up(c->len), advice);
	return true;
}

static bool reopen(struct file *f, const struct choice *c)
{
	(void)c;
	dax_must(!close(f->fd), "close");
	open_file(f);
	return true;
}

#define ONE	OF_ONE
#define SOME	(OF_ONE | OF_ALL)
#define ANY	(OF_ONE | OF_ALL | OF_NONE)

const struct op ops[] = {
	{ "pwrite", 12, SOME, do_pwrite },
	{ "pread", 6, ANY, do_pread },
	{ "store", 12, SOME, do_store },
	{ "load", 12, ANY, load },
	{ "O_DIRECT read", 8, SOME, read_now },
	{ "O_DIRECT write", 8, ANY, write_now },
	{ "read in flight", 14, SOME, read_later },
	{ "write in flight", 10, ANY, write_later },
	{ "munmap", 10, ANY, do_unmap },
	{ "truncate", 8, SOME, do_truncate },
	{ "fresh", 4, SOME, fresh },
	{ "allocate", 5, SOME, do_allocate },
	{ "punch", 6, SOME, punch },
	{ "zero", 4, SOME, do_zero },
	{ "collapse", 3, ONE, collapse },
	{ "insert", 3, ONE, insert },
	{ "unshare", 2, ONE, own_blocks },
	{ "clone range", 5, ONE, clone_range },
	{ "clone", 1, ONE, clone_all },
	{ "dedupe", 2, ONE, do_dedupe },
	{ "swap", 3, ONE, swap_extents },
	{ "exchange", 3, ONE, exchange },
	{ "fork", 3, SOME, do_fork },
	{ "private", 3, ONE, private_child },
	{ "rename over", 2, ONE, rename_over },
	{ "unlink", 2, ONE, do_unlink },
	{ "fsync", 3, ANY, do_fsync },
	{ "msync", 3, SOME, do_msync },
	{ "madvise", 3, ANY, advise },
	{ "reopen", 2, ANY, reopen },
};

const unsigned int nr_ops = ARRAY_SIZE(ops);
