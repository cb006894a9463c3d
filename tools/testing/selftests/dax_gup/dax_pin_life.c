// SPDX-License-Identifier: GPL-2.0
/* Whose a long-term pin is, when it ends, and what is free then. */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "dax_leaf.h"
#include "dax_longterm.h"

#define PINS	"/sys/kernel/debug/dax/pins"
#define TRACING	"/sys/kernel/tracing"

static void nap(void)
{
	struct timespec tick = { .tv_nsec = 1000000 };

	nanosleep(&tick, NULL);
}

/* A 2M folio counts its pins: no round may come too early. */
static void at_once(void)
{
	struct dax_map m = dax_three("exact", HUGE);
	int round, ring;

	for (round = 0; round < 30; round++) {
		ring = dax_pin(m.p + HUGE + 7 * PAGE, (1 + round) * PAGE);
		dax_expect_busy(dax_punch(m.fd, HUGE, PAGE), "punch");
		dax_unpin(ring);
		dax_must(!dax_punch(m.fd, HUGE, PAGE), "punch right after the last unpin");
		dax_must(!dax_punch(m.fd, HUGE, HUGE) && !fallocate(m.fd, 0, HUGE, HUGE), "punch");
		m.p[HUGE] = 1;
		if (!dax_is_huge(m.p + HUGE))
			dax_fail("round %d: no 2M leaf", round);
	}
}

static void soon(void)
{
	struct dax_map m = dax_three("soon", PAGE);
	uint64_t worst = 0, took;
	int round, ring;

	for (round = 0; round < 10; round++) {
		ring = dax_pin(m.p, m.len);
		dax_expect_busy(dax_truncate(&m), "truncate");
		dax_unpin(ring);
		took = dax_until_free(dax_truncate, &m, GRACE);
		if (took > worst)
			worst = took;
		dax_must(!ftruncate(m.fd, m.len), "ftruncate");
	}
	dax_note("free %llu ms after the last unpin, at worst", (unsigned long long)worst);
}

