// SPDX-License-Identifier: GPL-2.0
/*
 * Binds a namespace's driver with its first allocation made to fail, then the
 * second, and so on until it needs no more. Each failure is an error that the log
 * names, the driver binds once memory is there, and all memory comes back.
 * Needs CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and their debugfs; as root.
 *
 * usage: dax_fail_nth DRIVER DEVICE, e.g. nd_pmem pfn0.0, which is bound
 */
#include "dax_test.h"

#define MOST	2000
/*
 * In KiB. The memmap of a namespace of 1G is twice that: one that is not freed is seen, but
 * not what comes and goes, 5 MiB with KASAN.
 */
#define SLACK	8192

static char path[2][256];
static const char *device;
static int kmsg;

static void die(const char *what)
{
	printf("# why: error: %s: %s\nnot ok 1 device: allocations fail one by one\n",
	       what, strerror(errno));
	exit(KSFT_FAIL);
}

static void arm(const char *kind)
{
	static const char * const want[][2] = {
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" }, { "verbose", "0" }, { "verbose_ratelimit_burst", "0" },
	};
	char name[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(name, sizeof(name), "/sys/kernel/debug/%s/%s", kind, want[i][0]);
		if (!access(name, F_OK) && !dax_put(name, want[i][1]))
			die(name);
	}
	snprintf(name, sizeof(name), "/sys/kernel/debug/%s", kind);
	if (access(name, F_OK))
		die(name);
}

/* What the lines of a file that are like @format say, in all. */
static unsigned long total(const char *name, const char *format)
{
	unsigned long n, sum = 0;
	char line[128];
	FILE *f = fopen(name, "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &n) == 1)
			sum += n;
	if (f)
		fclose(f);
	return sum;
}

/*
 * KiB of memory that is free or can be, also in the lists of each processor, and
 * what is in slabs: KASAN keeps freed objects for a while. A memmap is pages.
 */
static unsigned long available(void)
{
	sync();
	dax_put("/proc/sys/vm/drop_caches", "3");
	return total("/proc/meminfo", "MemAvailable: %lu") +
	       total("/proc/meminfo", "SUnreclaim: %lu") +
	       total("/proc/zoneinfo", " count: %lu") * (PAGE / KB);
}

/* Bind, with the @nth allocation failing. Returns an errno; @hit: there was one. */
static int bind_nth(unsigned int nth, bool *hit)
{
	char word[16] = "";
	int fail = open("/proc/self/fail-nth", O_RDWR), fd = open(path[1], O_WRONLY);
	int err = 0;

	if (fail < 0 || fd < 0)
		die("/proc/self/fail-nth (CONFIG_FAULT_INJECTION)");
	snprintf(word, sizeof(word), "%u", nth);
	if (write(fail, word, strlen(word)) < 0)
		die("write to fail-nth");
	if (write(fd, device, strlen(device)) < 0)
		err = errno;
	memset(word, 0, sizeof(word));
	if (pread(fail, word, sizeof(word) - 1, 0) < 0)
		die("read of fail-nth");
	*hit = !strtoul(word, NULL, 10);
	if (pwrite(fail, "0", 1, 0) < 0)
		die("write to fail-nth");
	close(fail);
	close(fd);
	return err;
}

static bool logged(void)
{
	char buf[2048];
	bool found = false;
	ssize_t n;

	while ((n = read(kmsg, buf, sizeof(buf) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		buf[n] = 0;
		found |= !!strstr(buf, device) || strstr(buf, "namespace");
	}
	return found;
}

int main(int argc, char **argv)
{
	unsigned int nth, errors = 0, silent = 0, first_silent = 0, survived = 0;
	unsigned long before, after;
	bool hit = true;
	int err = 0, i;

	if (argc != 3) {
		fprintf(stderr, "usage: dax_fail_nth DRIVER DEVICE\n");
		return KSFT_FAIL;
	}
	device = argv[2];
	for (i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "/sys/bus/nd/drivers/%s/%s", argv[1],
			 i ? "bind" : "unbind");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..3\n");
	arm("failslab");
	arm("fail_page_alloc");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0)
		die("/dev/kmsg");
	for (i = 0; i < 2; i++)		/* what only the first time needs */
		if (!dax_put(path[0], device) || !dax_put(path[1], device))
			die("unbind and bind");
	if (!dax_put(path[0], device))
		die("unbind");
	before = available();
	for (nth = 1; nth <= MOST; nth++) {
		logged();
		err = bind_nth(nth, &hit);
		if (!hit)
			break;
		if (err) {
			errors++;
			/* The first ones are those of write(2) itself. */
			if (!logged() && err != ENODEV && nth > 4 && !silent++)
				first_silent = nth;
			if (!dax_put(path[1], device)) {
				printf("# why: error: bind after failure of allocation %u: %s\n",
				       nth, strerror(errno));
				printf("not ok 1 device: allocations fail one by one\n");
				return KSFT_FAIL;
			}
		} else {
			survived++;
		}
		if (!dax_put(path[0], device))
			die("unbind");
	}
	printf("# %u allocations: %u errors, %u that bind can do without\n", nth - 1,
	       errors, survived);
	if (err)
		printf("# why: error: the last bind failed without a failed allocation: %s\n",
		       strerror(err));
	else
		dax_put(path[0], device);
	printf("%sok 1 device: %u allocations fail one by one, bind works after each\n",
	       err || hit ? "not " : "", nth - 1);
	if (silent)
		printf("# why: %u failures without a line in the log, the first at allocation %u\n",
		       silent, first_silent);
	printf("%sok 2 device: each failure has a line in the log\n", silent ? "not " : "");
	after = available();
	printf("# %lu KiB before, %lu KiB after\n", before, after);
	if (after + SLACK < before)
		printf("# why: %lu KiB of memory are lost\n", before - after);
	printf("%sok 3 device: all memory is back\n", after + SLACK < before ? "not " : "");
	dax_put(path[1], device);
	return KSFT_PASS;
}
