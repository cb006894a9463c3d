// SPDX-License-Identifier: GPL-2.0
/*
 * A device behind an IOMMU, in the hands of this process, does DMA to and from a DAX
 * mapping: by vfio's type 1 container, and by iommufd. The device is QEMU's edu, bound
 * to vfio-pci and alone in its group.
 */
#include <dirent.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "dax_leaf.h"
#include "dax_longterm.h"

#define IOVA	(64 * MB)	/* edu reaches 256M */
#define BUFFER	0x40000		/* edu's own memory: a page, of which */
#define CHUNK	2048		/* QEMU 7.2 does not give the last byte */
#define SOURCE	0x80
#define TARGET	0x88
#define COUNT	0x90
#define COMMAND	0x98
#define START	1
#define TO_RAM	2

/* As in linux/iommufd.h from 6.2 on. */
struct ioas_map {
	uint32_t size, flags, ioas, reserved;
	uint64_t addr, len, iova;
};

struct ioas_unmap {
	uint32_t size, ioas;
	uint64_t iova, len;
};

struct vfio_ioas {
	uint32_t size, ioas;
	uint16_t op, reserved;
};

#define IOAS_MAP	_IO(';', 0x85)
#define IOAS_UNMAP	_IO(';', 0x86)
#define VFIO_IOAS	_IO(';', 0x88)
#define FIXED_WRITE_READ	7

enum kind { TYPE1, IOMMUFD };

static struct {
	enum kind kind;
	int container, ioas, group, fd;
	volatile unsigned char *regs;
} dev;

/* The one group that vfio has, and the name of its device. */
static int open_group(char *name, size_t size)
{
	DIR *d = opendir("/dev/vfio"), *devices;
	char path[300];
	struct dirent *e;

	if (!d)
		dax_skip("no vfio in this kernel");
	while ((e = readdir(d)) && (e->d_name[0] < '0' || e->d_name[0] > '9'))
		;
	if (!e)
		dax_skip("no device is bound to vfio-pci, or there is no IOMMU");
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices", e->d_name);
	devices = opendir(path);
	dax_must(devices, "%s", path);
	snprintf(path, sizeof(path), "/dev/vfio/%s", e->d_name);
	while ((e = readdir(devices)) && e->d_name[0] == '.')
		;
	dax_must(e, "a device of %s", path);
	snprintf(name, size, "%s", e->d_name);
	return open(path, O_RDWR);
}

static void attach(enum kind kind)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_region_info bar = { .argsz = sizeof(bar) };
	struct vfio_ioas ioas = { .size = sizeof(ioas) };
	uint16_t command;
	char name[256];

	dev.kind = kind;
	dev.group = open_group(name, sizeof(name));
	dax_must(dev.group >= 0, "the group of %s", name);
	dev.container = open(kind == TYPE1 ? "/dev/vfio/vfio" : "/dev/iommu", O_RDWR);
	if (dev.container < 0)
		dax_skip("no %s in this kernel", kind == TYPE1 ? "vfio container" : "iommufd");
	dax_must(!ioctl(dev.group, VFIO_GROUP_SET_CONTAINER, &dev.container),
		 "VFIO_GROUP_SET_CONTAINER");
	if (kind == TYPE1)
		dax_must(!ioctl(dev.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
			 "VFIO_SET_IOMMU");
	dev.fd = ioctl(dev.group, VFIO_GROUP_GET_DEVICE_FD, name);
	dax_must(dev.fd >= 0, "VFIO_GROUP_GET_DEVICE_FD of %s", name);
	if (kind == IOMMUFD) {
		dax_must(!ioctl(dev.container, VFIO_IOAS, &ioas), "IOMMU_VFIO_IOAS");
		dev.ioas = ioas.ioas;
	}
	dax_must(!ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &config) &&
		 !ioctl(dev.fd, VFIO_DEVICE_GET_REGION_INFO, &bar), "VFIO_DEVICE_GET_REGION_INFO");
	dax_must(pread(dev.fd, &command, 2, config.offset + PCI_COMMAND) == 2, "config");
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	dax_must(pwrite(dev.fd, &command, 2, config.offset + PCI_COMMAND) == 2, "config");
	dev.regs = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev.fd, bar.offset);
	dax_must(dev.regs != MAP_FAILED, "mmap of the device's registers");
}

