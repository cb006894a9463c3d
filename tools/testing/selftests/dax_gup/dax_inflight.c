// SPDX-License-Identifier: GPL-2.0
#include "dax_inflight.h"

#define PRIME	(opt.patience * MB)

static struct iocb iocbs[2];

static void start_aio(struct dax_flight *r, int drive, void *prime,
		      const struct iovec *iov, int nr, off_t at)
{
	struct iocb *list[] = { &iocbs[0], &iocbs[1] };
	int n = io_setup(2, &r->ctx);

	errno = -n;
	dax_must(!n, "io_setup");
	if (r->write) {
		io_prep_pwrite(&iocbs[0], drive, prime, PRIME, 0);
		io_prep_pwritev(&iocbs[1], drive, iov, nr, at);
	} else {
		io_prep_pread(&iocbs[0], drive, prime, PRIME, 0);
		io_prep_preadv(&iocbs[1], drive, iov, nr, at);
	}
	iocbs[1].data = r;
	n = io_submit(r->ctx, 1, &list[0]);
	errno = -n;
	dax_must(n == 1, "io_submit to memory");
	n = io_submit(r->ctx, 1, &list[1]);
	errno = -n;
	dax_must(n == 1, "io_submit");
}

static void start_uring(struct dax_flight *r, int drive, void *prime,
			const struct iovec *iov, int nr, off_t at)
{
	struct io_uring_sqe *first, *second;
	int n = io_uring_queue_init(4, &r->ring, 0);

	errno = -n;
	dax_must(!n, "io_uring_queue_init");
	first = io_uring_get_sqe(&r->ring);
	second = io_uring_get_sqe(&r->ring);
	if (r->write) {
		io_uring_prep_write(first, drive, prime, PRIME, 0);
		io_uring_prep_writev(second, drive, iov, nr, at);
	} else {
		io_uring_prep_read(first, drive, prime, PRIME, 0);
		io_uring_prep_readv(second, drive, iov, nr, at);
	}
	io_uring_sqe_set_data(first, NULL);
	io_uring_sqe_set_data(second, r);
	n = io_uring_submit(&r->ring);
	errno = -n;
	dax_must(n == 2, "io_uring_submit");
}

static void start(struct dax_flight *r, enum dax_engine engine, bool write, int drive,
		  const struct iovec *iov, int nr, off_t at)
{
	void *prime = dax_anon(PRIME);
	int i;

	*r = (struct dax_flight){ .engine = engine, .write = write, .left = 2 };
	for (i = 0; i < nr; i++)
		r->len += iov[i].iov_len;
	if (engine == DAX_AIO)
		start_aio(r, drive, prime, iov, nr, at);
	else
		start_uring(r, drive, prime, iov, nr, at);
	dax_still_flying(r, "at its start");
}

void dax_start_readv(struct dax_flight *r, enum dax_engine engine, int drive,
		     const struct iovec *iov, int nr, off_t at)
{
	start(r, engine, false, drive, iov, nr, at);
}

void dax_start_writev(struct dax_flight *r, enum dax_engine engine, int drive,
		      const struct iovec *iov, int nr, off_t at)
{
	start(r, engine, true, drive, iov, nr, at);
}

void dax_start_read(struct dax_flight *r, enum dax_engine engine, int drive,
		    void *buf, size_t len, off_t at)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };

	dax_start_readv(r, engine, drive, &iov, 1, at);
}

static bool reap_aio(struct dax_flight *r, bool wait)
{
	struct timespec now = { 0 };
	struct io_event ev;

	if (io_getevents(r->ctx, wait, 1, &ev, wait ? NULL : &now) != 1)
		return false;
	if (ev.data == r)
		r->result = (long)ev.res;
	return true;
}

static bool reap_uring(struct dax_flight *r, bool wait)
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

static bool reap(struct dax_flight *r, bool wait)
{
	bool one = r->left && (r->engine == DAX_AIO ? reap_aio(r, wait) :
						      reap_uring(r, wait));

	r->left -= one;
	return one;
}

bool dax_flying(struct dax_flight *r)
{
	while (!r->result && reap(r, false))
		;
	return !r->result;
}

static const char *name(const struct dax_flight *r)
{
	return r->write ? "write" : "read";
}

void dax_still_flying(struct dax_flight *r, const char *when)
{
	if (dax_flying(r))
		return;
	if (r->result < 0) {
		errno = -r->result;
		dax_fail_errno("the %s failed %s", name(r), when);
	}
	dax_again("the %s was over %s: use a slower drive", name(r), when);
}

void dax_land(struct dax_flight *r)
{
	while (r->left)
		if (!reap(r, true))
			dax_fail("the %s never ended", name(r));
	errno = r->result < 0 ? -r->result : EIO;
	dax_must(r->result == (long)r->len, "result %ld of the %s", r->result, name(r));
}
