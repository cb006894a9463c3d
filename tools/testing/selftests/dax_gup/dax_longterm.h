/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pins that last until their holder lets go: by io_uring, one ring for each, and
 * by gup_test, one in the whole machine; and what must not change meanwhile.
 */
#ifndef DAX_LONGTERM_H
#define DAX_LONGTERM_H

#include "dax_test.h"

#define GRACE	2000		/* ms after its last unpin for a 4K leaf to be free */
#define PROMPT	5000		/* ms for a refusal: no pin is waited for */

/* Registers a buffer, which pins it for writing. The ring, or -1 and errno. */
int dax_try_pin(const void *p, size_t len);
int dax_pin(const void *p, size_t len);
/* Returns when the pages are let go. */
void dax_unpin(int ring);

/* gup_test's pin, which dies with its process, too. */
enum { DAX_READ = 0, DAX_WRITE = 1, DAX_FAST = 2 };
int dax_gup_try_pin(const void *p, size_t len, unsigned int flags);
int dax_gup_pin(const void *p, size_t len, unsigned int flags);
void dax_gup_see(int gup, void *buf);		/* what the pinned pages hold */
void dax_gup_unpin(int gup);

uint64_t dax_ms(void);

/* Call @op until it does not give ETXTBSY, for at most @limit ms; returns how many. */
uint64_t dax_until_free(int (*op)(struct dax_map *m), struct dax_map *m, uint64_t limit);

/* A file of three entries of @unit bytes (4K or 2M), stream opt.seed, mapped. */
struct dax_map dax_three(const char *name, size_t unit);

/*
 * With a page of the middle entry pinned @op must give ETXTBSY, soon, and change
 * nothing; then it must work.
 */
void dax_refuses(size_t unit, int (*op)(struct dax_map *m));
/* Fail unless @op's result says that it was refused. */
void dax_expect_busy(int result, const char *what);

int dax_truncate(struct dax_map *m);		/* to nothing: for dax_until_free() */
int dax_punch(int fd, off_t at, off_t len);

#endif
