// SPDX-License-Identifier: GPL-2.0
/*
 * The pmem driver is unbound while a page of its memory is held in a pipe: it
 * waits for that page, and then ends. The file system is dead after each of these
 * tests; the caller runs one (-t), unmounts it and binds the driver again.
 */
#include <linux/fuse.h>
#include <linux/loop.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "dax_longterm.h"

#define LEN	(64 * KB)

static void unbind(void)
{
	dax_unbind_driver();
	_exit(0);
}

static sigjmp_buf no_page;

static void fault(int sig)
{
	siglongjmp(no_page, sig);
}

static void expect_no_page(unsigned char *p, bool store)
{
	int sig;

	signal(SIGBUS, fault);
	sig = sigsetjmp(no_page, 1);
	if (!sig) {
		if (store)
			*p = 1;
		else
			dax_expect(p, 1, 0, opt.seed, "mapping");
		dax_fail("the mapping still works after unbind");
	}
	if (sig != SIGBUS)
		dax_fail("signal %d instead of SIGBUS", sig);
}

/* What is left of a file when the driver has gone. */
static void expect_gone(struct dax_map *m)
{
	char buf[4 * KB];

	expect_no_page(m->p, false);
	/* ext2 asks the device; the others are shut down. */
	dax_must(pread(m->fd, buf, sizeof(buf), 0) < 0 && (errno == EIO || errno == ENXIO),
		 "read after unbind, EIO or ENXIO expected");
}

static void held(void)
{
	struct dax_map m = dax_new("held", LEN, DAX_WRITTEN);
	char buf[4 * KB];
	int pipefd[2];
	pid_t pid;

	dax_hold_page(pipefd, m.p);
	pid = dax_fork();
	if (!pid)
		unbind();
	dax_wait_asleep(pid, "unbind");
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("unbind was over while a page was held");

	dax_must(read(pipefd[0], buf, sizeof(buf)) == sizeof(buf), "read");
	dax_expect(buf, sizeof(buf), 0, opt.seed, "what the pipe held");
	dax_reap(pid, "unbind");
	expect_gone(&m);
}

/* The log as it grows. */
static int open_log(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	dax_must(kmsg >= 0 && lseek(kmsg, 0, SEEK_END) >= 0, "/dev/kmsg");
	return kmsg;
}

/*
 * The time, in microseconds, of the next line in the log that tells of waiting.
 * Counts the lines with @word on the way.
 */
static uint64_t next_line(int kmsg, const char *word, int *lines)
{
	struct pollfd ready = { .fd = kmsg, .events = POLLIN };
	unsigned long long usec;
	char buf[2048];
	ssize_t n;

	while (poll(&ready, 1, 30000) == 1) {
		n = read(kmsg, buf, sizeof(buf) - 1);
		if (n <= 0)
			continue;
		buf[n] = 0;
		if (word && strstr(buf, word))
			++*lines;
		if (strcasestr(buf, "waiting for") && sscanf(buf, "%*u,%*u,%llu", &usec) == 1)
			return usec;
	}
	dax_fail("the log does not say in 30 seconds what unbind waits for");
}

static void told(void)
{
	struct dax_map m = dax_new("held", LEN, DAX_WRITTEN);
	int kmsg = open_log(), pipefd[2];
	char buf[4 * KB];
	uint64_t first, second;
	pid_t pid;

	dax_hold_page(pipefd, m.p);
	pid = dax_fork();
	if (!pid)
		unbind();
	first = next_line(kmsg, NULL, NULL);
	second = next_line(kmsg, NULL, NULL);
	if (second - first < 9900000)
		dax_fail("two lines in %llu microseconds", (unsigned long long)(second - first));
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("unbind was over while a page was held");
	dax_must(read(pipefd[0], buf, sizeof(buf)) == sizeof(buf), "read");
	dax_reap(pid, "unbind");
}

/* Of a long-term pin it also says, once, whose it is. */
static void longterm(void)
{
	struct dax_map m = dax_new("held", LEN, DAX_WRITTEN);
	int ring, kmsg = open_log(), lines = 0, i;
	pid_t pid;

	dax_must(!prctl(PR_SET_NAME, "unbind-holder"), "prctl");
	ring = dax_pin(m.p, m.len);
	pid = dax_fork();
	if (!pid) {
		dax_must(!prctl(PR_SET_NAME, "unbind"), "prctl");
		unbind();
	}
	for (i = 0; i < 3; i++)
		next_line(kmsg, "unbind-holder", &lines);
	if (waitpid(pid, NULL, WNOHANG) == pid)
		dax_fail("unbind was over while pages were pinned");
	if (lines != 1)
		dax_fail("the log names the holder %d times, not once", lines);
	dax_unpin(ring);
	dax_reap(pid, "unbind");
	expect_gone(&m);
}

