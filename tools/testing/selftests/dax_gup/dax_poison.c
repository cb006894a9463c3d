// SPDX-License-Identifier: GPL-2.0
/*
 * Poisoned memory in a DAX file, or in a device of device-dax: which processes
 * have their SIGBUS, where, and of what size; that it is reported. The page of
 * a device stays marked until it is unbound: a guest for nothing else is best.
 */
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>

#include "dax_badblock.h"
#include "dax_device.h"
#include "dax_leaf.h"

#define DATA		(opt.seed + 1)
#define CORRUPT		"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define OFFLINE		"/sys/devices/system/memory/hard_offline_page"
#define ACTORS		12

/* Mappings start at offset from of the file; the page at offset bad is the bad one. */
static struct {
	int fd, clone, other;
	size_t len;
	off_t from, bad, beside;
} file;

/* What a process knows of itself. */
static struct seen {
	unsigned char *at;
	uint64_t pfn;
	int nr, code, lsb;
	void *addr;
	bool there;
} *seen, *me;

struct actor {
	const char *who;
	unsigned char *(*map)(void);
	int lsb;		/* of its leaf, or 0: it must not be told */
	bool by_file;		/* no such thing on a device */
};

static unsigned char *map_of(int fd, off_t from, int flags)
{
	unsigned char *p;

	if (opt.device)
		return dax_device_map(file.len).p + file.bad;
	p = dax_map_at(NULL, fd, file.len - from, from, PROT_READ | PROT_WRITE, flags);
	return p + file.bad - from;
}

static unsigned char load(unsigned char *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store(unsigned char *p, unsigned char c)
{
	__atomic_store_n(p, c, __ATOMIC_RELAXED);
}

static unsigned char *loads(void)
{
	unsigned char *p = map_of(file.fd, file.from, MAP_SHARED);

	load(p);
	return p;
}

static unsigned char *stores(void)
{
	unsigned char *p = map_of(file.fd, file.from, MAP_SHARED);

	store(p, load(p));
	return p;
}

static unsigned char *loads_by_4k(void)
{
	unsigned char *p = map_of(file.fd, PAGE, MAP_SHARED);

	load(p);
	return p;
}

static unsigned char *next_by_4k(void)
{
	unsigned char *p = map_of(file.fd, PAGE, MAP_SHARED);

	load(p + PAGE);
	return p;
}

static unsigned char *touches_nothing(void)
{
	return map_of(file.fd, file.from, MAP_SHARED);
}

static unsigned char *loads_beside(void)
{
	unsigned char *p = map_of(file.fd, file.from, MAP_SHARED);

	load(p + file.beside);
	return p;
}

static unsigned char *has_unmapped(void)
{
	unsigned char *p = loads();

	dax_must(!munmap(p - file.bad + file.from, file.len - file.from), "munmap");
	return p;
}

static unsigned char *loads_private(void)
{
	unsigned char *p = map_of(file.fd, file.from, MAP_PRIVATE);

	load(p);
	return p;
}

static unsigned char *copies(void)
{
	unsigned char *p = map_of(file.fd, file.from, MAP_PRIVATE);

	store(p, 7);
	return p;
}

static unsigned char *loads_another(void)
{
	unsigned char *p = map_of(file.other, file.from, MAP_SHARED);

	load(p);
	return p;
}

static unsigned char *loads_clone(void)
{
	unsigned char *p = map_of(file.clone, file.from, MAP_SHARED);

	load(p);
	return p;
}

static void bus(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	me->nr++;
	me->code = si->si_code;
	me->lsb = si->si_addr_lsb;
	me->addr = si->si_addr;
}

static void on_sigbus(void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

	dax_must(!sigaction(SIGBUS, &sa, NULL), "sigaction");
}

/* The page frame at @p. Of a device, not by pagemap, which takes a leaf of 1G away. */
static uint64_t pfn_of(const void *p)
{
	if (opt.device)
		return (dax_device_attribute("resource") + file.bad) / PAGE;
	return DAX_PM_PFN(dax_pagemap(p));
}

/* Signals are there before the process that poisons goes on: none is waited for. */
static void act(const struct actor *a, int ready, int end, bool early)
{
	bool huge = a->lsb == 21;
	char c;

	on_sigbus(bus);
	dax_must(!early || !prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0),
		 "PR_MCE_KILL");
	me->at = a->map();
	me->pfn = pfn_of(me->at);
	if (!opt.device && a->lsb && dax_is_huge(me->at) != huge)
		dax_fail("%s: the wrong leaf", a->who);
	dax_must(write(ready, "", 1) == 1, "write");
	while (read(end, &c, 1) < 0 && errno == EINTR)
		;
	me->there = dax_pagemap(me->at) & DAX_PM_PRESENT;
	_exit(0);
}

