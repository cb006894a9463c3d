// SPDX-License-Identifier: GPL-2.0
/*
 * The DMA of the soak, between drives and mappings: some that is waited for, some
 * that is in flight while the next operations go on.
 *
 * What libaio has submitted has its pages: it is sure to end well, and whoever
 * frees, moves or shares a block of it must have waited. io_uring may look for the
 * pages later, in a thread of the kernel: what it finds depends on what was done to
 * the file and its mapping meanwhile (it was disturbed).
 */
#include <libaio.h>
#include <liburing.h>

#include "dax_soak.h"

#define FLIGHTS		4U
#define FLIGHT_LEN	(64 * KB)
#define NOW_LEN		(2 * MB)
#define AREA		(4 * MB)	/* of each worker, on each drive */

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

/* A drive that is slow in one way, so that DMA is in flight for a while. */
static int fast, slow_reads, slow_writes;
static io_context_t aio;
static struct io_uring ring;
static unsigned char *buf;

static int open_drive(const char *variable)
{
	const char *usual = opt.drive;
	int fd;

	opt.drive = getenv(variable) ?: usual;
	fd = dax_drive();
	opt.drive = usual;
	return fd;
}

void start_dma(void)
{
	int err;

	fast = dax_drive();
	slow_reads = open_drive("DAX_SLOW_DRIVE");
	slow_writes = open_drive("DAX_SLOW_WRITE_DRIVE");
	buf = dax_anon(NOW_LEN);
	err = io_setup(FLIGHTS, &aio);
	errno = -err;
	dax_must(!err, "io_setup");
	err = io_uring_queue_init(FLIGHTS, &ring, 0);
	errno = -err;
	dax_must(!err, "io_uring_queue_init");
}

static void fill_buf(const struct file *f, size_t at, size_t len, uint32_t gen)
{
	size_t i;

	for (i = 0; i < len / UNIT; i++)
		stamp_fill(buf + i * UNIT, stamp(f->id, at / UNIT + i, gen));
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
	dax_must(pread(d->drive, buf, n, d->where) == n, "read the drive");
	check_copy(&was, d->at, d->expected, buf, n,
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

bool read_now(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len < NOW_LEN ? c->len : NOW_LEN;
	uint32_t gen = new_gen();
	ssize_t n;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return false;
	map_file(f, c->bits);
	if (!(c->bits & 1) || !store(f, at, len))
		check_file(f, at, len, "before DMA");
	fill_buf(f, at, len, gen);
	dax_must(pwrite(fast, buf, len, me * AREA) == (ssize_t)len, "write to the drive");
	set_either(f, at, len, gen);
	n = pread(fast, f->window + at, len, me * AREA);
	if (n == (ssize_t)len) {
		set(f, at, len, gen);
		count(&board->in, 1);
		return true;
	}
	count(&board->cut_short, 1);
	dax_must(n >= 0 || errno == EFAULT || errno == EIO || errno == ENOSPC,
		 "O_DIRECT read into file %#x", f->id);
	return true;
}

bool write_now(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len < NOW_LEN ? c->len : NOW_LEN;
	ssize_t n;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return false;
	map_file(f, c->bits);
	n = pwrite(fast, f->window + at, len, me * AREA);
	if (n != (ssize_t)len) {
		dax_must(f->kind == OF_ALL, "O_DIRECT write from file %#x: %zd of %zu", f->id, n,
			 len);
		count(&board->cut_short, 1);
		return true;
	}
	count(&board->out, 1);
	dax_must(pread(fast, buf, len, me * AREA) == n, "read the drive");
	check(f, at, buf, len, "O_DIRECT write");
	return true;
}

/* A process that ends with DMA in flight: libaio lets its memory go after the DMA. */
void read_and_exit(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len < FLIGHT_LEN ? c->len : FLIGHT_LEN;
	off_t where = me * AREA + NOW_LEN + FLIGHTS * FLIGHT_LEN;
	uint32_t gen = new_gen();
	io_context_t ctx = NULL;
	struct iocb iocb, *list = &iocb;
	int n;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		_exit(0);
	map_file(f, c->bits);
	fill_buf(f, at, len, gen);
	dax_must(pwrite(slow_reads, buf, len, where) == (ssize_t)len, "write to the drive");
	set_either(f, at, len, gen);
	io_prep_pread(&iocb, slow_reads, f->window + at, len, where);
	n = io_setup(1, &ctx);
	if (!n)
		n = io_submit(ctx, 1, &list);
	errno = -n;
	/* No room for its blocks, or another one's truncate. */
	dax_must(n == 1 || errno == EFAULT || errno == ENOSPC, "DMA of a child");
	_exit(0);
}

/* DMA into memory at @p that stands for the file at @at, and is not it. */
void read_private(struct file *f, void *p, size_t at, size_t len, uint32_t gen)
{
	fill_buf(f, at, len, gen);
	dax_must(pwrite(fast, buf, len, me * AREA) == (ssize_t)len, "write to the drive");
	dax_must(pread(fast, p, len, me * AREA) == (ssize_t)len, "O_DIRECT read into a copy");
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
		.drive = out ? slow_writes : slow_reads,
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
	fill_buf(f, d->at, d->len, d->gen);
	dax_must(pwrite(d->drive, buf, d->len, d->where) == (ssize_t)d->len, "write to the drive");
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
