// SPDX-License-Identifier: GPL-2.0
#include "dax_stamp.h"

static uint64_t key[UNIT_WORDS];

void stamp_init(void)
{
	uint64_t state = opt.seed;
	size_t i;

	for (i = 0; i < UNIT_WORDS; i++)
		key[i] = dax_random(&state);
}

static uint64_t word(stamp_t s, size_t i)
{
	return s ? s ^ key[i] : 0;
}

void stamp_fill(void *unit, stamp_t s)
{
	uint64_t *to = unit;
	size_t i;

	for (i = 0; i < UNIT_WORDS; i++)
		to[i] = word(s, i);
}

bool stamp_is(const void *unit, stamp_t s)
{
	const uint64_t *from = unit;
	size_t i;

	for (i = 0; i < UNIT_WORDS; i++)
		if (from[i] != word(s, i))
			return false;
	return true;
}

stamp_t stamp_of(const void *unit, size_t i)
{
	uint64_t w = ((const uint64_t *)unit)[i];

	return w ? w ^ key[i] : 0;
}

size_t stamp_diff(const void *unit, stamp_t a, stamp_t b, bool gens, size_t *first)
{
	const uint64_t *from = unit;
	size_t i, bad = 0;
	int bits;

	for (i = UNIT_WORDS; i--; ) {
		uint64_t not_a = from[i] ^ word(a, i), not_b = from[i] ^ word(b, i);

		for (bits = gens ? 32 : 0; bits < 64; bits += 8) {
			if (!(not_a >> bits & 0xff) || !(not_b >> bits & 0xff))
				continue;
			bad++;
			*first = i;
		}
	}
	return bad;
}
