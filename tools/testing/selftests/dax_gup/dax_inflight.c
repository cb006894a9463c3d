// SPDX-License-Identifier: GPL-2.0
#include "dax_inflight.h"

#define PRIME	(opt.patience * MB)

static struct iocb iocbs[2];

static void start_aio(struct dax_read *r, int drive, void *prime,
		      const struct iovec *iov, int nr, off_t at)
{
	struct iocb *list[] = { &iocbs[0], &iocbs[1] };
	int n = io_setup(2, &r->ctx);

	errno = -n;
	dax_must(!n, "io_setup");
	io_prep_pread(&iocbs[0], drive, prime, PRIME, 0);
	io_prep_preadv(&iocbs[1], drive, iov, nr, at);
	iocbs[1].data = r;
	n = io_submit(r->ctx, 1, &list[0]);
	errno = -n;
	dax_must(n == 1, "io_submit to memory");
	n = io_submit(r->ctx, 1, &list[1]);
	errno = -n;
	dax_must(n == 1, "io_submit");
}

static void start_uring(struct dax_read *r, int drive, void *prime,
			const struct iovec *iov, int nr, off_t at)
{
	struct io_uring_sqe *sqe;
	int n = io_uring_queue_init(4, &r->ring, 0);

	errno = -n;
	dax_must(!n, "io_uring_queue_init");
	sqe = io_uring_get_sqe(&r->ring);
	io_uring_prep_read(sqe, drive, prime, PRIME, 0);
	io_uring_sqe_set_data(sqe, NULL);
	sqe = io_uring_get_sqe(&r->ring);
	io_uring_prep_readv(sqe, drive, iov, nr, at);
	io_uring_sqe_set_data(sqe, r);
	n = io_uring_submit(&r->ring);
	errno = -n;
	dax_must(n == 2, "io_uring_submit");
}

void dax_start_readv(struct dax_read *r, enum dax_engine engine, int drive,
		     const struct iovec *iov, int nr, off_t at)
{
	void *prime = dax_anon(PRIME);
	int i;

	*r = (struct dax_read){ .engine = engine, .left = 2 };
	for (i = 0; i < nr; i++)
		r->len += iov[i].iov_len;
	if (engine == DAX_AIO)
		start_aio(r, drive, prime, iov, nr, at);
	else
		start_uring(r, drive, prime, iov, nr, at);
	dax_still_reading(r, "at its start");
}

void dax_start_read(struct dax_read *r, enum dax_engine engine, int drive,
		    void *buf, size_t len, off_t at)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	dax_start_readv(r, engine, drive, &iov, 1, at);
}

static bool reap_aio(struct dax_read *r, bool wait)
{
	struct timespec now = { 0 };
	struct io_event ev;

	if (io_getevents(r->ctx, wait, 1, &ev, wait ? NULL : &now) != 1)
		return false;
	if (ev.data == r)
		r->result = (long)ev.res;
	return true;
}

static bool reap_uring(struct dax_read *r, bool wait)
{
	struct io_uring_cqe *cqe;

	if (wait ? io_uring_wait_cqe(&r->ring, &cqe) :
		   io_uring_peek_cqe(&r->ring, &cqe))
		return false;
	if (io_uring_cqe_get_data(cqe) == r)
		r->result = cqe->res;
	io_uring_cqe_seen(&r->ring, cqe);
	return true;
}

static bool reap(struct dax_read *r, bool wait)
{
	bool one = r->left && (r->engine == DAX_AIO ? reap_aio(r, wait) :
						      reap_uring(r, wait));

	r->left -= one;
	return one;
}

bool dax_reading(struct dax_read *r)
{
	while (!r->result && reap(r, false))
		;
	return !r->result;
}

void dax_still_reading(struct dax_read *r, const char *when)
{
	if (dax_reading(r))
		return;
	if (r->result < 0) {
		errno = -r->result;
		dax_fail_errno("the read failed %s", when);
	}
	dax_again("the read was over %s: use a slower drive", when);
}

void dax_finish_read(struct dax_read *r)
{
	while (r->left)
		if (!reap(r, true))
			dax_fail("the read never ended");
	errno = r->result < 0 ? -r->result : EIO;
	dax_must(r->result == (long)r->len, "result %ld of the read", r->result);
}
