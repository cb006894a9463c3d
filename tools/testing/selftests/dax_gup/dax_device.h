/* SPDX-License-Identifier: GPL-2.0 */
/* A character device of device-dax, opt.device: its size, its leaves, mappings of it. */
#ifndef DAX_DEVICE_H
#define DAX_DEVICE_H

#include "dax_test.h"

/* A number of its folder in sysfs: size, align (of its leaves), resource (where it is). */
unsigned long dax_device_attribute(const char *name);

/* Map the first @len bytes, rounded up to leaves; the whole device if @len is zero. */
struct dax_map dax_device_map(size_t len);

#endif
