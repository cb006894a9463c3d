// SPDX-License-Identifier: GPL-2.0
/* What must be in the files of dax_soak after a loss of power. */
#include <dirent.h>

#include "dax_kept.h"

#define BUF_LEN	(256 * KB)

static unsigned char *buf;

/* Of a file of dax_soak: whose data may be in it. */
static bool soak_word(unsigned int id, uint64_t raw, stamp_t s)
{
	unsigned int whose = stamp_file(s);

	if (!(raw >> 56))	/* a hole, or half of a word was written */
		return true;
	return whose == 0xf1 || (id < 0xf0 ? whose >> 4 == id >> 4 : whose == id);
}

/* What was promised of dax_soak's file, if anything was. */
static bool hear_kept(int log, struct kept *k, unsigned int id)
{
	dax_must(pread(log, buf, UNIT, kept_place(id)) == UNIT, "read of the log");
	memcpy(k, buf, sizeof(*k));
	return k->seed == opt.seed && k->id == id;
}

static bool check_file(int log, const char *path, unsigned int id, bool *promised)
{
	unsigned long at = 0, bad = 0;
	int fd = open(path, O_RDONLY);
	struct kept kept;
	uint64_t sum = 0;
	ssize_t n, i;

	dax_must(fd >= 0, "open %s", path);
	*promised = hear_kept(log, &kept, id);
	while ((n = read(fd, buf, BUF_LEN)) > 0) {
		for (i = 0; i + 8 <= n; i += 8) {
			uint64_t raw = *(uint64_t *)(buf + i);
			stamp_t s = stamp_of(buf + i / UNIT * UNIT, i % UNIT / 8);

			if (i % UNIT == 0)
				sum = kept_add(sum, stamp_is(buf + i, s) ? s : ~s);
			if (soak_word(id, raw, s))
				continue;
			if (!bad++)
				printf("wrong: %s: at %lu data of %#llx\n", path, at + i,
				       (unsigned long long)s);
		}
		at += n;
	}
	close(fd);
	if (*promised && (at != kept.size || sum != kept.sum)) {
		printf("wrong: %s: %lu bytes that are not the %llu of fsync's promise\n", path, at,
		       (unsigned long long)kept.size);
		bad++;
	}
	return !bad;
}

/* Promised, and not there? */
static bool check_missing(int log, const bool *there)
{
	struct kept kept;
	unsigned int id;
	bool good = true;

	for (id = 0; id < KEPT_IDS; id++) {
		if (there[id] || !hear_kept(log, &kept, id))
			continue;
		printf("wrong: file %02x of the soak is not there\n", id);
		good = false;
	}
	return good;
}

bool check_soak(const char *dir, int log, unsigned long *seen, unsigned long *promises)
{
	bool good = true, there[KEPT_IDS] = { false }, promised;
	DIR *top = opendir(dir), *d;
	struct dirent *e, *f;
	char path[600];
	unsigned int id;

	buf = dax_anon(BUF_LEN);
	while (top && (e = readdir(top))) {
		if (strncmp(e->d_name, "dax_soak.", 9))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		d = opendir(path);
		while (d && (f = readdir(d))) {
			if (sscanf(f->d_name, "soak-%x", &id) != 1 || id >= KEPT_IDS)
				continue;
			snprintf(path, sizeof(path), "%s/%s/%s", dir, e->d_name, f->d_name);
			good &= check_file(log, path, id, &promised);
			there[id] = true;
			*promises += promised;
			*seen += 1;
		}
		if (d)
			closedir(d);
	}
	if (top)
		closedir(top);
	return good & check_missing(log, there);
}
