/* SPDX-License-Identifier: GPL-2.0 */
/* For tests that unmount DIR's file system, and mount it again. */
#ifndef DAX_MOUNT_H
#define DAX_MOUNT_H

#include <sys/mount.h>

#include "dax_test.h"

struct dax_mount {
	char device[256], at[256], type[32];
};

/* What DIR's file system is, and where; skips the test if it has no mount of its own. */
struct dax_mount dax_find_mount(void);

/* As mount(2) says. */
int dax_mount_again(const struct dax_mount *fs);

#endif
