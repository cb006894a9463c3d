// SPDX-License-Identifier: GPL-2.0
/*
 * munmap in one thread, truncate in a second, stores through the mapping in a third.
 * When truncate has returned the block is free, so no store may go through any more:
 * not either by a TLB entry that munmap has yet to flush. munmap takes its time
 * between the file's part and the flush: it has many other mappings to take down.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "dax_test.h"

#define OTHERS	2000U		/* mappings, each with a page */
#define APART	(4 * MB)	/* so that the file's page tables go before theirs */

static int fd;
static unsigned char *base;
static atomic_uint started;
static atomic_int round_nr, storing, unmapped, truncated, stored;
static atomic_ulong late, in_between;
static atomic_bool over;
static uint64_t munmap_ns;
static __thread sigjmp_buf no_page;

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

/* Wait for round @nr; false: there is none. */
static bool wait_for(atomic_int *what, int nr)
{
	while (*what < nr && !over)
		;
	return !over;
}

/* Until the page is gone: whoever knows that it is truncated must not be able to store. */
static void *storer(void *arg)
{
	volatile int nr;

	(void)arg;
	for (nr = 1; wait_for(&round_nr, nr); nr++) {
		if (!sigsetjmp(no_page, 1)) {
			volatile uint64_t *p = (void *)base;
			bool freed;

			storing = nr;
			for (;;) {
				freed = truncated == nr;
				(*p)++;
				if (freed) {
					late++;
					break;
				}
			}
		}
		stored = nr;
	}
	return NULL;
}

static void *unmapper(void *arg)
{
	int nr;

	(void)arg;
	for (nr = 1; wait_for(&round_nr, nr); nr++) {
		uint64_t start;

		wait_for(&storing, nr);
		start = dax_now();
		started = nr;
		dax_must(!munmap(base, APART + 2 * OTHERS * PAGE), "munmap");
		munmap_ns = dax_now() - start;
		unmapped = nr;
	}
	return NULL;
}

/* Somewhere in the time that munmap took in the round before, but for its first part. */
static void *truncater(void *arg)
{
	uint64_t state = opt.seed;
	int nr;

	(void)arg;
	for (nr = 1; wait_for(&round_nr, nr); nr++) {
		uint64_t most = munmap_ns / 4 * 3 + 1, start;
		uint64_t wait = munmap_ns / 4 + dax_random(&state) % most;

		while (started < (unsigned int)nr && !over)
			;
		for (start = dax_now(); dax_now() - start < wait; )
			;
		dax_must(!ftruncate(fd, 0), "ftruncate");
		if (unmapped < nr)
			in_between++;
		truncated = nr;
	}
	return NULL;
}

static void map_all(void)
{
	unsigned char *p, *end = base + APART + 2 * OTHERS * PAGE;

	dax_must(!ftruncate(fd, PAGE), "ftruncate");
	p = mmap(base, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	dax_must(p != MAP_FAILED, "mmap of the file");
	*p = 1;
	for (p = base + APART; p < end; p += 2 * PAGE) {
		dax_must(mmap(p, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p, "mmap");
		*p = 1;
	}
}

static void stale(void)
{
	static void *(*const fn[])(void *) = { storer, unmapper, truncater };
	uint64_t end = dax_now() + opt.seconds * 1000000000ULL;
	pthread_t thread[ARRAY_SIZE(fn)];
	size_t i;
	int nr;

	if (sysconf(_SC_NPROCESSORS_ONLN) < (long)ARRAY_SIZE(fn))
		dax_skip("wants %zu processors", ARRAY_SIZE(fn));
	signal(SIGBUS, fault);
	signal(SIGSEGV, fault);
	fd = dax_open("stale", 0, DAX_HOLE);
	for (i = 0; i < ARRAY_SIZE(fn); i++) {
		errno = pthread_create(&thread[i], NULL, fn[i], NULL);
		dax_must(!errno, "pthread_create");
	}
	/* The threads have their stacks: nobody else maps anything here. */
	base = dax_anon(2 * APART + 2 * OTHERS * PAGE);
	munmap(base, 2 * APART + 2 * OTHERS * PAGE);
	for (nr = 1; dax_now() < end && !late; nr++) {
		map_all();
		round_nr = nr;
		while (truncated < nr || unmapped < nr || stored < nr)
			sched_yield();
	}
	over = true;
	for (i = 0; i < ARRAY_SIZE(fn); i++)
		pthread_join(thread[i], NULL);
	dax_note("%d rounds, in %lu truncate was faster than munmap", nr - 1, in_between);
	if (late)
		dax_fail("a store went through after its block was freed, in round %d", nr - 1);
	if (!in_between)
		dax_fail("munmap was always faster: give it more seconds (-n)");
}

static const struct dax_test tests[] = {
	{ "break: no store by a stale TLB entry after truncate", stale },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
