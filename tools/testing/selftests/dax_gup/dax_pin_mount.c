// SPDX-License-Identifier: GPL-2.0
/*
 * A file system with long-term pins is busy, and not any more right after the
 * last unpin; nothing of its mount, files and inodes is left by rounds of that.
 * DIR's file system is unmounted and mounted again.
 */
#include "dax_leaf.h"
#include "dax_longterm.h"
#include "dax_mount.h"

/*
 * Many more than the objects that a processor's half-filled slabs may count too much: what
 * one round in two leaves behind is seen.
 */
#define ROUNDS	(opt.seconds < 40 ? 200 : opt.seconds < 200 ? 5 * opt.seconds : 1000)
#define SLACK	(64 + (long)ROUNDS / 10)

static struct dax_mount fs;

static void expect_ebusy(int result, const char *what)
{
	if (!result)
		dax_fail("%s works with pages pinned", what);
	dax_must(errno == EBUSY, "%s with pages pinned, EBUSY expected", what);
}

static void let_go_of(struct dax_map *m)
{
	dax_must(!munmap(m->p, m->len) && !close(m->fd), "munmap, close");
}

static void busy(size_t unit)
{
	struct dax_map m = dax_three("busy", unit);
	int ring = dax_pin(m.p, m.len), fd;

	fs = dax_find_mount();
	let_go_of(&m);
	expect_ebusy(umount2(fs.at, 0), "umount");
	dax_unpin(ring);
	dax_must(!umount2(fs.at, 0), "umount right after the last unpin");
	dax_must(!dax_mount_again(&fs), "mount");
	fd = open(m.path, O_RDONLY);
	dax_must(fd >= 0, "open");
	dax_expect_file(fd, 0, m.len, 0, opt.seed, "file");
}

static void busy_4k(void) { busy(PAGE); }
static void busy_2m(void) { busy(HUGE); }

/* A file without a name cannot keep the file system from its end, either. */
static void nameless(void)
{
	struct dax_map m = dax_three("nameless", PAGE);
	int ring = dax_pin(m.p, m.len);

	fs = dax_find_mount();
	dax_must(!unlink(m.path), "unlink");
	let_go_of(&m);
	expect_ebusy(umount2(fs.at, 0), "umount");
	dax_unpin(ring);
	dax_must(!umount2(fs.at, 0), "umount right after the last unpin");
	dax_must(!dax_mount_again(&fs), "mount");
}

static void read_only(void)
{
	struct dax_map m = dax_three("remount", PAGE);
	int ring = dax_pin(m.p, m.len);

	fs = dax_find_mount();
	let_go_of(&m);
	expect_ebusy(mount(NULL, fs.at, NULL, MS_REMOUNT | MS_RDONLY, NULL), "remount read-only");
	dax_unpin(ring);
	dax_must(!mount(NULL, fs.at, NULL, MS_REMOUNT | MS_RDONLY, NULL),
		 "remount read-only right after the last unpin");
	dax_must(!mount(NULL, fs.at, NULL, MS_REMOUNT, NULL), "remount to write");
}

/* Detached, it lives until the last unpin; then the device is free. */
static void detached(void)
{
	struct dax_map m = dax_three("detached", PAGE);
	int ring = dax_pin(m.p, m.len), fd;
	uint64_t start;

	fs = dax_find_mount();
	let_go_of(&m);
	dax_must(!umount2(fs.at, MNT_DETACH), "umount -l");
	dax_unpin(ring);
	for (start = dax_ms(); (fd = open(fs.device, O_RDWR | O_EXCL)) < 0;) {
		dax_must(errno == EBUSY, "open %s", fs.device);
		if (dax_ms() - start > GRACE)
			dax_fail("%s is busy after the last unpin", fs.device);
	}
	close(fd);
	dax_must(!dax_mount_again(&fs), "mount");
}

struct slab {
	char name[64];
	long objects;
};

/* It keeps freed objects, and they count as used: then the exact counts have to do. */
static bool has_kasan(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[512];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_report\n");
	if (f)
		fclose(f);
	return found;
}

