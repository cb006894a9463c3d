// SPDX-License-Identifier: GPL-2.0
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "dax_leaf.h"
#include "dax_longterm.h"
#include "../../../../mm/gup_test.h"

int dax_try_pin(const void *p, size_t len)
{
	struct iovec iov = { (void *)p, len };
	struct io_uring_params params = { 0 };
	int ring = syscall(__NR_io_uring_setup, 1, &params), err;

	dax_must(ring >= 0, "io_uring_setup");
	if (!syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1))
		return ring;
	err = errno;
	close(ring);
	errno = err;
	return -1;
}

int dax_pin(const void *p, size_t len)
{
	int ring = dax_try_pin(p, len);

	dax_must(ring >= 0, "io_uring_register_buffers");
	return ring;
}

void dax_unpin(int ring)
{
	dax_must(!syscall(__NR_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0),
		 "io_uring_unregister_buffers");
	close(ring);
}

int dax_gup_try_pin(const void *p, size_t len, unsigned int flags)
{
	struct pin_longterm_test pin = { .addr = (uintptr_t)p, .size = len, .flags = flags };
	int gup = open("/sys/kernel/debug/gup_test", O_RDWR), err;

	dax_must(gup >= 0, "gup_test (CONFIG_GUP_TEST)");
	if (!ioctl(gup, PIN_LONGTERM_TEST_START, &pin))
		return gup;
	err = errno;
	close(gup);
	errno = err;
	return -1;
}

int dax_gup_pin(const void *p, size_t len, unsigned int flags)
{
	int gup = dax_gup_try_pin(p, len, flags);

	dax_must(gup >= 0, "gup_test: pin for %s", flags & DAX_WRITE ? "writing" : "reading");
	return gup;
}

void dax_gup_see(int gup, void *buf)
{
	uint64_t to = (uintptr_t)buf;

	dax_must(!ioctl(gup, PIN_LONGTERM_TEST_READ, &to), "gup_test: read");
}

void dax_gup_unpin(int gup)
{
	dax_must(!ioctl(gup, PIN_LONGTERM_TEST_STOP), "gup_test: unpin");
	close(gup);
}

uint64_t dax_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

uint64_t dax_until_free(int (*op)(struct dax_map *m), struct dax_map *m, uint64_t limit)
{
	struct timespec tick = { .tv_nsec = 1000000 };
	uint64_t start = dax_ms(), took;

	while (op(m)) {
		took = dax_ms() - start;
		dax_must(errno == ETXTBSY, "after the last unpin");
		if (took > limit)
			dax_fail("the blocks are not free %llu ms after the last unpin",
				 (unsigned long long)took);
		nanosleep(&tick, NULL);
	}
	return dax_ms() - start;
}

struct dax_map dax_three(const char *name, size_t unit)
{
	if (unit == HUGE)
		return dax_new_huge(name, 3, opt.seed);
	return dax_new(name, 3 * unit, DAX_WRITTEN);
}

void dax_expect_busy(int result, const char *what)
{
	if (!result)
		dax_fail("%s works while its pages are pinned", what);
	dax_must(errno == ETXTBSY, "%s of pinned pages, ETXTBSY expected", what);
}

void dax_refuses(size_t unit, int (*op)(struct dax_map *m))
{
	struct dax_map m = dax_three("pinned", unit);
	size_t at = unit + (unit == HUGE ? 5 * PAGE : 0);
	static struct dax_state before;
	int ring = dax_pin(m.p + at, PAGE), i;
	uint64_t start, took;

	dax_must(!fsync(m.fd), "fsync");
	dax_get_state(m.fd, &before);
	/* Mapped, then not: the pin is the same. */
	for (i = 0; i < 2; i++) {
		start = dax_ms();
		dax_expect_busy(op(&m), i ? "a change, unmapped," : "a change");
		took = dax_ms() - start;
		if (took > PROMPT)
			dax_fail("refused, but only after %llu ms", (unsigned long long)took);
		dax_expect_state(m.fd, &before, "refused");
		dax_expect_file(m.fd, 0, m.len, 0, opt.seed, "refused, but the file");
		if (i)
			break;
		dax_expect(m.p, m.len, 0, opt.seed, "refused, but the mapping");
		munmap(m.p, m.len);
	}
	dax_unpin(ring);
	dax_until_free(op, &m, GRACE);
}

int dax_truncate(struct dax_map *m)
{
	return ftruncate(m->fd, 0);
}

int dax_punch(int fd, off_t at, off_t len)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len);
}
