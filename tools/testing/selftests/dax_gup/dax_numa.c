// SPDX-License-Identifier: GPL-2.0
/*
 * Those that move memory between nodes, or ask where it is: mbind(), migrate_pages(),
 * move_pages(), numa_maps, NUMA balancing. They leave DAX pages where they are, of
 * leaves of 4K and 2M of a file, or of 4K, 2M and 1G of a device of device-dax, with
 * pins on them or not. Each is asked about anonymous memory, too, which it moves.
 */
#include <pthread.h>
#include <sys/syscall.h>

#include "dax_area.h"
#include "dax_longterm.h"

#define DATA		(opt.seed + 1)
#define ANON_PAGES	64

/* As in linux/mempolicy.h */
enum { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND };
#define MPOL_F_NUMA_BALANCING	(1 << 13)
#define MPOL_F_MEMS_ALLOWED	(1 << 2)
#define MPOL_MF_STRICT		(1 << 0)
#define MPOL_MF_MOVE		(1 << 1)
#define MPOL_MF_MOVE_ALL	(1 << 2)
#define BITS			(8 * sizeof(unsigned long))

static struct dax_area areas[2];
static unsigned int nr;
static int node[2];

static int bind(const void *p, size_t len, int mode, unsigned long nodes, unsigned int flags)
{
	return syscall(SYS_mbind, p, len, mode, &nodes, BITS, flags);
}

static void to_node(unsigned char *p, size_t len, int nid, unsigned int flags)
{
	dax_must(!bind(p, len, MPOL_BIND, 1UL << nid, flags), "mbind of memory to node %d", nid);
}

/* The node, or minus the errno, of the page at @p; or of moving it to @nid >= 0. */
static int status_of(unsigned char *p, int nid, int flags)
{
	void *page = p;
	int status = -1000;

	dax_must(!syscall(SYS_move_pages, 0, 1UL, &page, nid < 0 ? NULL : &nid, &status, flags),
		 "move_pages");
	return status;
}

static int where(unsigned char *p)
{
	return status_of(p, -1, 0);
}

static void expect_at(unsigned char *p, int nid, const char *when)
{
	if (where(p) != nid)
		dax_fail("%s: memory is on node %d, %d expected", when, where(p), nid);
}

/* Memory of this process on the first of two nodes; DAX leaves in areas[]. */
static unsigned char *begin(void)
{
	unsigned char *anon = dax_anon(ANON_PAGES * PAGE);
	unsigned long nodes = 0, at;

	if (syscall(SYS_get_mempolicy, NULL, &nodes, BITS, NULL, MPOL_F_MEMS_ALLOWED)) {
		if (errno == ENOSYS)
			dax_skip("no get_mempolicy(): CONFIG_NUMA is off");
		dax_fail_errno("get_mempolicy");
	}
	node[0] = __builtin_ffsl(nodes) - 1;
	node[1] = __builtin_ffsl(nodes & (nodes - 1)) - 1;
	if (node[1] < 0)
		dax_skip("one node only: boot with numa=fake=2");
	/* No policy of its own: NUMA balancing leaves what has none alone, too. */
	dax_must(!syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, BITS), "set_mempolicy");
	to_node(anon, ANON_PAGES * PAGE, node[0], MPOL_MF_MOVE | MPOL_MF_STRICT);
	for (at = 0; at < ANON_PAGES; at++)
		dax_fill(anon + at * PAGE, PAGE, at * PAGE, DATA);
	expect_at(anon, node[0], "bound to its node");
	nr = dax_areas(areas, DATA);
	return anon;
}

/* Whoever walks without knowing of leaves of 1G takes them away: a fault each. */
static void expect_all(bool walked, const char *when)
{
	struct dax_area *a;

	for (a = areas; a < areas + nr; a++)
		dax_area_expect(a, DATA, walked && a->leaf == DAX_GIB, when);
}

