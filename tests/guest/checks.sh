# shellcheck shell=sh
# Tests of tests/guest/suite that are made of the guest's own tools.

plan() {
	number=0
	echo "## ${2:-suite}"
	echo "1..$1"
}

# result NAME STATUS: one line of KTAP; /tmp/why holds what a failure said
result() {
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number $1"
	else
		sed 's/^/# /' /tmp/why
		# the line that names the error, else the last one
		reason=$(grep -m 1 '^# why: ' /tmp/why || grep -v '^# Totals: ' /tmp/why | grep -m 1 -iE 'error|cannot|fail' ||
			tail -n 1 /tmp/why)
		reason=${reason#\# why: }
		echo "# why: status $2: $reason"
		echo "not ok $number $1"
	fi
}

# check NAME COMMAND...
check() {
	title=$1
	shift
	status=0
	"$@" >/tmp/why 2>&1 || status=$?
	result "$title" $status
}

# run PROGRAM DRIVE OPTION...: on $mnt
run() {
	program=$1
	drive=$2
	shift 2
	echo "## $program"
	$program "$@" "$mnt" ${drive:+"$drive"} || :
}

# Programs about what this kernel has: the debug kernel does, the others do not.
debug_programs() {
	[ ! -d /sys/kernel/debug/page_tables ] || echo dax_ptdump
	[ ! -d /sys/devices/system/node ] || echo dax_numa
	[ ! -d /sys/kernel/mm/lru_gen ] || echo dax_lru_gen
}

# fio, DMA between DRIVE and buffers that are a DAX file, checked by checksum.
# fio maps the file as it is: it must be large enough.
fio_verify() {
	fio --name=verify --filename="$drive" --size=8M --bsrange=4k-128k --rw=randwrite \
		--verify=crc32c --do_verify=1 --verify_fatal=1 --direct=1 --iodepth=8 \
		--iomem=mmapshared:"$mnt/buffers" "$@"
}

fio_checks() {
	mnt=$1
	drive=$2
	plan 2 fio
	dd if=/dev/zero of="$mnt/buffers" bs=1M count=8 2>/dev/null
	check 'gup: fio mmapshared, direct, libaio' fio_verify --ioengine=libaio
	rm "$mnt/buffers"
	truncate -s 8M "$mnt/buffers"
	check 'gup: fio mmapshared, direct, io_uring, from holes' fio_verify --ioengine=io_uring
	rm "$mnt/buffers"
}

busy_pages() {
	awk '/ type fsdax / { for (i = 1; i < NF; i++) if ($i == "busy") n += $(i + 1) } END { print n + 0 }' \
		/sys/kernel/debug/dev_pagemap
}

idle() {
	[ -r /sys/kernel/debug/dev_pagemap ] || { echo 'no /sys/kernel/debug/dev_pagemap'; return 1; }
	busy=$(busy_pages)
	[ "$busy" -eq 0 ] || { cat /sys/kernel/debug/dev_pagemap; return 1; }
}

# The same where the kernel may not say.
idle_after() {
	[ ! -r /sys/kernel/debug/dev_pagemap ] || idle
}

# exchange_range on|off DEVICE: an xfs can exchange ranges of files, or not: mkfs.xfs and
# xfs_repair before 6.10 do not know that.
exchange_range() {
	old=$(xfs_db -r -c 'sb 0' -c 'p features_incompat' "$2" 2>/dev/null | sed 's/.*= //')
	case $1 in
	on) new=$((old | 64)) ;;
	off) new=$((old & ~64)) ;;
	esac
	[ $((old)) -eq "$new" ] || xfs_db -x -c 'sb 0' -c "write -d features_incompat $new" "$2" 2>&1
}

# mount_exchange DEVICE FOLDER MODE: an xfs that is mounted is again, with that, and dax=MODE
mount_exchange() {
	umount "$2" && exchange_range on "$1" && mount -t xfs -o "dax=$3" "$1" "$2"
}

# fsck_clean FS DEVICE: nothing to repair, by the file system's own program
fsck_clean() {
	case $1 in
	ext4) e2fsck -fn "$2" ;;
	xfs) exchange_range off "$2" && xfs_repair -n "$2" ;;
	esac
}

umount_checks() {
	plan 1 umount
	check 'dax: umount' umount "$1"
}

driver_of() {
	readlink -f "/sys/block/${1#/dev/}/device/driver"
}

# The driver goes with the file system mounted, a page held and a page mapped, by the
# test of dax_unbind that is named.
unbind_checks() {
	dev=$1 fs=$2 mnt=$3 words=$4
	plan 3 umount
	check 'dax: umount' umount "$mnt"
	check 'gup: no page has a reference after umount' idle
	check 'dax: mount again' mount_again
	cp /bin/busybox "$mnt/before" && sync
	driver=$(driver_of "$dev")
	namespace=$(basename "$(readlink -f "/sys/block/${dev#/dev/}/device")")
	run dax_unbind '' -t "$words"
	plan 4 unbind
	check 'device: umount after unbind' umount "$mnt"
	check 'device: bind again' sh -c "echo $namespace >$driver/bind"
	check 'device: mount after bind' mount_again
	check 'device: the data is still there' cmp /bin/busybox "$mnt/before"
	umount "$mnt" || :
}

mount_again() {
	option=dax=always
	[ "$fs" != ext2 ] || option=dax
	await 10 [ -b "$dev" ] && mount -t "$fs" -o "$option" "$dev" "$mnt"
}

# Page-less pmem: a file system that cannot do without pages says so at mount.
no_reflink_dax() {
	! XFS_REFLINK=1 dax_mount xfs "$dev" "$mnt" || {
		umount "$mnt"
		echo 'xfs with reflink is mounted with DAX on page-less pmem'
		return 1
	}
}

raw_checks() {
	dev=$1 fs=$2 mnt=$3
	unbind_checks "$dev" "$fs" "$mnt" 'without pages'
	[ "$fs" = xfs ] || return 0
	plan 1 raw
	check 'pageless: xfs with reflink does not mount with DAX' no_reflink_dax
}

# The device of tests/virtiofs. Its window is memory that the kernel was told to leave
# alone (tests/machines).
virtiofs_load() {
	insmod /root/virtiofs_loop.ko base=$((4 << 30)) size=$((32 << 20))
}

# virtiofs_mount DIR [FS]
virtiofs_mount() {
	mkdir -p "$1" && mount -t "${2:-virtiofs}" -o dax=always loop "$1"
}

# device_dax ALIGN: all of memmap='s region is $device, of leaves of 4K, 2M or 1G
device_dax() {
	ndctl create-namespace -f -e namespace0.0 -m devdax -M mem -a "$1" >/tmp/created || return
	device=/dev/$(sed -n 's/.*"chardev":"\([^"]*\)".*/\1/p' /tmp/created)
	await 10 [ -c "$device" ] || { echo "error: no $device"; return 1; }
}
