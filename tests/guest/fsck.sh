# shellcheck shell=sh
# For scripts that look at a file system from outside, in the guest.

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
