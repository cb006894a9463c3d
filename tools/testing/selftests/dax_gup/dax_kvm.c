// SPDX-License-Identifier: GPL-2.0
/*
 * A DAX file as the memory of a virtual machine, by leaves of 2M and of 4K: what
 * the machine writes is in the file, by mappings as large as the leaf; the log of
 * dirty pages; the file cut while the machine writes. A device of device-dax, by
 * leaves of 4K, 2M or 1G.
 */
#include <linux/falloc.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>

#include "dax_device.h"
#include "dax_leaf.h"

#define DATA		(opt.seed + 1)
#define LEN		(2 * HUGE)
#define GUEST		0x40000000UL	/* where the machine has the file */
#define CODE		0x1000UL

static struct {
	int vm, cpu;
	struct kvm_run *run;
	struct dax_map m;	/* the file, mapped from offset from on */
	off_t from;
} vm;

/* 32 bits, no paging: stores eax at edi, ecx times, ebx apart, eax growing. */
static const unsigned char once[] = {
	0x89, 0x07,		/* mov %eax,(%edi) */
	0x01, 0xdf,		/* add %ebx,%edi */
	0x40,			/* inc %eax */
	0x49,			/* dec %ecx */
	0x75, 0xf8,		/* jnz to the first */
	0xf4,			/* hlt */
};

/* The same for ever, from esi on, ebp times a round. */
static const unsigned char for_ever[] = {
	0x89, 0xf7,		/* mov %esi,%edi */
	0x89, 0xe9,		/* mov %ebp,%ecx */
	0x89, 0x07, 0x01, 0xdf, 0x40, 0x49, 0x75, 0xf8,
	0xeb, 0xf2,		/* jmp to the first */
};

static void slot(unsigned int nr, unsigned long at, void *p, size_t len, unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = nr, .guest_phys_addr = at, .memory_size = len,
		.userspace_addr = (uintptr_t)p, .flags = flags,
	};

	dax_must(!ioctl(vm.vm, KVM_SET_USER_MEMORY_REGION, &region),
		 "KVM_SET_USER_MEMORY_REGION");
}

