// SPDX-License-Identifier: GPL-2.0
/*
 * What fsync and MAP_SYNC promise, across a loss of power. Processes change files
 * and say so on a drive of its own, the log, before (begun) and after the call that
 * promises (kept). The machine is then killed at any moment; the check, in the next
 * boot, finds each file as it was promised, or as the one change makes it that was
 * begun and not yet promised: whole, in part, or not at all.
 *
 * The caches of the processor are not lost when QEMU is killed, so this shows that the
 * file system's log is in time, not that the caches are flushed.
 *
 * usage: dax_promise load|lie|check SEED BOOT DIR LOG [DRIVE]
 * load prints "under way" and does not end; lie says that it has synced, and has not.
 * Their files are those of BOOT; check also looks at those of dax_soak -s SEED: they are
 * what its fsync had promised, if they were not to change after that, and no data of
 * others is there.
 */
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

#include "dax_kept.h"

#define PROCESSES	3U
#define FILES		3U
#define FILE_MAX	(2 * MB)
#define UNITS		(FILE_MAX / UNIT)
#define MOST		(256 * KB)	/* of one change, but for a new file */
#define LOG_AREA	(8 * MB)	/* of each process */
#define RECORDS		(LOG_AREA / UNIT)
#define DRIVE_FROM	(32 * MB)	/* what is before is dax_soak's */
#define UNDER_WAY	20		/* promises of each process */

enum op { WRITE, STORE, STORE_SYNC, READ_DIRECT, TRUNCATE, PUNCH, REPLACE, UNLINK, NR_OPS };

struct record {
	uint64_t boot, nr, kept, op, file, at, len, gen, sum;
};

struct state {
	bool exists;
	off_t size;
	stamp_t unit[UNITS];
};

static uint64_t boot;
static unsigned int me;
static const char *dir;
static int logfd, drive = -1;
static bool lying;
static unsigned char *buf;
static struct state was[FILES], will;

static void __noreturn die(const char *what)
{
	fprintf(stderr, "dax_promise: error: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static uint64_t sum_of(const struct record *r)
{
	uint64_t state = r->boot, sum = 0;
	const uint64_t *word = &r->boot;

	for (; word < &r->sum; word++) {
		state ^= *word;
		sum ^= dax_random(&state);
	}
	return sum;
}

static unsigned int id_of(unsigned int file)
{
	return 0x80 | me << 4 | file;
}

static char *path_of(unsigned int file, const char *more)
{
	static char path[4][300];
	static int n;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s/promise-%llu-%02x%s", dir,
		 (unsigned long long)boot, id_of(file), more);
	return path[n];
}

static off_t place(uint64_t nr, bool kept)
{
	return me * LOG_AREA + (nr * 2 + kept) * UNIT;
}

static void say(struct record *r, bool kept)
{
	r->kept = kept;
	r->sum = sum_of(r);
	memset(buf, 0, UNIT);
	memcpy(buf, r, sizeof(*r));
	if (pwrite(logfd, buf, UNIT, place(r->nr, kept)) != UNIT)
		die("write to the log");
}

static bool hear(struct record *r, uint64_t nr, bool kept)
{
	if (pread(logfd, buf, UNIT, place(nr, kept)) != UNIT)
		die("read of the log");
	memcpy(r, buf, sizeof(*r));
	return r->boot == boot && r->nr == nr && r->kept == kept && r->sum == sum_of(r);
}

/* What @r makes of a file. */
static void apply(struct state *s, const struct record *r)
{
	size_t u, end = r->at + r->len;

	if (r->op == REPLACE || r->op == UNLINK)
		memset(s, 0, sizeof(*s));
	if (r->op == UNLINK)
		return;
	s->exists = true;
	if (r->op == TRUNCATE) {
		for (u = r->at / UNIT; u < UNITS; u++)
			s->unit[u] = 0;
		s->size = r->at;
		return;
	}
	for (u = r->at / UNIT; u < end / UNIT; u++)
		s->unit[u] = r->op == PUNCH ? 0 : stamp(id_of(r->file), u, r->gen);
	if ((r->op == WRITE || r->op == REPLACE) && s->size < (off_t)end)
		s->size = end;
}

static sigjmp_buf no_page;

static void fault(int sig)
{
	(void)sig;
	siglongjmp(no_page, 1);
}

/* Where there is no room now, there will be. */
static void wait_for_room(const char *what)
{
	struct timespec tick = { .tv_nsec = 5000000 };

	if (errno != ENOSPC && errno != EFAULT)
		die(what);
	nanosleep(&tick, NULL);
}

static void fill(const struct record *r)
{
	size_t i;

	for (i = 0; i < r->len / UNIT; i++)
		stamp_fill(buf + i * UNIT, stamp(id_of(r->file), r->at / UNIT + i, r->gen));
}

static void write_all(int fd, const struct record *r)
{
	size_t done = 0;

	fill(r);
	while (done < r->len) {
		ssize_t n = pwrite(fd, buf + done, r->len - done, r->at + done);

		if (n < 0)
			wait_for_room("pwrite");
		else
			done += n;
	}
}

static void sync_fd(int fd, bool data)
{
	if (!lying && (data ? fdatasync(fd) : fsync(fd)))
		die("fsync");
}

static void sync_dir(void)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		die(dir);
	sync_fd(fd, false);
	close(fd);
}

