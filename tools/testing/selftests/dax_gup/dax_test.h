/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the DAX tests share: a runner that gives each test a process of its own,
 * data that says where it belongs, and files that are mapped by DAX.
 *
 * A test is a function that returns when all is well. Any other end is a call
 * of dax_fail(), dax_fail_errno(), dax_skip() or dax_again(), from any process or thread of
 * the test; none of them returns. What a test leaves behind (descriptors,
 * mappings, children, files) goes with its process and its directory.
 *
 * The word before the colon in a test's name says what the kernel must be able
 * to do for it:
 *	gup:		pin or get a page of a DAX mapping
 *	break:		keep blocks of an unmapped file from under DMA
 *	longterm:	pin a page of a DAX mapping for as long as one likes
 *	refused:	the same, while the kernel refuses: only with -r
 *	device:		make a driver that is unbound wait for its pages
 *	pageless:	say EFAULT where there are no pages: only with -p
 *	told:		tell all that map a poisoned page of it, and where it is
 *	dax:		nothing beyond DAX itself
 */
#ifndef DAX_TEST_H
#define DAX_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../kselftest.h"

#define KB		1024UL
#define MB		(1024UL * KB)
#define PAGE		4096UL

struct dax_test {
	const char *name;
	void (*run)(void);
};

struct dax_opt {
	const char *dir;	/* of this test, on a DAX file system */
	const char *device;	/* or a character device of device-dax */
	const char *drive;	/* takes O_DIRECT, is not DAX */
	bool refused;		/* long-term pins must say EOPNOTSUPP */
	bool pageless;		/* the pmem has no struct pages */
	unsigned int seconds;	/* for tests that repeat until time is up */
	unsigned int patience;	/* grows each time that dax_again() is called */
	uint64_t seed;
};

extern struct dax_opt opt;

int dax_main(int argc, char **argv, const struct dax_test *tests, size_t nr);

/* Whether the tests will be on a character device, not on a file system. */
bool dax_is_device(int argc, char **argv);

/* For a program that is no set of tests: its failures go to its output. */
void dax_alone(void);

void __noreturn __printf(1, 2) dax_fail(const char *fmt, ...);
void __noreturn __printf(1, 2) dax_fail_errno(const char *fmt, ...);
void __noreturn __printf(1, 2) dax_skip(const char *fmt, ...);
/* The test came too late to see anything: run it again, with more patience. */
void __noreturn __printf(1, 2) dax_again(const char *fmt, ...);
void __printf(1, 2) dax_note(const char *fmt, ...);

/* Fail with the errno of @cond's call when @cond does not hold. */
#define dax_must(cond, ...)				\
	do {						\
		if (!(cond))				\
			dax_fail_errno(__VA_ARGS__);	\
	} while (0)

/* Children of a test: fork, wait until one sleeps in a call, take its result. */
pid_t dax_fork(void);
void dax_reap(pid_t pid, const char *who);
void dax_wait_asleep(pid_t pid, const char *who);
bool dax_ends(pid_t pid, unsigned int seconds);

/* The byte at offset @off of the stream @seed is always the same. */
void dax_fill(void *buf, size_t len, uint64_t off, uint64_t seed);
size_t dax_diff(const void *buf, size_t len, uint64_t off, uint64_t seed,
		size_t *first);
void dax_expect(const void *buf, size_t len, uint64_t off, uint64_t seed,
		const char *what);
void dax_expect_zero(const void *buf, size_t len, const char *what);
/*
 * Each @grain of bytes is right or zero. DMA holds its page, so what it brings
 * stands or falls by sectors; a store meets a hole between any two bytes.
 */
void dax_expect_or_zero(const void *buf, size_t len, uint64_t off, uint64_t seed,
			size_t grain);
uint64_t dax_random(uint64_t *state);

enum dax_layout {
	DAX_HOLE,		/* no block */
	DAX_UNWRITTEN,		/* blocks that read as zero */
	DAX_WRITTEN,		/* blocks that hold stream opt.seed */
};

struct dax_map {
	int fd;
	size_t len;
	unsigned char *p;
	char path[256];
};

void dax_path(char *path, size_t size, const char *name);
int dax_open(const char *name, size_t len, enum dax_layout layout);
void *dax_mmap(int fd, size_t len, int prot, int flags);
struct dax_map dax_new(const char *name, size_t len, enum dax_layout layout);
void dax_expect_file(int fd, off_t at, size_t len, uint64_t off, uint64_t seed,
		     const char *what);

/* The extent that has @at, at most @len bytes of it from there. */
struct fiemap_extent dax_extent(int fd, off_t at, size_t len);
/* Do files share the block at @at? */
bool dax_is_shared(int fd, off_t at);

/* Size, blocks and extents of a file: what a change that did not happen leaves alone. */
#define DAX_STATE_EXTENTS	32
struct dax_state {
	struct stat st;
	struct fiemap map;
	struct fiemap_extent ext[DAX_STATE_EXTENTS];
};

void dax_get_state(int fd, struct dax_state *s);
/* @what: why the file must be as it was */
void dax_expect_state(int fd, const struct dax_state *before, const char *what);

/* What is free of the file system under @fd, when all that was done is written. */
uint64_t dax_free_bytes(int fd);

/* Leave little free, so that blocks have a new owner soon: what takes the rest. */
int dax_leave(size_t left);

/* A new pipe has the page at @p, mapped or not, until it is read or closed. */
void dax_hold_page(int pipefd[2], void *p);

/* How much of the mapping at a page's start is by 2M leaves, and by any. */
size_t dax_huge(const void *p, size_t len, size_t *present);

uint64_t dax_now(void);		/* in nanoseconds */
void dax_await_tick(void);	/* of the timer: the next one is far */

/* Write a word to an attribute of sysfs, or the like, read a number; errno says why not. */
bool dax_put(const char *path, const char *word);
bool dax_number(const char *path, unsigned long *number);
/* Take the device under opt.dir, or opt.device, away from its driver. */
void dax_unbind_driver(void);

/* A drive for the other side of the DMA, and memory that it may always use. */
int dax_drive(void);
void *dax_anon(size_t len);
void dax_drive_fill(int drive, off_t at, size_t len, uint64_t seed);
void dax_drive_expect(int drive, off_t at, size_t len, uint64_t off,
		      uint64_t seed, const char *what);

#endif
