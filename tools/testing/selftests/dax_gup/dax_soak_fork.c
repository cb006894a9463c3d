// SPDX-License-Identifier: GPL-2.0
/*
 * The soak's children. Model and board are shared memory: what a child does there and
 * in a file's shared mapping is its parent's, what it does to a private one is not.
 */
#include "dax_soak.h"

static unsigned char buf[64 * KB];

/* The child's last act: DMA that it does not wait for. */
static bool leave(struct file *f, const struct choice *c)
{
	read_and_exit(f, c);
	return false;
}

/* By the mapping that it has inherited, or by one of its own. */
static void act(struct file *f, const struct choice *c)
{
	static bool (* const acts[])(struct file *f, const struct choice *c) = {
		do_store, load, read_now, write_now, leave,
	};

	if (c->bits & 0x200)
		unmap(f);
	acts[(c->bits >> 10) % ARRAY_SIZE(acts)](f, c);
}

/* What the child did is there, by the parent's mapping too. */
bool do_fork(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len;
	pid_t pid;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return false;
	if (c->bits & 0x8000)
		map_file(f, c->bits);
	pid = dax_fork();
	if (!pid) {
		act(f, c);
		_exit(0);
	}
	dax_reap(pid, "a child");
	if (f->kind == OF_ONE)
		check_file(f, at, len, "after a child");
	return load(f, c);
}

static void private_store(struct file *f, unsigned char *p, size_t at, size_t len, uint32_t gen)
{
	size_t i;

	for (i = 0; i < len; i += UNIT)
		stamp_fill(p + i, stamp(f->id, (at + i) / UNIT, gen));
}

static void expect_private(struct file *f, const void *p, size_t at, size_t len, uint32_t gen,
			   const char *what)
{
	struct unit expected[sizeof(buf) / UNIT];
	size_t i;

	for (i = 0; i < len / UNIT; i++) {
		stamp_t s = stamp(f->id, at / UNIT + i, gen);

		expected[i] = (struct unit){ s, s };
	}
	check_copy(f, at, expected, p, len, what);
}

/*
 * A private mapping: a child's stores and DMA into it are seen by nobody else, nor are
 * the parent's by the child. @half: what the parent has a copy of before.
 */
bool private_child(struct file *f, const struct choice *c)
{
	size_t at = c->at, len = c->len < sizeof(buf) ? c->len : sizeof(buf), skip, half;
	uint32_t gen = new_gen(), gen_child = new_gen();
	unsigned char *map, *p;
	pid_t pid;

	if (!in_range(f, &at, &len) || flies(f, at, len))
		return false;
	skip = at % PAGE;
	map = mmap(NULL, skip + len, PROT_READ | PROT_WRITE, MAP_PRIVATE, f->fd, at - skip);
	dax_must(map != MAP_FAILED, "private mmap of file %#x", f->id);
	p = map + skip;
	half = len / 2 / UNIT * UNIT;
	private_store(f, p, at, half, gen);
	check(f, at + half, p + half, len - half, "private mapping");
	pid = dax_fork();
	if (!pid) {
		expect_private(f, p, at, half, gen, "inherited private copy");
		check(f, at + half, p + half, len - half, "inherited private mapping");
		if (c->bits & 0x200)
			read_private(f, p, at, len, gen_child);
		else
			private_store(f, p, at, len, gen_child);
		expect_private(f, p, at, len, gen_child, "a child's private copy");
		check_file(f, at, len, "under a child's private copy");
		_exit(0);
	}
	dax_reap(pid, "a child");
	expect_private(f, p, at, half, gen, "private copy after the child's");
	check(f, at + half, p + half, len - half, "private mapping after the child's");
	check_file(f, at, len, "under private copies");
	dax_must(!munmap(map, skip + len), "munmap");
	return true;
}
