// SPDX-License-Identifier: GPL-2.0
/*
 * A bad block in a DAX file: SIGBUS, EIO and EFAULT in its page and in no other,
 * until a write over it, or its next file, makes it good.
 */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "dax_badblock.h"
#include "dax_leaf.h"

#define DATA	(opt.seed + 1)
#define BAD	(HUGE + 7 * PAGE)	/* the bad page's offset in the file */

static sigjmp_buf back;
static siginfo_t info;

static void jump(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	info = *si;
	siglongjmp(back, 1);
}

/* Poisoned, and bad for the driver: as after a machine check of an NVDIMM. */
static struct dax_map bad_file(off_t from)
{
	struct sigaction sa = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO };
	struct dax_map m = { .len = 2 * HUGE };

	m.fd = dax_written("bad", m.len, DATA);
	m.p = dax_map_at(NULL, m.fd, m.len - from, from, PROT_READ | PROT_WRITE, MAP_SHARED);
	m.p -= from;
	dax_expect(m.p + BAD, PAGE, BAD, DATA, "what is still good");
	if (dax_is_huge(m.p + BAD) != !from)
		dax_fail("the wrong leaf");
	dax_set_bad(m.fd, BAD);
	dax_must(!sigaction(SIGBUS, &sa, NULL), "sigaction");
	if (!sigsetjmp(back, 1)) {
		dax_must(!madvise(m.p + BAD, PAGE, MADV_HWPOISON), "MADV_HWPOISON");
		dax_fail("no signal for who poisons its page");
	}
	return m;
}

static void touch_bad(unsigned char *p, bool store)
{
	const char *what = store ? "store" : "load";

	if (sigsetjmp(back, 1)) {
		if (info.si_code != BUS_MCEERR_AR || info.si_addr != p || info.si_addr_lsb != 12)
			dax_fail("%s of a bad page: code %d lsb %d at %#lx of it", what,
				 info.si_code, info.si_addr_lsb,
				 (long)((unsigned char *)info.si_addr - p));
		return;
	}
	if (store)
		__atomic_store_n(p, 1, __ATOMIC_RELAXED);
	else
		__atomic_load_n(p, __ATOMIC_RELAXED);
	dax_fail("%s of a bad page: no signal", what);
}

static void bad_block(off_t from)
{
	char *buf = dax_anon(PAGE);
	int drive = dax_drive();
	struct dax_map m = bad_file(from);

	touch_bad(m.p + BAD, false);
	touch_bad(m.p + BAD, true);
	dax_expect(m.p + HUGE, BAD - HUGE, HUGE, DATA, "before it");
	dax_expect(m.p + BAD + PAGE, m.len - BAD - PAGE, BAD + PAGE, DATA, "behind it");
	if (pread(m.fd, buf, PAGE, BAD) >= 0)
		dax_fail("read(2) of a bad page");
	dax_must(errno == EIO, "read(2) of a bad page, EIO expected");
	dax_expect_file(m.fd, BAD - PAGE, PAGE, BAD - PAGE, DATA, "page before it");
	dax_expect_file(m.fd, BAD + PAGE, PAGE, BAD + PAGE, DATA, "page behind it");
	if (pwrite(drive, m.p + BAD, PAGE, 0) >= 0)
		dax_fail("O_DIRECT from a bad page");
	dax_must(errno == EFAULT, "O_DIRECT from a bad page, EFAULT expected");

	dax_heal(m.fd, BAD, DATA);
	if (sigsetjmp(back, 1))
		dax_fail("SIGBUS at %#lx of what was bad",
			 (long)((unsigned char *)info.si_addr - m.p - BAD));
	dax_expect(m.p + HUGE, HUGE, HUGE, DATA, "mapping of what was bad");
	dax_must(pwrite(drive, m.p + BAD, PAGE, 0) == (ssize_t)PAGE, "O_DIRECT");
	dax_drive_expect(drive, 0, PAGE, BAD, DATA, "drive");
	dax_fill(m.p + BAD, PAGE, 3, DATA);
	dax_must(!fsync(m.fd), "fsync");
	dax_expect_file(m.fd, BAD, PAGE, 3, DATA, "file after stores");
	munmap(m.p + from, m.len - from);
	m.p = dax_map_at(NULL, m.fd, m.len - from, from, PROT_READ | PROT_WRITE, MAP_SHARED) - from;
	dax_expect(m.p + BAD, PAGE, 3, DATA, "mapped again");
	if (dax_is_huge(m.p + BAD) != !from)
		dax_fail("its leaf is not the one it had");
}

