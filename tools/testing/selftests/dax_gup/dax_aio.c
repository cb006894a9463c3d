// SPDX-License-Identifier: GPL-2.0
/* libaio: many O_DIRECT requests in flight between a drive and a mapping. */
#include <libaio.h>

#include "dax_test.h"

#define LEN	(4 * MB)
#define UNIT	(32 * KB)
#define NR	(LEN / UNIT)

static unsigned long order[NR];

/* A permutation: where in the file each piece of the drive goes. */
static void shuffle(void)
{
	uint64_t state = opt.seed;
	size_t i;

	for (i = 0; i < NR; i++) {
		size_t j = dax_random(&state) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

static void run(struct iocb *iocbs, const char *what)
{
	struct iocb *list[NR];
	struct io_event events[NR];
	io_context_t ctx = NULL;
	long done = 0, n, i;
	int err;

	err = io_setup(NR, &ctx);
	errno = -err;
	dax_must(!err, "io_setup");
	for (i = 0; i < (long)NR; i++)
		list[i] = &iocbs[i];
	while (done < (long)NR) {
		n = io_submit(ctx, NR - done, list + done);
		errno = -n;
		dax_must(n > 0, "%s: io_submit of %ld", what, NR - done);
		done += n;
	}
	n = io_getevents(ctx, NR, NR, events, NULL);
	if (n != (long)NR)
		dax_fail("%s: %ld of %lu events", what, n, NR);
	for (i = 0; i < n; i++) {
		if ((long)events[i].res == (long)UNIT)
			continue;
		errno = -(long)events[i].res;
		dax_fail_errno("%s: result %ld", what, (long)events[i].res);
	}
	io_destroy(ctx);
}

static void into_and_back(enum dax_layout layout)
{
	static struct iocb iocbs[NR];
	int drive = dax_drive();
	struct dax_map m = dax_new("aio", LEN, layout);
	size_t i;

	shuffle();
	dax_drive_fill(drive, 0, LEN, opt.seed + 1);
	for (i = 0; i < NR; i++)
		io_prep_pread(&iocbs[i], drive, m.p + order[i] * UNIT, UNIT, i * UNIT);
	run(iocbs, "read");
	for (i = 0; i < NR; i++)
		dax_expect(m.p + order[i] * UNIT, UNIT, i * UNIT, opt.seed + 1,
			   "mapping");

	dax_fill(m.p, LEN, 0, opt.seed + 2);
	for (i = 0; i < NR; i++)
		io_prep_pwrite(&iocbs[i], drive, m.p + order[i] * UNIT, UNIT, i * UNIT);
	run(iocbs, "write");
	for (i = 0; i < NR; i++)
		dax_drive_expect(drive, i * UNIT, UNIT, order[i] * UNIT,
				 opt.seed + 2, "drive");
}

static void written(void) { into_and_back(DAX_WRITTEN); }
static void hole(void) { into_and_back(DAX_HOLE); }

static const struct dax_test tests[] = {
	{ "gup: libaio, 128 requests in flight", written },
	{ "gup: libaio, 128 requests into holes", hole },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