static void flat(struct kvm_segment *s, unsigned int type)
{
	*s = (struct kvm_segment){
		.limit = ~0U, .selector = 8, .type = type, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
}

/* A machine of one processor, its memory the mapping vm.m. */
static void boot_it(void)
{
	int kvm = open("/dev/kvm", O_RDWR), size;
	struct kvm_sregs sregs;
	unsigned char *code = dax_anon(PAGE);

	dax_must(kvm >= 0, "/dev/kvm");
	memset(vm.m.p, 0, LEN);

	vm.vm = ioctl(kvm, KVM_CREATE_VM, 0);
	dax_must(vm.vm >= 0, "KVM_CREATE_VM");
	memcpy(code, once, sizeof(once));
	memcpy(code + PAGE / 2, for_ever, sizeof(for_ever));
	slot(0, CODE, code, PAGE, 0);
	slot(1, GUEST, vm.m.p, vm.m.len, 0);
	vm.cpu = ioctl(vm.vm, KVM_CREATE_VCPU, 0);
	dax_must(vm.cpu >= 0, "KVM_CREATE_VCPU");
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm.cpu, 0);
	dax_must(vm.run != MAP_FAILED, "mmap of the processor");

	dax_must(!ioctl(vm.cpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	flat(&sregs.cs, 11);
	flat(&sregs.ds, 3);
	flat(&sregs.es, 3);
	flat(&sregs.ss, 3);
	sregs.cr0 |= 1;
	dax_must(!ioctl(vm.cpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
}

static void want_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK))
		dax_skip("no /dev/kvm: guest/run wants --cpu max,+svm");
}

/* Of a file, by leaves of 2M, or by ptes. */
static void boot(bool huge)
{
	want_kvm();
	sync();		/* ext4 has freed blocks again after a commit */
	vm.m.fd = dax_open("memory", 3 * HUGE, DAX_UNWRITTEN);
	vm.m.len = LEN;
	vm.from = huge ? 0 : PAGE;
	vm.m.p = dax_map_at(NULL, vm.m.fd, LEN, vm.from, PROT_READ | PROT_WRITE, MAP_SHARED);
	boot_it();
}

static void set_off(unsigned long rip, size_t at, size_t nr, size_t stride, uint32_t value)
{
	struct kvm_regs regs = {
		.rip = rip, .rflags = 2, .rdi = GUEST + at, .rsi = GUEST + at,
		.rcx = nr, .rbp = nr, .rbx = stride, .rax = value,
	};

	dax_must(!ioctl(vm.cpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

/* The machine stores @nr words, which begin at @at. */
static void store(size_t at, size_t nr, size_t stride, uint32_t value)
{
	set_off(CODE, at, nr, stride, value);
	dax_must(!ioctl(vm.cpu, KVM_RUN, 0), "KVM_RUN");
	if (vm.run->exit_reason != KVM_EXIT_HLT)
		dax_fail("the machine ended for reason %u at %#llx", vm.run->exit_reason,
			 (unsigned long long)vm.run->mmio.phys_addr);
}

/* What the machine has stored by store(0, all words, 4, value) */
static void expect_stored(const uint32_t *words, uint32_t value, const char *what)
{
	size_t i;

	for (i = 0; i < LEN / 4; i++)
		if (words[i] != value + (uint32_t)i)
			dax_fail("%s: word %zu is %#x, not %#x", what, i, words[i],
				 value + (uint32_t)i);
}

/* The same, read by read(2) */
static void expect_words(uint32_t value, const char *what)
{
	uint32_t *buf = dax_anon(LEN);

	dax_must(pread(vm.m.fd, buf, LEN, vm.from) == (ssize_t)LEN, "pread");
	expect_stored(buf, value, what);
	munmap(buf, LEN);
}

/* How many mappings of a size the machine has: pages_4k, pages_2m. */
static unsigned long pages(const char *size)
{
	unsigned long nr;
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/pages_%s", getpid(), vm.vm,
		 size);
	dax_must(dax_number(path, &nr), "%s", path);
	return nr;
}

/* One mapping of 4K is the code's. */
static void expect_pages(unsigned long nr_2m, unsigned long nr_4k, const char *when)
{
	unsigned long n2m = pages("2m"), n4k = pages("4k") - 1;

	if (n2m != nr_2m || n4k != nr_4k)
		dax_fail("%s: %lu mappings of 2M and %lu of 4K, expected %lu and %lu", when, n2m,
			 n4k, nr_2m, nr_4k);
}

static void expect_leaves(bool huge, const char *when)
{
	if (dax_is_huge(vm.m.p) != huge || dax_is_huge(vm.m.p + HUGE) != huge)
		dax_fail("%s: the file is not mapped by leaves of %s", when, huge ? "2M" : "4K");
}

static void writes(bool huge)
{
	uint32_t value = opt.seed;

	boot(huge);
	store(0, LEN / 4, 4, value);
	expect_words(value, "stored");
	expect_leaves(huge, "stored");
	if (huge)
		expect_pages(2, 0, "2M leaves");
	else
		expect_pages(0, LEN / PAGE, "4K leaves");
	/* And it sees what others store. */
	dax_must(!fsync(vm.m.fd), "fsync");
	store(0, LEN / 4, 4, ~value);
	expect_words(~value, "stored after fsync");
	expect_leaves(huge, "stored after fsync");
}

static void writes_2m(void)
{
	writes(true);
}

static void writes_4k(void)
{
	writes(false);
}

static void dirty_log(void)
{
	static uint64_t bits[LEN / PAGE / 64];
	static const size_t dirty[] = { 3, 64, 511, 700 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	uint64_t want[LEN / PAGE / 64] = { 0 };
	uint32_t word;
	size_t i;

	boot(true);
	store(0, LEN / 4, 4, 1);
	expect_pages(2, 0, "before the log");
	slot(1, GUEST, vm.m.p, LEN, KVM_MEM_LOG_DIRTY_PAGES);
	dax_must(!ioctl(vm.vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	for (i = 0; i < ARRAY_SIZE(dirty); i++) {
		store(dirty[i] * PAGE + 8, 1, 4, 99 + i);
		want[dirty[i] / 64] |= 1ULL << dirty[i] % 64;
	}
	if (pages("2m"))
		dax_fail("%lu mappings of 2M while dirty pages are logged", pages("2m"));
	dax_must(!ioctl(vm.vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	for (i = 0; i < ARRAY_SIZE(want); i++)
		if (bits[i] != want[i])
			dax_fail("dirty pages from %zu on: %#llx, expected %#llx", i * 64,
				 (unsigned long long)bits[i], (unsigned long long)want[i]);
	for (i = 0; i < ARRAY_SIZE(dirty); i++) {
		dax_must(pread(vm.m.fd, &word, 4, dirty[i] * PAGE + 8) == 4, "pread");
		if (word != 99 + i)
			dax_fail("page %zu has %u, not what the machine stored", dirty[i], word);
	}
	expect_leaves(true, "log of dirty pages");
	slot(1, GUEST, vm.m.p, LEN, 0);
	store(0, LEN / 4, 4, 5);
	expect_pages(2, 0, "after the log");
	expect_words(5, "stored after the log");
}

static atomic_int run_errno;

static void *processor(void *arg)
{
	while (!ioctl(vm.cpu, KVM_RUN, 0))
		;
	run_errno = errno;
	return arg;
}

/* The words that the machine has stored at @p are others. */
static void await_store(unsigned char *p)
{
	uint32_t old = __atomic_load_n((uint32_t *)p, __ATOMIC_RELAXED);

	while (__atomic_load_n((uint32_t *)p, __ATOMIC_RELAXED) == old) {
		errno = run_errno;
		dax_must(!errno, "KVM_RUN");
	}
}

/* All space but @left bytes is taken. */
static void fill_up(size_t left)
{
	struct statvfs st;

	dax_must(!statvfs(opt.dir, &st), "statvfs");
	if (st.f_bavail * st.f_bsize > left)
		dax_open("hog", st.f_bavail * st.f_bsize - left, DAX_UNWRITTEN);
}

/*
 * The machine never stops storing to both leaves while the file is cut to nothing and
 * another one takes its blocks, as there are not enough others: the machine ends, and
 * the other file is whole. For a page that KVM kept the truncate would wait for ever.
 */
static void cut(void)
{
	const size_t len = 3 * LEN;
	unsigned int round;
	pthread_t thread;
	int fd;

	boot(true);
	fill_up(len - LEN);
	for (round = 0; round < 8; round++) {
		run_errno = 0;
		set_off(CODE + PAGE / 2, 0, LEN / 64, 64, round);
		errno = pthread_create(&thread, NULL, processor, NULL);
		dax_must(!errno, "pthread_create");
		await_store(vm.m.p + LEN - 64);
		dax_must(!ftruncate(vm.m.fd, 0), "ftruncate");
		fd = dax_open("other", len, DAX_WRITTEN);
		pthread_join(thread, NULL);
		if (run_errno != EFAULT)
			dax_fail("the machine ended with %s, EFAULT expected",
				 strerrorname_np(run_errno));
		expect_pages(0, 0, "of no file");
		dax_expect_file(fd, 0, len, 0, opt.seed, "other file");
		dax_must(!ftruncate(fd, 0), "ftruncate");
		close(fd);
		dax_must(!fallocate(vm.m.fd, 0, 0, LEN), "fallocate");
		dax_expect_zero(vm.m.p, LEN, "the file again");
		store(0, LEN / 4, 4, round);
		expect_words(round, "the file again");
	}
}

/* A hole is filled by the machine's next store: with a new block, not the old. */
static void hole_in_it(void)
{
	int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fd;
	uint32_t word[2];

	boot(true);
	store(0, LEN / 4, 4, 7);
	dax_must(!fallocate(vm.m.fd, punch, 5 * PAGE, PAGE), "punch");
	if (pages("2m") > 1)
		dax_fail("the machine still has the leaf that was punched");
	fd = dax_open("other", 64 * PAGE, DAX_WRITTEN);
	store(5 * PAGE + 4, 1, 4, 77);
	dax_must(pread(vm.m.fd, word, 8, 5 * PAGE) == 8, "pread");
	if (word[0] || word[1] != 77)
		dax_fail("the hole has %#x %#x, 0 and 0x4d expected", word[0], word[1]);
	dax_expect_file(fd, 0, 64 * PAGE, 0, opt.seed, "other file");
	dax_must(pread(vm.m.fd, word, 8, 6 * PAGE) == 8, "pread");
	if (word[0] != 7 + 6 * PAGE / 4)
		dax_fail("the page behind the hole has %#x", word[0]);
}

/* The machine's mappings are as large as the leaves, and go with them. */
static void of_device(void)
{
	unsigned long want_1g = 0, want_2m = 0, want_4k = 0;
	uint32_t value = opt.seed;
	size_t align;

	want_kvm();
	align = dax_device_attribute("align");
	if (align == PAGE)
		want_4k = LEN / PAGE;
	else if (align == HUGE)
		want_2m = LEN / HUGE;
	else
		want_1g = 1;
	vm.m = dax_device_map(LEN);
	boot_it();
	store(0, LEN / 4, 4, value);
	expect_stored((uint32_t *)dax_device_map(LEN).p, value, "stored");
	expect_pages(want_2m, want_4k, "stored");
	if (pages("1g") != want_1g)
		dax_fail("%lu mappings of 1G, expected %lu", pages("1g"), want_1g);
	dax_must(!madvise(vm.m.p, vm.m.len, MADV_DONTNEED), "MADV_DONTNEED");
	expect_pages(0, 0, "of no leaf");
	if (pages("1g"))
		dax_fail("a mapping of 1G of no leaf");
	store(0, LEN / 4, 4, ~value);
	expect_stored((uint32_t *)vm.m.p, ~value, "stored again");
}

static const struct dax_test devices[] = {
	{ "gup: device: KVM: mappings as large as the leaves", of_device },
};

static const struct dax_test tests[] = {
	{ "gup: KVM: memory by 2M leaves: mappings of 2M, and the file has it", writes_2m },
	{ "gup: KVM: memory by 4K leaves: mappings of 4K, and the file has it", writes_4k },
	{ "gup: KVM: the log of dirty pages, by 4K and back to 2M", dirty_log },
	{ "gup: KVM: a hole in the memory", hole_in_it },
	{ "gup: KVM: the file is cut while the machine stores to it", cut },
};

int main(int argc, char **argv)
{
	if (dax_is_device(argc, argv))
		return dax_main(argc, argv, devices, ARRAY_SIZE(devices));
	return dax_main(argc, argv, tests, ARRAY_SIZE(tests));
}
