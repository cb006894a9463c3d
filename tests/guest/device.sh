# shellcheck shell=sh
# Devices other than /dev/pmem0, for scripts in the guest. Sourced after /lib/dax-gup.sh.

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
