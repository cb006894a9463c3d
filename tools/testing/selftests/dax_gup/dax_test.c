// SPDX-License-Identifier: GPL-2.0
/* The runner: one process, one directory and one KTAP line for each test. */
#include <getopt.h>
#include <limits.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/statvfs.h>
#include <time.h>
#include <sys/sysmacros.h>

#include "dax_test.h"

#define TIMEOUT	120	/* seconds for one test; most need one */
#define AGAIN	5	/* exit status, beside those of kselftest */
#define TRIES	4

struct dax_opt opt = { .seconds = 5, .patience = 1 };

/* Where a test, with all its processes, leaves its reason. */
static struct { char why[512]; } *shared;
static char dir[200];
static const char *where;

static bool alone;

static void say(const char *fmt, va_list ap, int err)
{
	int n = vsnprintf(shared->why, sizeof(shared->why), fmt, ap);

	if (err && n >= 0 && n < (int)sizeof(shared->why))
		snprintf(shared->why + n, sizeof(shared->why) - n, ": %s",
			 strerrorname_np(err) ?: "unknown error");
	if (alone) {
		printf("# why: %s\n", shared->why);
		fflush(stdout);
	}
}

static void share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
}

void dax_alone(void)
{
	alone = true;
	share();
}

void dax_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, 0);
	va_end(ap);
	_exit(KSFT_FAIL);
}

void dax_fail_errno(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, err);
	va_end(ap);
	_exit(KSFT_FAIL);
}

void dax_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, 0);
	va_end(ap);
	_exit(KSFT_SKIP);
}

void dax_again(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, 0);
	va_end(ap);
	_exit(AGAIN);
}

void dax_note(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ksft_print_msg("%s\n", line);
	fflush(stdout);
}

pid_t dax_fork(void)
{
	pid_t pid = fork();

	dax_must(pid >= 0, "fork");
	return pid;
}

void dax_reap(pid_t pid, const char *who)
{
	int status;

	dax_must(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status))
		dax_fail("%s died of signal %d", who, WTERMSIG(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));	/* its reason stands already */
}

/* Is @pid a zombie in time? It is still to be reaped. */
bool dax_ends(pid_t pid, unsigned int seconds)
{
	uint64_t end = dax_now() + seconds * 1000000000ULL;
	struct timespec tick = { .tv_nsec = 10000000 };
	siginfo_t info;

	do {
		info.si_pid = 0;
		dax_must(!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT), "waitid");
		nanosleep(&tick, NULL);
	} while (!info.si_pid && dax_now() < end);
	return info.si_pid;
}

/* Returns when @pid sleeps in the kernel, or is a zombie. */
void dax_wait_asleep(pid_t pid, const char *who)
{
	struct timespec tick = { .tv_nsec = 1000000 };
	char path[64], state = '?';
	int same = 0, tries;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (tries = 0; tries < 20000 && same < 20; tries++) {
		FILE *f = fopen(path, "r");

		dax_must(f, "%s: %s", who, path);
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = '?';
		fclose(f);
		same = strchr("SDZ", state) ? same + 1 : 0;
		nanosleep(&tick, NULL);
	}
	if (same < 20)
		dax_fail("%s never went to sleep: state %c", who, state);
}

static void remove_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(dir);
}

static fsblkcnt_t free_blocks(void)
{
	struct statvfs st;

	return statvfs(where, &st) ? 0 : st.f_bfree;
}

/* A file system may take its time to free what was deleted. */
static void wait_for_blocks(fsblkcnt_t before)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	int tries;

	for (tries = 0; tries < 500 && free_blocks() + 256 < before; tries++) {
		sync();
		nanosleep(&tick, NULL);
	}
}

/* Returns the wait status, or -1 if the test had to be given up. */
static int run_child(const struct dax_test *test)
{
	sigset_t chld;
	struct timespec limit = { .tv_sec = TIMEOUT + 2 * opt.seconds };
	int status = -1;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		sigprocmask(SIG_UNBLOCK, &chld, NULL);
		setpgid(0, 0);
		test->run();
		fflush(stdout);
		_exit(KSFT_PASS);
	}
	setpgid(pid, pid);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (sigtimedwait(&chld, NULL, &limit) < 0 && errno == EAGAIN) {
			kill(-pid, SIGKILL);
			return -1;
		}
	}
	kill(-pid, SIGKILL);
	return status;
}

static int run_once(const struct dax_test *test)
{
	fsblkcnt_t before = free_blocks();
	int status;

	shared->why[0] = 0;
	if (mkdir(dir, 0700) && errno != EEXIST)
		ksft_exit_fail_perror(dir);
	status = run_child(test);
	remove_dir();
	if (strncmp(test->name, "device:", 7))	/* else there is no device any more */
		wait_for_blocks(before);
	return status;
}

static void run_test(const struct dax_test *test)
{
	int status, tries = TRIES;

	opt.patience = 1;
	while ((status = run_once(test)) != -1 && WIFEXITED(status) &&
	       WEXITSTATUS(status) == AGAIN && --tries)
		opt.patience *= 2;
	if (status == -1)
		ksft_print_msg("why: no end after %u seconds; see the kernel's log for blocked tasks\n",
			       TIMEOUT + 2 * opt.seconds);
	else if (WIFSIGNALED(status))
		ksft_print_msg("why: died of signal %d\n", WTERMSIG(status));
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP) {
		ksft_test_result_skip("%s: %s\n", test->name, shared->why);
	} else {
		if (status && shared->why[0])
			ksft_print_msg("why: %s\n", shared->why);
		ksft_test_result(status == 0, "%s\n", test->name);
	}
	fflush(stdout);
}

