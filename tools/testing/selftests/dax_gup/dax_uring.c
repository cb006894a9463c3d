// SPDX-License-Identifier: GPL-2.0
/* io_uring: plain buffers, which are pinned for one request, and registered. */
#include <liburing.h>

#include "dax_test.h"

#define LEN	(2 * MB)
#define UNIT	(64 * KB)
#define NR	(LEN / UNIT)

enum buffers { PLAIN, FIXED };

static struct io_uring ring;

static void setup(void)
{
	int err = io_uring_queue_init(2 * NR, &ring, 0);

	errno = -err;
	if (err == -ENOSYS)
		dax_skip("no io_uring in this kernel");
	dax_must(!err, "io_uring_queue_init");
}

static void run(const char *what)
{
	struct io_uring_cqe *cqe;
	int n = io_uring_submit(&ring), err;

	errno = -n;
	dax_must(n >= 0, "%s: io_uring_submit", what);
	while (n--) {
		err = io_uring_wait_cqe(&ring, &cqe);
		errno = -err;
		dax_must(!err, "%s: io_uring_wait_cqe", what);
		errno = cqe->res < 0 ? -cqe->res : EIO;
		dax_must(cqe->res == (int)UNIT, "%s: result %d", what, cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
}

/* The drive to the mapping, the mapping to the other half of the drive. */
static void transfer(int drive, struct dax_map *m, enum buffers buffers)
{
	struct io_uring_sqe *sqe;
	size_t at;

	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	for (at = 0; at < LEN; at += UNIT) {
		sqe = io_uring_get_sqe(&ring);
		if (buffers == FIXED)
			io_uring_prep_read_fixed(sqe, drive, m->p + at, UNIT, at, 0);
		else
			io_uring_prep_read(sqe, drive, m->p + at, UNIT, at);
	}
	run("read");
	dax_expect(m->p, LEN, 0, opt.seed + 1, "mapping");
	dax_expect_file(m->fd, 0, LEN, 0, opt.seed + 1, "file");

	dax_fill(m->p, LEN, 0, opt.seed + 2);
	for (at = 0; at < LEN; at += UNIT) {
		sqe = io_uring_get_sqe(&ring);
		if (buffers == FIXED)
			io_uring_prep_write_fixed(sqe, drive, m->p + at, UNIT,
						  LEN + at, 0);
		else
			io_uring_prep_write(sqe, drive, m->p + at, UNIT, LEN + at);
	}
	run("write");
	dax_drive_expect(drive, LEN, LEN, 0, opt.seed + 2, "drive");
}

static void plain(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("plain", LEN, DAX_UNWRITTEN);

	setup();
	transfer(drive, &m, PLAIN);
}

static int register_buffer(struct dax_map *m)
{
	struct iovec iov = { m->p, m->len };
	int err = io_uring_register_buffers(&ring, &iov, 1);

	errno = -err;
	return err;
}

static void fixed(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("fixed", LEN, DAX_WRITTEN);

	setup();
	dax_must(!register_buffer(&m), "io_uring_register_buffers");
	transfer(drive, &m, FIXED);
	dax_must(!io_uring_unregister_buffers(&ring), "unregister");
}

static void fixed_refused(void)
{
	struct dax_map m = dax_new("fixed", LEN, DAX_WRITTEN);
	int err;

	setup();
	err = register_buffer(&m);
	if (!err)
		dax_fail("io_uring_register_buffers works: test without -r");
	dax_must(errno == EOPNOTSUPP, "io_uring_register_buffers");
	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
	dax_must(!ftruncate(m.fd, 0), "ftruncate");
}

/* Memory copied from a file is memory: it may be pinned anywhere. */
static void fixed_private(void)
{
	int drive = dax_drive();
	struct dax_map m = dax_new("private", LEN, DAX_WRITTEN);

	munmap(m.p, LEN);
	m.p = dax_mmap(m.fd, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	dax_fill(m.p, LEN, 0, opt.seed + 3);
	setup();
	dax_must(!register_buffer(&m), "io_uring_register_buffers");
	dax_drive_fill(drive, 0, UNIT, opt.seed + 1);
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), drive, m.p + 4096, UNIT,
				 0, 0);
	run("read");
	dax_expect(m.p + 4096, UNIT, 0, opt.seed + 1, "mapping");
	dax_expect(m.p, 4096, 0, opt.seed + 3, "before");
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed, "file");
}

static const struct dax_test tests[] = {
	{ "gup: io_uring read and write, plain buffers", plain },
	{ "dax: io_uring registers a private copy", fixed_private },
	{ "longterm: io_uring read and write, registered buffers", fixed },
	{ "refused: io_uring registered buffers", fixed_refused },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
