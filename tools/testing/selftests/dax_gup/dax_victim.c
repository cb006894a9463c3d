// SPDX-License-Identifier: GPL-2.0
#include <time.h>

#include "dax_victim.h"

void dax_linger(uint64_t *state, unsigned int most_ms)
{
	struct timespec t = { .tv_nsec = dax_random(state) % (most_ms * 1000) * 1000 };

	nanosleep(&t, NULL);
}

void dax_victim(uint64_t *state, unsigned int linger_ms)
{
	uint64_t seed = dax_random(state);
	char path[256], *buf = dax_anon(256 * KB);
	size_t at, len;
	int fd, dir;

	dax_path(path, sizeof(path), "victim");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dax_must(fd >= 0, "open %s", path);
	for (len = 0; len < MB; len += 256 * KB) {
		dax_fill(buf, 256 * KB, len, seed);
		if (pwrite(fd, buf, 256 * KB, len) != (ssize_t)(256 * KB))
			break;	/* no space: good */
	}
	if (linger_ms)
		dax_linger(state, linger_ms);
	for (at = 0; at < len; at += 256 * KB)
		dax_expect_file(fd, at, 256 * KB, at, seed, "victim");
	/* By then the blocks are free. */
	dir = open(opt.dir, O_RDONLY);
	dax_must(!unlink(path) && !close(fd), "unlink");
	dax_must(dir >= 0 && !syncfs(dir) && !close(dir), "syncfs");
	munmap(buf, 256 * KB);
}
