// SPDX-License-Identifier: GPL-2.0
#include "dax_test.h"
#include "dax_ibv.h"

#define PORT	1

void dax_ibv_open(struct dax_ibv *v)
{
	int nr = 0;
	struct ibv_device **list = ibv_get_device_list(&nr);

	if (!list || !nr)
		dax_skip("no RDMA device: add one with rdma link add rxe0 type rxe netdev eth0");
	v->ctx = ibv_open_device(list[0]);
	dax_must(v->ctx, "ibv_open_device");
	v->pd = ibv_alloc_pd(v->ctx);
	dax_must(v->pd, "ibv_alloc_pd");
}

/* An IPv4 address, if there is one: link-local ones want more to reach them. */
static int find_gid(struct dax_ibv *v, union ibv_gid *gid)
{
	static const union ibv_gid none, ipv4 = { .raw = { [10] = 0xff, [11] = 0xff } };
	int i, pass;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < 64; i++)
			if (!ibv_query_gid(v->ctx, PORT, i, gid) &&
			    memcmp(gid, &none, sizeof(none)) &&
			    (pass || !memcmp(gid, &ipv4, 12)))
				return i;
	dax_skip("the RDMA device has no address: give its network device one");
}

static void modify(struct dax_ibv *v, struct ibv_qp_attr *attr, int mask,
		   const char *what)
{
	int err = ibv_modify_qp(v->qp, attr, mask);

	errno = err;
	dax_must(!err, "ibv_modify_qp to %s", what);
}

struct dax_ibv_end dax_ibv_end(struct dax_ibv *v)
{
	struct ibv_qp_init_attr init = {
		.cap = { .max_send_wr = 4, .max_recv_wr = 4,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT, .port_num = PORT,
		.qp_access_flags = IBV_ACCESS,
	};
	struct dax_ibv_end end;

	v->gid_index = find_gid(v, &end.gid);
	v->cq = ibv_create_cq(v->ctx, 16, NULL, NULL, 0);
	dax_must(v->cq, "ibv_create_cq");
	init.send_cq = v->cq;
	init.recv_cq = v->cq;
	v->qp = ibv_create_qp(v->pd, &init);
	dax_must(v->qp, "ibv_create_qp");
	modify(v, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
	       IBV_QP_ACCESS_FLAGS, "INIT");
	end.qpn = v->qp->qp_num;
	return end;
}

void dax_ibv_join(struct dax_ibv *v, const struct dax_ibv_end *peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024,
		.dest_qp_num = peer->qpn, .max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = PORT,
			     .grh = { .dgid = peer->gid, .sgid_index = v->gid_index,
				      .hop_limit = 1 } },
	};

	modify(v, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
	       IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
	       IBV_QP_MIN_RNR_TIMER, "RTR");

	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTS, .timeout = 18, .retry_cnt = 7,
		.rnr_retry = 7, .max_rd_atomic = 1,
	};
	modify(v, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT |
	       IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC,
	       "RTS");
}

void dax_ibv_connect(struct dax_ibv *v)
{
	struct dax_ibv_end end = dax_ibv_end(v);

	dax_ibv_join(v, &end);
}

void dax_ibv_move_to(struct dax_ibv *v, enum ibv_wr_opcode op, struct ibv_mr *local,
		     size_t len, uint64_t addr, uint32_t rkey)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)local->addr, .length = len, .lkey = local->lkey,
	};
	struct ibv_send_wr wr = {
		.sg_list = &sge, .num_sge = 1, .opcode = op,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = addr, .rkey = rkey },
	}, *bad;
	struct ibv_wc wc;
	int err = ibv_post_send(v->qp, &wr, &bad), n;

	errno = err;
	dax_must(!err, "ibv_post_send");
	while (!(n = ibv_poll_cq(v->cq, 1, &wc)))
		;
	if (n < 0 || wc.status != IBV_WC_SUCCESS)
		dax_fail("RDMA: %s", n < 0 ? "ibv_poll_cq failed" :
			 ibv_wc_status_str(wc.status));
}

void dax_ibv_move(struct dax_ibv *v, enum ibv_wr_opcode op,
		  struct ibv_mr *local, struct ibv_mr *remote)
{
	dax_ibv_move_to(v, op, local, local->length, (uintptr_t)remote->addr, remote->rkey);
}