/* Holders of the same page, in an order that is not theirs. */
static void holders(size_t unit)
{
	struct dax_map m = dax_three("holders", unit);
	size_t at[] = { unit, unit, 0, unit }, len[] = { PAGE, unit, 2 * unit, 2 * unit };
	static const int order[] = { 2, 0, 3, 1 };
	int ring[4], i, gup;

	for (i = 0; i < 4; i++)
		ring[i] = dax_pin(m.p + at[i], len[i]);
	gup = dax_gup_pin(m.p + unit, PAGE, DAX_READ);
	for (i = 0; i < 4; i++) {
		dax_expect_busy(dax_punch(m.fd, unit, PAGE), "punch");
		dax_unpin(ring[order[i]]);
	}
	dax_expect_busy(dax_punch(m.fd, unit, PAGE), "punch with a holder left");
	dax_gup_unpin(gup);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void holders_4k(void) { holders(PAGE); }
static void holders_2m(void) { holders(HUGE); }

static bool still_runs(pid_t pid)
{
	siginfo_t end = { 0 };

	dax_must(!waitid(P_PID, pid, &end, WEXITED | WNOHANG | WNOWAIT), "waitid");
	return !end.si_pid;
}

/*
 * A page in a pipe and a long-term pin: the pin refuses at once, the page in the
 * pipe is waited for when the pin has gone.
 */
static void mixed(size_t unit)
{
	struct dax_map m = dax_three("mixed", unit);
	unsigned char buf[PAGE];
	int ring, pipefd[2];
	uint64_t start;
	pid_t pid;

	dax_hold_page(pipefd, m.p + unit);
	ring = dax_pin(m.p + unit, PAGE);
	start = dax_ms();
	dax_expect_busy(dax_truncate(&m), "truncate");
	if (dax_ms() - start > PROMPT)
		dax_fail("the refusal waited for a page in a pipe");
	dax_unpin(ring);
	pid = dax_fork();
	if (!pid) {
		dax_until_free(dax_truncate, &m, GRACE);
		_exit(0);
	}
	/* Refused for a while, maybe; then asleep. */
	start = dax_ms();
	while (dax_ms() - start < GRACE && still_runs(pid))
		nap();
	dax_wait_asleep(pid, "truncate");
	if (!still_runs(pid))
		dax_fail("the block went while its page was in a pipe");
	dax_must(read(pipefd[0], buf, PAGE) == (ssize_t)PAGE, "read");
	dax_expect(buf, PAGE, unit, opt.seed, "what the pipe held");
	dax_reap(pid, "truncate");
}

static void mixed_4k(void) { mixed(PAGE); }
static void mixed_2m(void) { mixed(HUGE); }

/* A child maps what its parent has pinned: its end changes nothing. */
static void forked(void)
{
	struct dax_map m = dax_three("forked", PAGE);
	unsigned char *seen = dax_anon(m.len);
	int gup = dax_gup_pin(m.p, m.len, DAX_WRITE), ring;
	pid_t pid = dax_fork();

	if (!pid) {
		dax_expect(m.p, m.len, 0, opt.seed, "child's mapping");
		dax_fill(m.p, m.len, 0, opt.seed + 1);
		dax_expect_busy(dax_truncate(&m), "truncate by a child");
		_exit(0);
	}
	dax_reap(pid, "child");
	dax_gup_see(gup, seen);
	dax_expect(seen, m.len, 0, opt.seed + 1, "pinned pages after a child's stores");
	dax_fill(m.p, m.len, 0, opt.seed + 2);
	dax_gup_see(gup, seen);
	dax_expect(seen, m.len, 0, opt.seed + 2, "pinned pages after the parent's stores");
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_gup_unpin(gup);

	/* The ring lives on in a child: it is not over with close(). */
	ring = dax_pin(m.p, m.len);
	pid = dax_fork();
	if (!pid) {
		pause();
		_exit(1);
	}
	close(ring);
	dax_expect_busy(dax_truncate(&m), "truncate while a child has the ring");
	dax_must(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "kill");
	dax_until_free(dax_truncate, &m, 10000);	/* a worker tears the ring down */
}

static void killed(size_t unit, bool by_ring)
{
	struct dax_map m = dax_three("killed", unit);
	int ready[2];
	pid_t pid;
	char c;

	dax_must(!pipe(ready), "pipe");
	pid = dax_fork();
	if (!pid) {
		if (by_ring)
			dax_pin(m.p, m.len);
		else
			dax_gup_pin(m.p, m.len, DAX_WRITE);
		dax_must(write(ready[1], "", 1) == 1, "write");
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		dax_reap(pid, "holder");
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_must(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "kill");
	if (!by_ring && unit == HUGE)
		dax_must(!ftruncate(m.fd, 0), "truncate right after the end of the holder");
	else
		dax_until_free(dax_truncate, &m, by_ring ? 10000 : GRACE);
}

static void killed_4k(void) { killed(PAGE, false); }
static void killed_2m(void) { killed(HUGE, false); }
static void killed_ring(void) { killed(HUGE, true); }

/* Nothing but the pin is left of a file: its data stays, then its space is free. */
static void unlinked(size_t unit)
{
	size_t off = unit == HUGE ? 0 : PAGE;	/* out of line: no 2M leaf */
	int dir = open(opt.dir, O_RDONLY), gup;
	uint64_t before = dax_free_bytes(dir), start;
	struct dax_map m = dax_new_huge("unlinked", 16, opt.seed);
	size_t len = m.len - off;
	unsigned char *seen = dax_anon(len), *p;

	p = dax_map_at(NULL, m.fd, len, off, PROT_READ | PROT_WRITE, MAP_SHARED);
	gup = dax_gup_pin(p, len, DAX_WRITE);
	dax_must(!munmap(p, len) && !munmap(m.p, m.len) && !close(m.fd) && !unlink(m.path),
		 "unlink");
	if (dax_free_bytes(dir) + len / 2 > before)
		dax_fail("pinned blocks of an unlinked file are free");
	dax_gup_see(gup, seen);
	dax_expect(seen, len, off, opt.seed, "pinned pages of an unlinked file");
	dax_gup_unpin(gup);
	start = dax_ms();
	while (dax_free_bytes(dir) + MB < before) {
		if (dax_ms() - start > 10000)
			dax_fail("%llu bytes are not free 10 s after the last unpin",
				 (unsigned long long)(before - dax_free_bytes(dir)));
		nap();
	}
}

static void unlinked_4k(void) { unlinked(PAGE); }
static void unlinked_2m(void) { unlinked(HUGE); }

static struct dax_map shared;

static void *pinner(void *arg)
{
	uint64_t state = opt.seed ^ (uintptr_t)arg << 32;
	int round;

	for (round = 0; round < 100; round++) {
		size_t pages = shared.len / PAGE, at = dax_random(&state) % pages;
		size_t nr = 1 + dax_random(&state) % (pages - at);
		int ring = dax_pin(shared.p + at * PAGE, nr * PAGE);

		dax_expect_busy(dax_punch(shared.fd, at * PAGE, PAGE), "punch");
		dax_unpin(ring);
	}
	return NULL;
}

static void threads(size_t unit)
{
	pthread_t thread[6];
	uintptr_t i;

	shared = dax_three("threads", unit);
	dax_unpin(dax_pin(shared.p, PAGE));
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		errno = pthread_create(&thread[i], NULL, pinner, (void *)(i + 1));
		dax_must(!errno, "pthread_create");
	}
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		pthread_join(thread[i], NULL);
	dax_expect(shared.p, shared.len, 0, opt.seed, "mapping");
	dax_until_free(dax_truncate, &shared, GRACE);
}

static void threads_4k(void) { threads(64 * PAGE); }
static void threads_2m(void) { threads(HUGE); }

/* Word @n of @line, with nothing around it. */
static const char *word(const char *line, int n)
{
	static char buf[256];

	while (n-- && *line) {
		line += strcspn(line, " \t\n");
		line += strspn(line, " \t\n");
	}
	snprintf(buf, sizeof(buf), "%.*s", (int)strcspn(line, " \t\n"), line);
	return buf;
}

static int column(const char *header, const char *name)
{
	int i;

	for (i = 0; *word(header, i); i++)
		if (!strncasecmp(word(header, i), name, strlen(name)))
			return i;
	dax_fail("%s has no column %s: %s", PINS, name, header);
}

/* How many lines tell of pins of @ino by @pid, or anybody (0); the last one goes to @line. */
static int lines_of(ino_t ino, pid_t pid, char *header, char *line, size_t size)
{
	FILE *f = fopen(PINS, "r");
	char text[1024];
	int nr = 0;

	dax_must(f, PINS);
	if (!fgets(header, size, f))
		dax_fail("%s has no header", PINS);
	if (header[0] == '#')
		memmove(header, header + 1 + strspn(header + 1, " "), strlen(header));
	while (fgets(text, sizeof(text), f)) {
		if (strtoull(word(text, column(header, "ino")), NULL, 0) != ino)
			continue;
		if (pid && strtol(word(text, column(header, "pid")), NULL, 0) != pid)
			continue;
		nr++;
		snprintf(line, size, "%s", text);
	}
	fclose(f);
	return nr;
}

static void expect_word(const char *header, const char *line, const char *name,
			const char *want)
{
	const char *is = word(line, column(header, name));

	if (strcmp(is, want))
		dax_fail("%s: %s is %s, not %s: %s", PINS, name, is, want, line);
}

static void listed(size_t unit)
{
	struct dax_map m = dax_three("listed", unit);
	size_t at = unit == HUGE ? HUGE : PAGE, len = unit == HUGE ? HUGE : 2 * PAGE;
	char header[1024], line[1024], text[32];
	unsigned long long from, to;
	struct stat st;
	int ring, nr;

	dax_must(!prctl(PR_SET_NAME, "listed-holder"), "prctl");
	ring = dax_pin(m.p + at, len);
	dax_must(!fstat(m.fd, &st), "fstat");
	nr = lines_of(st.st_ino, getpid(), header, line, sizeof(line));
	if (nr != 1)
		dax_fail("%d lines of one holder in " PINS, nr);
	expect_word(header, line, "comm", "listed-holder");
	expect_word(header, line, "uid", "0");
	snprintf(text, sizeof(text), "%zu", len / PAGE);
	expect_word(header, line, "pages", text);
	snprintf(text, sizeof(text), "%s", word(line, column(header, "range")));
	if (sscanf(text, "%lli%*[-+.]%lli", (long long *)&from, (long long *)&to) != 2 ||
	    from != at || (to != at + len && to != at + len - 1 && to != len))
		dax_fail("%s: range %s, not %zu to %zu", PINS, text, at, at + len);
	if (!*word(line, column(header, "dev")))
		dax_fail("%s: no device: %s", PINS, line);
	munmap(m.p, m.len);
	if (lines_of(st.st_ino, getpid(), header, line, sizeof(line)) != 1)
		dax_fail("no line of a holder in " PINS " after munmap");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
	if (lines_of(st.st_ino, getpid(), header, line, sizeof(line)))
		dax_fail("%s has a line after the last unpin: %s", PINS, line);
}

static void listed_4k(void) { listed(PAGE); }
static void listed_2m(void) { listed(HUGE); }

static void pin_shortly(struct dax_map *m, int round)
{
	dax_unpin(dax_pin(m->p + HUGE + (1 + round % 500) * PAGE, PAGE));
}

/* While one pin lasts, others of the same folio come and go without a trace. */
static void cycles(int rounds, bool forks, int most)
{
	struct dax_map m = dax_three("cycles", HUGE);
	int ring = dax_pin(m.p + HUGE, PAGE), i, nr;
	char header[1024], line[1024];
	struct stat st;
	pid_t pid;

	dax_must(!fstat(m.fd, &st), "fstat");
	for (i = 0; i < rounds; i++) {
		if (!forks) {
			pin_shortly(&m, i);
			continue;
		}
		pid = dax_fork();
		if (!pid) {
			pin_shortly(&m, i);
			_exit(0);
		}
		dax_reap(pid, "child");
	}
	nr = lines_of(st.st_ino, 0, header, line, sizeof(line));
	if (nr < 1 || nr > most)
		dax_fail("%d lines in " PINS " after %d short pins", nr, rounds);
	dax_unpin(ring);
	dax_must(!dax_punch(m.fd, HUGE, PAGE), "punch right after the last unpin");
	if (lines_of(st.st_ino, 0, header, line, sizeof(line)))
		dax_fail("%s has a line after the last unpin: %s", PINS, line);
}

static void cycles_one(void) { cycles(2000, false, 2); }
static void cycles_many(void) { cycles(400, true, 300); }

/* How many lines of the trace have @event, and what else is to be in them. */
static int traced(const char *event, const char *text)
{
	FILE *f = fopen(TRACING "/trace", "r");
	char line[1024];
	int nr = 0;

	dax_must(f, TRACING "/trace");
	while (fgets(line, sizeof(line), f))
		nr += line[0] != '#' && strstr(line, event) && strstr(line, text);
	fclose(f);
	return nr;
}

static void events(void)
{
	static const char *const name[] = { "dax_pin:", "dax_unpin:", "dax_layout_refused:" };
	struct dax_map m = dax_three("events", PAGE);
	char ino[32];
	struct stat st;
	size_t i;
	int ring;

	dax_unpin(dax_pin(m.p, PAGE));
	if (access(TRACING "/events", F_OK))
		dax_skip("no trace events in this kernel");
	dax_must(!fstat(m.fd, &st), "fstat");
	snprintf(ino, sizeof(ino), "%llu", (unsigned long long)st.st_ino);
	dax_must(dax_put(TRACING "/trace", " "), TRACING "/trace");
	dax_must(dax_put(TRACING "/events/dax_pin/enable", "1"), "events/dax_pin");
	ring = dax_pin(m.p, PAGE);
	dax_expect_busy(dax_truncate(&m), "truncate");
	dax_unpin(ring);
	dax_until_free(dax_truncate, &m, GRACE);
	dax_must(dax_put(TRACING "/events/dax_pin/enable", "0"), "events/dax_pin");
	for (i = 0; i < ARRAY_SIZE(name); i++)
		if (!traced(name[i], ino))
			dax_fail("no event %s of inode %s in the trace", name[i], ino);
}

static const struct dax_test tests[] = {
	{ "longterm: blocks are free with the last unpin, 2M", at_once },
	{ "longterm: blocks are free with the last unpin, 4K", soon },
	{ "longterm: several holders of a page, 4K", holders_4k },
	{ "longterm: several holders of a page, 2M", holders_2m },
	{ "longterm: beside a page in a pipe, 4K", mixed_4k },
	{ "longterm: beside a page in a pipe, 2M", mixed_2m },
	{ "longterm: fork", forked },
	{ "longterm: kill -9 of the holder, 4K", killed_4k },
	{ "longterm: kill -9 of the holder, 2M", killed_2m },
	{ "longterm: kill -9 of the holder, io_uring", killed_ring },
	{ "longterm: munmap, close, unlink; the last unpin frees the space, 4K", unlinked_4k },
	{ "longterm: munmap, close, unlink; the last unpin frees the space, 2M", unlinked_2m },
	{ "longterm: pins from many threads, 4K", threads_4k },
	{ "longterm: pins from many threads, 2M", threads_2m },
	{ "longterm: " PINS ", 4K", listed_4k },
	{ "longterm: " PINS ", 2M", listed_2m },
	{ "longterm: many pins beside one that lasts, by a process", cycles_one },
	{ "longterm: many pins beside one that lasts, by many processes", cycles_many },
	{ "longterm: trace events", events },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
