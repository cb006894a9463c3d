// SPDX-License-Identifier: GPL-2.0
/*
 * A DAX file and a plain one of the same file system: no call that takes both moves
 * blocks from under a mapping or a pin, and none waits for a pin. DIR is on a file
 * system that is mounted with dax=inode, and FS_XFLAG_DAX is set on it.
 */
#include "dax_longterm.h"
#include "dax_swap.h"

#define NEW		(opt.seed + 1)	/* what the plain file holds */

static struct dax_map plain;		/* beside the DAX file of a call */

static bool is_dax(int fd)
{
	struct statx sx;

	dax_must(!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &sx), "statx");
	return sx.stx_attributes & STATX_ATTR_DAX;
}

static void set_dax(int fd, bool on)
{
	struct fsxattr attr;

	dax_must(!ioctl(fd, FS_IOC_FSGETXATTR, &attr), "FS_IOC_FSGETXATTR");
	attr.fsx_xflags &= ~FS_XFLAG_DAX;
	attr.fsx_xflags |= on ? FS_XFLAG_DAX : 0;
	dax_must(!ioctl(fd, FS_IOC_FSSETXATTR, &attr), "FS_IOC_FSSETXATTR");
}

/* Whether files that are made in the test's directory from now on are DAX. */
static void make_dax(bool on)
{
	int dir = open(opt.dir, O_RDONLY | O_DIRECTORY);

	dax_must(dir >= 0, "open %s", opt.dir);
	set_dax(dir, on);
	close(dir);
}

/* Both files, of three pages each, mapped and written; returns the DAX one. */
static struct dax_map new_pair(void)
{
	struct dax_map m = dax_three("dax", PAGE);

	make_dax(false);
	plain = dax_three("plain", PAGE);
	make_dax(true);
	if (!is_dax(m.fd))
		dax_fail("a new file is not DAX");
	if (is_dax(plain.fd))
		dax_skip("every file is DAX: mount with dax=inode");
	dax_fill(m.p, m.len, 0, opt.seed);
	dax_fill(plain.p, plain.len, 0, NEW);
	dax_must(!fsync(m.fd) && !fsync(plain.fd), "fsync");
	return m;
}

static void drop_pair(struct dax_map *m)
{
	munmap(m->p, m->len);
	munmap(plain.p, plain.len);
	close(m->fd);
	close(plain.fd);
}

static void expect_bytes(const struct dax_map *m, uint64_t in_dax, uint64_t in_plain)
{
	dax_expect(m->p, m->len, 0, in_dax, "mapping of the DAX file");
	dax_expect(plain.p, plain.len, 0, in_plain, "mapping of the plain file");
	dax_expect_file(m->fd, 0, m->len, 0, in_dax, "the DAX file");
	dax_expect_file(plain.fd, 0, plain.len, 0, in_plain, "the plain file");
}

static int move(int orig, int donor)
{
	struct move_extent arg = { .donor = donor, .len = plain.len / PAGE };

	return ioctl(orig, MOVE_EXT, &arg);
}

static int exchange_all(int fd, int other)
{
	struct exchange arg = { .file1 = other, .length = plain.len };
	int result = ioctl(fd, EXCHANGE_RANGE, &arg);

	if (result && errno == EOPNOTSUPP)
		dax_skip("made without exchange-range: mkfs.xfs -i exchange=1");
	return result;
}

static int move_to_dax(struct dax_map *m) { return move(m->fd, plain.fd); }
static int move_to_plain(struct dax_map *m) { return move(plain.fd, m->fd); }
static int swap_dax(struct dax_map *m) { return dax_swapext(m->fd, plain.fd, m->len); }
static int swap_plain(struct dax_map *m) { return dax_swapext(plain.fd, m->fd, m->len); }
static int exchange_dax(struct dax_map *m) { return exchange_all(m->fd, plain.fd); }
static int exchange_plain(struct dax_map *m) { return exchange_all(plain.fd, m->fd); }
static int clone_to_dax(struct dax_map *m) { return ioctl(m->fd, FICLONE, plain.fd); }
static int clone_to_plain(struct dax_map *m) { return ioctl(plain.fd, FICLONE, m->fd); }
static int dedupe_to_dax(struct dax_map *m) { return dax_dedupe(plain.fd, m->fd, 0, m->len); }
static int dedupe_to_plain(struct dax_map *m) { return dax_dedupe(m->fd, plain.fd, 0, m->len); }

