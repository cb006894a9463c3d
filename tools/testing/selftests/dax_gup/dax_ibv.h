/* SPDX-License-Identifier: GPL-2.0 */
/* One RDMA device, and one queue pair of it that talks to itself. */
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
};

/* Skips the test if there is no device. */
void dax_ibv_open(struct dax_ibv *v);
void dax_ibv_connect(struct dax_ibv *v);

/* Moves all of @local, and returns when it is there. */
void dax_ibv_move(struct dax_ibv *v, enum ibv_wr_opcode op,
		  struct ibv_mr *local, struct ibv_mr *remote);

#endif
