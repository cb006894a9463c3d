// SPDX-License-Identifier: GPL-2.0
/*
 * The DMA of the soak that is in flight while the next operations go on.
 *
 * What libaio has submitted has its pages: it is sure to end well, and whoever
 * frees, moves or shares a block of it must have waited. io_uring may look for the
 * pages later, in a thread of the kernel: what it finds depends on what was done to
 * the file and its mapping meanwhile (it was disturbed).
 */
#include <libaio.h>
#include <liburing.h>

#include "dax_soak.h"

static struct dma {
	bool busy, out, uring, filled, disturbed, orphan;
	struct file *f;
	size_t at, len;
	uint32_t gen;
	int drive;
	off_t where;
	struct unit expected[FLIGHT_LEN / UNIT];	/* at the start, of what goes out */
	struct iocb iocb;
} flights[FLIGHTS];

static io_context_t aio;
static struct io_uring ring;

void start_dma(void)
{
	int err;

	open_drives();
	err = io_setup(FLIGHTS, &aio);
	errno = -err;
	dax_must(!err, "io_setup");
	err = io_uring_queue_init(FLIGHTS, &ring, 0);
	errno = -err;
	dax_must(!err, "io_uring_queue_init");
}

bool flies(const struct file *f, size_t at, size_t len)
{
	size_t u;

	for (u = at / UNIT; u < (at + len) / UNIT; u++)
		if (f->flying[u])
			return true;
	return false;
}

static void set_flying(struct file *f, size_t at, size_t len, uint8_t flight)
{
	if (f->kind == OF_ONE)
		memset(&f->flying[at / UNIT], flight, len / UNIT);
}

static bool is_sure(const struct dma *d)
{
	return !d->uring && d->filled;
}

/* True if it must have gone through as a whole. */
static bool must_be_whole(const struct dma *d)
{
	return d->f->kind != OF_ALL && d->filled && (is_sure(d) || !d->disturbed);
}

static void end_in(struct dma *d, uint8_t flight, bool whole)
{
	size_t u, end = d->at + d->len, size;

	if (whole)
		count(&board->in, 1);
	if (d->orphan || d->f->kind != OF_ONE)
		return;
	for (u = d->at / UNIT; u < end / UNIT; u++) {
		if (d->f->flying[u] != flight)
			continue;
		d->f->flying[u] = 0;
		if (whole && (is_sure(d) || !d->disturbed))
			d->f->m->unit[u].now = d->f->m->unit[u].or;
	}
	size = d->f->m->size;
	if (d->at < size)
		check_file(d->f, d->at, (end < size ? end : size) - d->at, "after DMA");
}

static void end_out(struct dma *d, uint8_t flight, long n)
{
	static struct file was;		/* nothing flies */
	size_t i;

	if (n == (long)d->len)
		count(&board->out, 1);
	for (i = 0; i < d->len / UNIT; i++) {
		if (!d->orphan && d->f->flying[d->at / UNIT + i] == flight)
			d->f->flying[d->at / UNIT + i] = 0;
		if (!is_sure(d) && d->disturbed)
			d->expected[i].or = 0;
	}
	if (n <= 0)
		return;
	was.kind = d->f->kind;
	was.id = d->f->id;
	dax_must(pread(d->drive, dma_buf, n, d->where) == n, "read the drive");
	check_copy(&was, d->at, d->expected, dma_buf, n,
		   d->uring ? "DMA out, io_uring" : "DMA out, libaio");
}

static void end_flight(struct dma *d, long result)
{
	uint8_t flight = d - flights + 1;
	bool whole = result == (long)d->len;

	d->busy = false;
	if (!whole && must_be_whole(d)) {
		errno = result < 0 ? -result : EIO;
		dax_fail_errno("DMA %s file %#x at %zu, op %u of worker %u: %ld of %zu",
			       d->out ? "from" : "into", d->f->id, d->at, board->nr[me], me,
			       result, d->len);
	}
	if (!whole)
		count(&board->cut_short, 1);
	if (d->out)
		end_out(d, flight, result);
	else
		end_in(d, flight, whole);
}

static void poll_aio(bool wait)
{
	struct io_event events[FLIGHTS];
	struct timespec now = { 0 };
	int n, i;

	n = io_getevents(aio, wait, FLIGHTS, events, wait ? NULL : &now);
	errno = -n;
	dax_must(n >= 0 || n == -EINTR, "io_getevents");
	for (i = 0; i < n; i++)
		end_flight(events[i].data, (long)events[i].res);
}

static bool poll_uring(bool wait)
{
	struct io_uring_cqe *cqe;
	struct dma *d;
	long result;

	if (wait ? io_uring_wait_cqe(&ring, &cqe) : io_uring_peek_cqe(&ring, &cqe))
		return false;
	d = io_uring_cqe_get_data(cqe);
	result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	end_flight(d, result);
	return true;
}

void poll_dma(void)
{
	poll_aio(false);
	while (poll_uring(false))
		;
}

static void finish(struct dma *d)
{
	while (d->busy) {
		if (d->uring)
			poll_uring(true);
		else
			poll_aio(true);
	}
}

void settle(struct file *f)
{
	unsigned int i;

	for (i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].f == f)
			finish(&flights[i]);
}

void settle_unsure(struct file *f)
{
	unsigned int i;

	for (i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].f == f && !is_sure(&flights[i]))
			finish(&flights[i]);
}

