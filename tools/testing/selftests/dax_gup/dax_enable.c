// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to take a namespace away from its driver, and to give it back, in
 * nanoseconds of this process's time in the kernel and of the clock on the wall.
 * In a guest that counts instructions (see dax_cost) these are instructions, but
 * for the second where the kernel only waits.
 *
 * usage: dax_enable DRIVER DEVICE, e.g. nd_pmem pfn0.0
 */
#include <time.h>

#include "dax_test.h"

#define ROUNDS	3

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* The least of several times: a tick more or less is not the kernel's work. */
static void least(uint64_t *best, uint64_t ns)
{
	if (!*best || ns < *best)
		*best = ns;
}

int main(int argc, char **argv)
{
	static const char * const what[] = { "unbind", "bind" };
	uint64_t cpu[2] = { 0 }, wall[2] = { 0 };
	char path[256];
	int fd[2], round, i;

	if (argc != 3) {
		fprintf(stderr, "usage: dax_enable DRIVER DEVICE\n");
		return KSFT_FAIL;
	}
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/bus/nd/drivers/%s/%s", argv[1], what[i]);
		fd[i] = open(path, O_WRONLY);
	}
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 2; i++) {
			uint64_t c, w;

			dax_await_tick();
			c = now(CLOCK_PROCESS_CPUTIME_ID);
			w = now(CLOCK_MONOTONIC);
			if (write(fd[i], argv[2], strlen(argv[2])) < 0) {
				fprintf(stderr, "dax_enable: error: %s %s: %s\n", what[i],
					argv[2], strerror(errno));
				return KSFT_FAIL;
			}
			least(&wall[i], now(CLOCK_MONOTONIC) - w);
			least(&cpu[i], now(CLOCK_PROCESS_CPUTIME_ID) - c);
		}
	}
	for (i = 0; i < 2; i++)
		printf("%s %llu %llu\n", i ? "enable" : "disable",
		       (unsigned long long)cpu[i], (unsigned long long)wall[i]);
	return KSFT_PASS;
}
