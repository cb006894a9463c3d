// SPDX-License-Identifier: GPL-2.0
#include "dax_area.h"
#include "dax_device.h"

static struct dax_area of_device(uint64_t seed)
{
	struct dax_map m = dax_device_map(2 * HUGE);
	struct dax_area a = {
		.p = m.p, .len = m.len, .data = 2 * HUGE, .fd = m.fd,
		.leaf = dax_device_attribute("align"),
	};

	a.what = a.leaf == PAGE ? "4K leaves of a device" :
		 a.leaf == HUGE ? "2M leaves of a device" : "a 1G leaf of a device";
	dax_fill(a.p, a.data, 0, seed);
	return a;
}

unsigned int dax_areas(struct dax_area areas[2], uint64_t seed)
{
	struct dax_map by_2m, by_4k;
	size_t at;

	if (opt.device) {
		areas[0] = of_device(seed);
		return 1;
	}
	dax_new_both(&by_2m, &by_4k, seed);
	for (at = 0; at < by_4k.len; at += PAGE)	/* only read until now */
		dax_store_faults(by_4k.p + at);
	areas[0] = (struct dax_area){
		.what = "2M leaves", .p = by_2m.p, .len = by_2m.len, .data = by_2m.len,
		.leaf = HUGE, .fd = by_2m.fd,
	};
	areas[1] = (struct dax_area){
		.what = "4K leaves", .p = by_4k.p, .len = by_4k.len, .data = by_4k.len,
		.off = PAGE, .leaf = PAGE, .fd = by_2m.fd,
	};
	return 2;
}

void dax_area_expect(const struct dax_area *a, uint64_t seed, long faults, const char *when)
{
	long n = dax_load_faults(a->p, a->data, PAGE);
	bool huge = a->leaf == HUGE;
	size_t at;

	if (n != faults)
		dax_fail("%s: %ld faults in %s, %ld expected", when, n, a->what, faults);
	/* Looking at a leaf of 1G takes it away. */
	for (at = 0; at < a->data && a->leaf < DAX_GIB; at += HUGE)
		if (dax_is_huge(a->p + at) != huge)
			dax_fail("%s: %s are none any more", when, a->what);
	dax_expect(a->p, a->data, a->off, seed, when);
}
