# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# For scripts that run in the guest:  . /lib/dax-gup.sh
# A function that fails says why on its errors and returns non-zero.

_fail() {
	echo "dax-gup.sh: $*" >&2
	return 1
}

# await SECONDS COMMAND...: run COMMAND until it succeeds
await() {
	_until=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt $_until ] || return 1
		sleep 0.02
	done
}

# pmem_region PROVIDER: the region of memmap= (e820), an NVDIMM (ACPI.NFIT) or a
# virtio-pmem device (virtio-pmem)
pmem_region() {
	for _r in /sys/bus/nd/devices/region*; do
		[ -d "$_r" ] && [ "$(cat "$(readlink -f "$_r")/../provider")" = "$1" ] || continue
		basename "$_r"
		return
	done
	_fail "no region of $1; boot with guest/run --memmap, --nvdimm or --pmem"
}

# pmem_labels: give the NVDIMMs labels, where they have none; what they held is lost
pmem_labels() {
	_r=$(pmem_region ACPI.NFIT) || return
	! grep -q '^5$' "/sys/bus/nd/devices/$_r/nstype" || return 0
	for _do in disable-region 'init-labels -f' enable-region; do
		# shellcheck disable=SC2086 # a word and an option
		ndctl $_do -b ACPI.NFIT all >/tmp/ndctl.$$ 2>&1 || { cat /tmp/ndctl.$$ >&2; return 1; }
	done
	rm -f /tmp/ndctl.$$
}

# pmem_namespace [mem|dev|raw [REGION]]: make all of REGION (region0) one namespace
# and print its block device. mem, dev: fsdax, the struct pages in memory or on the
# device. raw: as it is, without an info block. What REGION held is lost.
pmem_namespace() {
	_map=${1:-mem} _region=${2:-region0} _id=${2:-region0}
	_map=${_map#map=} _id=${_id#region}
	[ -d "/sys/bus/nd/devices/$_region" ] ||
		_fail "no $_region; boot with guest/run --memmap or --nvdimm" || return
	case $_map in
	mem | dev) set -- -m fsdax -M "$_map" ;;
	raw) set -- -m raw ;;
	*) _fail "pmem_namespace $_map: mem, dev or raw" || return ;;
	esac
	if grep -q '^4$' "/sys/bus/nd/devices/$_region/nstype"; then
		# no labels: the one namespace is there already
		ndctl create-namespace -f -e "namespace$_id.0" "$@" >/tmp/ndctl.$$ || return
	else
		ndctl destroy-namespace -f -r "$_region" all >/dev/null 2>&1 || :
		ndctl create-namespace -r "$_region" "$@" >/tmp/ndctl.$$ || return
	fi
	_dev=$(sed -n 's/.*"blockdev":"\([^"]*\)".*/\1/p' /tmp/ndctl.$$)
	rm -f /tmp/ndctl.$$
	[ -n "$_dev" ] || _fail "ndctl made no block device on $_region" || return
	await 10 [ -b "/dev/$_dev" ] || _fail "no /dev/$_dev" || return
	echo "/dev/$_dev"
}

# dax_mount ext4|xfs|ext2 DEVICE FOLDER: make the file system and mount it with DAX.
# 2M extents are aligned to 2M. XFS_REFLINK=0: without reflink (for raw namespaces).
# MKFS: further options for mkfs. DAX=inode: files are DAX where their folder says so,
# as FOLDER does.
dax_mount() {
	mkdir -p "$3" || return
	# shellcheck disable=SC2086 # options
	case $1 in
	ext4)
		mkfs.ext4 -q -F -b 4096 -E stride=512,stripe_width=512,lazy_itable_init=0,lazy_journal_init=0 \
			${MKFS-} "$2" || return ;;
	xfs)
		mkfs.xfs -q -f -m "reflink=${XFS_REFLINK:-1}" -d su=2m,sw=1 ${MKFS-} "$2" || return ;;
	ext2)
		# shellcheck disable=SC2086 # options
		mke2fs -q -t ext2 -b 4096 -F ${MKFS-} "$2" && mount -t ext2 -o dax "$2" "$3"
		return ;;
	*) _fail "dax_mount $1: ext4, xfs or ext2" || return ;;
	esac
	mount -t "$1" -o "dax=${DAX:-always}" "$2" "$3" || return
	if [ "${DAX-}" = inode ]; then
		xfs_io -c 'chattr +x' "$3"
		return
	fi
	# xfs mounts without DAX where it cannot have it
	grep -q "^$2 .*[ ,]dax=always[, ]" /proc/mounts && return
	umount "$3"
	_fail "$1 on $2: no DAX; look at: dmesg | tail"
}

# A card for rdma: eth0 (guest/run --net) or a dummy one with an address
_rdma_net() {
	if [ -d /sys/class/net/eth0 ]; then
		echo eth0
		return
	fi
	if [ ! -d /sys/class/net/dummy0 ]; then
		ip link add dummy0 type dummy || return
	fi
	ip addr replace 10.9.8.1/24 dev dummy0 && ip link set dummy0 up && echo dummy0
}

_rdma_active() {
	grep -q ACTIVE "/sys/class/infiniband/$1/ports/1/state"
}

_rdma_up() {
	_net=${3:-$(_rdma_net)} || return
	rdma link add "$2" type "$1" netdev "$_net" || return
	await 10 _rdma_active "$2" || _fail "$2 on $_net is not active; look at: rdma link" || return
	echo "$2"
}

# rxe_up [NETDEV], siw_up [NETDEV]: bring up software RDMA (RoCE, iWARP) and print
# the name of its device
rxe_up() {
	_rdma_up rxe rxe0 "${1-}"
}

siw_up() {
	_rdma_up siw siw0 "${1-}"
}
