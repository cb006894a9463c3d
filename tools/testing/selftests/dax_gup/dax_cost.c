// SPDX-License-Identifier: GPL-2.0
/*
 * What memory costs: to fault in, to get and put, to pin and unpin, to unmap, move,
 * copy and write back, in nanoseconds. In a guest whose clock counts instructions
 * (QEMU: -icount shift=0,sleep=off) a nanosecond is an instruction, and the numbers
 * are the same in every run.
 *
 * Prints lines "# cost", ROW, FS, VALUE and UNIT, with tabs between. A value is a
 * number, the name of the error that the kernel gave, or "no-leaf" where it made
 * smaller leaves than the row is about. FS is "dax" for what DIR is on.
 */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>

#include "dax_test.h"
#include "../../../../mm/gup_test.h"

#define GB		(1024UL * MB)
#define ROUNDS		4
#define FIO_ROUNDS	2
#define PRIVATE_TAIL	PAGE	/* mapped behind the leaves, for fork() */

/* Leaves of one size in memory of one sort. */
struct kind {
	const char *fs, *leaf;
	size_t size, len;
	unsigned char *(*map)(const struct kind *kind);
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * The same right after a tick of the timer: what is shorter than the time between two
 * meets none, what is longer meets as many in every run.
 */
static uint64_t start(clockid_t clock)
{
	now(clock);
	dax_await_tick();
	return now(clock);
}

/* Of several times: what is more is the timer's interrupt, not the kernel's work. */
static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void say(const struct kind *k, const char *row, const char *value, const char *unit)
{
	dax_note("cost\t%s %s\t%s\t%s\tinstructions/%s", row, k->leaf, k->fs, value, unit);
}

static void report(const struct kind *k, const char *row, uint64_t ns, unsigned long nr,
		   const char *unit)
{
	char value[32];

	snprintf(value, sizeof(value), "%.2f", (double)ns / nr);
	say(k, row, value, unit);
}

/* An empty range that is aligned for the leaves of @k. */
static void *aligned(const struct kind *k)
{
	size_t len = k->len + PRIVATE_TAIL + k->size;
	uintptr_t p = (uintptr_t)dax_mmap(-1, len, PROT_NONE,
					  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);

	munmap((void *)p, len);
	return (void *)((p + k->size - 1) & ~(k->size - 1));
}

static unsigned long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Touch every leaf; what that cost, or 0 if they are not leaves of that size. */
static uint64_t touch(const struct kind *k, volatile unsigned char *p, bool write)
{
	unsigned long before;
	uint64_t ns;
	size_t i;

	/* Once for nothing: the first call faults in what it needs. */
	start(CLOCK_MONOTONIC);
	before = faults();
	before = faults();
	ns = start(CLOCK_MONOTONIC);
	for (i = 0; i < k->len; i += k->size) {
		if (write)
			p[i] = 1;
		else
			(void)p[i];
	}
	ns = now(CLOCK_MONOTONIC) - ns;
	for (i = 0; i < k->len; i += k->size)
		(void)p[i + k->size - PAGE];
	return faults() - before == k->len / k->size ? ns : 0;
}

static const struct call {
	unsigned long cmd;
	const char *get, *put;	/* no second: it is that of another call */
} calls[] = {
	{ GUP_FAST_BENCHMARK, "get", "put" },
	{ PIN_FAST_BENCHMARK, "pin", "unpin" },
	{ GUP_BASIC_TEST, "slow get", NULL },
	{ PIN_BASIC_TEST, "slow pin", NULL },
	{ PIN_LONGTERM_BENCHMARK, "long-term pin", "long-term unpin" },
};

/* gup_test stops where the kernel refuses, and does not say why: ask for one page. */
static bool refused(int fd, unsigned long cmd, void *p)
{
	struct pin_longterm_test longterm = {
		.addr = (uintptr_t)p, .size = PAGE,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};
	struct iovec page = { p, PAGE }, copy = { dax_anon(PAGE), PAGE };
	int fds[2];

	dax_must(!pipe(fds), "pipe");
	if (cmd == PIN_LONGTERM_BENCHMARK)
		return ioctl(fd, PIN_LONGTERM_TEST_START, &longterm);
	if (cmd == PIN_FAST_BENCHMARK || cmd == PIN_BASIC_TEST)
		return process_vm_readv(getpid(), &copy, 1, &page, 1, 0) < 0;
	return vmsplice(fds[1], &page, 1, 0) < 0;
}

static void say_call(const struct kind *k, const struct call *call, const char *value)
{
	say(k, call->get, value, "page");
	if (call->put)
		say(k, call->put, value, "page");
}

/* From the first long-term pin on, for half a minute at least, unpins look for marks. */
static void have_marks(int fd, void *p)
{
	struct pin_longterm_test longterm = {
		.addr = (uintptr_t)p, .size = PAGE,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE | PIN_LONGTERM_TEST_FLAG_USE_FAST,
	};

	if (!ioctl(fd, PIN_LONGTERM_TEST_START, &longterm))
		dax_must(!ioctl(fd, PIN_LONGTERM_TEST_STOP), "PIN_LONGTERM_TEST_STOP");
}

static void gup_call(const struct kind *k, const struct call *call, int fd, void *p)
{
	uint64_t get = 0, put = 0;
	unsigned int round;

	if (call->cmd == PIN_LONGTERM_BENCHMARK)
		have_marks(fd, p);
	for (round = 0; round < ROUNDS; round++) {
		struct gup_test test = {
			.addr = (uintptr_t)p, .size = k->len, .nr_pages_per_call = 512,
			.gup_flags = 1,		/* FOLL_WRITE */
		};

		start(CLOCK_MONOTONIC);
		dax_must(!ioctl(fd, call->cmd, &test), "gup_test");
		if (test.size != k->len && refused(fd, call->cmd, p)) {
			say_call(k, call, strerrorname_np(errno));
			return;
		}
		if (test.size != k->len)
			dax_fail("gup_test: %llu of %zu bytes", test.size, k->len);
		get += test.get_delta_usec * 1000ULL;
		put += test.put_delta_usec * 1000ULL;
	}
	report(k, call->get, get, ROUNDS * (k->len / PAGE), "page");
	if (call->put)
		report(k, call->put, put, ROUNDS * (k->len / PAGE), "page");
}

/* No call got anything. */
static void say_calls(const struct kind *k, const char *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		say_call(k, &calls[i], value);
}

static void gup(const struct kind *k, unsigned char *p)
{
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);
	size_t i;