/* No page that anything could wait for: the mapping goes with the driver. */
static void pageless(void)
{
	struct dax_map m = dax_new("mapped", LEN, DAX_WRITTEN);
	struct dax_map partial = dax_new("partial", 100, DAX_WRITTEN);
	pid_t pid;

	dax_fill(m.p, LEN, 0, opt.seed);
	pid = dax_fork();
	if (!pid)
		unbind();
	dax_reap(pid, "unbind");
	expect_no_page(m.p, true);
	expect_no_page(partial.p, true);
	expect_gone(&m);
}

/* A loop device over a small file: fuseblk wants a block device, whichever. */
static void make_disk(char *disk, size_t size)
{
	int control = open("/dev/loop-control", O_RDWR), file, loop, nr;

	dax_must(control >= 0, "/dev/loop-control");
	nr = ioctl(control, LOOP_CTL_GET_FREE);
	dax_must(nr >= 0, "LOOP_CTL_GET_FREE");
	snprintf(disk, size, "/dev/loop%d", nr);
	file = memfd_create("disk", 0);
	dax_must(file >= 0 && !ftruncate(file, MB), "memfd");
	loop = open(disk, O_RDONLY);	/* open for writing it could not be mounted */
	dax_must(loop >= 0 && !ioctl(loop, LOOP_SET_FD, file), "%s", disk);
	dax_must(!ioctl(loop, LOOP_SET_STATUS64, &(struct loop_info64){
		.lo_flags = LO_FLAGS_AUTOCLEAR }), "LOOP_SET_STATUS64");
	close(file);		/* the loop device stays open until the test ends */
	close(control);
}

/* The next request to a file system's server, which must be @opcode. */
static void await_request(int fuse, struct fuse_in_header *in, unsigned int opcode)
{
	static char buf[FUSE_MIN_READ_BUFFER * 2];
	ssize_t n = read(fuse, buf, sizeof(buf));

	dax_must(n >= (ssize_t)sizeof(*in), "/dev/fuse");
	memcpy(in, buf, sizeof(*in));
	if (in->opcode != opcode)
		dax_fail("request %u to the server, not %u", in->opcode, opcode);
}

/* A file system whose umount waits for its server holds its s_umount for writing. */
static void unconcerned(void)
{
	struct dax_map m = dax_new("mapped", LEN, DAX_WRITTEN);
	struct {
		struct fuse_out_header out;
		struct fuse_init_out init;
	} ready = {
		.out = { .len = sizeof(ready) },
		.init = { .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
			  .max_write = PAGE },
	};
	char at[] = "/tmp/dax-server-XXXXXX", disk[32], options[96];
	int fuse = open("/dev/fuse", O_RDWR);
	struct fuse_in_header in;
	pid_t umounts, unbinds;

	dax_must(fuse >= 0, "/dev/fuse");
	make_disk(disk, sizeof(disk));
	dax_must(mkdtemp(at), "mkdtemp");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	dax_must(!mount(disk, at, "fuseblk", MS_RDONLY, options), "mount of fuseblk");
	await_request(fuse, &in, FUSE_INIT);
	ready.out.unique = in.unique;
	dax_must(write(fuse, &ready, sizeof(ready)) == sizeof(ready), "FUSE_INIT");

	umounts = dax_fork();
	if (!umounts) {
		close(fuse);
		dax_must(!umount2(at, 0), "umount");
		_exit(0);
	}
	await_request(fuse, &in, FUSE_DESTROY);
	dax_expect(m.p, LEN, 0, opt.seed, "mapping");
	unbinds = dax_fork();
	if (!unbinds) {
		close(fuse);
		unbind();
	}
	if (!dax_ends(unbinds, 20))
		dax_fail("unbind waits for the umount of another file system");
	dax_reap(unbinds, "unbind");
	expect_gone(&m);
	if (waitpid(umounts, NULL, WNOHANG) == umounts)
		dax_fail("the umount did not wait for its server: this has shown nothing");
	close(fuse);		/* the server is gone: no answer comes */
	dax_reap(umounts, "umount");
}

static const struct dax_test tests[] = {
	{ "device: unbind waits for a held page, then SIGBUS and EIO", held },
	{ "device: unbind says what it waits for, every ten seconds", told },
	{ "longterm: unbind waits for a pin and names its holder once", longterm },
	{ "device: unbind waits for no other file system", unconcerned },
	{ "device: unbind without pages takes mappings back", pageless },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
