// SPDX-License-Identifier: GPL-2.0
/* The drives of the soak, and the DMA between them and mappings that is waited for. */
#include <libaio.h>

#include "dax_soak.h"

struct drives drives;
unsigned char *dma_buf;

static int open_drive(const char *variable)
{
	const char *usual = opt.drive;
	int fd;

	opt.drive = getenv(variable) ?: usual;
	fd = dax_drive();
	opt.drive = usual;
	return fd;
}

void open_drives(void)
{
	drives.fast = dax_drive();
	drives.slow_reads = open_drive("DAX_SLOW_DRIVE");
	drives.slow_writes = open_drive("DAX_SLOW_WRITE_DRIVE");
	dma_buf = dax_anon(NOW_LEN);
}

void fill_dma_buf(const struct file *f, size_t at, size_t len, uint32_t gen)
{
	size_t i;

	for (i = 0; i < len / UNIT; i++)
		stamp_fill(dma_buf + i * UNIT, stamp(f->id, at / UNIT + i, gen));
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
	fill_dma_buf(f, at, len, gen);
	dax_must(pwrite(drives.fast, dma_buf, len, me * AREA) == (ssize_t)len,
		 "write to the drive");
	set_either(f, at, len, gen);
	n = pread(drives.fast, f->window + at, len, me * AREA);
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
	n = pwrite(drives.fast, f->window + at, len, me * AREA);
	if (n != (ssize_t)len) {
		dax_must(f->kind == OF_ALL, "O_DIRECT write from file %#x: %zd of %zu", f->id, n,
			 len);
		count(&board->cut_short, 1);
		return true;
	}
	count(&board->out, 1);
	dax_must(pread(drives.fast, dma_buf, len, me * AREA) == n, "read the drive");
	check(f, at, dma_buf, len, "O_DIRECT write");
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
	fill_dma_buf(f, at, len, gen);
	dax_must(pwrite(drives.slow_reads, dma_buf, len, where) == (ssize_t)len,
		 "write to the drive");
	set_either(f, at, len, gen);
	io_prep_pread(&iocb, drives.slow_reads, f->window + at, len, where);
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
	fill_dma_buf(f, at, len, gen);
	dax_must(pwrite(drives.fast, dma_buf, len, me * AREA) == (ssize_t)len,
		 "write to the drive");
	dax_must(pread(drives.fast, p, len, me * AREA) == (ssize_t)len,
		 "O_DIRECT read into a copy");
}