static void bad_4k(void)
{
	bad_block(PAGE);
}

static void bad_2m(void)
{
	bad_block(0);
}

/* Who gets the block next has it good, whichever way it comes. */
static void freed(void)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, round;

	for (round = 0; round < 2; round++) {
		struct dax_map m = bad_file(0);

		if (round)
			dax_must(!ftruncate(m.fd, 0) && !ftruncate(m.fd, m.len), "truncate");
		else
			dax_must(!fallocate(m.fd, punch, BAD, PAGE), "punch");
		dax_expect_zero(m.p + BAD, PAGE, "hole");
		dax_must(!fallocate(m.fd, 0, 0, m.len), "fallocate");
		dax_fill(m.p, m.len, 0, DATA);
		dax_expect_file(m.fd, 0, m.len, 0, DATA, "file with new blocks");
		munmap(m.p, m.len);
		close(m.fd);
	}
}

static void stuck(int sig)
{
	(void)sig;
	dax_fail("write(2) to a bad page has no end");
}

/* Nothing is wrong with the writer's memory: it is not EFAULT. */
static void expect_eio(int fd, off_t at, size_t len)
{
	char *buf = dax_anon(PAGE);

	signal(SIGALRM, stuck);
	alarm(20);
	if (pwrite(fd, buf, len, at) >= 0)
		dax_fail("write(2) of %zu bytes of a bad page", len);
	dax_must(errno == EIO, "write(2) of a part of the page, EIO expected");
	alarm(0);
}

static void part(void)
{
	int fd = dax_written("part", 2 * HUGE, DATA);

	dax_set_bad(fd, BAD);
	expect_eio(fd, BAD, 512);
	expect_eio(fd, BAD + 100, PAGE - 100);
	dax_heal(fd, BAD, DATA);
	dax_expect_file(fd, 0, 2 * HUGE, 0, DATA, "file");
}

/* A write to a file that was cloned once goes another way, shared or not. */
static void part_of_cloned(void)
{
	int fd = dax_written("cloned", 2 * HUGE, DATA), clone = dax_open("clone", 0, DAX_HOLE);
	char *buf = dax_anon(3 * PAGE);
	ssize_t n;

	if (ioctl(clone, FICLONE, fd)) {
		dax_must(errno == EOPNOTSUPP || errno == ENOTTY, "FICLONE");
		dax_skip("the file system has no reflink");
	}
	/* Shared: its own copy cannot be made of what cannot be read. */
	dax_set_bad(fd, BAD);
	expect_eio(fd, BAD, 512);
	dax_must(!ftruncate(clone, 0), "ftruncate");
	expect_eio(fd, BAD, 512);
	expect_eio(fd, BAD + 100, PAGE - 100);
	/* As far as it is good: then the next write says why not further. */
	dax_fill(buf, 3 * PAGE, BAD - PAGE, DATA + 1);
	signal(SIGALRM, stuck);
	alarm(20);
	n = pwrite(fd, buf, PAGE + 512, BAD - PAGE);
	alarm(0);
	if (n != (ssize_t)PAGE)
		dax_fail("write(2) into a bad page: %zd bytes, not the good page", n);
	dax_expect_file(fd, BAD - PAGE, PAGE, BAD - PAGE, DATA + 1, "the good page");
	dax_heal(fd, BAD, DATA);
	dax_expect_file(fd, BAD + PAGE, 2 * HUGE - BAD - PAGE, BAD + PAGE, DATA, "file");
	dax_expect_file(fd, 0, BAD - PAGE, 0, DATA, "file");
}

static const struct dax_test tests[] = {
	{ "gup: a bad block in 4K leaves: SIGBUS until a write clears it", bad_4k },
	{ "gup: a bad block in 2M leaves: SIGBUS until a write clears it", bad_2m },
	{ "gup: a bad block that is freed is good in its next file", freed },
	{ "told: write(2) of a part of a bad page: EIO", part },
	{ "told: the same in a file that was cloned", part_of_cloned },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