/* Stores, by a mapping whose metadata is there before them, or with a sync. */
static void store_all(int fd, const struct record *r, bool map_sync)
{
	int flags = map_sync && !lying ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
	off_t page = r->at / PAGE * PAGE;
	size_t len = r->at + r->len - page;
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, page);

	if (p == MAP_FAILED)
		die("mmap of the file");
	fill(r);
	if (sigsetjmp(no_page, 1)) {
		errno = ENOSPC;
		wait_for_room("store");
	}
	memcpy(p + r->at - page, buf, r->len);
	if (!map_sync && !lying && r->gen & 1 && msync(p, len, MS_SYNC))
		die("msync");
	if (!map_sync && !(r->gen & 1))
		sync_fd(fd, false);
	munmap(p, len);
}

static void read_direct(int fd, const struct record *r)
{
	off_t page = r->at / PAGE * PAGE, from = DRIVE_FROM + FILE_MAX * me;
	size_t len = r->at + r->len - page;
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page);

	if (p == MAP_FAILED)
		die("mmap of the file");
	fill(r);
	if (pwrite(drive, buf, r->len, from) != (ssize_t)r->len)
		die("write to the drive");
	while (pread(drive, p + r->at - page, r->len, from) != (ssize_t)r->len)
		wait_for_room("O_DIRECT read into the mapping");
	munmap(p, len);
	sync_fd(fd, r->gen & 1);
}

static void replace(const struct record *r)
{
	char *temp = path_of(r->file, ".new");
	int fd = open(temp, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		die(temp);
	write_all(fd, r);
	sync_fd(fd, false);
	close(fd);
	while (rename(temp, path_of(r->file, "")))
		wait_for_room("rename");
	sync_dir();
}

static int open_file(unsigned int file, bool create)
{
	int fd;

	while ((fd = open(path_of(file, ""), O_RDWR | (create ? O_CREAT : 0), 0600)) < 0)
		wait_for_room("open");
	return fd;
}

static void change(const struct record *r)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fd;
	bool create = !was[r->file].exists;

	if (r->op == REPLACE) {
		replace(r);
		return;
	}
	if (r->op == UNLINK) {
		if (unlink(path_of(r->file, "")))
			die("unlink");
		sync_dir();
		return;
	}
	fd = open_file(r->file, create);
	switch (r->op) {
	case WRITE:
		write_all(fd, r);
		sync_fd(fd, r->gen & 1);
		break;
	case STORE:
	case STORE_SYNC:
		store_all(fd, r, r->op == STORE_SYNC);
		break;
	case READ_DIRECT:
		read_direct(fd, r);
		break;
	case TRUNCATE:
		while (ftruncate(fd, r->at))
			wait_for_room("truncate");
		sync_fd(fd, false);
		break;
	case PUNCH:
		while (fallocate(fd, punch, r->at, r->len))
			wait_for_room("punch");
		sync_fd(fd, false);
		break;
	}
	close(fd);
	if (create)
		sync_dir();
}

/* False: there is nothing to change in that way. */
static bool choose(struct record *r, uint64_t *state)
{
	size_t unit = dax_random(state) % 2 ? PAGE : UNIT;
	const struct state *s;

	r->op = dax_random(state) % NR_OPS;
	r->file = dax_random(state) % FILES;
	r->at = dax_random(state) % (FILE_MAX / unit) * unit;
	r->len = (1 + dax_random(state) % (MOST / unit)) * unit;
	s = &was[r->file];
	if (r->op == REPLACE)
		r->at = 0;
	if (r->at + r->len > FILE_MAX)
		r->len = FILE_MAX - r->at;
	if (r->op == WRITE || r->op == REPLACE)
		return true;
	if (r->op == STORE || r->op == STORE_SYNC || r->op == READ_DIRECT) {
		if ((off_t)r->at >= s->size)
			return false;
		if ((off_t)(r->at + r->len) > s->size)
			r->len = s->size - r->at;
	}
	return s->exists;
}

static void __noreturn work(int ready)
{
	uint64_t state = opt.seed ^ boot << 32 ^ (uint64_t)(me + 1) << 56;
	struct record r = { .boot = boot };

	signal(SIGBUS, fault);
	while (r.nr < RECORDS / 2) {
		if (!choose(&r, &state))
			continue;
		r.gen = r.nr + 1;
		say(&r, false);
		change(&r);
		say(&r, true);
		apply(&was[r.file], &r);
		r.nr++;
		if (r.nr == UNDER_WAY && write(ready, "", 1) != 1)
			die("write");
	}
	for (;;)
		pause();
}

