// SPDX-License-Identifier: GPL-2.0
/*
 * A page of a file is in a pipe, which holds no file and so no mount: umount works, but
 * waits for the page, whoever still has its block. What it leaves behind is clean.
 * DIR's file system is unmounted and mounted again.
 *
 * Environment: DAX_FSCK: a command that fails where the unmounted file system is not clean.
 */
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "dax_mount.h"

#define LEN	(64 * KB)
#define AT	(3 * PAGE)	/* the page that the pipe has */

static struct dax_mount fs;
static int held[2];

static void let_go(void)
{
	char buf[PAGE];

	dax_must(read(held[0], buf, PAGE) == PAGE, "read of the pipe");
	dax_expect(buf, PAGE, AT, opt.seed, "what the pipe held");
}

static void expect_after(const char *name, uint64_t seed)
{
	char path[256];
	int fd;

	dax_path(path, sizeof(path), name);
	fd = open(path, O_RDONLY);
	dax_must(fd >= 0, "open %s after umount and mount", path);
	dax_expect_file(fd, 0, LEN, 0, seed, name);
	close(fd);
}

/* All files are closed, and none is mapped. */
static void umount_waits(void)
{
	const char *fsck = getenv("DAX_FSCK");
	pid_t pid = dax_fork();
	bool sound;

	if (!pid) {
		dax_must(!close(held[0]) && !close(held[1]), "close");
		dax_must(!umount2(fs.at, 0), "umount");
		_exit(0);
	}
	dax_wait_asleep(pid, "umount");
	if (dax_ends(pid, 0)) {
		dax_reap(pid, "umount");
		dax_must(!dax_mount_again(&fs), "mount");
		dax_fail("umount gave up the blocks while their pages were held");
	}
	/* Nor can it be mounted, or made anew. */
	if (open(fs.device, O_RDWR | O_EXCL) >= 0) {
		let_go();
		dax_reap(pid, "umount");
		dax_must(!dax_mount_again(&fs), "mount");
		dax_fail("%s has a new user while umount waits", fs.device);
	}
	dax_must(errno == EBUSY, "open of %s while umount waits, EBUSY expected", fs.device);
	let_go();
	dax_reap(pid, "umount");
	sound = !fsck || !system(fsck);
	dax_must(!dax_mount_again(&fs), "mount");
	if (!sound)
		dax_fail("not clean after umount: %s", fsck);
}

/* The mount, and a file that has nothing to do with it. */
static void start(void)
{
	int fd;

	fs = dax_find_mount();
	fd = dax_open("beside", LEN, DAX_WRITTEN);
	dax_must(!close(fd), "close");
}

static void let_go_of(struct dax_map *m)
{
	dax_must(!munmap(m->p, m->len) && !close(m->fd), "munmap, close");
}

static void named(void)
{
	struct dax_map m = dax_new("held", LEN, DAX_WRITTEN);

	start();
	dax_hold_page(held, m.p + AT);
	let_go_of(&m);
	umount_waits();
	expect_after("beside", opt.seed);
	expect_after("held", opt.seed);
}

/* Its eviction has begun with the last close, and has no end yet. */
static void unlinked(void)
{
	struct dax_map m = dax_new("held", LEN, DAX_WRITTEN);

	start();
	dax_hold_page(held, m.p + AT);
	dax_must(!unlink(m.path), "unlink");
	let_go_of(&m);
	umount_waits();
	expect_after("beside", opt.seed);
	dax_must(access(m.path, F_OK) && errno == ENOENT, "the unlinked file, ENOENT expected");
}

/* Copy-on-write gave its block up: no file leads to it any more. */
static void given_up(void)
{
	struct dax_map m = dax_new("original", LEN, DAX_WRITTEN);
	int clone = dax_open("clone", 0, DAX_HOLE);
	char path[256];

	start();
	if (ioctl(clone, FICLONE, m.fd)) {
		dax_must(errno == EOPNOTSUPP || errno == EINVAL, "FICLONE");
		dax_skip("this file system has no reflink");
	}
	dax_expect(m.p, LEN, 0, opt.seed, "original");
	dax_hold_page(held, m.p + AT);
	dax_fill(m.p, LEN, 0, opt.seed + 1);
	dax_path(path, sizeof(path), "clone");
	dax_must(!unlink(path) && !close(clone), "unlink the clone");
	let_go_of(&m);
	umount_waits();
	expect_after("beside", opt.seed);
	expect_after("original", opt.seed + 1);
}

static const struct dax_test tests[] = {
	{ "break: umount waits for a held page of a file", named },
	{ "break: umount waits for a held page of an unlinked file", unlinked },
	{ "break: umount waits for a held page that copy-on-write gave up", given_up },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
