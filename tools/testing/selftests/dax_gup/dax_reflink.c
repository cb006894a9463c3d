// SPDX-License-Identifier: GPL-2.0
/* Two files that share blocks (reflink), under DMA: their data stays apart. */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "dax_test.h"

#define LEN	(256 * KB)

static struct dax_map a, b;

static void clone_a(void)
{
	a = dax_new("a", LEN, DAX_WRITTEN);
	b = dax_new("b", LEN, DAX_HOLE);
	if (!ioctl(b.fd, FICLONE, a.fd))
		return;
	if (errno == EOPNOTSUPP || errno == EINVAL)
		dax_skip("this file system has no reflink");
	dax_fail_errno("FICLONE");
}

static void read_into(int drive, unsigned char *p, size_t len, off_t at)
{
	ssize_t n = pread(drive, p, len, at);

	dax_must(n >= 0, "O_DIRECT read");
	if ((size_t)n != len)
		dax_fail("O_DIRECT read: %zd of %zu", n, len);
}

static void apart(void)
{
	int drive = dax_drive();

	dax_drive_fill(drive, 0, 2 * LEN, opt.seed + 1);
	clone_a();
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	read_into(drive, b.p, LEN / 2, 0);
	dax_expect(a.p, LEN, 0, opt.seed, "original");
	dax_expect(b.p, LEN / 2, 0, opt.seed + 1, "clone");
	read_into(drive, a.p + LEN / 4, LEN / 2, LEN);
	dax_expect(a.p, LEN / 4, 0, opt.seed, "original, start");
	dax_expect(a.p + LEN / 4, LEN / 2, LEN, opt.seed + 1, "original, middle");
	dax_expect(a.p + LEN * 3 / 4, LEN / 4, LEN * 3 / 4, opt.seed, "original, end");
	dax_expect_file(b.fd, 0, LEN / 2, 0, opt.seed + 1, "clone, read");
	dax_expect_file(b.fd, LEN / 2, LEN / 2, LEN / 2, opt.seed, "clone, end");
}

static void write_shared(void)
{
	int drive = dax_drive();
	ssize_t n;

	clone_a();
	n = pwrite(drive, a.p, LEN, 0);
	dax_must(n >= 0, "O_DIRECT write from the original");
	n = pwrite(drive, b.p, LEN, LEN);
	dax_must(n >= 0, "O_DIRECT write from the clone");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed, "original");
	dax_drive_expect(drive, LEN, LEN, 0, opt.seed, "clone");
}

static void truncate_one(void)
{
	int drive = dax_drive();
	ssize_t n;

	clone_a();
	dax_expect(a.p, LEN, 0, opt.seed, "original");
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
	dax_must(!ftruncate(a.fd, 0), "ftruncate");
	n = pwrite(drive, b.p, LEN, 0);
	dax_must(n >= 0, "O_DIRECT write from the clone");
	dax_drive_expect(drive, 0, LEN, 0, opt.seed, "clone");
}

/* Cloning under a held page: the page is the original's, before and after. */
static void held(void)
{
	struct iovec iov;
	char buf[8 * KB];
	int pipefd[2];
	pid_t pid;

	clone_a();		/* or skip */
	a = dax_new("c", LEN, DAX_WRITTEN);
	b = dax_new("d", LEN, DAX_HOLE);
	iov = (struct iovec){ a.p, sizeof(buf) };
	dax_must(!pipe(pipefd), "pipe");
	dax_must(vmsplice(pipefd[1], &iov, 1, 0) == sizeof(buf), "vmsplice");
	pid = dax_fork();
	if (!pid) {
		dax_must(!ioctl(b.fd, FICLONE, a.fd), "FICLONE");
		_exit(0);
	}
	dax_must(read(pipefd[0], buf, sizeof(buf)) == sizeof(buf), "read");
	dax_expect(buf, sizeof(buf), 0, opt.seed, "what the pipe held");
	dax_reap(pid, "clone");
	dax_fill(a.p, LEN, 0, opt.seed + 1);
	dax_expect(b.p, LEN, 0, opt.seed, "clone");
}

static const struct dax_test tests[] = {
	{ "gup: O_DIRECT into both of two clones", apart },
	{ "gup: O_DIRECT from shared blocks", write_shared },
	{ "gup: O_DIRECT from what a truncate has left unshared", truncate_one },
	{ "gup: clone with a page held", held },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
