# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# For scripts that run the kernel's make, after lib.sh: kmake ARGUMENT... builds what it is told of $src in $obj, with the compiler
# $cc; progress is said for $name, everything is in $log. For another architecture: $arch, $cross, and $hostcc for this one. The same
# source gives the same bytes, and ccache finds it again.

# shellcheck disable=SC2154 # top, src, obj, name, log: the caller's

# Objects compiled before for the same source are found again from any folder, if ccache is there.
hostcc=${hostcc:-$cc}
if command -v ccache >/dev/null; then
	cc="ccache $cc" hostcc="ccache $hostcc"
	# ccache compiles relative paths: warnings of the kernel shall name its files as ever.
	export KCPPFLAGS="-fmacro-prefix-map=../src/${src##*/}/="
	export CCACHE_BASEDIR="$top" CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
fi
export KBUILD_BUILD_TIMESTAMP='Sun Nov 17 22:15:08 UTC 2024' KBUILD_BUILD_USER=dax-gup KBUILD_BUILD_HOST=localhost KBUILD_BUILD_VERSION=1
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL KBUILD_OUTPUT ARCH CROSS_COMPILE 2>/dev/null || :

# In the background, so that this shell can watch and stop it. make keeps the lock, should this shell be killed.
kmake() {
	make -C "$src" O="$obj" ARCH="${arch:-x86_64}" CROSS_COMPILE="${cross-}" CC="$cc" HOSTCC="$hostcc" LOCALVERSION="${localversion-}" "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	trap 'kill $pid 2>/dev/null; wait $pid || :; say "cut off; run it again and it goes on"; exit 130' INT TERM HUP
	"$top/scripts/progress" "$pid" "$name" "$log" 9>&- &
	watch=$!
	status=0
	wait $pid || status=$?
	kill $watch 2>/dev/null || :
	trap - INT TERM HUP
	[ $status = 0 ] || failed
}

failed() {
	if grep -q 'No space left on device' "$log"; then
		die "the disk under $BUILD is full: make room, or make build/ a symbolic link to a bigger disk, and run it again: it goes on"
	fi
	grep -m 8 -E '(error|Error|undefined reference|\*\*\*)' "$log" >&2 || tail -n 8 "$log" >&2
	blame "building $name failed; the whole log: $log"
}
