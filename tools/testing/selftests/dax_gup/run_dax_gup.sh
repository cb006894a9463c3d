#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Runs the programs on the DAX file system at DAX_DIR, with the block devices
# DAX_DRIVE and, for DMA that takes its time, DAX_SLOW_DRIVE. Their contents are
# lost. DAX_ARGS goes to every program (see any program's usage; with -t those that have
# no such test fail). Not here: what unmounts the file system (dax_umount, dax_pin_mount).
set -eu

KSFT_SKIP=4
if [ -z "${DAX_DIR:-}" ]; then
	echo "1..0 # SKIP name a directory on a DAX file system in DAX_DIR"
	exit $KSFT_SKIP
fi

failed=0
skipped=0
run() {
	prog=$1
	drive=$2
	if [ ! -x "./$prog" ]; then
		echo "# $prog was not built: a library is missing"
		return
	fi
	echo "# $prog"
	status=0
	# shellcheck disable=SC2086
	"./$prog" ${DAX_ARGS:-} "$DAX_DIR" ${drive:+"$drive"} || status=$?
	case $status in
	0) ;;
	"$KSFT_SKIP") skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
}

cd "$(dirname "$0")"
for prog in dax_direct dax_process_vm dax_splice dax_futex dax_aio dax_uring \
	dax_ibv_reg_mr dax_hold dax_race dax_raw dax_refcount dax_reflink \
	dax_walk dax_kvm dax_tlb dax_soak; do
	run $prog "${DAX_DRIVE:-}"
done
for prog in dax_truncate_dma dax_move_dma dax_fsync; do
	run $prog "${DAX_SLOW_DRIVE:-}"
done
echo "# programs failed: $failed, skipped: $skipped"
[ $failed -eq 0 ]
