// SPDX-License-Identifier: GPL-2.0
/* What each unit of each file must hold, and what is said when it does not. */
#include "dax_soak.h"

/* The upper bits say whose generation it is. */
#define GEN_BITS	28

uint32_t new_gen(void)
{
	return me << GEN_BITS | __atomic_add_fetch(&board->gen[me], 1, __ATOMIC_ACQ_REL);
}

void set(struct file *f, size_t at, size_t len, uint32_t gen)
{
	size_t u;

	if (f->kind == OF_ALL)
		return;
	for (u = at / UNIT; u < (at + len) / UNIT; u++)
		f->m->unit[u] = (struct unit){ stamp(f->id, u, gen), stamp(f->id, u, gen) };
}

void set_zero(struct file *f, size_t at, size_t len)
{
	memset(&f->m->unit[at / UNIT], 0, len / UNIT * sizeof(struct unit));
}

/* It may be the stamp of @gen, or still what it was. */
void set_either(struct file *f, size_t at, size_t len, uint32_t gen)
{
	size_t u;

	if (f->kind == OF_ALL)
		return;
	for (u = at / UNIT; u < (at + len) / UNIT; u++)
		f->m->unit[u].or = stamp(f->id, u, gen);
}

void set_clone(struct file *to, size_t at, const struct file *from, size_t from_at, size_t len)
{
	memmove(&to->m->unit[at / UNIT], &from->m->unit[from_at / UNIT],
		len / UNIT * sizeof(struct unit));
}

/* Cut the range so that it lies before the end of the file; false: the file is empty. */
bool in_range(const struct file *f, size_t *at, size_t *len)
{
	size_t size = f->m ? (size_t)f->m->size : FILE_MAX;

	if (!size)
		return false;
	if (*at >= size)
		*at = *at % size / UNIT * UNIT;
	if (*len > size - *at)
		*len = size - *at;
	return true;
}

/*
 * How many bytes of the unit at @data may not be there, of unit @u of the file.
 * Only a unit that is being written may have some of both of what is expected.
 */
size_t wrong_bytes(const struct file *f, size_t u, const struct unit *expected,
		   const void *data, size_t *word)
{
	if (f->kind == OF_ALL)
		return stamp_diff(data, stamp(f->id, u, 0), 0, true, word);
	if (stamp_is(data, expected->now) || stamp_is(data, expected->or))
		return 0;
	return stamp_diff(data, expected->now, f->flying[u] ? expected->or : expected->now, false,
			  word);
}

static const char *name_of(stamp_t s, char *buf, size_t size)
{
	if (!s)
		return "zero";
	snprintf(buf, size, "file %#x unit %zu gen %u.%u", stamp_file(s), stamp_unit(s),
		 stamp_gen(s) >> GEN_BITS, stamp_gen(s) & ((1U << GEN_BITS) - 1));
	return buf;
}

void fail_with_log(const char *why)
{
	unsigned int w, i;

	/* Let the others stop: their last operations tell who it was. */
	__atomic_store_n(&board->over, true, __ATOMIC_RELEASE);
	for (w = 0; w < WORKERS; w++) {
		unsigned int nr = board->nr[w], first = nr > LOG ? nr - LOG : 0;

		for (i = first; i < nr; i++) {
			const struct choice *c = &board->log[w][i % LOG];

			dax_note("worker %u op %u: %s file %u other %u at %zu len %zu to %zu bits %#llx: %d",
				 w, c->nr, ops[c->op].name, c->file, c->other, c->at, c->len,
				 c->to, (unsigned long long)c->bits, c->result);
		}
	}
	dax_fail("%s", why);
}

static void __noreturn fail(const struct file *f, size_t u, const struct unit *expected,
			    const void *data, size_t bad, size_t word, const char *what)
{
	char has[64], now[64], or[64], why[400];

	snprintf(why, sizeof(why),
		 "%s: worker %u op %u file %#x unit %zu: %zu of %lu bytes wrong, first word %zu has %s, expected %s or %s (seed %#llx)",
		 what, me, board->nr[me], f->id, u, bad, UNIT, word,
		 name_of(stamp_of(data, word), has, sizeof(has)),
		 f->kind == OF_ALL ? "its own" : name_of(expected->now, now, sizeof(now)),
		 f->kind == OF_ALL ? "zero" : name_of(expected->or, or, sizeof(or)),
		 (unsigned long long)opt.seed);
	fail_with_log(why);
}

/* @data came from the file at @at: now. What may have been either is known then. */
void check(struct file *f, size_t at, const void *data, size_t len, const char *what)
{
	static const struct unit none;
	size_t i, word = 0, bad;

	for (i = 0; i < len / UNIT; i++) {
		size_t u = at / UNIT + i;
		const void *unit = (const char *)data + i * UNIT;
		struct unit *expected = f->m ? &f->m->unit[u] : NULL;

		bad = wrong_bytes(f, u, expected ?: &none, unit, &word);
		if (bad)
			fail(f, u, expected ?: &none, unit, bad, word, what);
		if (f->kind == OF_ONE && !f->flying[u] && expected->now != expected->or) {
			if (!stamp_is(unit, expected->now))
				expected->now = expected->or;
			expected->or = expected->now;
		}
	}
	count(&board->checked, len / UNIT);
}

/* @data was taken from the file earlier, when it held what is @expected. */
void check_copy(const struct file *f, size_t at, const struct unit *expected, const void *data,
		size_t len, const char *what)
{
	size_t i, word = 0, bad;

	for (i = 0; i < len / UNIT; i++) {
		const void *unit = (const char *)data + i * UNIT;

		bad = wrong_bytes(f, at / UNIT + i, &expected[i], unit, &word);
		if (bad)
			fail(f, at / UNIT + i, &expected[i], unit, bad, word, what);
	}
	count(&board->checked, len / UNIT);
}

void check_file(struct file *f, size_t at, size_t len, const char *what)
{
	static char buf[256 * KB];

	while (len) {
		size_t part = len < sizeof(buf) ? len : sizeof(buf);
		ssize_t n = pread(f->fd, buf, part, at);

		dax_must(n >= 0, "%s: pread of file %#x", what, f->id);
		if (n % UNIT || (f->kind != OF_ALL && n != (ssize_t)part))
			dax_fail("%s: pread of file %#x at %zu: %zd of %zu", what, f->id, at, n,
				 part);
		check(f, at, buf, n, what);
		if (n != (ssize_t)part)
			return;
		at += part;
		len -= part;
	}
}

void check_all(struct file *f, const char *what)
{
	struct stat st;

	dax_must(!fstat(f->fd, &st), "%s: fstat", what);
	if (f->m && st.st_size != f->m->size)
		dax_fail("%s: file %#x has %lld bytes, expected %lld (worker %u op %u, seed %#llx)",
			 what, f->id, (long long)st.st_size, (long long)f->m->size, me,
			 board->nr[me], (unsigned long long)opt.seed);
	check_file(f, 0, st.st_size, what);
}