/* In KiB; what is cleared stays in it. */
static unsigned long corrupted(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	dax_must(f, "/proc/meminfo");
	while (fgets(line, sizeof(line), f) && sscanf(line, "HardwareCorrupted: %lu", &kib) != 1)
		;
	fclose(f);
	return kib;
}

/* The kernel's log has one line that says what was done with the page. */
static void reported(int kmsg, uint64_t pfn)
{
	char line[8192], want[80];
	unsigned int found = 0;
	ssize_t n;

	snprintf(want, sizeof(want),
		 "Memory failure: %#llx: recovery action for dax page: Recovered",
		 (unsigned long long)pfn);
	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		found += !!strstr(line, want);
	}
	if (found != 1)
		dax_fail("%u lines in the kernel's log for page %#llx", found,
			 (unsigned long long)pfn);
}

static void check(const struct actor *a, const struct seen *s, int code)
{
	if (!a->lsb && s->nr)
		dax_fail("%s: %d signals, code %d lsb %d", a->who, s->nr, s->code, s->lsb);
	if (!a->lsb)
		return;
	if (!s->nr)
		dax_fail("%s: was not told", a->who);
	if (s->nr != 1 || s->code != code || s->lsb != a->lsb || s->addr != s->at)
		dax_fail("%s: %d signals, code %d lsb %d at %#lx of the page; %d and %d expected",
			 a->who, s->nr, s->code, s->lsb,
			 (long)((unsigned char *)s->addr - s->at), code, a->lsb);
	if (s->there)
		dax_fail("%s: the page is still mapped", a->who);
}

static void poison_by_madvise(const struct actor *a)
{
	pid_t pid = dax_fork();

	if (!pid) {
		on_sigbus(bus);
		me->at = a->map();
		dax_must(!madvise(me->at, PAGE, MADV_HWPOISON), "MADV_HWPOISON");
		me->there = dax_pagemap(me->at) & DAX_PM_PRESENT;
		_exit(0);
	}
	dax_reap(pid, a->who);
}

static void poison_by_pfn(uint64_t pfn)
{
	bool debug = !access(CORRUPT, W_OK);
	char word[32];

	snprintf(word, sizeof(word), "%#llx", (unsigned long long)pfn * (debug ? 1 : PAGE));
	dax_must(dax_put(debug ? CORRUPT : OFFLINE, word), "%s", debug ? CORRUPT : OFFLINE);
}

/* Returns when it has its mapping. */
static pid_t start(const struct actor *a, const int *end, bool early)
{
	int ready[2];
	pid_t pid;
	char c;

	dax_must(!pipe(ready), "pipe");
	pid = dax_fork();
	if (!pid) {
		close(end[1]);
		act(a, ready[1], end[0], early);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		dax_reap(pid, a->who);	/* it has failed */
	close(ready[0]);
	return pid;
}

/* The first actor poisons its page if @madvise; all others are there by then. */
static void play(const struct actor *actors, size_t nr, bool madvise, bool early)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), end[2];
	unsigned long before = corrupted();
	pid_t pid[ACTORS] = { 0 };
	uint64_t pfn = 0;
	size_t i;

	dax_must(kmsg >= 0 && lseek(kmsg, 0, SEEK_END) >= 0, "/dev/kmsg");
	seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dax_must(seen != MAP_FAILED, "mmap");
	dax_must(!pipe(end), "pipe");
	for (i = madvise; i < nr; i++) {
		if (opt.device && actors[i].by_file)
			continue;
		me = &seen[i];
		pid[i] = start(&actors[i], end, early);
		if (!pfn && actors[i].lsb)
			pfn = me->pfn;
	}
	if (!pfn)
		dax_fail("nobody has the page");
	me = &seen[0];
	if (madvise)
		poison_by_madvise(&actors[0]);
	else
		poison_by_pfn(pfn);
	close(end[1]);
	for (i = 0; i < nr; i++)
		if (pid[i])
			dax_reap(pid[i], actors[i].who);
	for (i = 0; i < nr; i++)
		if (pid[i] || (madvise && !i))
			check(&actors[i], &seen[i],
			      madvise && !i ? BUS_MCEERR_AR : BUS_MCEERR_AO);
	reported(kmsg, pfn);
	if (corrupted() != before + PAGE / KB)
		dax_fail("HardwareCorrupted: %lu kB, was %lu kB", corrupted(), before);
	if (opt.device)
		return;
	/* xfs reads what is shared before it writes a copy, whatever is written. */
	dax_must(!file.clone || !ftruncate(file.clone, 0), "ftruncate");
	dax_set_bad(file.fd, file.bad);
	dax_heal(file.fd, file.bad, DATA);
}

