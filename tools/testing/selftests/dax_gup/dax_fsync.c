// SPDX-License-Identifier: GPL-2.0
/*
 * What must be flushed is: what DMA brings into the file after an fsync, by the next
 * one; what truncate leaves of a 2M entry, at the latest by the fsync that follows.
 * Whether caches are flushed cannot be seen in a guest; that an entry is gone over can,
 * by the trace event fs_dax:dax_writeback_one.
 */
#include "dax_inflight.h"
#include "dax_leaf.h"

#define LEN	(256 * KB)
#define TRACE	"/sys/kernel/tracing/"
#define EVENT	TRACE "events/fs_dax/dax_writeback_one/enable"

static struct dax_map m;

static void count_flushes(void)
{
	if (access(EVENT, W_OK))
		dax_skip("no trace event " EVENT);
	dax_must(!close(open(TRACE "trace", O_WRONLY | O_TRUNC)), "clear the trace");
	dax_must(dax_put(EVENT, "1"), EVENT);
}

/* How many bytes of the file were gone over since, in entries. */
static size_t flushed(const char *when)
{
	unsigned long ino, at, nr;
	struct stat st;
	char line[512], *event;
	size_t sum = 0;
	FILE *f;

	dax_must(dax_put(EVENT, "0"), EVENT);
	dax_must(!fstat(m.fd, &st), "fstat");
	f = fopen(TRACE "trace", "r");
	dax_must(f, TRACE "trace");
	while (fgets(line, sizeof(line), f)) {
		event = strstr(line, "dax_writeback_one:");
		if (event && sscanf(strstr(event, "ino"), "ino %lx pgoff %lx pglen %lx", &ino, &at,
				    &nr) == 3 && ino == st.st_ino)
			sum += nr * PAGE;
	}
	fclose(f);
	dax_note("%s: %zu KB", when, sum / KB);
	return sum;
}

static void expect(size_t len, const char *when)
{
	size_t sum;

	count_flushes();
	dax_must(!fsync(m.fd), "fsync");
	sum = flushed(when);
	if (sum != len)
		dax_fail("fsync %s flushes %zu bytes, expected %zu: data of the DMA may be lost",
			 when, sum, len);
}

static void under_dma(enum dax_engine engine)
{
	int drive = dax_drive();
	struct dax_flight r;

	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	m = dax_new("synced", LEN, DAX_WRITTEN);
	dax_fill(m.p, LEN, 0, opt.seed);
	expect(LEN, "after stores");
	expect(0, "once more");

	dax_start_read(&r, engine, drive, m.p, LEN, 0);
	expect(LEN, "with the DMA in flight");
	dax_still_flying(&r, "after fsync");
	dax_land(&r);
	expect(LEN, "after the DMA");
	expect(0, "when all is flushed");
	dax_expect(m.p, LEN, 0, opt.seed + 1, "mapping");
}

static void aio(void) { under_dma(DAX_AIO); }
static void uring(void) { under_dma(DAX_URING); }

/* A store to the last byte that is left */
static void cut_to(off_t size)
{
	unsigned char byte, want = 0xda;
	size_t sum;

	m = dax_new_huge("cut", 2, opt.seed);
	dax_must(!fsync(m.fd), "fsync");
	count_flushes();
	m.p[size - 1] = want;
	dax_must(!ftruncate(m.fd, size), "ftruncate to %ld", size);
	dax_must(!fsync(m.fd), "fsync");
	sum = flushed("store, truncate and fsync");
	dax_must(pread(m.fd, &byte, 1, size - 1) == 1, "pread");
	if (byte != want)
		dax_fail("the last byte is %#x, expected %#x", byte, want);
	if (sum < HUGE)
		dax_fail("truncate to %ld and fsync flush %zu bytes: a store may be lost", size,
			 sum);
}

static void cut_pages(void) { cut_to(HUGE + MB); }
static void cut_bytes(void) { cut_to(HUGE + 100); }

static const struct dax_test tests[] = {
	{ "break: what DMA brings after fsync is flushed by the next, libaio", aio },
	{ "break: what DMA brings after fsync is flushed by the next, io_uring", uring },
	{ "break: what truncate leaves of a 2M entry is flushed, pages", cut_pages },
	{ "break: what truncate leaves of a 2M entry is flushed, 100 bytes", cut_bytes },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