static void mbind_each(void)
{
	static const unsigned int flags[] = {
		MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL,
		MPOL_MF_STRICT | MPOL_MF_MOVE, MPOL_MF_STRICT | MPOL_MF_MOVE_ALL,
	};
	struct dax_area *a;
	char when[64];
	size_t i;
	int n;

	for (n = 0; n < 2; n++) {
		for (i = 0; i < ARRAY_SIZE(flags); i++) {
			for (a = areas; a < areas + nr; a++)
				dax_must(!bind(a->p, a->len, MPOL_BIND, 1UL << node[n], flags[i]),
					 "mbind of %s to node %d, flags %u", a->what, node[n],
					 flags[i]);
			snprintf(when, sizeof(when), "mbind to node %d, flags %u", node[n],
				 flags[i]);
			expect_all(flags[i] & MPOL_MF_STRICT, when);
		}
	}
	for (a = areas; a < areas + nr; a++)
		dax_must(!bind(a->p, a->len, MPOL_DEFAULT, 0, 0), "mbind");
}

static void move_each(void)
{
	struct dax_area *a;
	static const int flags[] = { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL };
	unsigned char *p;
	size_t i;
	int n, got;

	for (a = areas; a < areas + nr; a++) {
		for (p = a->p; p < a->p + a->data; p += a->data / 4) {
			got = where(p + PAGE);
			if (got != -ENOENT)
				dax_fail("move_pages of %s: %d, ENOENT expected", a->what, got);
			for (n = 0; n < 2; n++) {
				for (i = 0; i < ARRAY_SIZE(flags); i++) {
					got = status_of(p + PAGE, node[n], flags[i]);
					if (got != -EFAULT)
						dax_fail("move_pages of %s: %d, EFAULT expected",
							 a->what, got);
				}
			}
		}
	}
	expect_all(false, "move_pages");
}

/* All of the process from @from to @to; some pages may have to stay, as libc's. */
static void migrate(int from, int to)
{
	unsigned long old = 1UL << from, new = 1UL << to;

	dax_must(syscall(SYS_migrate_pages, 0, BITS, &old, &new) >= 0, "migrate_pages");
}

static void migrate_both_ways(void)
{
	migrate(node[0], node[1]);
	expect_all(false, "migrate_pages");
	migrate(node[1], node[0]);
	expect_all(false, "migrate_pages, back");
}

static void bound(void)
{
	unsigned char *anon = begin();
	size_t len = ANON_PAGES * PAGE;

	if (!bind(anon, len, MPOL_BIND, 1UL << node[1], MPOL_MF_STRICT))
		dax_fail("mbind says that memory is where it is not");
	dax_must(errno == EIO, "mbind, MPOL_MF_STRICT, EIO expected");
	to_node(anon, len, node[1], MPOL_MF_MOVE | MPOL_MF_STRICT);
	expect_at(anon, node[1], "mbind, MPOL_MF_MOVE");
	mbind_each();
	dax_expect(anon, len, 0, DATA, "memory");
	if (!opt.device)
		dax_expect_file(areas[0].fd, 0, areas[0].data, 0, DATA, "file");
}

/* A policy for a part of a leaf needs a mapping for that part. */
static void divided(void)
{
	struct dax_area *a;
	unsigned long mask;

	begin();
	mask = 1UL << node[1];
	for (a = areas; a < areas + nr; a++) {
		if (opt.device && a->leaf > PAGE) {
			if (!bind(a->p + PAGE, PAGE, MPOL_BIND, mask, MPOL_MF_MOVE))
				dax_fail("a policy for a part of %s", a->what);
			dax_must(errno == EINVAL, "mbind of a part, EINVAL expected");
			dax_area_expect(a, DATA, 0, "mbind of a part");
			continue;
		}
		to_node(a->p + PAGE, PAGE, node[1], MPOL_MF_MOVE);
		dax_expect(a->p, a->data, a->off, DATA, a->what);
		if (a->leaf == HUGE && dax_is_huge(a->p))
			dax_fail("one leaf in three mappings");
		if (a->leaf == HUGE && !dax_is_huge(a->p + HUGE))
			dax_fail("the leaf beside it is gone");
	}
}

