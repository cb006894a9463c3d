// SPDX-License-Identifier: GPL-2.0
/*
 * Damages the info block of a namespace in many ways, and binds it each time: the
 * kernel takes it or refuses it, says why in its log, and touches no data. Then
 * the good block comes back, and with it the namespace. As root, in a guest.
 *
 * usage: dax_infoblock [-s SEED] [-n MUTATIONS] NAMESPACE
 * e.g. namespace0.0, bound in fsdax mode with its pages on the device. Its data
 * is lost.
 */
#include <endian.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "dax_test.h"

#define BLOCK	4096
#define AT	4096		/* of the info block in the namespace */
#define SAMPLES	32

/* As ndctl and the kernel's drivers/nvdimm/pfn.h have it. */
struct info {
	uint8_t signature[16], uuid[16], parent_uuid[16];
	uint32_t flags;
	uint16_t version_major, version_minor;
	uint64_t dataoff, npfns;
	uint32_t mode, start_pad, end_trunc, align, page_size;
	uint16_t page_struct_size;
	uint8_t padding[3994];
	uint64_t checksum;
} __attribute__((packed));
_Static_assert(sizeof(struct info) == BLOCK, "the info block is 4K");

struct field {
	const char *name;
	size_t at, size;
};

#define FIELD(f)	{ #f, offsetof(struct info, f), sizeof(((struct info *)0)->f) }

static const struct field fields[] = {
	FIELD(signature), FIELD(uuid), FIELD(parent_uuid), FIELD(flags),
	FIELD(version_major), FIELD(version_minor), FIELD(dataoff), FIELD(npfns),
	FIELD(mode), FIELD(start_pad), FIELD(end_trunc), FIELD(align),
	FIELD(page_size), FIELD(page_struct_size), FIELD(padding), FIELD(checksum),
};

static const char *ns;
static char disk[80];
static uint64_t state, data_off, data_len, capacity;
static struct info good;
static int kmsg;

static void die(const char *fmt, const char *what)
{
	printf("# why: ");
	printf(fmt, what);
	printf(": %s\n", strerror(errno));
	exit(KSFT_FAIL);
}

static bool get(const char *dev, const char *attr, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s/%s", dev, attr);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return n >= 0;
}

static bool set(const char *dev, const char *attr, const char *word)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s/%s", dev, attr);
	return dax_put(path, word);
}

/* Devices are made in the background: wait for the bus. */
static void settle(void)
{
	char path[PATH_MAX], link[PATH_MAX], word[16], bus[16];
	char *p;

	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s", ns);
	if (!realpath(path, link))
		die("%s", path);
	p = strstr(link, "/ndbus");
	if (!p || sscanf(p, "/%15[a-z0-9]", bus) != 1)
		die("%s is on no bus", link);
	get(bus, "wait_probe", word, sizeof(word));
}

/* Let go of the namespace: the holder that probing made, then itself. */
static void unbind(void)
{
	char holder[64];

	settle();
	if (get(ns, "holder", holder, sizeof(holder)) && holder[0]) {
		set(holder, "driver/unbind", holder);
		set(holder, "namespace", "\n");
	}
	set(ns, "driver/unbind", ns);
}

static bool bind(bool raw)
{
	bool done;

	if (!set(ns, "force_raw", raw ? "1" : "0"))
		die("%s: force_raw", ns);
	done = dax_put("/sys/bus/nd/drivers/nd_pmem/bind", ns);
	settle();
	return done;
}

/* The block device of the raw namespace, past the page cache. */
static void raw_io(void *buf, size_t len, uint64_t at, bool write)
{
	static char page[BLOCK] __attribute__((aligned(BLOCK)));
	int fd = open(disk, (write ? O_WRONLY : O_RDONLY) | O_DIRECT);
	ssize_t n;

	if (fd < 0)
		die("open %s", disk);
	if (len > sizeof(page))
		die("%s", "too much for one page");
	if (write)
		memcpy(page, buf, len);
	n = write ? pwrite(fd, page, len, at) : pread(fd, page, len, at);
	if (n != (ssize_t)len)
		die(write ? "write %s" : "read %s", disk);
	if (!write)
		memcpy(buf, page, len);
	close(fd);
}

static uint64_t sample_at(int i)
{
	return data_off + data_len / SAMPLES * i / BLOCK * BLOCK;
}

static void fill_data(void)
{
	char buf[BLOCK];
	int i;

	for (i = 0; i < SAMPLES; i++) {
		dax_fill(buf, BLOCK, sample_at(i), opt.seed);
		raw_io(buf, BLOCK, sample_at(i), true);
	}
}

static bool data_intact(void)
{
	char buf[BLOCK];
	size_t first;
	int i;

	for (i = 0; i < SAMPLES; i++) {
		raw_io(buf, BLOCK, sample_at(i), false);
		if (dax_diff(buf, BLOCK, sample_at(i), opt.seed, &first))
			return false;
	}
	return true;
}

