/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A read that is still in flight when dax_start_read() returns. The drive must
 * be a slow one (QEMU: throttling.bps-read=1048576): a first read uses up what
 * its throttle lets through at once, the one that matters queues behind it.
 */
#ifndef DAX_INFLIGHT_H
#define DAX_INFLIGHT_H

#include <libaio.h>
#include <liburing.h>
#include <sys/uio.h>

#include "dax_test.h"

enum dax_engine { DAX_AIO, DAX_URING };

struct dax_read {
	enum dax_engine engine;
	size_t len;
	int left;		/* reads that have not ended */
	long result;
	io_context_t ctx;
	struct io_uring ring;
};

void dax_start_read(struct dax_read *r, enum dax_engine engine, int drive,
		    void *buf, size_t len, off_t at);
void dax_start_readv(struct dax_read *r, enum dax_engine engine, int drive,
		     const struct iovec *iov, int nr, off_t at);

/* Runs the test again if the read has ended: then it would show nothing. */
void dax_still_reading(struct dax_read *r, const char *when);

/* True if the read is still in flight. */
bool dax_reading(struct dax_read *r);

/* Waits for the end of the read, which must have read everything. */
void dax_finish_read(struct dax_read *r);

#endif
