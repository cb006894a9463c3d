/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stamps: each unit of 512 bytes says in each of its words which file wrote it,
 * for which place, and when (a generation). The stamp 0 is a unit of zeroes.
 */
#ifndef DAX_STAMP_H
#define DAX_STAMP_H

#include "dax_test.h"

#define UNIT		512UL
#define UNIT_WORDS	(UNIT / sizeof(uint64_t))

typedef uint64_t stamp_t;

static inline stamp_t stamp(unsigned int file, size_t unit, uint32_t gen)
{
	return (uint64_t)file << 56 | (uint64_t)(unit & 0xffffff) << 32 | gen;
}

static inline unsigned int stamp_file(stamp_t s) { return s >> 56; }
static inline size_t stamp_unit(stamp_t s) { return s >> 32 & 0xffffff; }
static inline uint32_t stamp_gen(stamp_t s) { return s; }

/* What the stamps of a run (opt.seed) look like: before the first one is written. */
void stamp_init(void);

void stamp_fill(void *unit, stamp_t s);
bool stamp_is(const void *unit, stamp_t s);

/* The stamp that word @i of a unit belongs to: nonsense if it is none of ours. */
stamp_t stamp_of(const void *unit, size_t i);

/*
 * How many bytes of @unit are those of neither @a nor @b: a unit that is being
 * written may have some of each, even within a word. @gens: of any generation.
 * The first wrong byte is in @word.
 */
size_t stamp_diff(const void *unit, stamp_t a, stamp_t b, bool gens, size_t *word);

#endif
