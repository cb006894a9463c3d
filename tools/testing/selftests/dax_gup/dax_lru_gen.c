// SPDX-License-Identifier: GPL-2.0
/*
 * Reclaim by the multi-generational LRU, which goes through page tables to see what is
 * in use: memory goes to swap, DAX leaves of 4K and 2M of a file, or of 4K, 2M and 1G
 * of a device of device-dax, stay. DRIVE is the swap.
 */
#include <sys/swap.h>
#include <sys/sysinfo.h>

#include "dax_area.h"

#define DATA	(opt.seed + 1)
#define LRU_GEN	"/sys/kernel/debug/lru_gen"
#define PAGES	64
#define NODES	8

/* A new generation on each node, and all that is older than the last two goes. */
static void age_and_evict(void)
{
	unsigned long memcg = 0, last[NODES] = { 0 };
	unsigned int nid = 0, nodes = 0;
	FILE *f = fopen(LRU_GEN, "r");
	char line[256], command[96];

	dax_must(f, LRU_GEN);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "memcg %lu", &memcg) == 1)
			continue;
		if (sscanf(line, " node %u", &nid) == 1)
			nodes = nid + 1;
		else if (nid < NODES)
			last[nid] = strtoul(line, NULL, 10);
	}
	fclose(f);
	for (nid = 0; nid < nodes && nid < NODES; nid++) {
		if (!last[nid])
			continue;
		snprintf(command, sizeof(command), "+ %lu %u %lu 200 1", memcg, nid, last[nid]);
		dax_must(dax_put(LRU_GEN, command), "%s to " LRU_GEN, command);
		snprintf(command, sizeof(command), "- %lu %u %lu 200 4096", memcg, nid,
			 last[nid] - 1);
		dax_must(dax_put(LRU_GEN, command) || errno == EINVAL || errno == EBUSY,
			 "%s to " LRU_GEN, command);
	}
}

static bool present(const void *p)
{
	return dax_pagemap(p) & DAX_PM_PRESENT;
}

/*
 * Until none of the pages at @p, @step bytes apart, is there. A page that was faulted in
 * waits in a batch of its processor until that is full, and no generation has it before;
 * drop_caches puts what waits on its list. It does nothing else here: the root is no page
 * cache, and of a DAX mapping it drops nothing.
 */
static void evict(const unsigned char *p, size_t len, size_t step)
{
	struct sysinfo info;
	unsigned int tries;
	size_t at;

	dax_must(dax_put("/proc/sys/vm/drop_caches", "1"), "drop_caches");
	for (tries = 0; tries < 40; tries++) {
		age_and_evict();
		for (at = 0; at < len && !present(p + at); at += step)
			;
		if (at >= len)
			return;
		dax_must(!sysinfo(&info), "sysinfo");
		if (info.freeswap * info.mem_unit < MB)
			dax_fail("the swap is full: is / tmpfs? boot with rootfstype=ramfs");
	}
	dax_fail("memory at %#zx is still there after %u generations", at, tries);
}

static void make_swap(int drive)
{
	struct { uint32_t version, last_page; } head = {
		1, lseek(drive, 0, SEEK_END) / PAGE - 1,
	};
	unsigned char *page = dax_anon(PAGE);

	memset(page, 0, PAGE);
	memcpy(page + 1024, &head, sizeof(head));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	dax_must(pwrite(drive, page, PAGE, 0) == (ssize_t)PAGE, "write of %s", opt.drive);
}

/* What @test does with swap there; without, however it ends. */
static void with_swap(void (*test)(void))
{
	FILE *f = fopen("/sys/kernel/mm/lru_gen/enabled", "r");
	unsigned int enabled = 0;
	int status;
	pid_t pid;

	if (!f || fscanf(f, "%x", &enabled) != 1 || !(enabled & 1))
		dax_skip("no lru_gen: CONFIG_LRU_GEN_ENABLED is off");
	fclose(f);
	make_swap(dax_drive());
	if (swapon(opt.drive, 0)) {
		if (errno == ENOSYS)
			dax_skip("no swapon(): CONFIG_SWAP is off");
		dax_fail_errno("swapon %s", opt.drive);
	}
	pid = dax_fork();
	if (!pid) {
		test();
		_exit(0);
	}
	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	dax_must(!swapoff(opt.drive), "swapoff %s", opt.drive);
	if (WIFSIGNALED(status))
		dax_fail("the test died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));	/* its reason stands already */
}

static void leaves_stay(void)
{
	unsigned char *anon = dax_anon(PAGES * PAGE);
	struct dax_area areas[2], *a;
	unsigned int nr = dax_areas(areas, DATA);

	dax_fill(anon, PAGES * PAGE, 0, DATA);
	evict(anon, PAGES * PAGE, PAGE);
	for (a = areas; a < areas + nr; a++)
		dax_area_expect(a, DATA, 0, "memory is reclaimed");
	dax_expect(anon, PAGES * PAGE, 0, DATA, "memory, back from swap");
	if (!opt.device)
		dax_expect_file(areas[0].fd, 0, areas[0].data, 0, DATA, "file");
}

/* Every other page of a private mapping is memory, and has leaves of DAX beside it. */
static void copies_go(void)
{
	struct dax_area areas[2];
	unsigned char *p;
	size_t i;

	dax_areas(areas, DATA);
	p = dax_map_at(NULL, areas[0].fd, HUGE, 0, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (i = 0; i < PAGES; i++)
		dax_fill(p + 2 * i * PAGE, PAGE, i * PAGE, DATA + 1);
	dax_expect(p + PAGE, PAGE, PAGE, DATA, "between the copies");
	dax_load_faults(p, 2 * PAGES * PAGE, PAGE);
	evict(p, 2 * PAGES * PAGE, 2 * PAGE);
	for (i = 0; i < PAGES; i++) {
		dax_expect(p + (2 * i + 1) * PAGE, PAGE, (2 * i + 1) * PAGE, DATA, "a leaf");
		dax_expect(p + 2 * i * PAGE, PAGE, i * PAGE, DATA + 1, "a copy, back from swap");
	}
	dax_expect_file(areas[0].fd, 0, areas[0].data, 0, DATA, "file");
}

static void stay(void)
{
	with_swap(leaves_stay);
}

static void go(void)
{
	with_swap(copies_go);
}

static const struct dax_test tests[] = {
	{ "dax: lru_gen takes memory and leaves DAX leaves", stay },
	{ "dax: lru_gen takes the copies of a private mapping, and no leaf beside them", go },
};

int main(int argc, char **argv)
{
	/* The last one is about private mappings, which a device does not have. */
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests) - dax_is_device(argc, argv));
}
