/* SPDX-License-Identifier: GPL-2.0 */
/* One RDMA device, and one queue pair of it that talks to itself or to another. */
#ifndef DAX_IBV_H
#define DAX_IBV_H

#include <infiniband/verbs.h>

#define IBV_ACCESS	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
			 IBV_ACCESS_REMOTE_WRITE)

struct dax_ibv {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	int gid_index;
};

struct dax_ibv_end {
	union ibv_gid gid;
	uint32_t qpn;
};

/* Skips the test if there is no device. */
void dax_ibv_open(struct dax_ibv *v);
void dax_ibv_connect(struct dax_ibv *v);

/* The same in two steps: our end, then the end that it talks to. */
struct dax_ibv_end dax_ibv_end(struct dax_ibv *v);
void dax_ibv_join(struct dax_ibv *v, const struct dax_ibv_end *peer);

/* Moves all of @local, and returns when the other end has acknowledged it. */
void dax_ibv_move(struct dax_ibv *v, enum ibv_wr_opcode op,
		  struct ibv_mr *local, struct ibv_mr *remote);
void dax_ibv_move_to(struct dax_ibv *v, enum ibv_wr_opcode op, struct ibv_mr *local,
		     size_t len, uint64_t addr, uint32_t rkey);

#endif
