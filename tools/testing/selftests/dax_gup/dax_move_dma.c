// SPDX-License-Identifier: GPL-2.0
/* The mapping changes while a read is on its way into it: the data arrives. */
#include "dax_inflight.h"

#define LEN	(256 * KB)

static int drive;
static struct dax_map m;
static struct dax_flight r;

static void start(int flags)
{
	drive = dax_drive();
	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	m = dax_new("moved", LEN, DAX_WRITTEN);
	if (flags == MAP_PRIVATE) {
		munmap(m.p, LEN);
		m.p = dax_mmap(m.fd, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	}
	dax_start_read(&r, DAX_AIO, drive, m.p, LEN, 0);
}

static void finish(const char *change)
{
	dax_still_flying(&r, change);
	dax_land(&r);
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed + 1, change);
}

static void forked(void)
{
	pid_t pid;

	start(MAP_SHARED);
	pid = dax_fork();
	if (!pid) {
		dax_expect(m.p, 64, 0, opt.seed, "child before the DMA");
		_exit(0);
	}
	dax_reap(pid, "child");
	finish("after fork");
	dax_expect(m.p, LEN, 0, opt.seed + 1, "parent");
}

/* Private pages under DMA are the parent's: fork copies them for the child. */
static void forked_private(void)
{
	int go[2];
	char c;
	pid_t pid;

	dax_must(!pipe(go), "pipe");
	start(MAP_PRIVATE);
	pid = dax_fork();
	if (!pid) {
		close(go[1]);
		dax_must(read(go[0], &c, 1) == 0, "read");
		dax_expect(m.p, LEN, 0, opt.seed, "child after the DMA");
		_exit(0);
	}
	dax_still_flying(&r, "after fork");
	dax_land(&r);
	dax_expect(m.p, LEN, 0, opt.seed + 1, "parent");
	close(go[0]);
	close(go[1]);
	dax_reap(pid, "child");
	dax_expect_file(m.fd, 0, LEN, 0, opt.seed, "file");
}

static void protected(void)
{
	start(MAP_SHARED);
	dax_must(!mprotect(m.p, LEN, PROT_READ), "mprotect");
	dax_must(!mprotect(m.p + 8 * KB, 64 * KB, PROT_NONE), "mprotect");
	finish("after mprotect");
}

static void remapped(void)
{
	unsigned char *to;

	start(MAP_SHARED);
	to = mremap(m.p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED,
		    dax_anon(2 * LEN));
	dax_must(to != MAP_FAILED, "mremap");
	finish("after mremap");
	dax_expect(to, LEN, 0, opt.seed + 1, "new place");
}

static void unmapped_part(void)
{
	start(MAP_SHARED);
	dax_must(!munmap(m.p + 64 * KB, 64 * KB), "munmap");
	finish("after munmap of a part");
	dax_expect(m.p, 64 * KB, 0, opt.seed + 1, "what is left");
}

static void dropped(void)
{
	start(MAP_SHARED);
	dax_must(!madvise(m.p, LEN, MADV_DONTNEED), "MADV_DONTNEED");
	finish("after MADV_DONTNEED");
	dax_expect(m.p, LEN, 0, opt.seed + 1, "mapping");
}

/* The DMA outlives the process that asked for it, or is cancelled with it. */
static void exited(void)
{
	struct dax_map file = dax_new("exit", LEN, DAX_WRITTEN);
	pid_t pid = dax_fork();

	if (!pid) {
		drive = dax_drive();
		dax_drive_fill(drive, 0, LEN, opt.seed + 1);
		dax_start_read(&r, DAX_AIO, drive, file.p, LEN, 0);
		_exit(0);
	}
	dax_reap(pid, "child");
	dax_expect(file.p, LEN, 0, opt.seed + 1, "after exit");
}

static const struct dax_test tests[] = {
	{ "gup: fork with a read in flight", forked },
	{ "dax: fork with a read in flight to private pages", forked_private },
	{ "gup: mprotect with a read in flight", protected },
	{ "gup: mremap with a read in flight", remapped },
	{ "gup: munmap of a part with a read in flight", unmapped_part },
	{ "gup: MADV_DONTNEED with a read in flight", dropped },
	{ "gup: exit with a read in flight", exited },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
