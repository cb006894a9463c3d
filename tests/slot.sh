# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# For scripts that boot guests, with $out set. Guests that run at the same time are in different slots (SLOT, a folder): there are
# the drives, and what guest/run leaves of the last guest.

slot=${SLOT:-$out/slot}
export GUEST_LOGS="$slot"
mkdir -p "$slot"

# drive NAME...: disks of 64M in the slot
drive() {
	for disk; do
		[ -e "$slot/$disk.img" ] || truncate -s 64M "$slot/$disk.img"
	done
}
