// SPDX-License-Identifier: GPL-2.0
/*
 * A page in a pipe is held for as long as the pipe is not read. Whoever wants
 * its block sleeps until then, and can be told to give up.
 */
#include <linux/falloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>

#include "dax_test.h"

#define LEN	(64 * KB)
#define HELD	(16 * KB)	/* from the middle of the file */

static int held[2];
static struct dax_map m;

static void hold(bool unmap)
{
	struct iovec iov;
	ssize_t n;

	m = dax_new("held", LEN, DAX_WRITTEN);
	iov = (struct iovec){ m.p + 32 * KB, HELD };
	dax_must(!pipe(held), "pipe");
	n = vmsplice(held[1], &iov, 1, 0);
	dax_must(n >= 0, "vmsplice");
	if (n != HELD)
		dax_fail("vmsplice: %zd bytes", n);
	if (unmap)
		munmap(m.p, LEN);
}

/* A file's worth of data that another file would leave behind is not here. */
static void let_go(void)
{
	char buf[HELD];

	dax_must(read(held[0], buf, HELD) == HELD, "read of the pipe");
	dax_expect(buf, HELD, 32 * KB, opt.seed, "what the pipe held");
}

static void punch(off_t at, off_t len)
{
	dax_must(!fallocate(m.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
			    len), "punch hole");
}

static void do_truncate(void) { dax_must(!ftruncate(m.fd, 0), "ftruncate"); }
static void do_punch(void) { punch(32 * KB, 4 * KB); }

static pid_t start(void (*op)(void))
{
	pid_t pid = dax_fork();

	if (!pid) {
		close(held[0]);
		close(held[1]);
		op();
		_exit(0);
	}
	dax_wait_asleep(pid, "the one that wants the blocks");
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("the blocks went while their pages were held");
	return pid;
}

static void waits(bool unmap, void (*op)(void))
{
	pid_t pid;

	hold(unmap);
	pid = start(op);
	let_go();
	dax_reap(pid, "the one that wants the blocks");
}

static void truncate_a(void) { waits(false, do_truncate); }
static void punch_a(void) { waits(false, do_punch); }
static void truncate_b(void) { waits(true, do_truncate); }
static void punch_b(void) { waits(true, do_punch); }

static void killed(bool unmap)
{
	int status;
	pid_t pid;

	hold(unmap);
	pid = start(do_truncate);
	dax_must(!kill(pid, SIGKILL), "kill");
	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WIFSIGNALED(status))
		dax_fail("the truncate ended before its signal");
	let_go();
	do_truncate();
}

static void killed_a(void) { killed(false); }
static void killed_b(void) { killed(true); }

static void stuck(int sig)
{
	(void)sig;
	dax_fail("waits for a held page beside its range");
}

/* Only the range that is held counts: a truncate beside it takes as long as ever. */
static void elsewhere(bool unmap)
{
	struct dax_map other = dax_new("other", LEN, DAX_WRITTEN);
	uint64_t start, usual;

	dax_expect(other.p, LEN, 0, opt.seed, "the other file");
	start = dax_now();
	dax_must(!ftruncate(other.fd, 32 * KB + HELD), "ftruncate");
	usual = dax_now() - start;
	hold(unmap);
	signal(SIGALRM, stuck);
	alarm(10);
	punch(0, 32 * KB);
	punch(32 * KB + HELD, 16 * KB);
	start = dax_now();
	dax_must(!ftruncate(m.fd, 32 * KB + HELD), "ftruncate");
	alarm(0);
	dax_note("truncate beside a held page: %lu us; where nothing is held: %lu us",
		 (dax_now() - start) / 1000, usual / 1000);
	let_go();
}

static void elsewhere_a(void) { elsewhere(false); }
static void elsewhere_b(void) { elsewhere(true); }

/*
 * The pages of an unlinked, closed file: whoever closes it does not wait for
 * them, and the data stays. The last close is a child's, so that a kernel where
 * it does wait can be told apart, and freed.
 */
static void unlinked(void)
{
	struct pollfd end;
	int go[2], done[2];
	pid_t pid;
	char c;

	hold(true);
	dax_must(!pipe(go) && !pipe(done), "pipe");
	pid = dax_fork();
	if (!pid) {
		close(go[1]);
		dax_must(read(go[0], &c, 1) == 0, "read");
		dax_must(!unlink(m.path) && !close(m.fd), "unlink");
		_exit(0);
	}
	dax_must(!close(m.fd) && !close(done[1]) && !close(go[1]), "close");
	end = (struct pollfd){ .fd = done[0] };
	if (poll(&end, 1, 10000) == 1) {	/* the child's end has gone */
		dax_reap(pid, "the one that closes");
		let_go();
		return;
	}
	let_go();
	dax_reap(pid, "the one that closes");
	dax_fail("close() of an unlinked file waits for a held page");
}

static const struct dax_test tests[] = {
	{ "gup: truncate waits for a held page, mapped", truncate_a },
	{ "gup: punch waits for a held page, mapped", punch_a },
	{ "break: truncate waits for a held page, unmapped", truncate_b },
	{ "break: punch waits for a held page, unmapped", punch_b },
	{ "gup: a waiting truncate can be killed, mapped", killed_a },
	{ "break: a waiting truncate can be killed, unmapped", killed_b },
	{ "break: blocks beside a held page can go, mapped", elsewhere_a },
	{ "gup: blocks beside a held page can go, unmapped", elsewhere_b },
	{ "gup: unlink and close of a file with a held page return", unlinked },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
