// SPDX-License-Identifier: GPL-2.0
/* ibv_reg_mr on DAX memory, and RDMA to and from it. */
#include "dax_test.h"
#include "dax_ibv.h"

#define LEN	(256 * KB)

static void transfer(struct dax_ibv *v, unsigned char *p)
{
	unsigned char *mem = dax_anon(LEN);
	struct ibv_mr *target = ibv_reg_mr(v->pd, p, LEN, IBV_ACCESS), *local;

	dax_must(target, "ibv_reg_mr");
	local = ibv_reg_mr(v->pd, mem, LEN, IBV_ACCESS);
	dax_must(local, "ibv_reg_mr of memory");
	dax_ibv_connect(v);

	dax_fill(mem, LEN, 0, opt.seed + 1);
	dax_ibv_move(v, IBV_WR_RDMA_WRITE, local, target);
	dax_expect(p, LEN, 0, opt.seed + 1, "RDMA write");

	dax_fill(p, LEN, 0, opt.seed + 2);
	dax_ibv_move(v, IBV_WR_RDMA_READ, local, target);
	dax_expect(mem, LEN, 0, opt.seed + 2, "RDMA read");

	dax_must(!ibv_dereg_mr(target), "ibv_dereg_mr");
}

static void mapping(void)
{
	struct dax_map m = dax_new("mr", LEN, DAX_UNWRITTEN);
	struct dax_ibv v;

	dax_ibv_open(&v);
	transfer(&v, m.p);
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed + 2, "file");
}

/* No transfer: the registration alone, of pages that nobody has touched yet. */
static void registered(void)
{
	struct dax_map m = dax_new("mr", 4 * MB, DAX_WRITTEN);
	struct ibv_mr *mr;
	struct dax_ibv v;

	dax_ibv_open(&v);
	mr = ibv_reg_mr(v.pd, m.p, m.len, IBV_ACCESS);
	dax_must(mr, "ibv_reg_mr");
	dax_must(ftruncate(m.fd, 0) && errno == ETXTBSY, "truncate of a region, ETXTBSY expected");
	dax_expect(m.p, m.len, 0, opt.seed, "mapping");
	dax_must(!ibv_dereg_mr(mr), "ibv_dereg_mr");
}

static void private_copy(void)
{
	int fd = dax_open("private", LEN, DAX_WRITTEN);
	unsigned char *p = dax_mmap(fd, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct dax_ibv v;

	dax_ibv_open(&v);
	dax_fill(p, LEN, 0, opt.seed + 3);
	transfer(&v, p);
	dax_expect_file(fd, 0, LEN, 0, opt.seed, "file");
}

static void refused(void)
{
	struct dax_map m = dax_new("mr", LEN, DAX_WRITTEN);
	struct dax_ibv v;

	dax_ibv_open(&v);
	if (ibv_reg_mr(v.pd, m.p, LEN, IBV_ACCESS))
		dax_fail("ibv_reg_mr works: test without -r");
	dax_must(errno == EOPNOTSUPP, "ibv_reg_mr");
	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
	dax_must(!ftruncate(m.fd, 0), "ftruncate");
}

static const struct dax_test tests[] = {
	{ "dax: RDMA to a private copy", private_copy },
	{ "longterm: ibv_reg_mr of a mapping", registered },
	{ "longterm: RDMA to a mapping", mapping },
	{ "refused: ibv_reg_mr of a mapping", refused },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