static int map_dma(const void *p, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p, .iova = IOVA, .size = len,
	};
	struct ioas_map ioas = {
		.size = sizeof(ioas), .flags = FIXED_WRITE_READ, .ioas = dev.ioas,
		.addr = (uintptr_t)p, .len = len, .iova = IOVA,
	};

	return dev.kind == TYPE1 ? ioctl(dev.container, VFIO_IOMMU_MAP_DMA, &map) :
				   ioctl(dev.container, IOAS_MAP, &ioas);
}

static void unmap_dma(size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = IOVA, .size = len,
	};
	struct ioas_unmap ioas = {
		.size = sizeof(ioas), .ioas = dev.ioas, .iova = IOVA, .len = len,
	};

	dax_must(!(dev.kind == TYPE1 ? ioctl(dev.container, VFIO_IOMMU_UNMAP_DMA, &unmap) :
				       ioctl(dev.container, IOAS_UNMAP, &ioas)), "unmap");
}

static void reg(unsigned int at, uint32_t value)
{
	*(volatile uint32_t *)(dev.regs + at) = value;
}

/* CHUNK bytes between the device's memory and IOVA + @off; it takes a tenth of a second. */
static void dma(size_t off, bool to_ram)
{
	uint64_t start = dax_ms();

	reg(SOURCE, to_ram ? BUFFER : IOVA + off);
	reg(TARGET, to_ram ? IOVA + off : BUFFER);
	reg(COUNT, CHUNK);
	reg(COMMAND, START | (to_ram ? TO_RAM : 0));
	while (*(volatile uint32_t *)(dev.regs + COMMAND) & START)
		if (dax_ms() - start > 10000)
			dax_fail("the device does not end its DMA");
}

/* From the start of the first entry to the end of the middle one. */
static void transfer(enum kind kind, size_t unit)
{
	struct dax_map m = dax_three("vfio", unit);
	size_t last = 2 * unit - CHUNK;

	attach(kind);
	dax_must(!map_dma(m.p, m.len), "map for DMA");
	dax_fill(m.p, CHUNK, 0, opt.seed + 1);
	dma(0, false);
	dma(last, true);
	dax_expect(m.p + last, CHUNK, 0, opt.seed + 1, "where the device wrote");
	dax_expect_file(m.fd, last, CHUNK, 0, opt.seed + 1, "the file");
	dax_expect(m.p + 2 * unit, unit, 2 * unit, opt.seed, "behind that");
	dax_expect_busy(dax_truncate(&m), "truncate");

	/* Nothing but the IOMMU knows of it any more. */
	dax_must(!munmap(m.p, m.len), "munmap");
	dma(last, false);
	dma(0, true);
	dax_expect_file(m.fd, 0, CHUNK, 0, opt.seed + 1, "the file, unmapped");
	dax_expect_busy(dax_punch(m.fd, unit, PAGE), "punch");
	unmap_dma(m.len);
	dax_until_free(dax_truncate, &m, GRACE);
}

static void type1_4k(void) { transfer(TYPE1, PAGE); }
static void type1_2m(void) { transfer(TYPE1, HUGE); }
static void iommufd_4k(void) { transfer(IOMMUFD, PAGE); }
static void iommufd_2m(void) { transfer(IOMMUFD, HUGE); }

static const struct dax_test tests[] = {
	{ "longterm: VFIO_IOMMU_MAP_DMA, and a device's DMA, 4K", type1_4k },
	{ "longterm: VFIO_IOMMU_MAP_DMA, and a device's DMA, 2M", type1_2m },
	{ "longterm: IOMMU_IOAS_MAP, and a device's DMA, 4K", iommufd_4k },
	{ "longterm: IOMMU_IOAS_MAP, and a device's DMA, 2M", iommufd_2m },
};

int main(int argc, char **argv)
{
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