/* The page of its own that a private mapping has is memory, but in a DAX mapping. */
static void own_copy(void)
{
	unsigned char *p;
	int got;

	begin();
	p = dax_map_at(NULL, areas[0].fd, HUGE, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	to_node(p, HUGE, node[0], 0);
	dax_expect(p, HUGE, 0, DATA, "private mapping");
	dax_fill(p + 5 * PAGE, PAGE, 0, DATA + 1);
	expect_at(p + 5 * PAGE, node[0], "a copy");
	to_node(p, HUGE, node[1], MPOL_MF_MOVE_ALL);
	expect_at(p + 5 * PAGE, node[0], "mbind of a private mapping");
	if (!bind(p, HUGE, MPOL_BIND, 1UL << node[1], MPOL_MF_MOVE | MPOL_MF_STRICT))
		dax_fail("mbind says that a copy is where it is not");
	dax_must(errno == EIO, "mbind, MPOL_MF_STRICT, EIO expected");
	got = status_of(p + 5 * PAGE, node[1], MPOL_MF_MOVE_ALL);
	if (got != -EFAULT)
		dax_fail("move_pages of a copy: %d, EFAULT expected", got);
	migrate(node[0], node[1]);
	expect_at(p + 5 * PAGE, node[0], "migrate_pages of a private mapping");
	dax_expect(p, 5 * PAGE, 0, DATA, "before the copy");
	dax_expect(p + 5 * PAGE, PAGE, 0, DATA + 1, "the copy");
	dax_expect(p + 6 * PAGE, HUGE - 6 * PAGE, 6 * PAGE, DATA, "behind the copy");
}

static void moved(void)
{
	unsigned char *anon = begin(), *hole;
	int got = status_of(anon, node[1], MPOL_MF_MOVE);

	if (got != node[1])
		dax_fail("move_pages of memory: %d, node %d expected", got, node[1]);
	expect_at(anon, node[1], "move_pages");
	move_each();
	dax_expect(anon, ANON_PAGES * PAGE, 0, DATA, "memory");
	if (opt.device)
		return;
	/* A hole's page of zeroes is that of all. */
	hole = dax_map_at(NULL, dax_open("hole", HUGE, DAX_HOLE), HUGE, 0, PROT_READ, MAP_SHARED);
	dax_expect_zero(hole, HUGE, "hole");
	if (where(hole) != -EFAULT)
		dax_fail("move_pages of a hole: %d, EFAULT expected", where(hole));
}

static void migrated(void)
{
	unsigned char *anon = begin();

	migrate(node[0], node[1]);
	expect_at(anon, node[1], "migrate_pages");
	expect_all(false, "migrate_pages");
	migrate(node[1], node[0]);
	expect_at(anon, node[0], "migrate_pages, back");
	expect_all(false, "migrate_pages, back");
	dax_expect(anon, ANON_PAGES * PAGE, 0, DATA, "memory");
}

/* What numa_maps has of the mapping that begins at @p. */
static void maps_line(const void *p, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/numa_maps", "r");
	char start[32];

	dax_must(f, "numa_maps");
	snprintf(start, sizeof(start), "%lx ", (unsigned long)p);
	while (fgets(line, size, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, start, strlen(start))) {
			fclose(f);
			return;
		}
	}
	dax_fail("no line in numa_maps for %s", start);
}

