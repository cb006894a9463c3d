/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak: processes that do at random what can be done to files of a DAX file
 * system, and know what must be in them.
 *
 * Each worker has files of its own, and a model that says for every unit which
 * stamp it holds. Where DMA is in flight, or ended in an error, a unit has one of
 * two. Beside them there is one file that all workers write, where each word must
 * be zero or a stamp of that file and that place; and the donor, which nobody
 * writes and all may clone.
 */
#ifndef DAX_SOAK_H
#define DAX_SOAK_H

#include "dax_stamp.h"

#ifndef FALLOC_FL_UNSHARE_RANGE
#define FALLOC_FL_UNSHARE_RANGE	0x40
#endif

#define FILE_MAX	(8 * MB)
#define UNITS		(FILE_MAX / UNIT)
#define PAGE_UNITS	(PAGE / UNIT)

#define WORKERS		4U
#define OWN		3U		/* files that are only one worker's */
#define FILES		(OWN + 2)
#define LOG		32U
#define MAX_OPS		40U

enum kind { OF_ONE = 1, OF_ALL = 2, OF_NONE = 4 };

struct unit {
	stamp_t now, or;	/* the unit has one of the two, which may be the same */
};

struct model {
	off_t size;
	struct unit unit[UNITS];
};

struct file {
	unsigned int id;
	enum kind kind;
	int fd;
	char path[256];
	unsigned char *window;	/* where it is mapped, if it is; its own as long as it lives */
	bool mapped;
	struct model *m;
	uint8_t flying[UNITS];	/* the DMA that is on its way to or from it, and 1; 0: none */
};

/* All that an operation does is a function of the seed, the worker and @nr. */
struct choice {
	unsigned int nr, op;
	unsigned int file, other;
	size_t at, len, to;
	uint64_t bits;
	int result;
};

/* What the processes share; it outlives them, and the mount. */
struct board {
	bool over;
	uint32_t gen[WORKERS];
	unsigned int nr[WORKERS];
	unsigned long chosen[MAX_OPS], done[MAX_OPS], worked[MAX_OPS];
	unsigned long checked, present, huge, in, out, cut_short, restarts;
	struct choice log[WORKERS][LOG];
	struct model model[WORKERS][OWN], donor, boot;
};

/* By the operation that runs: the kernel said no, to all or a part of it. */
extern bool said_no;

extern struct board *board;
extern unsigned int me;
extern struct file files[FILES];

static inline void count(unsigned long *what, unsigned long n)
{
	__atomic_fetch_add(what, n, __ATOMIC_RELAXED);
}

/* dax_soak_model.c: lengths and places are in bytes, and whole units. */
uint32_t new_gen(void);
void set(struct file *f, size_t at, size_t len, uint32_t gen);
void set_zero(struct file *f, size_t at, size_t len);
void set_either(struct file *f, size_t at, size_t len, uint32_t gen);
void set_clone(struct file *to, size_t at, const struct file *from, size_t from_at, size_t len);
bool in_range(const struct file *f, size_t *at, size_t *len);
size_t wrong_bytes(const struct file *f, size_t u, const struct unit *expected,
		   const void *data, size_t *word);
void check(struct file *f, size_t at, const void *data, size_t len, const char *what);
void check_copy(const struct file *f, size_t at, const struct unit *expected, const void *data,
		size_t len, const char *what);
void check_file(struct file *f, size_t at, size_t len, const char *what);
void check_all(struct file *f, const char *what);
void __noreturn fail_with_log(const char *why);

/* dax_soak_ops.c */
struct op {
	const char *name;
	unsigned int weight, kinds;
	bool (*run)(struct file *f, const struct choice *c);	/* false: had nothing to do */
};

extern const struct op ops[];
extern const unsigned int nr_ops;

void open_file(struct file *f);
void map_file(struct file *f, uint64_t bits);
void unmap(struct file *f);
bool store(struct file *f, size_t at, size_t len);
bool do_store(struct file *f, const struct choice *c);
bool load(struct file *f, const struct choice *c);
bool truncate_to(struct file *f, size_t to);
void grown(struct file *f, off_t end);
void expect_error(struct file *f, const char *what);
void renew(struct file *f);

static inline size_t page_up(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

/* dax_soak_clone.c */
bool clone_range(struct file *f, const struct choice *c);
bool clone_all(struct file *f, const struct choice *c);
bool do_dedupe(struct file *f, const struct choice *c);
bool swap_extents(struct file *f, const struct choice *c);
bool exchange(struct file *f, const struct choice *c);

/* dax_soak_fork.c */
bool do_fork(struct file *f, const struct choice *c);
bool private_child(struct file *f, const struct choice *c);

/* dax_soak_kept.c: what fsync promises, for a loss of power */
bool start_promises(void);
void promise(struct file *f);
void unpromise(struct file *f);

/* dax_soak_drive.c */
#define NOW_LEN		(2 * MB)
#define AREA		(4 * MB)	/* of each worker, on each drive: that, then flights */
#define FLIGHTS		4U
#define FLIGHT_LEN	(64 * KB)

/* Two that are slow in one way, so that DMA is in flight for a while. */
struct drives {
	int fast, slow_reads, slow_writes;
};

extern struct drives drives;
extern unsigned char *dma_buf;

void open_drives(void);
void fill_dma_buf(const struct file *f, size_t at, size_t len, uint32_t gen);
bool read_now(struct file *f, const struct choice *c);
bool write_now(struct file *f, const struct choice *c);
void __noreturn read_and_exit(struct file *f, const struct choice *c);
void read_private(struct file *f, void *p, size_t at, size_t len, uint32_t gen);

/* dax_soak_dma.c */
void start_dma(void);
void end_dma(void);
void poll_dma(void);
bool read_later(struct file *f, const struct choice *c);
bool write_later(struct file *f, const struct choice *c);

bool flies(const struct file *f, size_t at, size_t len);
void settle(struct file *f);
void settle_unsure(struct file *f);
void disturb(struct file *f);
void landed(struct file *f, size_t at, size_t end);
void gone(struct file *f, size_t at, size_t end);
void orphan(struct file *f);
void moved(struct file *from, struct file *to);

#endif
