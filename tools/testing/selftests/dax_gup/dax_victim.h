/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A second file that takes the blocks which the first one loses, and that nobody
 * else may touch.
 */
#ifndef DAX_VICTIM_H
#define DAX_VICTIM_H

#include "dax_test.h"

/* Takes free blocks, writes them, finds them as they were, and gives them back. */
void dax_victim(uint64_t *state, unsigned int linger_ms);

/* For up to @most_ms: then what takes its time meets every state of a file. */
void dax_linger(uint64_t *state, unsigned int most_ms);

#endif
