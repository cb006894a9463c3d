/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What fsync of a file of dax_soak has promised, on a drive that does not lose it:
 * written after the call, taken back before the next change of the file.
 */
#ifndef DAX_KEPT_H
#define DAX_KEPT_H

#include "dax_stamp.h"

#define KEPT_FROM	(32 * MB)	/* on the log; what is before is dax_promise's */
#define KEPT_IDS	256

struct kept {
	uint64_t seed, id, size, sum;	/* of the stamps of its units */
};

static inline off_t kept_place(unsigned int id)
{
	return KEPT_FROM + id * UNIT;
}

static inline uint64_t kept_add(uint64_t sum, stamp_t s)
{
	sum ^= s;
	return dax_random(&sum);
}

/*
 * Of dax_promise: DIR has the files of dax_soak's directory in it. How many it has seen,
 * and how many of those were to be what fsync had promised.
 */
bool check_soak(const char *dir, int log, unsigned long *seen, unsigned long *promises);

#endif