/* No pin: the call says what it says of any two files that it cannot take. */
static void refused(int (*op)(struct dax_map *m))
{
	struct dax_map m = new_pair();
	int result = op(&m), err = errno;
	size_t first;

	if (result && err == ENOTTY)
		dax_skip("another file system's call");
	if (!result) {		/* said now: the kernel may not live to the end of the test */
		fsync(plain.fd);
		dax_note("it works; bytes wrong in the mapping of the DAX file: %zu of %zu",
			 dax_diff(m.p, m.len, 0, opt.seed, &first), m.len);
	}
	expect_bytes(&m, opt.seed, NEW);
	if (!result)
		dax_fail("works on a DAX file and a plain one");
	errno = err;
	dax_must(err == EOPNOTSUPP || err == EINVAL, "EOPNOTSUPP or EINVAL expected");
}

static void moved_to_plain(void) { refused(move_to_plain); }
static void moved_to_dax(void) { refused(move_to_dax); }
static void cloned_to_dax(void) { refused(clone_to_dax); }
static void cloned_to_plain(void) { refused(clone_to_plain); }
static void deduped_to_dax(void) { refused(dedupe_to_dax); }
static void deduped_to_plain(void) { refused(dedupe_to_plain); }

/* A child, with its errno as status: if it waits for the pin, that is let go of. */
static int try_beside(int ring, int (*op)(struct dax_map *m), struct dax_map *m)
{
	uint64_t end = dax_ms() + PROMPT;
	pid_t pid = dax_fork(), done;
	int status;

	if (!pid)
		_exit(op(m) ? errno : 0);
	while (!(done = waitpid(pid, &status, WNOHANG))) {
		if (dax_ms() > end) {
			dax_unpin(ring);
			dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
			dax_fail("no answer in %u ms: it waits for the pin", PROMPT);
		}
		usleep(1000);
	}
	dax_must(done == pid, "waitpid");
	if (!WIFEXITED(status))
		dax_fail("the call ended by signal %d", WTERMSIG(status));
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

/*
 * With a page of the DAX file pinned for long the call is refused, and changes
 * nothing. Without, it does what it does: @works says whether it can.
 */
static void beside_pin(int (*op)(struct dax_map *m), bool works)
{
	struct dax_map m = new_pair();
	int ordinary, ring, result;

	dax_unpin(dax_pin(m.p, PAGE));		/* or the kernel cannot do it at all */
	ordinary = op(&m) ? errno : 0;
	if (ordinary == ENOTTY)
		dax_skip("another file system's call");
	if (works != !ordinary)
		dax_fail("no page pinned: %s", ordinary ? strerrorname_np(ordinary) : "it works");
	expect_bytes(&m, works ? NEW : opt.seed, works ? opt.seed : NEW);
	drop_pair(&m);

	m = new_pair();
	ring = dax_pin(m.p + PAGE, PAGE);
	result = try_beside(ring, op, &m);
	if (works || !result || errno != ordinary)
		dax_expect_busy(result, "a call with a plain file");
	expect_bytes(&m, opt.seed, NEW);
	dax_unpin(ring);
	if (works) {
		dax_until_free(op, &m, GRACE);
		expect_bytes(&m, NEW, opt.seed);
	}
	dax_until_free(dax_truncate, &m, GRACE);
}

static void busy_swap_dax(void) { beside_pin(swap_dax, true); }
static void busy_swap_plain(void) { beside_pin(swap_plain, true); }
static void busy_exchange_dax(void) { beside_pin(exchange_dax, true); }
static void busy_exchange_plain(void) { beside_pin(exchange_plain, true); }
static void busy_clone_to_dax(void) { beside_pin(clone_to_dax, false); }
static void busy_clone_to_plain(void) { beside_pin(clone_to_plain, false); }
static void busy_dedupe_to_dax(void) { beside_pin(dedupe_to_dax, false); }
static void busy_dedupe_to_plain(void) { beside_pin(dedupe_to_plain, false); }

/* The page cache of the plain file is memory as any other; the file system writes it back. */
static void plain_direct(void)
{
	struct dax_map m = new_pair();
	int drive = dax_drive();

	dax_drive_fill(drive, 0, plain.len, opt.seed + 2);
	dax_must(pread(drive, plain.p, plain.len, 0) == (ssize_t)plain.len, "O_DIRECT read");
	expect_bytes(&m, opt.seed, opt.seed + 2);
}

static void plain_longterm(void)
{
	struct dax_map m = new_pair();

	if (dax_try_pin(plain.p, PAGE) >= 0)
		dax_fail("page cache is pinned for long");
	dax_must(errno == EFAULT, "pin of page cache, EFAULT expected");
	expect_bytes(&m, opt.seed, NEW);
	dax_must(!dax_truncate(&plain), "ftruncate");
}

/* O_DIRECT between the two: the DAX file is the memory. */
static void between(void)
{
	struct dax_map m = new_pair();
	int fd = open(plain.path, O_RDWR | O_DIRECT);

	dax_must(fd >= 0, "open with O_DIRECT");
	dax_must(pread(fd, m.p, m.len, 0) == (ssize_t)m.len, "O_DIRECT read");
	expect_bytes(&m, NEW, NEW);
	dax_fill(m.p, m.len, 0, opt.seed + 2);
	dax_must(pwrite(fd, m.p, m.len, 0) == (ssize_t)m.len, "O_DIRECT write");
	expect_bytes(&m, opt.seed + 2, opt.seed + 2);
}

static int reopen(const char *path)
{
	int fd = open(path, O_RDWR);

	dax_must(fd >= 0, "open");
	return fd;
}

/*
 * The flag changes what the file is when it comes into the cache next. A pipe has a
 * page of it.
 */
static void changed_under_dma(void)
{
	struct dax_map m = new_pair();
	int pipefd[2], fd;
	char buf[PAGE];
	uint64_t end;
	pid_t pid;

	dax_hold_page(pipefd, m.p);
	set_dax(m.fd, false);
	drop_pair(&m);
	pid = dax_fork();
	if (!pid) {
		dax_expect_file(reopen(m.path), 0, m.len, 0, opt.seed, "the file, opened again");
		_exit(0);
	}
	if (!dax_ends(pid, 10)) {
		close(pipefd[0]);
		close(pipefd[1]);
		dax_fail("the file cannot be opened while a pipe has a page of it");
	}
	dax_reap(pid, "who opens it again");
	end = dax_now() + 10000000000;
	dax_must(read(pipefd[0], buf, PAGE) == PAGE, "read");
	dax_expect(buf, PAGE, 0, opt.seed, "what the pipe held");
	for (fd = reopen(m.path); is_dax(fd); fd = reopen(m.path)) {
		if (dax_now() > end)
			dax_fail("the flag has no effect when the page is idle");
		close(fd);
		dax_must(dax_put("/proc/sys/vm/drop_caches", "2"), "drop_caches");
	}
	dax_expect_file(fd, 0, m.len, 0, opt.seed, "the file without DAX");
}

static const struct dax_test tests[] = {
	{ "dax: FICLONE of a plain file to a DAX file is refused", cloned_to_dax },
	{ "dax: FICLONE of a DAX file to a plain file is refused", cloned_to_plain },
	{ "dax: FIDEDUPERANGE of a plain file to a DAX file is refused", deduped_to_dax },
	{ "dax: FIDEDUPERANGE of a DAX file to a plain file is refused", deduped_to_plain },
	{ "dax: O_DIRECT into a mapping of a plain file", plain_direct },
	{ "dax: a long-term pin of a plain file is refused", plain_longterm },
	{ "gup: O_DIRECT on a plain file, memory of a DAX file", between },
	{ "longterm: no XFS_IOC_SWAPEXT of a pinned and a plain file", busy_swap_dax },
	{ "longterm: no XFS_IOC_SWAPEXT of a plain and a pinned file", busy_swap_plain },
	{ "longterm: no XFS_IOC_EXCHANGE_RANGE of a pinned and a plain file", busy_exchange_dax },
	{ "longterm: no XFS_IOC_EXCHANGE_RANGE of a plain and a pinned file", busy_exchange_plain },
	{ "longterm: no FICLONE of a plain file to a pinned one", busy_clone_to_dax },
	{ "longterm: no FICLONE of a pinned file to a plain one", busy_clone_to_plain },
	{ "longterm: no FIDEDUPERANGE of a plain file to a pinned one", busy_dedupe_to_dax },
	{ "longterm: no FIDEDUPERANGE of a pinned file to a plain one", busy_dedupe_to_plain },
	{ "dax: EXT4_IOC_MOVE_EXT of a DAX file, plain donor, is refused", moved_to_dax },
	{ "gup: a file whose DAX flag changes under DMA can be opened", changed_under_dma },
	/* Last: a kernel that does it dies of it. */
	{ "break: EXT4_IOC_MOVE_EXT of a plain file, DAX donor, is refused", moved_to_plain },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