static void counted(void)
{
	unsigned char *anon = begin();
	char line[512], want[32];
	struct dax_area *a;

	maps_line(anon, line, sizeof(line));
	snprintf(want, sizeof(want), " N%d=%u ", node[0], ANON_PAGES);
	if (!strstr(line, want))
		dax_fail("numa_maps of memory: %s, but not%s", line, want);
	for (a = areas; a < areas + nr; a++) {
		maps_line(a->p, line, sizeof(line));
		if (strstr(line, " N0=") || strstr(line, " N1=") || strstr(line, "mapped="))
			dax_fail("numa_maps of %s: %s", a->what, line);
	}
	expect_all(true, "numa_maps");
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

#define BALANCING	"/proc/sys/kernel/numa_balancing"

/*
 * The leaves of memory become PROT_NONE by each scan, so that loads fault; those of DAX
 * do not, though they are asked for it as memory is. Nothing else of the process has a
 * policy that asks for it. With one thread, pages on its own node would be left alone.
 */
static void balanced(void)
{
	unsigned char *anon = begin();
	unsigned long both = 1UL << node[0] | 1UL << node[1];
	int mode = MPOL_BIND | MPOL_F_NUMA_BALANCING;
	size_t len = ANON_PAGES * PAGE;
	struct dax_area *a;
	char old[16] = "";
	long hints = 0;
	pthread_t thread;
	int fd = open(BALANCING, O_RDWR);

	if (fd < 0)
		dax_skip("no " BALANCING ": CONFIG_NUMA_BALANCING is off");
	dax_must(read(fd, old, sizeof(old) - 1) > 0, BALANCING);
	dax_must(dax_put(BALANCING, "1"), BALANCING);
	errno = pthread_create(&thread, NULL, sleeper, NULL);
	dax_must(!errno, "pthread_create");
	dax_must(!bind(anon, len, mode, both, 0), "mbind");
	for (a = areas; a < areas + nr; a++)
		dax_must(!bind(a->p, a->len, mode, both, 0), "mbind");
	while (hints < 4 * ANON_PAGES) {
		hints += dax_load_faults(anon, len, PAGE);
		for (a = areas; a < areas + nr; a++)
			if (dax_load_faults(a->p, a->data, PAGE))
				dax_fail("NUMA balancing took %s", a->what);
	}
	dax_must(pwrite(fd, old, strlen(old), 0) > 0, BALANCING);
	expect_all(false, "NUMA balancing");
	dax_expect(anon, len, 0, DATA, "memory");
}

static void do_all(void)
{
	mbind_each();
	move_each();
	migrate_both_ways();
}

/* Held by a pipe, as long as nobody reads it. */
static void held(void)
{
	unsigned char *buf = dax_anon(PAGE);
	struct dax_area *a;
	int pipes[2][2];

	begin();
	for (a = areas; a < areas + nr; a++)
		dax_hold_page(pipes[a - areas], a->p + 9 * PAGE);
	do_all();
	for (a = areas; a < areas + nr; a++) {
		dax_fill(a->p + 9 * PAGE, PAGE, 5, DATA);
		dax_must(read(pipes[a - areas][0], buf, PAGE) == (ssize_t)PAGE, "pipe");
		dax_expect(buf, PAGE, 5, DATA, "page in a pipe");
		dax_fill(a->p + 9 * PAGE, PAGE, a->off + 9 * PAGE, DATA);
	}
	expect_all(false, "pipes are read");
}

static void longterm(void)
{
	unsigned char *buf = dax_anon(2 * PAGE), *p;
	struct dax_area *a;
	int gup;

	begin();
	for (a = areas; a < areas + nr; a++) {
		p = a->p + 9 * PAGE;
		gup = dax_gup_pin(p, 2 * PAGE, DAX_WRITE);
		do_all();
		dax_fill(p, 2 * PAGE, 5, DATA);
		dax_gup_see(gup, buf);
		dax_expect(buf, 2 * PAGE, 5, DATA, "pinned pages");
		dax_fill(p, 2 * PAGE, a->off + 9 * PAGE, DATA);
		dax_gup_unpin(gup);
	}
	expect_all(false, "pages are let go");
}

static const struct dax_test tests[] = {
	{ "dax: mbind() moves no DAX page", bound },
	{ "dax: mbind() of a part of a leaf", divided },
	{ "dax: move_pages() moves no DAX page", moved },
	{ "dax: migrate_pages() moves no DAX page", migrated },
	{ "dax: numa_maps counts no DAX page", counted },
	{ "dax: NUMA balancing takes no DAX leaf", balanced },
	{ "gup: mbind(), move_pages(), migrate_pages() with pages in a pipe", held },
	{ "longterm: mbind(), move_pages(), migrate_pages() with pages pinned", longterm },
	{ "dax: mbind(), move_pages(), migrate_pages(): copies in a private mapping", own_copy },
};

int main(int argc, char **argv)
{
	/* The last one is about private mappings, which a device does not have. */
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests) - dax_is_device(argc, argv));
}
