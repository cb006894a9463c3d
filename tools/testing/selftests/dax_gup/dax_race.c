// SPDX-License-Identifier: GPL-2.0
/*
 * DMA, stores, munmap, truncate and punch on one file at once, while a second
 * file takes the blocks that the first one loses. All data is stamped with its
 * offset, so every byte of the first file is zero or right, and the second
 * file, which nobody else may touch, is always right.
 */
#include <pthread.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "dax_victim.h"

#define LEN	(2 * MB)
#define UNIT	(16 * KB)
#define DATA	(opt.seed + 1)

static struct dax_map m;
static int drive;
static atomic_bool over;
static bool slow;
static atomic_ulong reads, writes, faults, changes, maps, victims, stores;

static size_t choose(uint64_t *state, size_t nr)
{
	return dax_random(state) % nr;
}

static void count_result(ssize_t n, uint64_t *state, atomic_ulong *good,
			 const char *what)
{
	if (n == (ssize_t)UNIT)
		atomic_fetch_add(good, 1);
	else if (n >= 0 || errno == EFAULT)	/* the end of the file was there */
		atomic_fetch_add(&faults, 1);
	else
		dax_fail_errno("%s", what);
	if (slow && n < 0)
		dax_linger(state, 2);
}

static void *reader(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		size_t at = choose(&state, LEN / UNIT) * UNIT;

		count_result(pread(drive, m.p + at, UNIT, at),
			     &state, &reads, "read");
	}
	return NULL;
}

/* The drive's second half takes whatever the mapping holds. */
static void *writer(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		size_t at = choose(&state, LEN / UNIT) * UNIT;

		count_result(pwrite(drive, m.p + at, UNIT, LEN + at),
			     &state, &writes, "write");
	}
	return NULL;
}

static __thread sigjmp_buf no_page;

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

/* Plain stores, which go through the TLB and know of no reference. */
static void *storer(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;
	char unit[512];

	while (!over) {
		volatile size_t at = choose(&state, LEN / sizeof(unit)) * sizeof(unit);

		dax_fill(unit, sizeof(unit), at, DATA);
		if (!sigsetjmp(no_page, 1)) {
			memcpy(m.p + at, unit, sizeof(unit));
			atomic_fetch_add(&stores, 1);
		} else {
			atomic_fetch_add(&faults, 1);
		}
	}
	return NULL;
}

static void *changer(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	while (!over) {
		size_t at = choose(&state, LEN / PAGE) * PAGE;

		if (choose(&state, 2)) {
			dax_must(!ftruncate(m.fd, at), "ftruncate");
			dax_must(!ftruncate(m.fd, LEN), "ftruncate");
		} else {
			dax_must(!fallocate(m.fd, mode, at, 64 * KB), "punch hole");
		}
		atomic_fetch_add(&changes, 1);
		if (slow)
			dax_linger(&state, 10);
	}
	return NULL;
}

static void *mapper(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		size_t at = slow ? 0 : choose(&state, LEN / PAGE) * PAGE;
		size_t len = slow ? LEN :
			     (1 + choose(&state, (LEN - at) / PAGE)) * PAGE;
		int flags = MAP_FIXED | MAP_NORESERVE;
		void *p = mmap(m.p + at, len, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

		dax_must(p != MAP_FAILED, "mmap of nothing");
		if (slow)		/* nothing maps the file: not for long */
			dax_linger(&state, 50);
		p = mmap(m.p + at, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | flags, m.fd, at);
		dax_must(p != MAP_FAILED, "mmap of the file");
		atomic_fetch_add(&maps, 1);
		if (slow)
			dax_linger(&state, 20);
	}
	return NULL;
}

static void *victim(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;

	while (!over) {
		dax_victim(&state, slow ? 50 : 0);
		atomic_fetch_add(&victims, 1);
	}
	return NULL;
}

static void verify(void)
{
	char *buf = dax_anon(LEN);

	dax_must(pread(m.fd, buf, LEN, 0) == (ssize_t)LEN, "pread");
	dax_expect_or_zero(buf, LEN, 0, DATA, stores ? 1 : 512);
}

typedef void *(*thread_fn)(void *);

static void race(const thread_fn *fn, size_t nr)
{
	struct timespec time = { .tv_sec = opt.seconds };
	pthread_t thread[8];
	uintptr_t i;

	drive = dax_drive();
	dax_drive_fill(drive, 0, LEN, DATA);
	m = dax_new("race", LEN, DAX_HOLE);
	dax_leave(6 * MB);
	signal(SIGBUS, fault);
	signal(SIGSEGV, fault);
	for (i = 0; i < nr; i++) {
		errno = pthread_create(&thread[i], NULL, fn[i], (void *)(i + 1));
		dax_must(!errno, "pthread_create");
	}
	nanosleep(&time, NULL);
	over = true;
	for (i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	verify();
	dax_note("reads %lu writes %lu faults %lu stores %lu changes %lu maps %lu victims %lu",
		 reads, writes, faults, stores, changes, maps, victims);
	errno = EFAULT;
	dax_must(reads + stores, "no read ever worked");
	if (!changes || !victims)
		dax_fail("a thread never got to work: give it more seconds (-n)");
}

#define RACE(...) do {							\
		static const thread_fn fn[] = { __VA_ARGS__ };		\
		race(fn, ARRAY_SIZE(fn));				\
	} while (0)

static void dma_truncate(void) { RACE(reader, reader, writer, changer, victim); }
static void dma_all(void) { RACE(reader, reader, changer, mapper, victim); }

static void dma_slow(void)
{
	slow = true;
	RACE(reader, reader, reader, reader, changer, mapper, victim);
}

static void store_all(void) { RACE(storer, changer, mapper, victim); }

static const struct dax_test tests[] = {
	{ "gup: O_DIRECT against truncate and punch", dma_truncate },
	{ "gup: O_DIRECT against truncate, punch, munmap and mmap", dma_all },
	{ "gup: O_DIRECT that takes its time against the same", dma_slow },
	{ "dax: stores against truncate, punch, munmap and mmap", store_all },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