/* To be mapped by leaves of 2M, or of 4K; the bad page is in the second 2M. */
static void make_files(bool huge)
{
	file.len = 3 * HUGE;
	file.bad = HUGE + 5 * PAGE;
	file.beside = huge ? HUGE : PAGE;
	if (opt.device)
		return;
	file.from = huge ? 0 : PAGE;
	file.fd = dax_written("file", file.len, DATA);
	file.other = dax_written("other", file.len, DATA);
}

static void leaf_4k(void)
{
	static const struct actor actors[] = {
		{ "poisons it", stores, 12, false },
		{ "loads", loads, 12, false },
		{ "stores", stores, 12, false },
		{ "has never touched it", touches_nothing, 0, false },
		{ "loads the page beside it", loads_beside, 0, false },
		{ "has unmapped it", has_unmapped, 0, false },
		{ "loads a private mapping", loads_private, 12, true },
		{ "has its own copy", copies, 0, true },
		{ "loads another file", loads_another, 0, true },
	};

	make_files(false);
	play(actors, ARRAY_SIZE(actors), true, true);
}

static void leaf_2m(void)
{
	static const struct actor actors[] = {
		{ "poisons it", stores, 21, false },
		{ "loads", loads, 21, false },
		{ "stores", stores, 21, false },
		{ "has never touched it", touches_nothing, 0, false },
		{ "loads the leaf beside it", loads_beside, 0, false },
		{ "has unmapped it", has_unmapped, 0, false },
		{ "has its own copy", copies, 0, true },
		{ "loads another file", loads_another, 0, true },
	};

	make_files(true);
	play(actors, ARRAY_SIZE(actors), true, true);
}

/* As large as the device: there is none beside it. */
static void leaf_1g(void)
{
	static const struct actor actors[] = {
		{ "poisons it", stores, 30, false },
		{ "loads", loads, 30, false },
		{ "stores", stores, 30, false },
		{ "has never touched it", touches_nothing, 0, false },
		{ "has unmapped it", has_unmapped, 0, false },
	};

	make_files(true);
	file.len = dax_device_attribute("align");
	play(actors, ARRAY_SIZE(actors), true, true);
}

static void both_leaves(void)
{
	static const struct actor actors[] = {
		{ "poisons it", stores, 21, true },
		{ "loads by 2M", loads, 21, true },
		{ "loads by 4K", loads_by_4k, 12, true },
		{ "loads the next page by 4K", next_by_4k, 0, true },
	};

	make_files(true);
	play(actors, ARRAY_SIZE(actors), true, true);
}

static void by_pfn(void)
{
	static const struct actor actors[] = {
		{ "loads by 2M", loads, 21, true },
		{ "loads by 4K", loads_by_4k, 12, true },
		{ "has never touched it", touches_nothing, 0, true },
		{ "loads another file", loads_another, 0, true },
	};

	make_files(true);
	play(actors, ARRAY_SIZE(actors), false, true);
}

/* Nobody asked for an early signal: no other page can take its place, though. */
static void not_asked(void)
{
	static const struct actor actors[] = {
		{ "poisons it", stores, 12, false },
		{ "loads", loads, 12, false },
		{ "has never touched it", touches_nothing, 0, false },
	};

	make_files(false);
	play(actors, ARRAY_SIZE(actors), true, false);
}

static bool has_rmapbt(int fd)
{
	uint32_t geometry[28] = { 0 };	/* of XFS_IOC_FSGEOMETRY_V1 */

	return !ioctl(fd, _IOR('X', 100, geometry), geometry) && geometry[23] & 1 << 19;
}