	if (fd < 0) {
		say_calls(k, strerrorname_np(errno));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		gup_call(k, &calls[i], fd, p);
	close(fd);
}

/* Written in one go after fallocate(), so that the extents are aligned to 2M. */
static int dax_file(const struct kind *k)
{
	size_t at, len = k->len + 2 * k->size;
	int fd = dax_open("cost", len, DAX_UNWRITTEN);
	char *buf = dax_anon(MB);

	for (at = 0; at < len; at += MB) {
		size_t n = len - at < MB ? len - at : MB;

		dax_must(pwrite(fd, buf, n, at) == (ssize_t)n, "pwrite");
	}
	munmap(buf, MB);
	return fd;
}

static unsigned char *map_fd(const struct kind *k, int fd, off_t at, int prot, int flags)
{
	size_t len = k->len + (flags == MAP_PRIVATE ? PRIVATE_TAIL : 0);
	unsigned char *p = mmap(aligned(k), len, prot, flags | MAP_FIXED_NOREPLACE, fd, at);

	dax_must(p != MAP_FAILED, "mmap");
	return p;
}

/* For 4K leaves one page beside the alignment of the file: none can be larger. */
static unsigned char *dax_map(const struct kind *k, int fd, int prot, int flags)
{
	return map_fd(k, fd, k->size == PAGE ? PAGE : 0, prot, flags);
}

static unsigned char *map_dax(const struct kind *k)
{
	return dax_map(k, dax_file(k), PROT_READ | PROT_WRITE, MAP_SHARED);
}

static unsigned char *map_device(const struct kind *k)
{
	int fd;

	if (!opt.device)
		dax_skip("DIR is no character device");
	fd = open(opt.device, O_RDWR);
	dax_must(fd >= 0, "open %s", opt.device);
	return map_fd(k, fd, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static unsigned char *map_memory(const struct kind *k)
{
	unsigned char *p = map_fd(k, -1, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);

	dax_must(!madvise(p, k->len, k->size == PAGE ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) ||
		 (errno == EINVAL && k->size == PAGE), "madvise");
	return p;
}

static unsigned char *map_shmem(const struct kind *k)
{
	int fd = memfd_create("cost", 0);

	dax_must(fd >= 0 && !ftruncate(fd, k->len), "memfd");
	return map_fd(k, fd, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static unsigned char *map_hugetlb(const struct kind *k)
{
	char path[96], nr[16];
	unsigned char *p;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages",
		 k->size / KB);
	snprintf(nr, sizeof(nr), "%lu", k->len / k->size);
	dax_must(dax_put(path, nr), "%s", path);
	p = mmap(NULL, k->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_HUGETLB | __builtin_ctzl(k->size) << MAP_HUGE_SHIFT, -1, 0);
	dax_must(p != MAP_FAILED, "mmap of %lu pages of %s", k->len / k->size, k->leaf);
	return p;
}

static const struct kind
	dax_4k = { "dax", "4K", PAGE, 64 * MB, map_dax },
	dax_2m = { "dax", "2M", 2 * MB, 128 * MB, map_dax },
	device_1g = { "device-dax", "1G", GB, GB, map_device },
	anon_4k = { "anonymous", "4K", PAGE, 64 * MB, map_memory },
	shmem_4k = { "shmem", "4K", PAGE, 64 * MB, map_shmem },
	thp_2m = { "THP", "2M", 2 * MB, 128 * MB, map_memory },
	hugetlb_2m = { "hugetlb", "2M", 2 * MB, 128 * MB, map_hugetlb },
	hugetlb_1g = { "hugetlb", "1G", GB, GB, map_hugetlb };

/* The whole life of leaves: the first fault, get and pin, munmap. */
static void pages(const struct kind *k)
{
	unsigned char *p = k->map(k);
	bool file = k->map == map_dax;	/* dax_faults() and dax_ops() have the rest */
	uint64_t ns = touch(k, p, true);

	if (!ns) {
		say_calls(k, "no-leaf");
		return;
	}
	/* What a huge page of memory costs is its clearing. */
	if (k->size == PAGE ? !file : k->map == map_device)
		report(k, "write fault first", ns, k->len / k->size, "fault");
	gup(k, p);
	munmap(p, k->len);
	if (file)
		return;
	/* The slow way of get and pin marks pages: not those. */
	p = k->map(k);
	touch(k, p, true);
	ns = start(CLOCK_MONOTONIC);
	dax_must(!munmap(p, k->len), "munmap");
	report(k, "munmap", now(CLOCK_MONOTONIC) - ns, k->len / k->size, "leaf");
}

/* First the file system and the page cache do not know the leaf, then they do. */
static void dax_faults(const struct kind *k, int fd, bool write)
{
	static const char * const row[2][2] = {
		{ "read fault first", "read fault again" },
		{ "write fault first", "write fault again" },
	};
	int again;

	for (again = 0; again < 2; again++) {
		unsigned char *p = dax_map(k, fd, PROT_READ | (write ? PROT_WRITE : 0),
					   MAP_SHARED);
		uint64_t ns = touch(k, p, write);

		if (ns)
			report(k, row[write][again], ns, k->len / k->size, "fault");
		else
			say(k, row[write][again], "no-leaf", "fault");
		munmap(p, k->len);
	}
}

static uint64_t cost_munmap(const struct kind *k, int fd, unsigned char *p)
{
	uint64_t ns = start(CLOCK_MONOTONIC);

	(void)fd;
	dax_must(!munmap(p, k->len), "munmap");
	return now(CLOCK_MONOTONIC) - ns;
}

/* To where 4K leaves cannot move by the table. They must move, not be dropped. */
static uint64_t cost_mremap(const struct kind *k, int fd, unsigned char *p)
{
	unsigned char *to = (unsigned char *)aligned(&dax_2m) + (k->size == PAGE ? PAGE : 0);
	unsigned long before;
	uint64_t ns;

	(void)fd;
	ns = start(CLOCK_MONOTONIC);
	dax_must(mremap(p, k->len, k->len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap");
	ns = now(CLOCK_MONOTONIC) - ns;
	before = faults();
	touch(k, to, false);
	if (faults() != before)
		dax_fail("mremap lost %lu leaves", faults() - before);
	munmap(to, k->len);
	return ns;
}

static uint64_t fork_once(void)
{
	uint64_t ns = start(CLOCK_THREAD_CPUTIME_ID);
	pid_t pid = dax_fork();

	if (!pid)
		_exit(0);
	ns = now(CLOCK_THREAD_CPUTIME_ID) - ns;
	dax_reap(pid, "child");
	return ns;
}

/*
 * A private mapping with a page of its own: that is what fork() copies leaf by leaf.
 * With all that fork() does anyway; 2M leaves it leaves to the child's faults.
 */
static uint64_t cost_fork(const struct kind *k, int fd, unsigned char *p)
{
	uint64_t ns;

	(void)fd;
	p[k->len] = 1;
	fork_once();
	ns = fork_once();
	munmap(p, k->len + PRIVATE_TAIL);
	return ns;
}

static uint64_t cost_fsync(const struct kind *k, int fd, unsigned char *p)
{
	uint64_t ns = start(CLOCK_MONOTONIC);

	dax_must(!fsync(fd), "fsync");
	ns = now(CLOCK_MONOTONIC) - ns;
	munmap(p, k->len);
	return ns;
}

static uint64_t cost_truncate(const struct kind *k, int fd, unsigned char *p)
{
	uint64_t ns = start(CLOCK_MONOTONIC);

	dax_must(!ftruncate(fd, 0), "ftruncate");
	ns = now(CLOCK_MONOTONIC) - ns;
	munmap(p, k->len);
	return ns;
}

static const struct op {
	const char *name;
	int flags;
	unsigned int rounds;	/* one where it cannot be done again */
	uint64_t (*cost)(const struct kind *k, int fd, unsigned char *p);
} ops[] = {
	{ "munmap", MAP_SHARED, ROUNDS, cost_munmap },
	{ "mremap", MAP_SHARED, ROUNDS, cost_mremap },
	{ "fork", MAP_PRIVATE, ROUNDS, cost_fork },
	{ "fsync", MAP_SHARED, 1, cost_fsync },
	{ "truncate", MAP_SHARED, 1, cost_truncate },
};

/* 0: no such leaves */
static uint64_t op_cost(const struct op *op, const struct kind *k, int fd)
{
	unsigned char *p = dax_map(k, fd, PROT_READ | PROT_WRITE, op->flags);

	/* What is private must stay the file's: read it. */
	return touch(k, p, op->flags == MAP_SHARED) ? op->cost(k, fd, p) : 0;
}

static void dax_ops(const struct kind *k, int fd)
{
	const struct op *op;

	for (op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		uint64_t ns = op_cost(op, k, fd);
		unsigned int round;

		for (round = 1; ns && round < op->rounds; round++)
			ns = least(ns, op_cost(op, k, fd));
		if (ns)
			report(k, op->name, ns, k->len / k->size, "leaf");
		else
			say(k, op->name, "no-leaf", "leaf");
	}
}

/* A file of its own for each first fault, the last one for the rest. */
static void files(const struct kind *k)
{
	int fd = dax_file(k);

	dax_faults(k, fd, false);
	close(fd);
	fd = dax_file(k);
	dax_faults(k, fd, true);
	dax_ops(k, fd);
}

/* A whole fio, processor time; its errors are its own. */
static uint64_t fio_run(const char *mem, const char *bs, unsigned int nr)
{
	char arg[4][320];
	struct rusage usage;
	pid_t pid = dax_fork();
	int status;

	if (!pid) {
		snprintf(arg[0], sizeof(arg[0]), "--filename=%s", opt.drive);
		snprintf(arg[1], sizeof(arg[1]), "--iomem=%s", mem);
		snprintf(arg[2], sizeof(arg[2]), "--bs=%s", bs);
		snprintf(arg[3], sizeof(arg[3]), "--number_ios=%u", nr);
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execlp("fio", "fio", "--name=cost", "--rw=read", "--direct=1", "--ioengine=psync",
		       "--thread", "--clocksource=clock_gettime", "--gtod_reduce=1",
		       "--disk_util=0", "--size=64m", "--io_size=8g", arg[0], arg[1], arg[2],
		       arg[3], NULL);
		dax_fail_errno("fio");
	}
	dax_must(wait4(pid, &status, 0, &usage) == pid, "wait4");
	if (status)
		dax_fail("fio ended with status %#x", status);
	return 1000ULL * (1000000ULL * (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			  usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t fio_least(const char *mem, const char *bs, unsigned int nr)
{
	uint64_t ns = fio_run(mem, bs, nr);
	unsigned int round;

	for (round = 1; round < FIO_ROUNDS; round++)
		ns = least(ns, fio_run(mem, bs, nr));
	return ns;
}

/*
 * What does not grow with the number of requests drops out. From run to run a fio differs
 * by some milliseconds of its own: the larger number is one that takes half a second.
 */
static void fio_rows(const char *fs, const char *mem, const char *error)
{
	static const struct {
		const char *bs;
		unsigned int nr;
	} size[] = { { "4K", 4096 }, { "128K", 256 } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		const char *bs = size[i].bs, *row = "fio O_DIRECT read";
		const struct kind k = { .fs = fs, .leaf = bs };
		unsigned int nr = size[i].nr;

		if (error)
			say(&k, row, error, "I/O");
		else
			report(&k, row, fio_least(mem, bs, 17 * nr) - fio_least(mem, bs, nr),
			       16 * nr, "I/O");
	}
}

static void run_fio_dax(void)
{
	struct dax_map m = dax_new("buffers", MB, DAX_WRITTEN);
	ssize_t n = pread(dax_drive(), m.p, PAGE, 0);
	char mem[300];

	snprintf(mem, sizeof(mem), "mmapshared:%s", m.path);
	fio_rows("dax", mem, n < 0 ? strerrorname_np(errno) : NULL);
}

static void run_fio_mem(void)
{
	close(dax_drive());
	fio_rows("anonymous", "mmap", NULL);
}

static void run_dax_4k(void)
{
	files(&dax_4k);
}

static void run_dax_2m(void)
{
	files(&dax_2m);
}

static void run_dax_4k_gup(void)
{
	pages(&dax_4k);
}

static void run_dax_2m_gup(void)
{
	pages(&dax_2m);
}

static void run_device(void)
{
	pages(&device_1g);
}

static void run_anon(void)
{
	pages(&anon_4k);
	pages(&thp_2m);
}

static void run_shmem(void)
{
	pages(&shmem_4k);
}

static void run_hugetlb(void)
{
	pages(&hugetlb_2m);
	pages(&hugetlb_1g);
}

static const struct dax_test tests[] = {
	{ "dax: cost of memory: anonymous", run_anon },
	{ "dax: cost of memory: page cache", run_shmem },
	{ "dax: cost of memory: hugetlb", run_hugetlb },
	{ "dax: cost of memory: fio", run_fio_mem },
	{ "dax: cost of a DAX file by 4K leaves", run_dax_4k },
	{ "dax: cost of a DAX file by 2M leaves", run_dax_2m },
	{ "gup: cost of a DAX file by 4K leaves to get and pin", run_dax_4k_gup },
	{ "gup: cost of a DAX file by 2M leaves to get and pin", run_dax_2m_gup },
	{ "gup: cost of a DAX file: fio", run_fio_dax },
	{ "gup: cost of a device by a 1G leaf to get and pin", run_device },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
