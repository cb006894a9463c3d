# shellcheck shell=sh
# shellcheck disable=SC2154 # region, mnt: the sourcing script's
# Namespaces of $region for tests/guest/zone-device and system-ram. Sourced after
# /lib/dax-gup.sh.

# create OPTION...: a namespace; $device is its device
create() {
	ndctl create-namespace -r "$region" -s 512M "$@" >/tmp/created || return
	device=/dev/$(sed -n 's/.*"\(blockdev\|chardev\)":"\([^"]*\)".*/\2/p' /tmp/created)
	await 10 [ -e "$device" ] || { echo "error: no $device"; return 1; }
}

# What a test that failed has left behind goes.
clear() {
	! grep -q " $mnt " /proc/mounts || umount "$mnt"
	dmsetup remove_all >/dev/null 2>&1 || :
	ndctl destroy-namespace -f -r "$region" all >/dev/null 2>&1 || :
}

# error_of FILE: the name of the error that ndctl tells there
error_of() {
	awk '
		/No such device or address/ { error = "ENXIO" }
		/No such device$/ { error = "ENODEV" }
		/not supported/ { error = "EOPNOTSUPP" }
		/Invalid argument/ { error = "EINVAL" }
		/Cannot allocate memory/ { error = "ENOMEM" }
		END { print error ? error : "failed" }' "$1"
}
