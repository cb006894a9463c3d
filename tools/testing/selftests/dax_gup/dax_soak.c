// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that do at random, and at once, what can be done to files of a DAX file
 * system, DMA in flight included, and check all that they read (see dax_soak.h).
 *
 * Environment: DAX_SLOW_DRIVE, DAX_SLOW_WRITE_DRIVE: drives on which DMA takes its
 * time; DAX_SOAK_CYCLE: a command that unmounts and mounts the file system;
 * DAX_SOAK_WITHOUT: an operation that is left out; DAX_SOAK_LOG: see dax_soak_kept.c.
 */
#include <linux/falloc.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

#include "dax_soak.h"
#include "dax_swap.h"

#define ROOM	(64 * MB)	/* for files that may be 96M: most of it has a new owner soon */
/*
 * So often an operation may be chosen and not work once: the hardest, EXT4_IOC_SWAP_BOOT, which
 * is left to one worker of four, works one time in six.
 */
#define ENOUGH	100

bool said_no;
struct board *board;
unsigned int me;
struct file files[FILES];

static size_t choose(uint64_t *state, size_t nr)
{
	return dax_random(state) % nr;
}

/* Whole 2M, pages, or units: most often a few of them. */
static void choose_range(struct choice *c, uint64_t *state)
{
	static const size_t units[] = { UNIT, UNIT, PAGE, PAGE, PAGE, PAGE, 2 * MB, 2 * MB };
	size_t unit = units[choose(state, ARRAY_SIZE(units))];
	size_t most = unit == 2 * MB ? 1UL << choose(state, 2) : 1UL << choose(state, 9);

	c->at = choose(state, FILE_MAX / unit) * unit;
	c->to = choose(state, FILE_MAX / unit + 1) * unit;
	c->len = (1 + choose(state, most)) * unit;
	if (c->len > FILE_MAX - c->at)
		c->len = FILE_MAX - c->at;
}

static unsigned int choose_op(uint64_t *state)
{
	unsigned int i, sum = 0;
	size_t at;

	for (i = 0; i < nr_ops; i++)
		sum += ops[i].weight;
	at = choose(state, sum);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return i;
}

static struct choice make_choice(unsigned int nr)
{
	uint64_t state = opt.seed ^ (uint64_t)(me + 1) << 56 ^ (uint64_t)nr << 16;
	struct choice c = { .nr = nr, .op = choose_op(&state) };

	choose_range(&c, &state);
	c.bits = dax_random(&state);
	c.file = choose(&state, FILES);
	c.other = choose(&state, OWN);
	if (!(ops[c.op].kinds & files[c.file].kind))
		c.file %= OWN;
	return c;
}

