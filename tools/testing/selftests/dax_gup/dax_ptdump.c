// SPDX-License-Identifier: GPL-2.0
/*
 * The page tables as debugfs shows them, while DAX leaves are in them, of 4K and 2M of
 * a file, or of 4K, 2M and 1G of a device of device-dax: each is there, as large as it
 * is, and stays.
 */
#include <dirent.h>

#include "dax_area.h"

#define DATA	(opt.seed + 1)
#define TABLES	"/sys/kernel/debug/page_tables"

/* Fails unless the line of @a is of leaves of its size that can be written. */
static void expect_line(const struct dax_area *a, const char *line)
{
	const char *level = a->leaf == PAGE ? "pte" : a->leaf == HUGE ? "pmd" : "pud";
	const char *last = strrchr(line, ' ');
	bool small = a->leaf == PAGE;

	if (!last || strcmp(last + 1, level) || !strstr(line, " USR RW ") ||
	    !strstr(line, " PSE ") != small)
		dax_fail("%s: %s", a->what, line);
}

/* Which line has @p, in the tables of this process. */
static void look(const struct dax_area *a, size_t at)
{
	FILE *f = fopen(TABLES "/current_kernel", "r");
	unsigned long start, end, p = (uintptr_t)a->p + at;
	char line[256];

	dax_must(f, TABLES "/current_kernel");
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || p < start || p >= end)
			continue;
		expect_line(a, line);
		fclose(f);
		return;
	}
	dax_fail("%s: no line for %#lx", a->what, p);
}

/* What else is there to read: tables of the kernel, which map the device, too. */
static void read_all(void)
{
	DIR *d = opendir(TABLES);
	static char buf[1 << 16];
	char path[300];
	struct dirent *e;
	size_t sum;
	ssize_t n;
	int fd;

	dax_must(d, TABLES);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), TABLES "/%s", e->d_name);
		fd = open(path, O_RDONLY);
		dax_must(fd >= 0, "%s", path);
		for (sum = 0; (n = read(fd, buf, sizeof(buf))) > 0; sum += n)
			;
		dax_must(!n, "read of %s", path);
		if (!sum && !strcmp(e->d_name, "kernel"))
			dax_fail("nothing in %s", path);
		close(fd);
	}
	closedir(d);
}

static void dumped(void)
{
	struct dax_area areas[2], *a;
	unsigned int nr;

	if (access(TABLES "/current_kernel", R_OK))
		dax_skip("no " TABLES ": CONFIG_PTDUMP_DEBUGFS is off");
	nr = dax_areas(areas, DATA);
	read_all();
	for (a = areas; a < areas + nr; a++) {
		look(a, 0);
		look(a, a->data - PAGE);
		dax_area_expect(a, DATA, 0, "after ptdump");
		dax_must(!munmap(a->p, a->len), "munmap");
	}
	read_all();
}

static const struct dax_test tests[] = {
	{ "dax: ptdump shows leaves of each size, which stay", dumped },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
