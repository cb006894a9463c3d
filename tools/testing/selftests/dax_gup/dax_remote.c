// SPDX-License-Identifier: GPL-2.0
/*
 * Two machines: one registers files of DAX file systems, of 4K and of 2M leaves; the
 * other writes them by RDMA and reads them back through the same queue pair, which
 * says that they are there; whatever happens to the first then, they must be.
 *
 * usage: dax_remote serve DIR...		says "ready", then waits to be killed
 *	  dax_remote write SEED ADDRESS		says "acknowledged"
 *	  dax_remote check SEED DIR...
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "dax_ibv.h"
#include "dax_leaf.h"
#include "dax_longterm.h"

#define PORT	4791
#define LEN	(2 * HUGE)	/* of the file of 2M leaves, and the most */
#define SMALL	(256 * KB)
#define MOST	8

struct hello {
	struct dax_ibv_end end;
	uint32_t nr;
	struct {
		uint64_t addr, len;
		uint32_t rkey;
	} file[MOST];
};

static void swap_all(int sock, const struct hello *mine, struct hello *theirs)
{
	dax_must(send(sock, mine, sizeof(*mine), 0) == (ssize_t)sizeof(*mine), "send");
	dax_must(recv(sock, theirs, sizeof(*theirs), MSG_WAITALL) == (ssize_t)sizeof(*theirs),
		 "recv");
}

static void add_file(struct dax_ibv *v, struct hello *h, struct dax_map m)
{
	struct ibv_mr *mr = ibv_reg_mr(v->pd, m.p, m.len, IBV_ACCESS);

	dax_must(mr, "ibv_reg_mr");
	dax_must(!fsync(m.fd), "fsync");	/* what comes now needs no system call */
	h->file[h->nr].addr = (uintptr_t)m.p;
	h->file[h->nr].len = m.len;
	h->file[h->nr++].rkey = mr->rkey;
}

static void serve(char **dir, int nr)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int sock = socket(AF_INET, SOCK_STREAM, 0), i;
	struct hello mine = { 0 }, theirs;
	struct dax_ibv v;

	dax_ibv_open(&v);
	for (i = 0; i < nr; i++) {
		opt.dir = dir[i];
		add_file(&v, &mine, dax_new("4k", SMALL, DAX_HOLE));
		add_file(&v, &mine, dax_new_huge("2m", LEN / HUGE, 0));
		dax_must(!syncfs(open(dir[i], O_RDONLY)), "syncfs");
	}
	mine.end = dax_ibv_end(&v);
	dax_must(!bind(sock, (void *)&any, sizeof(any)) && !listen(sock, 1), "listen");
	printf("ready\n");
	fflush(stdout);
	sock = accept(sock, NULL, NULL);
	dax_must(sock >= 0, "accept");
	/* The peer's greeting comes when its end is known; ours says that we have joined it. */
	dax_must(recv(sock, &theirs, sizeof(theirs), MSG_WAITALL) == (ssize_t)sizeof(theirs),
		 "recv");
	dax_ibv_join(&v, &theirs.end);
	dax_must(send(sock, &mine, sizeof(mine), 0) == (ssize_t)sizeof(mine), "send");
	pause();
}

static void write_all(uint64_t seed, const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	unsigned char *buf = dax_anon(LEN);
	struct hello mine = { 0 }, theirs;
	struct dax_ibv v;
	struct ibv_mr *mr;
	uint32_t i;

	dax_ibv_open(&v);
	mine.end = dax_ibv_end(&v);
	mr = ibv_reg_mr(v.pd, buf, LEN, IBV_ACCESS);
	dax_must(mr, "ibv_reg_mr of memory");
	dax_must(inet_pton(AF_INET, address, &to.sin_addr) == 1, "%s is no address", address);
	dax_must(!connect(sock, (void *)&to, sizeof(to)), "connect to %s", address);
	swap_all(sock, &mine, &theirs);
	dax_ibv_join(&v, &theirs.end);
	for (i = 0; i < theirs.nr; i++) {
		size_t len = theirs.file[i].len;

		dax_fill(buf, len, 0, seed + i);
		dax_ibv_move_to(&v, IBV_WR_RDMA_WRITE, mr, len, theirs.file[i].addr,
				theirs.file[i].rkey);
		memset(buf, 0, len);
		dax_ibv_move_to(&v, IBV_WR_RDMA_READ, mr, len, theirs.file[i].addr,
				theirs.file[i].rkey);
		dax_expect(buf, len, 0, seed + i, "read back by RDMA");
	}
	printf("acknowledged\n");
}

/* One line of KTAP for each file. */
static void check(uint64_t seed, char **dir, int nr)
{
	static const struct { const char *name, *what; size_t len; } file[] = {
		{ "4k", "4K", SMALL }, { "2m", "2M", LEN },
	};
	unsigned char *buf = dax_anon(LEN);
	char path[256];
	int i, fd, n;

	for (n = 0; n < 2 * nr; n++) {
		size_t len = file[n % 2].len, first = 0, bad = len;

		i = n / 2;
		snprintf(path, sizeof(path), "%s/%s", dir[i], file[n % 2].name);
		fd = open(path, O_RDONLY);
		if (fd < 0 || pread(fd, buf, LEN, 0) != (ssize_t)len)
			printf("# why: %s: %s\n", path, strerrorname_np(errno));
		else
			bad = dax_diff(buf, len, 0, seed + n, &first);
		if (fd >= 0 && bad)
			printf("# why: %s: %zu of %zu bytes wrong, first at %zu\n", path, bad, len,
			       first);
		printf("%s %d longterm: written by RDMA, killed, and there: %s, %s leaves\n",
		       bad ? "not ok" : "ok", n + 1, strrchr(dir[i], '/') + 1, file[n % 2].what);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	dax_alone();
	if (argc > 2 && argc <= 2 + MOST / 2 && !strcmp(argv[1], "serve"))
		serve(argv + 2, argc - 2);
	else if (argc == 4 && !strcmp(argv[1], "write"))
		write_all(seed, argv[3]);
	else if (argc > 3 && !strcmp(argv[1], "check"))
		check(seed, argv + 3, argc - 3);
	else
		fprintf(stderr, "usage: dax_remote serve|write|check ...\n");
	return 0;
}