static unsigned char *reserve(void)
{
	unsigned char *p = mmap(NULL, FILE_MAX + 2 * MB, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	dax_must(p != MAP_FAILED, "mmap of nothing");
	return (void *)(((uintptr_t)p + 2 * MB - 1) & ~(2 * MB - 1));
}

static void name_file(struct file *f, enum kind k, unsigned int id, struct model *m)
{
	char name[16];

	*f = (struct file){ .kind = k, .id = id, .m = m };
	snprintf(name, sizeof(name), "soak-%02x", id);
	dax_path(f->path, sizeof(f->path), name);
}

static void open_files(unsigned int worker)
{
	unsigned int i;

	me = worker;
	for (i = 0; i < OWN; i++)
		name_file(&files[i], OF_ONE, (me + 1) << 4 | i, &board->model[me][i]);
	name_file(&files[OWN], OF_ALL, 0xf0, NULL);
	name_file(&files[OWN + 1], OF_NONE, 0xf1, &board->donor);
	for (i = 0; i < FILES; i++) {
		open_file(&files[i]);
		files[i].window = reserve();
	}
}

static void check_files(const char *when)
{
	unsigned int i;

	for (i = 0; i < FILES; i++)
		if (files[i].kind != OF_ALL || me == 0)
			check_all(&files[i], when);
}

/* What the kernel cannot do in peace. */
static bool is_left_out(unsigned int op)
{
	const char *name = getenv("DAX_SOAK_WITHOUT");

	return name && !strcmp(name, ops[op].name);
}

static void work(unsigned int worker)
{
	bool promises = start_promises();
	unsigned int i;

	open_files(worker);
	check_files("at the start of a round");
	start_dma();
	while (!__atomic_load_n(&board->over, __ATOMIC_ACQUIRE)) {
		struct choice *c = &board->log[me][board->nr[me] % LOG];
		bool done;

		*c = make_choice(board->nr[me]);
		board->nr[me]++;
		poll_dma();
		if (!(ops[c->op].kinds & OF_NONE))
			unpromise(&files[c->file]);
		said_no = false;
		done = !is_left_out(c->op) && ops[c->op].run(&files[c->file], c);
		c->result = done;
		if (promises && !(c->bits >> 20 & 3))
			promise(&files[c->file]);
		count(&board->chosen[c->op], 1);
		if (done)
			count(&board->done[c->op], 1);
		if (done && !said_no)
			count(&board->worked[c->op], 1);
	}
	end_dma();
	for (i = 0; i < OWN; i++)
		settle(&files[i]);
}

static void look(unsigned int worker)
{
	open_files(worker);
	check_files("at the end");
}

/* All workers for @seconds, or until they are through; the first that fails ends it. */
static void round_of(void (*fn)(unsigned int), unsigned int seconds)
{
	struct timespec wait = { .tv_sec = seconds };
	pid_t pid[WORKERS];
	unsigned int i;
	sigset_t chld;

	board->over = false;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (i = 0; i < WORKERS; i++) {
		pid[i] = dax_fork();
		if (!pid[i]) {
			sigprocmask(SIG_UNBLOCK, &chld, NULL);
			fn(i);
			_exit(0);
		}
	}
	if (seconds)
		sigtimedwait(&chld, NULL, &wait);
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	__atomic_store_n(&board->over, true, __ATOMIC_RELEASE);
	for (i = 0; i < WORKERS; i++)
		dax_reap(pid[i], "a worker");
}

static void cycle(void)
{
	const char *command = getenv("DAX_SOAK_CYCLE");

	if (command && system(command))
		dax_fail("failed: %s", command);
}

static void new_board(void)
{
	stamp_init();
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dax_must(board != MAP_FAILED, "mmap");
}

static void make_donor(void)
{
	struct choice all = { .len = FILE_MAX };
	struct file *donor = &files[FILES - 1];
	unsigned int i;

	open_files(0);
	ops[0].run(donor, &all);
	if (donor->m->size != FILE_MAX)
		dax_skip("the file system is too small");
	dax_must(!fsync(donor->fd), "fsync");
	/* What ext4 keeps for a boot loader may have come from an earlier run. */
	dax_must(!ioctl(files[0].fd, SWAP_BOOT) || errno == ENOTTY, "EXT4_IOC_SWAP_BOOT");
	renew(&files[0]);
	for (i = 0; i < FILES; i++)
		close(files[i].fd);
}

static void tell(void)
{
	char line[400];
	unsigned int i;
	int n = 0;

	for (i = 0; i < nr_ops; i++) {
		n += snprintf(line + n, sizeof(line) - n, ", %s %lu", ops[i].name, board->done[i]);
		if (n < 80 && i + 1 < nr_ops)
			continue;
		dax_note("done: %s", line + 2);
		n = 0;
	}
	dax_note("DMA: in %lu, out %lu, cut short %lu; units checked: %lu", board->in, board->out,
		 board->cut_short, board->checked);
	dax_note("mapped memory seen: %lu MB, of it by 2M leaves %lu MB, %lu%%",
		 board->present / MB, board->huge / MB,
		 board->present ? board->huge * 100 / board->present : 0);
}

#define SWAP_LEN	(4 * PAGE)

static int swap_file(const char *name, uint64_t seed)
{
	unsigned char *buf = dax_anon(SWAP_LEN);
	int fd = dax_open(name, 0, DAX_HOLE);

	dax_fill(buf, SWAP_LEN, 0, seed);
	dax_must(pwrite(fd, buf, SWAP_LEN, 0) == (ssize_t)SWAP_LEN && !fsync(fd), "pwrite");
	return fd;
}

/* Where nothing else is in the way: does the file system know what @name does at all? */
static bool is_known(const char *name)
{
	int a = swap_file("a", opt.seed), b = swap_file("b", opt.seed), result = 0;
	struct exchange range = { .file1 = a, .length = SWAP_LEN };

	if (!strncmp(name, "clone", 5) || !strcmp(name, "dedupe"))
		result = ioctl(b, FICLONE, a);
	else if (!strcmp(name, "exchange"))
		result = ioctl(b, EXCHANGE_RANGE, &range);
	else if (!strcmp(name, "unshare"))
		result = fallocate(a, FALLOC_FL_UNSHARE_RANGE, 0, SWAP_LEN);
	close(a);
	close(b);
	return !result || (errno != EOPNOTSUPP && errno != ENOTTY);
}

/* A soak that never does what it is there for shows nothing. */
static void expect_all_worked(void)
{
	char path[256];
	unsigned int i;

	dax_path(path, sizeof(path), "ballast");
	dax_must(!unlink(path), "unlink");
	for (i = 0; i < nr_ops; i++)
		if (board->chosen[i] >= ENOUGH && !board->worked[i] && !is_left_out(i) &&
		    is_known(ops[i].name))
			dax_fail("%s was chosen %lu times, and never worked", ops[i].name,
				 board->chosen[i]);
}

static void soak(void)
{
	unsigned int rounds = 2 + opt.seconds / 60, i;
	int ballast;

	new_board();
	make_donor();
	ballast = dax_leave(ROOM);
	close(ballast);
	for (i = 0; i < rounds; i++) {
		round_of(work, (opt.seconds + rounds - 1) / rounds);
		cycle();
	}
	round_of(look, 0);
	tell();
	errno = EFAULT;
	dax_must(board->in && board->out, "no DMA ever worked");
	if (!board->huge)
		dax_fail("no 2M leaf was ever seen");
	expect_all_worked();
	if (board->restarts)
		dax_fail("FIDEDUPERANGE: %lu times a status of -ERESTARTSYS", board->restarts);
}

/* Each of these must be found by whoever checks the unit it is in. */
static void checker(void)
{
	static unsigned char unit[UNIT];
	struct unit both;
	size_t word;
	unsigned int kind, i;

	new_board();
	open_files(0);
	for (kind = 0; kind < FILES; kind += kind ? 1 : OWN) {
		struct file *f = &files[kind];
		stamp_t right = stamp(f->id, 7, 2);
		const struct { const char *what; stamp_t stamp; bool shared_may; } wrong[] = {
			{ "another file's", stamp(f->id + 1, 7, 2), false },
			{ "another place's", stamp(f->id, 8, 2), false },
			{ "an old generation", stamp(f->id, 7, 1), true },
			{ "zero", 0, true },
		};

		both = (struct unit){ right, right };
		stamp_fill(unit, right);
		if (wrong_bytes(f, 7, &both, unit, &word))
			dax_fail("file %#x: the right stamp is refused", f->id);
		for (i = 0; i < UNIT; i++) {
			unsigned char flip = f->kind == OF_ALL && unit[i] == 1 ? 2 : 1;

			if (f->kind == OF_ALL && i % 8 < 4)	/* the generation */
				continue;
			unit[i] ^= flip;	/* not to zero: it may be half a hole */
			if (!wrong_bytes(f, 7, &both, unit, &word) || word != i / 8)
				dax_fail("file %#x: the wrong byte %u is not seen", f->id, i);
			unit[i] ^= flip;
		}
		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			bool may = f->kind == OF_ALL && wrong[i].shared_may;

			stamp_fill(unit, wrong[i].stamp);
			if (!wrong_bytes(f, 7, &both, unit, &word) != may)
				dax_fail("file %#x: the stamp of %s is%s seen", f->id,
					 wrong[i].what, may ? "" : " not");
		}
		both = (struct unit){ 0, 0 };
		stamp_fill(unit, right);
		if (f->kind != OF_ALL && !wrong_bytes(f, 7, &both, unit, &word))
			dax_fail("file %#x: data in place of zeroes is not seen", f->id);
	}
}