/* The caches whose objects a pin might leave behind. */
static int slabs(struct slab *s, int most)
{
	static const char *const kinds[] = { "inode_cache", "filp", "mnt_cache", "dax" };
	FILE *f;
	char line[512];
	int nr = 0;
	size_t i;

	dax_put("/proc/sys/vm/drop_caches", "3");
	f = fopen("/proc/slabinfo", "r");
	if (!f) {
		dax_note("no /proc/slabinfo: no slab is looked at");
		return 0;
	}
	while (nr < most && fgets(line, sizeof(line), f)) {
		for (i = 0; i < ARRAY_SIZE(kinds); i++)
			if (strstr(line, kinds[i]) &&
			    sscanf(line, "%63s %ld", s[nr].name, &s[nr].objects) == 2)
				break;
		nr += i < ARRAY_SIZE(kinds);
	}
	fclose(f);
	return nr;
}

/* The first number of a file of /proc/sys/fs. */
static long in_use(const char *what)
{
	unsigned long nr;
	char path[64];

	snprintf(path, sizeof(path), "/proc/sys/fs/%s", what);
	dax_must(dax_number(path, &nr), "%s", path);
	return nr;
}

static unsigned long leaves;

/* By leaves of 2M where the file system has the blocks for it: not each time. */
static struct dax_map three_huge(const char *name)
{
	struct dax_map m = { .len = 3 * HUGE };
	size_t present, at;

	dax_path(m.path, sizeof(m.path), name);
	m.fd = dax_open(name, m.len, DAX_UNWRITTEN);
	m.p = dax_map_at(NULL, m.fd, m.len, 0, PROT_READ | PROT_WRITE, MAP_SHARED);
	for (at = 0; at < m.len; at += HUGE)
		m.p[at] = 1;
	leaves += dax_huge(m.p, m.len, &present) / HUGE;
	return m;
}

static void one_round(unsigned int n)
{
	struct dax_map m = n % 2 ? three_huge("round") : dax_three("round", PAGE);
	int ring = dax_pin(m.p, m.len);

	if (n % 3 == 0)
		dax_must(!unlink(m.path), "unlink");
	let_go_of(&m);
	if (n % 5 == 0)
		expect_ebusy(umount2(fs.at, 0), "umount");
	dax_unpin(ring);
	dax_must(!umount2(fs.at, 0), "round %u: umount right after the last unpin", n);
	dax_must(!dax_mount_again(&fs), "mount");
}

static void rounds(void)
{
	static const char *const exact[] = { "inode-nr", "file-nr" };
	struct slab before[32], after[32];
	long counts[ARRAY_SIZE(exact)];
	int nr, i;
	bool kasan = has_kasan();
	/* It counts no slabs then, and is slow. */
	unsigned int n, wanted = kasan && opt.seconds < 40 ? 100 : ROUNDS;

	fs = dax_find_mount();
	for (n = 0; n < 6; n++)		/* what comes once */
		one_round(n);
	nr = slabs(before, 32);
	for (i = 0; i < (int)ARRAY_SIZE(exact); i++)
		counts[i] = in_use(exact[i]);
	for (n = 0; n < wanted; n++)
		one_round(n);
	if (slabs(after, 32) != nr)
		dax_fail("there are other slabs than before");
	for (i = 0; i < (int)ARRAY_SIZE(exact); i++)
		if (in_use(exact[i]) - counts[i] > 8)
			dax_fail("%u rounds: %s grows from %ld to %ld", wanted, exact[i],
				 counts[i], in_use(exact[i]));
	/* Objects of a slab that a processor fills count as used. */
	if (kasan) {
		dax_note("KASAN keeps freed objects: no slab is looked at");
		nr = 0;
	}
	for (i = 0; i < nr; i++)
		if (after[i].objects - before[i].objects > SLACK)
			dax_fail("%u rounds: %s grows from %ld to %ld", wanted, before[i].name,
				 before[i].objects, after[i].objects);
	dax_note("%u rounds of mount, pin, unpin, umount; %lu leaves of 2M", wanted, leaves);
	if (!leaves)
		dax_fail("no 2M leaf in %u rounds", wanted);
}

static const struct dax_test tests[] = {
	{ "longterm: umount is EBUSY, and works right after the last unpin, 4K", busy_4k },
	{ "longterm: umount is EBUSY, and works right after the last unpin, 2M", busy_2m },
	{ "longterm: the same with an unlinked file", nameless },
	{ "longterm: remount read-only is EBUSY, and works after the last unpin", read_only },
	{ "longterm: umount -l ends with the last unpin", detached },
	{ "longterm: rounds of mount, pin, unpin, umount leave nothing", rounds },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
