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

# The same on any kernel: stock and base, and no other, may not say (tests/run-suite tells
# which one this is).
idle_after() {
	! grep -qE ' dax_gup\.kernel=(stock|base)( |$)' /proc/cmdline || [ -r /sys/kernel/debug/dev_pagemap ] || return 0
	idle
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