/* Fletcher's, over the block's 32-bit words with the checksum as zero. */
static uint64_t checksum(const struct info *info)
{
	struct info copy = *info;
	uint32_t word[BLOCK / 4], lo = 0;
	uint64_t hi = 0;
	size_t i;

	copy.checksum = 0;
	memcpy(word, &copy, BLOCK);
	for (i = 0; i < BLOCK / 4; i++) {
		lo += le32toh(word[i]);
		hi += lo;
	}
	return hi << 32 | lo;
}

/* What a field of @size bytes may hold that is worse than noise. */
static uint64_t nasty(size_t size, uint64_t old)
{
	const uint64_t values[] = {
		0, 1, 2, 3, 64, 4095, 4096, 4097, 65536, 2 * MB - 4096, 2 * MB, 16 * MB,
		3 * MB, 1 << 30, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX,
		UINT64_MAX, UINT64_MAX - 4095, old + 1, old - 1, old + 4096, old - 4096,
		old * 2, old / 2, ~old, capacity, capacity - 4096, capacity + 4096,
		capacity / 4096, capacity - 2 * MB, capacity / 2, data_len / 4096 + 1,
		1ULL << dax_random(&state) % 64, old ^ 1ULL << dax_random(&state) % (size * 8),
		htobe64(old) >> (64 - size * 8), dax_random(&state),
	};

	return values[dax_random(&state) % ARRAY_SIZE(values)];
}

static void change_field(struct info *info, const struct field *f)
{
	uint8_t *p = (uint8_t *)info + f->at;
	uint64_t v = 0;
	size_t i;

	if (f->size <= 8) {
		memcpy(&v, p, f->size);
		v = htole64(nasty(f->size, le64toh(v)));
		memcpy(p, &v, f->size);
	} else if (dax_random(&state) % 4 == 0) {
		memset(p, dax_random(&state) % 2 ? 0xff : 0, f->size);
	} else {
		i = dax_random(&state) % f->size;
		p[i] ^= 1 << dax_random(&state) % 8;
	}
}

static void swap_all(struct info *info)
{
	size_t i, j;

	for (i = 3; i < ARRAY_SIZE(fields); i++) {
		uint8_t *p = (uint8_t *)info + fields[i].at, old[8];

		if (fields[i].size > 8)
			continue;
		memcpy(old, p, fields[i].size);
		for (j = 0; j < fields[i].size; j++)
			p[j] = old[fields[i].size - 1 - j];
	}
}

/* Returns what was done, and whether the checksum is right again. */
static const char *mutate(struct info *info, bool *sum)
{
	uint64_t r = dax_random(&state) % 100, n;
	const struct field *f = &fields[dax_random(&state) % ARRAY_SIZE(fields)];
	static char what[128];

	*info = good;
	*sum = true;
	if (r < 60) {			/* one field */
		change_field(info, f);
		snprintf(what, sizeof(what), "%s", f->name);
	} else if (r < 75) {		/* several */
		what[0] = 0;
		for (n = 2 + dax_random(&state) % 3; n; n--) {
			f = &fields[3 + dax_random(&state) % (ARRAY_SIZE(fields) - 4)];
			change_field(info, f);
			strcat(what, f->name);
			strcat(what, " ");
		}
	} else if (r < 85) {		/* noise behind the signature */
		for (n = 1 + dax_random(&state) % 16; n; n--)
			((uint8_t *)info)[48 + dax_random(&state) % 60] = dax_random(&state);
		strcpy(what, "noise");
	} else if (r < 90) {
		swap_all(info);
		strcpy(what, "the other byte order");
	} else if (r < 95) {		/* truncated: the rest was never written */
		n = dax_random(&state) % BLOCK;
		memset((uint8_t *)info + n, 0, BLOCK - n);
		*sum = dax_random(&state) % 2;
		strcpy(what, "truncated");
	} else {
		change_field(info, f);
		*sum = false;
		snprintf(what, sizeof(what), "%s, checksum left", f->name);
	}
	if (!strcmp(what, "checksum"))
		*sum = false;
	if (*sum)
		info->checksum = htole64(checksum(info));
	return what;
}

/*
 * Whether the log has a line since the last call that names the namespace, or
 * its holder, and a field. The line is kept in @line.
 */