static void make_clone(void)
{
	make_files(false);
	file.clone = dax_open("clone", 0, DAX_HOLE);
	if (ioctl(file.clone, FICLONE, file.fd)) {
		if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL)
			dax_skip("no reflink here");
		dax_fail_errno("FICLONE");
	}
	if (!has_rmapbt(file.fd))
		dax_skip("xfs without rmapbt has no way from a block to the files that share it");
}

/* Who shares a page is found by the file system, which needs a tree for that. */
static void shared(void)
{
	static struct actor actors[] = {
		{ "poisons it", loads, 12, true },
		{ "loads", loads, 12, true },
		{ "loads the clone", loads_clone, 12, true },
		{ "loads the page beside it", loads_beside, 0, true },
		{ "loads another file", loads_another, 0, true },
	};

	make_clone();
	play(actors, ARRAY_SIZE(actors), true, true);
}

/* The inode of a file that is gone, with a page in a pipe, cannot be had any more. */
static void going(void)
{
	char path[256], buf[PAGE];
	struct timespec tick = { .tv_nsec = 20000000 };
	uint64_t end, pfn;
	unsigned char *p;
	int pipefd[2];

	if (access("/sys/kernel/debug/dev_pagemap", F_OK))
		dax_skip("eviction does not wait here");
	make_clone();
	p = loads();
	load(p + PAGE);
	pfn = pfn_of(p);
	dax_hold_page(pipefd, p + PAGE);
	dax_must(!munmap(p - file.bad + file.from, file.len - file.from), "munmap");
	dax_path(path, sizeof(path), "file");
	dax_must(!close(file.fd) && !unlink(path), "unlink");
	poison_by_pfn(pfn);
	/* The clone's, too: it is there to be written over. */
	dax_must(!fsync(dax_written("after", PAGE, DATA)), "fsync of another file");
	dax_must(read(pipefd[0], buf, PAGE) == (ssize_t)PAGE, "read");
	dax_expect(buf, PAGE, file.bad + PAGE, DATA, "what the pipe held");
	/* A write to what is shared reads it first. */
	end = dax_now() + 30000000000;
	while (dax_is_shared(file.clone, file.bad)) {
		if (dax_now() > end)
			dax_fail("the file is not evicted");
		nanosleep(&tick, NULL);
	}
	dax_set_bad(file.clone, file.bad);
	dax_heal(file.clone, file.bad, DATA);
}

static void range(void)
{
	enum { NR = 3 };
	unsigned long before = corrupted(), now;
	static struct seen here;
	unsigned char *p;
	pid_t pid;
	int i;

	make_files(true);
	pid = dax_fork();
	if (!pid) {
		me = &here;
		on_sigbus(bus);
		p = stores();
		if (!dax_is_huge(p))
			dax_fail("no 2M leaf");
		dax_must(!madvise(p, NR * PAGE, MADV_HWPOISON), "MADV_HWPOISON");
		_exit(0);
	}
	dax_reap(pid, "who poisons them");
	now = corrupted();
	for (i = 0; i < NR; i++) {
		dax_set_bad(file.fd, file.bad + i * PAGE);
		dax_heal(file.fd, file.bad + i * PAGE, DATA);
	}
	if (now != before + NR * PAGE / KB)
		dax_fail("of %d pages %lu kB are poisoned", NR, now - before);
}

static const struct dax_test files[] = {
	{ "gup: a poisoned page in a 4K leaf: who maps it is told", leaf_4k },
	{ "gup: a poisoned page in a 2M leaf: who maps it is told", leaf_2m },
	{ "gup: a poisoned page that has leaves of both sizes", both_leaves },
	{ "told: both files' processes, of a poisoned page that they share", shared },
	{ "told: who did not ask for early signals", not_asked },
	{ "gup: poison by pfn, from a process that does not map it", by_pfn },
	{ "gup: each page of a range is poisoned, in a 2M leaf", range },
	{ "gup: poison in a file that waits for its eviction", going },
};

static const struct dax_test devices[] = {
	{ "gup: device: a poisoned page in a 4K leaf: who maps it is told", leaf_4k },
	{ "told: device: of a poisoned page in a 2M leaf, and where it is", leaf_2m },
	{ "told: device: of a poisoned page in a 1G leaf, and where it is", leaf_1g },
};

int main(int argc, char **argv)
{
	if (dax_is_device(argc, argv))
		return dax_main(argc, argv, devices, ARRAY_SIZE(devices));
	return dax_main(argc, argv, files, ARRAY_SIZE(files));
}
