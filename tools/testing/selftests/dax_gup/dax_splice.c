// SPDX-License-Identifier: GPL-2.0
/* DAX pages in pipes and sockets. */
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "dax_test.h"

#define LEN	(32 * KB)	/* fits into a pipe */

static void read_all(int fd, char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		dax_must(n > 0, "read");
		buf += n;
		len -= n;
	}
}

static void gift(unsigned int flags)
{
	struct dax_map m = dax_new("pages", LEN, DAX_WRITTEN);
	struct iovec iov = { m.p, LEN };
	char *buf = dax_anon(LEN);
	int pipefd[2];
	ssize_t n;

	dax_must(!pipe(pipefd), "pipe");
	n = vmsplice(pipefd[1], &iov, 1, flags);
	dax_must(n >= 0, "vmsplice");
	if (n != LEN)
		dax_fail("vmsplice: %zd bytes", n);
	/* The pipe holds the pages, not a copy: it sees a later store. */
	dax_fill(m.p + 4096, 4096, 4096, opt.seed + 1);
	munmap(m.p, LEN);
	read_all(pipefd[0], buf, LEN);
	dax_expect(buf, 4096, 0, opt.seed, "first page");
	dax_expect(buf + 4096, 4096, 4096, opt.seed + 1, "stored page");
	dax_expect(buf + 8192, LEN - 8192, 8192, opt.seed, "other pages");
}

static void vmsplice_plain(void) { gift(0); }
static void vmsplice_gift(void) { gift(SPLICE_F_GIFT); }

/* Pieces of pages, a copy by tee(2), and a file at the end. */
static void vmsplice_file(void)
{
	struct dax_map m = dax_new("pages", LEN, DAX_WRITTEN);
	struct iovec iov[2] = { { m.p + 100, 5000 }, { m.p + 12345, 777 } };
	int one[2], two[2], out = dax_open("out", 0, DAX_HOLE);
	char *buf = dax_anon(LEN);

	dax_must(!pipe(one) && !pipe(two), "pipe");
	dax_must(vmsplice(one[1], iov, 2, 0) == 5777, "vmsplice");
	dax_must(tee(one[0], two[1], LEN, 0) == 5777, "tee");
	dax_must(splice(one[0], NULL, out, NULL, 5777, 0) == 5777, "splice");
	read_all(two[0], buf, 5777);
	dax_expect(buf, 5000, 100, opt.seed, "from tee");
	dax_expect(buf + 5000, 777, 12345, opt.seed, "from tee");
	dax_expect_file(out, 0, 5000, 100, opt.seed, "spliced file");
	dax_expect_file(out, 5000, 777, 12345, opt.seed, "spliced file");
}

static void vmsplice_out(void)
{
	struct dax_map m = dax_new("pages", LEN, DAX_WRITTEN);
	struct iovec iov = { m.p + 512, 8192 };
	char *buf = dax_anon(8192);
	int pipefd[2];

	dax_must(!pipe(pipefd), "pipe");
	dax_fill(buf, 8192, 0, opt.seed + 1);
	dax_must(write(pipefd[1], buf, 8192) == 8192, "write");
	dax_must(vmsplice(pipefd[0], &iov, 1, 0) == 8192, "vmsplice");
	dax_expect(m.p, 512, 0, opt.seed, "before");
	dax_expect(m.p + 512, 8192, 0, opt.seed + 1, "mapping");
	dax_expect(m.p + 8704, 4096, 8704, opt.seed, "behind");
}

static void sendfile_pipe(void)
{
	int fd = dax_open("pages", LEN, DAX_WRITTEN), pipefd[2];
	char *buf = dax_anon(LEN);
	off_t at = 512;

	dax_must(!pipe(pipefd), "pipe");
	dax_must(sendfile(pipefd[1], fd, &at, LEN - 512) == LEN - 512, "sendfile");
	read_all(pipefd[0], buf, LEN - 512);
	dax_expect(buf, LEN - 512, 512, opt.seed, "what was sent");
}

static void up(int sock)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	dax_must(!ioctl(sock, SIOCSIFFLAGS, &ifr), "lo up");
}

/* A pair of connected TCP sockets: their zero copy takes user pages. */
static void tcp_pair(int *tx, int *rx)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(sin);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0)
		dax_skip("no TCP in this kernel");
	up(listener);
	dax_must(!bind(listener, (struct sockaddr *)&sin, len), "bind");
	dax_must(!listen(listener, 1), "listen");
	dax_must(!getsockname(listener, (struct sockaddr *)&sin, &len), "name");
	*tx = socket(AF_INET, SOCK_STREAM, 0);
	dax_must(!connect(*tx, (struct sockaddr *)&sin, len), "connect");
	*rx = accept(listener, NULL, NULL);
	dax_must(*rx >= 0, "accept");
}

static void zerocopy(void)
{
	struct dax_map m = dax_new("pages", LEN, DAX_WRITTEN);
	char *buf = dax_anon(LEN), control[128];
	struct msghdr msg = { .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct pollfd done;
	int tx, rx, one = 1;
	ssize_t n;

	tcp_pair(&tx, &rx);
	dax_must(!setsockopt(tx, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)),
		 "SO_ZEROCOPY");
	n = send(tx, m.p + 512, 16 * KB, MSG_ZEROCOPY);
	dax_must(n >= 0, "send with MSG_ZEROCOPY");
	read_all(rx, buf, n);
	dax_expect(buf, n, 512, opt.seed, "what was sent");
	done = (struct pollfd){ .fd = tx };
	dax_must(poll(&done, 1, 10000) == 1, "completion of the zero copy");
	dax_must(recvmsg(tx, &msg, MSG_ERRQUEUE) >= 0, "error queue");
}

static const struct dax_test tests[] = {
	{ "gup: vmsplice to a pipe", vmsplice_plain },
	{ "gup: vmsplice to a pipe as a gift", vmsplice_gift },
	{ "gup: vmsplice, tee and splice to a file", vmsplice_file },
	{ "dax: vmsplice from a pipe", vmsplice_out },
	{ "dax: sendfile to a pipe", sendfile_pipe },
	{ "gup: MSG_ZEROCOPY", zerocopy },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
