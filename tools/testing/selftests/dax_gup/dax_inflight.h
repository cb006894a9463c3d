/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A read or a write that is still in flight when dax_start_readv() or dax_start_writev()
 * returns. The drive must be slow in that direction (QEMU: throttling.bps-read=1048576,
 * throttling.bps-write=1048576): a first one, of the drive's first DAX_PRIMED bytes or fewer,
 * uses up what its throttle lets through at once, the one that matters queues behind it.
 */
#ifndef DAX_INFLIGHT_H
#define DAX_INFLIGHT_H

#include <libaio.h>
#include <liburing.h>
#include <sys/uio.h>

#include "dax_test.h"

enum dax_engine { DAX_AIO, DAX_URING };

#define DAX_PRIMED	(16 * MB)

struct dax_flight {
	enum dax_engine engine;
	bool write;
	size_t len;
	int left;		/* of the two, that have not ended */
	long result;
	io_context_t ctx;
	struct io_uring ring;
};

void dax_start_read(struct dax_flight *r, enum dax_engine engine, int drive,
		    void *buf, size_t len, off_t at);
void dax_start_readv(struct dax_flight *r, enum dax_engine engine, int drive,
		     const struct iovec *iov, int nr, off_t at);
/* @at: behind DAX_PRIMED, what is before that is overwritten */
void dax_start_writev(struct dax_flight *r, enum dax_engine engine, int drive,
		      const struct iovec *iov, int nr, off_t at);

/* Runs the test again if it has ended: then it would show nothing. */
void dax_still_flying(struct dax_flight *r, const char *when);

/* True if it is still in flight. */
bool dax_flying(struct dax_flight *r);

/* Waits for its end; it must have moved everything. */
void dax_land(struct dax_flight *r);

#endif
