// SPDX-License-Identifier: GPL-2.0
#include <limits.h>
#include <sys/sysmacros.h>

#include "dax_device.h"

unsigned long dax_device_attribute(const char *name)
{
	char path[PATH_MAX];
	unsigned long value;
	struct stat st;

	dax_must(!stat(opt.device, &st), "stat %s", opt.device);
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s", major(st.st_rdev),
		 minor(st.st_rdev), name);
	dax_must(dax_number(path, &value), "%s", path);
	return value;
}

struct dax_map dax_device_map(size_t len)
{
	size_t size = dax_device_attribute("size"), align = dax_device_attribute("align");
	struct dax_map m = { .len = len ? (len + align - 1) / align * align : size };
	uintptr_t p;

	if (m.len > size)
		dax_fail("the device has %zu bytes, the test wants %zu", size, m.len);
	m.fd = open(opt.device, O_RDWR);
	dax_must(m.fd >= 0, "open %s", opt.device);
	p = (uintptr_t)mmap(NULL, m.len + align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	p = (p + align - 1) / align * align;
	m.p = mmap((void *)p, m.len, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, m.fd, 0);
	dax_must(m.p != MAP_FAILED, "mmap of %zu bytes", m.len);
	return m;
}
