// SPDX-License-Identifier: GPL-2.0
/*
 * Processes pin, do DMA and unpin while others truncate, punch, clone and take the
 * blocks that come free. The DMA brings one of two streams, each byte in its
 * place: a byte of the file is zero or of one of them, under a pin it is not zero,
 * and what a clone holds does not change.
 */
#include <liburing.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <time.h>

#include "dax_longterm.h"
#include "dax_victim.h"

#define LEN	(4 * MB)
#define SECTOR	512UL

static struct board {
	bool over;
	unsigned long pins, faults, refused, changes, clones, shorts, victims;
} *board;

static unsigned char *stream[2];
static struct dax_map m;
static int drive;

static void add(unsigned long *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static bool is_over(void)
{
	return __atomic_load_n(&board->over, __ATOMIC_ACQUIRE);
}

/*
 * Two DMAs to the same place may mix, and are read while they arrive: each byte is of
 * one stream or the other.
 */
static void check(const unsigned char *p, size_t len, off_t off, bool zeroes, const char *what)
{
	size_t at, i;

	for (at = 0; at < len; at += SECTOR) {
		const unsigned char *a = stream[0] + off + at, *b = stream[1] + off + at;

		for (i = 0; i < SECTOR && (p[at + i] == a[i] || p[at + i] == b[i]); i++)
			;
		if (i == SECTOR)
			continue;
		if (!zeroes)
			dax_fail("%s: at %zu of %zu bytes at %zu: %s (seed %#llx)", what, at + i,
				 len, (size_t)off,
				 p[at + i] || p[at + i + 1] ? "neither stream" : "zero",
				 (unsigned long long)opt.seed);
		dax_expect_zero(p + at, SECTOR, what);
	}
}

/* One of the streams, through the registered buffer; the range cannot go meanwhile. */
static void dma(struct io_uring *ring, unsigned char *p, size_t len, off_t at, int nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	unsigned char *buf = dax_anon(len);
	struct io_uring_cqe *cqe;
	int err;

	io_uring_prep_read_fixed(sqe, drive, p, len, nr * LEN + at, 0);
	dax_must(io_uring_submit_and_wait(ring, 1) == 1, "io_uring_submit_and_wait");
	err = io_uring_wait_cqe(ring, &cqe);
	errno = err ? -err : cqe->res < 0 ? -cqe->res : EIO;
	dax_must(!err && cqe->res == (int)len, "read of a pinned buffer");
	io_uring_cqe_seen(ring, cqe);
	dax_must(pread(m.fd, buf, len, at) == (ssize_t)len, "pread under a pin");
	check(buf, len, at, false, "the file under a pin");
	munmap(buf, len);
}

static void pin(uint64_t *state)
{
	size_t at = dax_random(state) % (LEN / PAGE) * PAGE;
	size_t len = (1 + dax_random(state) % 32) * PAGE;
	struct io_uring ring;
	struct iovec iov;
	unsigned char *p;
	int err;

	if (at + len > LEN)
		len = LEN - at;
	p = dax_mmap(m.fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	iov = (struct iovec){ p + at, len };
	err = io_uring_queue_init(4, &ring, 0);
	errno = -err;
	dax_must(!err, "io_uring_queue_init");
	err = io_uring_register_buffers(&ring, &iov, 1);
	if (!err) {
		if (dax_random(state) % 2)
			munmap(p, LEN);
		dma(&ring, p + at, len, at, dax_random(state) % 2);
		if (dax_random(state) % 4 == 0)
			dax_linger(state, 20);
		err = io_uring_unregister_buffers(&ring);
		errno = -err;
		dax_must(!err, "io_uring_unregister_buffers");
		add(&board->pins);
	} else {
		errno = -err;		/* the end of the file was there */
		dax_must(err == -EFAULT, "io_uring_register_buffers");
		add(&board->faults);
	}
	munmap(p, LEN);
	io_uring_queue_exit(&ring);
}

static void count(int result, unsigned long *good, const char *what)
{
	if (result)
		dax_must(errno == ETXTBSY, "%s", what);
	add(result ? &board->refused : good);
}

static void change(uint64_t *state)
{
	size_t at = dax_random(state) % (LEN / PAGE) * PAGE;
	size_t len = (1 + dax_random(state) % 64) * PAGE;

	switch (dax_random(state) % 4) {
	case 0:
		count(ftruncate(m.fd, at), &board->changes, "ftruncate");
		dax_must(!ftruncate(m.fd, LEN), "ftruncate to more");
		break;
	case 1:		/* no space is no failure */
		dax_must(!fallocate(m.fd, 0, 0, LEN) || errno == ENOSPC, "fallocate");
		break;
	default:
		count(dax_punch(m.fd, at, len), &board->changes, "punch");
	}
	dax_linger(state, 10);
}

/* A part of the file to a clone, which does not change then, and back to the file. */
static void clone_part(uint64_t *state)
{
	static unsigned char *one, *two;
	static int clone = -1;
	size_t len = (1 + dax_random(state) % 16) * PAGE;
	off_t at = dax_random(state) % ((LEN - len) / PAGE) * PAGE;
	struct file_clone_range part = {
		.src_fd = m.fd, .src_offset = at, .dest_offset = at, .src_length = len,
	};

	if (clone < 0) {
		clone = dax_open("clone", LEN, DAX_HOLE);
		one = dax_anon(LEN);
		two = dax_anon(LEN);
	}
	if (ioctl(clone, FICLONERANGE, &part)) {
		/* the end of the file was there */
		dax_must(errno == ETXTBSY || errno == EINVAL, "FICLONERANGE");
		add(errno == ETXTBSY ? &board->refused : &board->faults);
		return;
	}
	add(&board->clones);
	dax_must(pread(clone, one, len, at) == (ssize_t)len, "pread");
	check(one, len, at, true, "clone");
	dax_linger(state, 30);
	dax_must(pread(clone, two, len, at) == (ssize_t)len, "pread");
	if (memcmp(one, two, len))
		dax_fail("what a clone holds has changed");
	part.src_fd = clone;
	if (ioctl(m.fd, FICLONERANGE, &part)) {
		dax_must(errno == ETXTBSY || errno == ENOSPC, "FICLONERANGE to the file");
		add(&board->refused);
	}
}

static void short_pin(uint64_t *state)
{
	size_t at = dax_random(state) % (LEN / PAGE / 4) * 4 * PAGE;

	if (pread(drive, m.p + at, 4 * PAGE, at) == 4 * PAGE)
		add(&board->shorts);
}

static void take(uint64_t *state)
{
	dax_victim(state, 50);
	add(&board->victims);
}

typedef void (*role)(uint64_t *state);

static pid_t start(role fn, int nr)
{
	uint64_t state = opt.seed ^ (uint64_t)nr << 32;
	pid_t pid = dax_fork();

	if (pid)
		return pid;
	while (!is_over())
		fn(&state);
	_exit(0);
}

/* All have the time; a process that ends before it has failed. */
static void wait_for_end(const pid_t *pid, int nr)
{
	uint64_t end = dax_ms() + opt.seconds * 1000ULL;
	struct timespec tick = { .tv_nsec = 20000000 };
	int i, status;

	while (dax_ms() < end) {
		for (i = 0; i < nr; i++)
			if (waitpid(pid[i], &status, WNOHANG) == pid[i])
				_exit(1);	/* its reason stands already */
		nanosleep(&tick, NULL);
	}
	__atomic_store_n(&board->over, true, __ATOMIC_RELEASE);
	for (i = 0; i < nr; i++)
		dax_reap(pid[i], "a process");
}

static void race(bool clones)
{
	role fn[10] = { pin, pin, pin, pin, change, change, short_pin, take };
	int nr = 8, i;
	pid_t pid[10];
	char *buf;

	if (clones)
		fn[nr++] = clone_part;
	drive = dax_drive();
	for (i = 0; i < 2; i++) {
		stream[i] = dax_anon(LEN);
		dax_fill(stream[i], LEN, i * LEN, opt.seed + i);
		dax_drive_fill(drive, i * LEN, LEN, opt.seed + i);
	}
	m = dax_new("pins", LEN, DAX_UNWRITTEN);
	dax_unpin(dax_pin(m.p, PAGE));
	if (clones && ioctl(dax_open("try", LEN, DAX_HOLE), FICLONE, m.fd))
		dax_skip("this file system has no reflink");
	dax_leave(16 * MB);
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	dax_must(board != MAP_FAILED, "mmap");
	for (i = 0; i < nr; i++)
		pid[i] = start(fn[i], i + 1);
	wait_for_end(pid, nr);
	buf = dax_anon(LEN);
	dax_must(pread(m.fd, buf, LEN, 0) == (ssize_t)LEN, "pread");
	check((unsigned char *)buf, LEN, 0, true, "the file at the end");
	dax_note("pins %lu faults %lu refused %lu changes %lu clones %lu short %lu victims %lu",
		 board->pins, board->faults, board->refused, board->changes, board->clones,
		 board->shorts, board->victims);
	if (!board->pins || !board->refused || !board->changes || !board->victims ||
	    clones != !!board->clones)
		dax_fail("a process never got to work: give it more seconds (-n)");
	dax_until_free(dax_truncate, &m, GRACE);
}

static void race_plain(void) { race(false); }
static void race_clones(void) { race(true); }

static const struct dax_test tests[] = {
	{ "longterm: pins against truncate, punch and short pins", race_plain },
	{ "longterm: pins against the same and clones", race_clones },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
