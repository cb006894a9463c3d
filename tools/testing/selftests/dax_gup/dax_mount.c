// SPDX-License-Identifier: GPL-2.0
#include <mntent.h>

#include "dax_mount.h"

/* opt.dir is a folder in it. */
struct dax_mount dax_find_mount(void)
{
	FILE *f = setmntent("/proc/mounts", "r");
	struct dax_mount fs = { 0 };
	struct mntent *e;
	size_t best = 0;

	dax_must(f, "/proc/mounts");
	while ((e = getmntent(f))) {
		size_t len = strlen(e->mnt_dir);

		if (strncmp(opt.dir, e->mnt_dir, len) || opt.dir[len] != '/' || len < best)
			continue;
		best = len;
		snprintf(fs.device, sizeof(fs.device), "%s", e->mnt_fsname);
		snprintf(fs.at, sizeof(fs.at), "%s", e->mnt_dir);
		snprintf(fs.type, sizeof(fs.type), "%s", e->mnt_type);
	}
	endmntent(f);
	if (!best)
		dax_skip("%s is not in a mounted file system of its own", opt.dir);
	return fs;
}

int dax_mount_again(const struct dax_mount *fs)
{
	return mount(fs->device, fs->at, fs->type, 0,
		     strcmp(fs->type, "ext2") ? "dax=always" : "dax");
}
