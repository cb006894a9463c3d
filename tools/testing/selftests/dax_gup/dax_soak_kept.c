// SPDX-License-Identifier: GPL-2.0
/*
 * The soak's promises: DAX_SOAK_LOG names a drive; then some changes of a file are
 * followed by fsync, and by a record of what must be in it now. dax_promise checks
 * that after a loss of power.
 */
#include "dax_kept.h"
#include "dax_soak.h"

static int logfd = -1, dirfd = -1;
static unsigned char *sector;
static bool kept[KEPT_IDS];

/* False where nothing is to be promised. */
bool start_promises(void)
{
	const char *path = getenv("DAX_SOAK_LOG");

	if (!path)
		return false;
	logfd = open(path, O_RDWR | O_DIRECT | O_SYNC);
	dax_must(logfd >= 0, "%s", path);
	dirfd = open(opt.dir, O_RDONLY | O_DIRECTORY);
	dax_must(dirfd >= 0, "%s", opt.dir);
	sector = dax_anon(PAGE);
	return true;
}

static void say(unsigned int id, const struct kept *k)
{
	memcpy(sector, k, sizeof(*k));
	dax_must(pwrite(logfd, sector, UNIT, kept_place(id)) == UNIT, "write to the log");
}

/* All that must be in @f, if that is known: else a look at the unit says so. */
static uint64_t sum_of(struct file *f)
{
	const struct unit *unit = f->m->unit;
	size_t u, nr = f->m->size / UNIT;
	uint64_t sum = 0;

	for (u = 0; u < nr; u++) {
		if (unit[u].now != unit[u].or)
			check_file(f, u * UNIT, UNIT, "before a promise");
		sum = kept_add(sum, unit[u].now);
	}
	return sum;
}

void promise(struct file *f)
{
	struct kept k = { .seed = opt.seed, .id = f->id };

	if (f->kind != OF_ONE)
		return;
	settle(f);
	k.size = f->m->size;
	k.sum = sum_of(f);
	dax_must(!fsync(f->fd) && !fsync(dirfd), "fsync");
	say(f->id, &k);
	kept[f->id] = true;
}

void unpromise(struct file *f)
{
	static const struct kept none;

	if (kept[f->id])
		say(f->id, &none);
	kept[f->id] = false;
}