static bool is_dax(const char *path)
{
	int fd = open(path, O_RDWR | O_TMPFILE, 0600);
	struct statx sx;
	bool yes = fd >= 0 && !statx(fd, "", AT_EMPTY_PATH, 0, &sx) &&
		   (sx.stx_attributes & STATX_ATTR_DAX);

	if (fd >= 0)
		close(fd);
	return yes;
}

/* -r chooses between a test that wants pins and one that wants none. */
static bool chosen(const struct dax_test *test, const char *words)
{
	if (!strncmp(test->name, opt.refused ? "longterm:" : "refused:", 8))
		return false;
	if (!opt.pageless && !strncmp(test->name, "pageless:", 9))
		return false;
	return strstr(test->name, words);
}

/* A slip in the words, or a test that has another name by now: not a run that went well. */
static void expect_named(const struct dax_test *tests, size_t nr, const char *words)
{
	bool named = false, any = false;
	size_t i;

	for (i = 0; i < nr; i++) {
		named |= !!strstr(tests[i].name, words);
		any |= chosen(&tests[i], words);
	}
	if (!named)
		ksft_exit_fail_msg("no test has \"%s\" in its name\n", words);
	if (*words && !any)
		ksft_exit_skip("no test with \"%s\" in its name is for this kernel (see -r and -p)\n",
			       words);
}

static void usage(const char *prog)
{
	fprintf(stderr,
		"usage: %s [-t WORDS] [-n SECONDS] [-s SEED] [-r] [-p] DIR [DRIVE]\n"
		"DIR is on a DAX file system (or is a dax device), DRIVE is a block device or a file that takes\n"
		"O_DIRECT; its contents are lost.\n"
		"  -t  only tests whose name contains WORDS\n"
		"  -n  how long a stress test runs\n"
		"  -s  the seed of the data and of every choice\n"
		"  -r  long-term pins must be refused with EOPNOTSUPP\n"
		"  -p  the pmem below DIR has no struct pages\n", prog);
	exit(KSFT_FAIL);
}

bool dax_put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, word, strlen(word)) >= 0;
	int err = errno;

	close(fd);
	errno = err;
	return done;
}

bool dax_number(const char *path, unsigned long *number)
{
	FILE *f = fopen(path, "r");
	bool done;

	if (!f)
		return false;
	done = fscanf(f, "%li", (long *)number) == 1;
	fclose(f);
	if (!done)
		errno = EINVAL;
	return done;
}

void dax_unbind_driver(void)
{
	char link[96], path[PATH_MAX];
	struct stat st;
	dev_t dev;

	dax_must(!stat(opt.device ?: opt.dir, &st), "stat");
	dev = opt.device ? st.st_rdev : st.st_dev;
	snprintf(link, sizeof(link), "/sys/dev/%s/%u:%u%s", opt.device ? "char" : "block",
		 major(dev), minor(dev), opt.device ? "" : "/device");
	dax_must(realpath(link, path), "%s", link);
	if (opt.device) {
		/* The device of libnvdimm is two above: daxX.Y/daxX.Y */
		*strrchr(path, '/') = 0;
		snprintf(link, sizeof(link), "/sys/bus/nd/drivers/dax_pmem/unbind");
	} else {
		strcat(link, "/driver/unbind");
	}
	dax_must(dax_put(link, strrchr(path, '/') + 1), "unbind by %s", link);
}

bool dax_is_device(int argc, char **argv)
{
	struct stat st;
	int i;

	for (i = 1; i < argc; i++)
		if (!stat(argv[i], &st) && S_ISCHR(st.st_mode))
			return true;
	return false;
}

int dax_main(int argc, char **argv, const struct dax_test *tests, size_t nr)
{
	const char *words = "";
	unsigned int plan = 0;
	struct stat st;
	size_t i;
	int c;

	opt.seed = (uint64_t)time(NULL) << 16 ^ getpid();
	while ((c = getopt(argc, argv, "t:n:s:rp")) != -1) {
		switch (c) {
		case 't':
			words = optarg;
			break;
		case 'n':
			opt.seconds = strtoul(optarg, NULL, 0);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			opt.refused = true;
			break;
		case 'p':
			opt.pageless = true;
			break;
		default:
			usage(argv[0]);
		}
	}
	if (optind == argc || argc > optind + 2)
		usage(argv[0]);
	opt.drive = argv[optind + 1];
	where = argv[optind];
	if (!stat(where, &st) && S_ISCHR(st.st_mode)) {
		opt.device = where;
		where = "/tmp";
	}
	snprintf(dir, sizeof(dir), "%s/%s.%d", where,
		 program_invocation_short_name, getpid());
	opt.dir = dir;

	ksft_print_header();
	expect_named(tests, nr, words);
	if (!opt.device && !is_dax(where))
		ksft_exit_skip("%s is not on a DAX file system: mount one with -o dax\n",
			       where);
	for (i = 0; i < nr; i++)
		plan += chosen(&tests[i], words);
	ksft_set_plan(plan);
	ksft_print_msg("seed %#llx\n", (unsigned long long)opt.seed);
	fflush(stdout);

	share();
	for (i = 0; i < nr; i++)
		if (chosen(&tests[i], words))
			run_test(&tests[i]);
	ksft_finished();
}