void end_dma(void)
{
	unsigned int i;

	for (i = 0; i < FLIGHTS; i++)
		finish(&flights[i]);
	io_destroy(aio);
	io_uring_queue_exit(&ring);
}

void disturb(struct file *f)
{
	unsigned int i;

	for (i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].f == f)
			flights[i].disturbed = true;
}

/* The blocks moved, or got a second owner: whoever did that has waited. */
void landed(struct file *f, size_t at, size_t end)
{
	size_t u;

	settle_unsure(f);
	for (u = at / UNIT; u < end / UNIT; u++) {
		if (!f->flying[u])
			continue;
		if (!flights[f->flying[u] - 1].out)
			f->m->unit[u].now = f->m->unit[u].or;
		f->flying[u] = 0;
	}
}

/*
 * The range was made zero. Where whole pages of it were freed, DMA that was sure has
 * landed before. In a page that stays it may have landed before or after, and when DMA
 * is not sure, it may land later.
 */
void gone(struct file *f, size_t at, size_t end)
{
	size_t first = (at + PAGE - 1) / PAGE * PAGE_UNITS, last = end / PAGE * PAGE_UNITS, u;
	bool either[FLIGHTS] = { false };
	unsigned int i;

	for (u = at / UNIT; u < end / UNIT; u++) {
		const struct dma *d = f->flying[u] ? &flights[f->flying[u] - 1] : NULL;

		f->m->unit[u].now = 0;
		if (d && is_sure(d) && u >= first && u < last) {
			f->flying[u] = 0;
			d = NULL;
		}
		if (!d || d->out) {
			f->m->unit[u].or = 0;
		} else if (is_sure(d)) {
			either[d - flights] = true;
			f->flying[u] = 0;
		}
	}
	for (i = 0; i < FLIGHTS; i++)
		if (either[i])
			finish(&flights[i]);
}

/* The file is no longer there; its DMA goes on. */
void orphan(struct file *f)
{
	unsigned int i;

	disturb(f);
	settle_unsure(f);
	for (i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].f == f)
			flights[i].orphan = true;
	memset(f->flying, 0, sizeof(f->flying));
}

/* What was one file is now another. */
void moved(struct file *from, struct file *to)
{
	unsigned int i;

	for (i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && !flights[i].orphan && flights[i].f == from)
			flights[i].f = to;
	memcpy(to->flying, from->flying, sizeof(to->flying));
	memset(from->flying, 0, sizeof(from->flying));
}

static void submit(struct dma *d)
{
	void *p = d->f->window + d->at;
	struct io_uring_sqe *sqe;
	struct iocb *list;
	int n;

	if (d->uring) {
		sqe = io_uring_get_sqe(&ring);
		if (d->out)
			io_uring_prep_write(sqe, d->drive, p, d->len, d->where);
		else
			io_uring_prep_read(sqe, d->drive, p, d->len, d->where);
		io_uring_sqe_set_data(sqe, d);
		n = io_uring_submit(&ring);
	} else {
		if (d->out)
			io_prep_pwrite(&d->iocb, d->drive, p, d->len, d->where);
		else
			io_prep_pread(&d->iocb, d->drive, p, d->len, d->where);
		d->iocb.data = d;
		list = &d->iocb;
		n = io_submit(aio, 1, &list);
	}
	if (n != 1)
		end_flight(d, n);
}

/* A flight to or from the file, on a drive of its own place; NULL: none is free. */
static struct dma *prepare(struct file *f, const struct choice *c, bool out)
{
	size_t at = c->at, len = c->len < FLIGHT_LEN ? c->len : FLIGHT_LEN;
	struct dma *d;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return NULL;
	for (d = flights; d < flights + FLIGHTS && d->busy; d++)
		;
	if (d == flights + FLIGHTS)
		return NULL;
	map_file(f, c->bits);
	*d = (struct dma){
		.out = out, .uring = c->bits >> 1 & 1, .filled = true, .f = f,
		.at = at, .len = len,
		.drive = out ? drives.slow_writes : drives.slow_reads,
		.where = me * AREA + NOW_LEN + (d - flights) * FLIGHT_LEN,
	};
	return d;
}

static void fly(struct dma *d)
{
	d->busy = true;
	set_flying(d->f, d->at, d->len, d - flights + 1);
	submit(d);
}

bool read_later(struct file *f, const struct choice *c)
{
	struct dma *d = prepare(f, c, false);

	if (!d)
		return false;
	/* Most into blocks that are there: else it may lack room, and fail. */
	d->filled = c->bits >> 2 & 7 && store(f, d->at, d->len);
	if (!d->filled)
		check_file(f, d->at, d->len, "before DMA");
	d->gen = new_gen();
	fill_dma_buf(f, d->at, d->len, d->gen);
	dax_must(pwrite(d->drive, dma_buf, d->len, d->where) == (ssize_t)d->len,
		 "write to the drive");
	set_either(f, d->at, d->len, d->gen);
	fly(d);
	return true;
}

bool write_later(struct file *f, const struct choice *c)
{
	struct dma *d = prepare(f, c, true);

	if (!d)
		return false;
	if (f->m) {
		check_file(f, d->at, d->len, "before DMA");
		memcpy(d->expected, &f->m->unit[d->at / UNIT], d->len / UNIT * sizeof(struct unit));
	}
	fly(d);
	return true;
}