static void expect_swapped(int a, int b, unsigned int swapped, const char *what)
{
	dax_expect_file(a, 0, SWAP_LEN, 0, opt.seed + swapped, what);
	dax_expect_file(b, 0, SWAP_LEN, 0, opt.seed + !swapped, what);
}

/* What the soak needs to swap extents: it cannot tell a refusal from a full disk. */
static void swaps(void)
{
	int a = swap_file("a", opt.seed), b = swap_file("b", opt.seed + 1);
	struct exchange back = { .file1 = a, .length = SWAP_LEN };
	struct move_extent move = { .donor = b, .len = SWAP_LEN / PAGE };

	if (dax_swapext(a, b, SWAP_LEN)) {
		dax_must(errno == ENOTTY, "XFS_IOC_SWAPEXT");
		if (!ioctl(a, MOVE_EXT, &move))
			dax_fail("EXT4_IOC_MOVE_EXT takes a DAX file");
		dax_must(errno == EOPNOTSUPP, "EXT4_IOC_MOVE_EXT, EOPNOTSUPP expected");
		expect_swapped(a, b, 0, "after EXT4_IOC_MOVE_EXT");
		dax_must(!ioctl(a, SWAP_BOOT) && !ioctl(b, SWAP_BOOT) && !ioctl(a, SWAP_BOOT),
			 "EXT4_IOC_SWAP_BOOT");
		expect_swapped(a, b, 1, "after EXT4_IOC_SWAP_BOOT");
		return;
	}
	expect_swapped(a, b, 1, "after XFS_IOC_SWAPEXT");
	if (ioctl(b, EXCHANGE_RANGE, &back)) {
		dax_must(errno == EOPNOTSUPP, "XFS_IOC_EXCHANGE_RANGE");
		dax_skip("this xfs was made without exchange-range");
	}
	expect_swapped(a, b, 0, "after XFS_IOC_EXCHANGE_RANGE");
}

static const struct dax_test tests[] = {
	{ "dax: the checker sees each stamp that is wrong", checker },
	{ "dax: extents of two files are swapped, or that is refused", swaps },
	{ "break: everything at once, at random, is where it belongs", soak },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