static bool said(char *line, size_t size)
{
	static const char * const words[] = {
		"signature", "uuid", "flags", "version", "dataoff", "offset", "npfns", "mode",
		"pad", "trunc", "align", "page size", "page_size", "page struct", "struct page",
		"page_struct", "checksum", "capacity", "small",
	};
	char buf[2048], *text;
	bool found = false;
	ssize_t n;
	size_t i;

	line[0] = 0;
	while ((n = read(kmsg, buf, sizeof(buf) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		if (n < 0)
			continue;
		buf[n] = 0;
		text = strchr(buf, ';');
		if (!text || (!strstr(text, "pfn") && !strstr(text, "namespace") &&
			      !strstr(text, "dax")))
			continue;
		if (strstr(text, "failed with error"))
			continue;	/* the driver core's */
		text[strcspn(text, "\n")] = 0;
		if (!found)
			snprintf(line, size, "%s", text + 1);
		for (i = 0; !found && i < ARRAY_SIZE(words); i++)
			found = strcasestr(text, words[i]);
	}
	return found;
}

enum outcome { TAKEN, RAW, REFUSED };

static enum outcome outcome(void)
{
	char holder[64], driver[PATH_MAX], path[PATH_MAX];

	get(ns, "holder", holder, sizeof(holder));
	snprintf(path, sizeof(path), "/sys/bus/nd/devices/%s/driver", holder[0] ? holder : ns);
	if (!realpath(path, driver))
		return REFUSED;
	return holder[0] ? TAKEN : RAW;
}

static void go_raw(void)
{
	unbind();
	if (!bind(true))
		die("bind %s raw", ns);
}

/* The good block again: the namespace works, and its data is what it was. */
static bool restored(void)
{
	go_raw();
	raw_io(&good, BLOCK, AT, true);
	unbind();
	bind(false);
	if (outcome() != TAKEN)
		return false;
	go_raw();
	return data_intact();
}

static void learn(void)
{
	char holder[64], word[64], path[PATH_MAX], *p;
	uint64_t start;
	FILE *f;

	if (!get(ns, "holder", holder, sizeof(holder)) || !holder[0])
		die("%s is not in fsdax mode: nothing holds it", ns);
	get(ns, "resource", word, sizeof(word));
	start = strtoull(word, NULL, 0);
	get(ns, "size", word, sizeof(word));
	capacity = strtoull(word, NULL, 0);
	get(holder, "resource", word, sizeof(word));
	data_off = strtoull(word, NULL, 0) - start;
	get(holder, "size", word, sizeof(word));
	data_len = strtoull(word, NULL, 0);
	go_raw();
	snprintf(path, sizeof(path), "ls /sys/bus/nd/devices/%s/block", ns);
	f = popen(path, "r");
	if (!f || !fgets(word, sizeof(word), f))
		die("%s has no block device", ns);
	pclose(f);
	p = word + strcspn(word, "\n");
	*p = 0;
	snprintf(disk, sizeof(disk), "/dev/%s", word);
	raw_io(&good, BLOCK, AT, false);
	if (le64toh(good.checksum) != checksum(&good))
		die("%s: the info block's checksum is not what this program expects", disk);
}

int main(int argc, char **argv)
{
	unsigned int count = 300, seen[3] = { 0 }, silent = 0, broken = 0, lost = 0, i;
	char line[512], first_silent[640] = "", first_broken[256] = "";
	int c;

	opt.seed = time(NULL);
	while ((c = getopt(argc, argv, "s:n:")) != -1) {
		if (c == 's')
			opt.seed = strtoull(optarg, NULL, 0);
		else if (c == 'n')
			count = strtoul(optarg, NULL, 0);
	}
	if (optind != argc - 1) {
		fprintf(stderr, "usage: dax_infoblock [-s SEED] [-n MUTATIONS] NAMESPACE\n");
		return KSFT_FAIL;
	}
	ns = argv[optind];
	state = opt.seed;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..3\n# seed %#llx, %u mutations\n", (unsigned long long)opt.seed, count);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0)
		die("%s", "open /dev/kmsg");
	learn();
	fill_data();
	if (!restored())
		die("%s: the good block, written back, does not work", ns);
	for (i = 0; i < count; i++) {
		struct info bad;
		bool sum, names, ours;
		const char *what = mutate(&bad, &sum);
		enum outcome how;

		raw_io(&bad, BLOCK, AT, true);
		unbind();
		said(line, sizeof(line));
		bind(false);
		how = outcome();
		names = said(line, sizeof(line));
		seen[how]++;
		/* Who lacks a signature is no info block; nobody need speak of it. */
		ours = !memcmp(bad.signature, good.signature, sizeof(good.signature));
		if (how != TAKEN && ours && !names && !silent++)
			snprintf(first_silent, sizeof(first_silent), "mutation %u, %s: %s, the log says: %.400s",
				 i, what, how == RAW ? "raw" : "not bound", line);
		go_raw();
		if (how != TAKEN && !data_intact() && !lost++)
			snprintf(first_broken, sizeof(first_broken),
				 "mutation %u, %s: refused, but data is overwritten", i, what);
		/* One that was taken may have put its pages elsewhere. */
		if (how == TAKEN || lost)
			fill_data();
		if (i % 50 == 49 && !restored() && !broken++)
			snprintf(first_broken, sizeof(first_broken),
				 "after mutation %u the good block does not work", i);
	}
	printf("# taken %u, raw %u, not bound %u; refused without a line: %u\n",
	       seen[TAKEN], seen[RAW], seen[REFUSED], silent);
	printf("%sok 1 dax: %u info blocks, refused ones leave the data alone\n",
	       lost ? "not " : "", count);
	if (silent)
		printf("# why: %u refused without a line that names the field; %s\n", silent,
		       first_silent);
	printf("%sok 2 infoblock: every refusal names its field\n", silent ? "not " : "");
	if (lost || broken)
		printf("# why: %s\n", first_broken);
	if (!restored() || broken)
		printf("not ok 3 dax: the good block works again, with its data\n");
	else
		printf("ok 3 dax: the good block works again, with its data\n");
	unbind();
	bind(false);
	return lost || silent || broken ? KSFT_FAIL : KSFT_PASS;
}
