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

static void expect_unchanged(const struct dax_state *before, const char *what)
{
	dax_expect_state(m.fd, before, what);
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed, what);
}

static void killed(bool unmap)
{
	struct dax_state before;
	int status;
	pid_t pid;

	hold(unmap);
	dax_get_state(m.fd, &before);
	pid = start(do_truncate);
	dax_must(!kill(pid, SIGKILL), "kill");
	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (!WIFSIGNALED(status))
		dax_fail("the truncate ended before its signal");
	expect_unchanged(&before, "the truncate was killed");
	let_go();
	expect_unchanged(&before, "the truncate was killed, the page let go");
	do_truncate();
}

static void killed_a(void) { killed(false); }
static void killed_b(void) { killed(true); }

static int handled[2];	/* a byte each time that the handler runs */

static void handler(int sig)
{
	(void)sig;
	if (write(handled[1], "", 1) != 1)
		_exit(KSFT_FAIL);
}

static int truncate_with_handler(int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags };

	dax_must(!sigaction(SIGUSR1, &act, NULL), "sigaction");
	return ftruncate(m.fd, 0);
}

static void do_interrupted(void)
{
	if (!truncate_with_handler(0))
		dax_fail("the truncate works in spite of its signal");
	dax_must(errno == EINTR, "truncate with a signal, EINTR expected");
}

static void do_restarted(void)
{
	dax_must(!truncate_with_handler(SA_RESTART), "truncate with a signal, SA_RESTART");
}

/* Returns when its handler has run. */
static pid_t start_and_signal(void (*op)(void))
{
	pid_t pid;
	char c;

	dax_must(!pipe(handled), "pipe");
	pid = start(op);
	dax_must(!kill(pid, SIGUSR1), "kill");
	close(handled[1]);
	if (read(handled[0], &c, 1) != 1) {
		dax_reap(pid, "the truncate");
		dax_fail("the truncate ended before its signal");
	}
	return pid;
}

static void interrupted(bool unmap)
{
	struct dax_state before;
	pid_t pid;

	hold(unmap);
	dax_get_state(m.fd, &before);
	pid = start_and_signal(do_interrupted);
	if (!dax_ends(pid, 10)) {
		let_go();
		dax_reap(pid, "the truncate");
		dax_fail("the truncate waits on after a signal without SA_RESTART");
	}
	dax_reap(pid, "the truncate");
	expect_unchanged(&before, "the truncate says EINTR");
	let_go();
	expect_unchanged(&before, "the truncate says EINTR, the page is let go");
	do_truncate();
}

static void interrupted_a(void) { interrupted(false); }
static void interrupted_b(void) { interrupted(true); }

static void restarted(bool unmap)
{
	struct stat st;
	pid_t pid;

	hold(unmap);
	pid = start_and_signal(do_restarted);
	dax_wait_asleep(pid, "the truncate, restarted");
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("with a signal the blocks went while their pages were held");
	let_go();
	dax_reap(pid, "the truncate");
	dax_must(!fstat(m.fd, &st), "fstat");
	if (st.st_size || st.st_blocks)
		dax_fail("%lld bytes in %lld blocks after the truncate to nothing",
			 (long long)st.st_size, (long long)st.st_blocks);
}

static void restarted_a(void) { restarted(false); }
static void restarted_b(void) { restarted(true); }

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
	{ "gup: a signal ends a waiting truncate with EINTR, mapped", interrupted_a },
	{ "break: a signal ends a waiting truncate with EINTR, unmapped", interrupted_b },
	{ "gup: with SA_RESTART a waiting truncate waits on, mapped", restarted_a },
	{ "break: with SA_RESTART a waiting truncate waits on, unmapped", restarted_b },
	{ "break: blocks beside a held page can go, mapped", elsewhere_a },
	{ "gup: blocks beside a held page can go, unmapped", elsewhere_b },
	{ "gup: unlink and close of a file with a held page return", unlinked },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
