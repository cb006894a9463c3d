// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of the pmem goes while processes fault, write, sync and do O_DIRECT
 * on it. Each of them gets SIGBUS or an error and nothing else, and until then
 * every byte is right. DIR is on a DAX file system, which is dead after this (the
 * caller unmounts it), or a dax device. Environment: DAX_UNBIND, a command that
 * does it; else the driver's attribute in sysfs.
 */
#include <signal.h>
#include <time.h>

#include "dax_test.h"

#define LEN	(4 * MB)
#define ROUNDS	3		/* of each process, before the driver goes */

static struct board {
	unsigned int rounds[8];
	bool gone;
} *board;

static unsigned char *p;
static int fd, me;

static void unbind(void)
{
	if (!getenv("DAX_UNBIND"))
		dax_unbind_driver();
	else if (system(getenv("DAX_UNBIND")))
		dax_fail("failed: %s", getenv("DAX_UNBIND"));
	board->gone = true;
	_exit(0);
}

/* The end that a process may have: its device is going, or gone. */
static void bus(int sig)
{
	_exit(sig == SIGBUS ? 0 : 1);
}

static void end_or_fail(const char *what)
{
	if (errno == EIO || errno == ENXIO || errno == EFAULT || errno == ENODEV ||
	    errno == EROFS || errno == ESHUTDOWN || errno == EUCLEAN)
		_exit(0);
	dax_fail_errno("%s while the driver goes", what);
}

static void map_own_file(void)
{
	char name[16];

	snprintf(name, sizeof(name), "own%d", me);
	if (opt.device) {
		fd = open(opt.device, O_RDWR);
		p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, me * LEN);
		dax_must(p != MAP_FAILED, "mmap");
	} else {
		fd = dax_open(name, LEN, me % 2 ? DAX_HOLE : DAX_WRITTEN);
		p = dax_mmap(fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	}
}

static void again(void)
{
	munmap(p, LEN);
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 opt.device ? me * LEN : 0);
	if (p == MAP_FAILED)
		end_or_fail("mmap");
}

static void faults(unsigned int round)
{
	dax_fill(p, LEN, 0, opt.seed + round);
	again();
	dax_expect(p, LEN, 0, opt.seed + round, "mapped again");
}

static void writes(unsigned int round)
{
	static char buf[64 * KB];
	size_t at;

	for (at = 0; at < LEN; at += sizeof(buf)) {
		dax_fill(buf, sizeof(buf), at, opt.seed + round);
		if (pwrite(fd, buf, sizeof(buf), at) != sizeof(buf))
			end_or_fail("write");
	}
	if (fsync(fd))
		end_or_fail("fsync");
	dax_expect(p, LEN, 0, opt.seed + round, "mapping of what was written");
}

static void syncs(unsigned int round)
{
	size_t at;

	for (at = 0; at < LEN; at += 256 * KB)
		dax_fill(p + at, PAGE, at, opt.seed + round);
	if (msync(p, LEN, MS_SYNC))
		end_or_fail("msync");
	if (fsync(fd))
		end_or_fail("fsync");
}

static void direct(unsigned int round)
{
	static int drive = -1;
	off_t at = me * LEN;

	if (drive < 0) {
		drive = dax_drive();
		dax_drive_fill(drive, at, LEN, opt.seed);
	}
	memset(p, round, PAGE);
	if (pread(drive, p, LEN, at) != LEN)
		end_or_fail("O_DIRECT read");
	dax_expect(p, LEN, at, opt.seed, "read by O_DIRECT");
}

static pid_t start(int nr, void (*work)(unsigned int))
{
	pid_t pid = dax_fork();
	unsigned int round, over = 0;

	if (pid)
		return pid;
	me = nr;
	map_own_file();
	signal(SIGBUS, bus);
	for (round = 1; over < 3; round++) {
		over += __atomic_load_n(&board->gone, __ATOMIC_ACQUIRE);
		work(round);
		__atomic_store_n(&board->rounds[me], round, __ATOMIC_RELEASE);
	}
	dax_fail("process %d goes on without its device", me);
}

static void wait_for_rounds(int nr, const pid_t *pid)
{
	struct timespec tick = { .tv_nsec = 1000000 };
	int i, tries, status;

	for (i = 0; i < nr; i++) {
		for (tries = 0;
		     __atomic_load_n(&board->rounds[i], __ATOMIC_ACQUIRE) < ROUNDS; tries++) {
			if (waitpid(pid[i], &status, WNOHANG) == pid[i]) {
				if (status)
					_exit(1);	/* its reason stands already */
				dax_fail("process %d got SIGBUS or an error too early", i);
			}
			if (tries > 60000)
				dax_fail("process %d does not come round", i);
			nanosleep(&tick, NULL);
		}
	}
}

static void busy(void)
{
	void (*const work[])(unsigned int) = { faults, direct, writes, syncs, faults, direct };
	int nr = opt.device ? 2 : ARRAY_SIZE(work), i;
	pid_t pid[ARRAY_SIZE(work)], unbinder;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < nr; i++)
		pid[i] = start(i, work[i]);
	wait_for_rounds(nr, pid);
	unbinder = dax_fork();
	if (!unbinder)
		unbind();
	dax_reap(unbinder, "unbind");
	for (i = 0; i < nr; i++)
		dax_reap(pid[i], "a busy process");
}

static const struct dax_test tests[] = {
	{ "device: the driver goes under faults, writes, syncs and O_DIRECT", busy },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