static void load(void)
{
	int ready[2], ended;
	char c;

	if (pipe(ready))
		die("pipe");
	setpgid(0, 0);
	for (me = 0; me < PROCESSES; me++)
		if (!fork())
			work(ready[1]);
	close(ready[1]);
	for (me = 0; me < PROCESSES; me++)
		if (read(ready[0], &c, 1) != 1)
			die("a process ended");
	printf("under way\n");
	fflush(stdout);
	/* The shell that ran this may have left children of its own. */
	waitpid(0, &ended, 0);
	die("a process ended");
}

/* How many bytes of the file at @fd are of neither state. */
static size_t wrong(int fd, size_t size, const struct state *a, const struct state *b,
		    size_t *first)
{
	size_t u, bad = 0, word;

	if (pread(fd, buf, size, 0) != (ssize_t)size)
		die("read of the file");
	for (u = size / UNIT; u--; ) {
		size_t n = stamp_diff(buf + u * UNIT, a->unit[u], b->unit[u], false, &word);

		bad += n;
		if (n)
			*first = u;
	}
	return bad;
}

static bool size_fits(off_t size, const struct state *a, const struct state *b)
{
	const struct state *low = a->size < b->size ? a : b, *high = low == a ? b : a;

	return size % UNIT == 0 && size >= low->size && size <= high->size;
}

/* The file is in state @a, or between it and @b. */
static bool check_file(unsigned int file, const struct state *a, const struct state *b,
		       const char *op)
{
	int fd = open(path_of(file, ""), O_RDWR);
	size_t bad, first = 0;
	struct stat st;

	if (fd < 0) {
		if (!a->exists || !b->exists)
			return true;
		printf("wrong: file %02x is not there (%s)\n", id_of(file), op);
		return false;
	}
	if (fstat(fd, &st))
		die("fstat");
	if ((!a->exists && !b->exists) || !size_fits(st.st_size, a, b)) {
		printf("wrong: file %02x has %lld bytes, expected %lld or %lld (%s)\n",
		       id_of(file), (long long)st.st_size, (long long)a->size,
		       (long long)b->size, op);
		return false;
	}
	bad = wrong(fd, st.st_size, a, b, &first);
	close(fd);
	if (bad)
		printf("wrong: file %02x: %zu bytes wrong, the first in unit %zu, which has %#llx, expected %#llx or %#llx (%s)\n",
		       id_of(file), bad, first,
		       (unsigned long long)stamp_of(buf + first * UNIT, 0),
		       (unsigned long long)a->unit[first], (unsigned long long)b->unit[first], op);
	return !bad;
}

/* One or the other as a whole: the new file is complete before it has the name. */
static bool check_replaced(unsigned int file, const struct state *a, const struct state *b)
{
	struct stat st;
	size_t first;
	bool new = false;
	int fd = open(path_of(file, ""), O_RDONLY);

	if (fd >= 0) {
		new = !fstat(fd, &st) && st.st_size == b->size &&
		      !wrong(fd, st.st_size, b, b, &first);
		close(fd);
	}
	return new || check_file(file, a, a, "rename");
}

static bool check_process(unsigned long *promises)
{
	static const char * const names[] = {
		"write", "store", "store by MAP_SYNC", "O_DIRECT", "truncate", "punch",
		"rename", "unlink",
	};
	struct record r = { 0 };
	unsigned int file;
	uint64_t nr;
	bool begun, good = true;

	memset(was, 0, sizeof(was));
	for (nr = 0; (begun = hear(&r, nr, false)); nr++) {
		will = was[r.file];
		apply(&will, &r);
		if (!hear(&r, nr, true))
			break;
		was[r.file] = will;
	}
	if (begun)
		hear(&r, nr, false);
	for (file = 0; file < FILES; file++) {
		const struct state *b = begun && r.file == file ? &will : &was[file];

		if (b == &will && r.op == REPLACE)
			good &= check_replaced(file, &was[file], b);
		else
			good &= check_file(file, &was[file], b,
					   b == &will ? names[r.op] : "promised");
	}
	*promises += nr;
	return good;
}

static int check(void)
{
	unsigned long promises = 0, seen = 0, kept = 0;
	bool good = true;

	for (me = 0; me < PROCESSES; me++)
		good &= check_process(&promises);
	good &= check_soak(dir, logfd, &seen, &kept);
	printf("%lu promises, and %lu of %lu files of the soak\n", promises, kept, seen);
	if (promises < PROCESSES * UNDER_WAY) {
		printf("wrong: there should be more promises in the log\n");
		good = false;
	}
	return !good;
}

int main(int argc, char **argv)
{
	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: dax_promise load|lie|check SEED BOOT DIR LOG [DRIVE]\n");
		return 1;
	}
	opt.seed = strtoull(argv[2], NULL, 0);
	boot = strtoull(argv[3], NULL, 0);
	dir = argv[4];
	dax_alone();
	stamp_init();
	buf = memory(FILE_MAX);
	logfd = open(argv[5], O_RDWR | O_DIRECT | O_SYNC);
	if (logfd < 0)
		die(argv[5]);
	if (argc > 6)
		drive = open(argv[6], O_RDWR | O_DIRECT);
	if (!strcmp(argv[1], "check"))
		return check();
	if (drive < 0)
		die("the drive");
	lying = !strcmp(argv[1], "lie");
	load();
	return 1;
}
