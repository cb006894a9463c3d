# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Common to scripts/*: where things are, how to speak, how to call git. Sourced with $0 in scripts/.

# A caller that is itself a git hook or alias must not lend us its repository.
# shellcheck disable=SC2046 # a list of names
unset $(git rev-parse --local-env-vars 2>/dev/null || :) 2>/dev/null || :
export LC_ALL=C
umask 022

top=$(cd "$(dirname "$0")/.." && pwd -P)
BUILD=${BUILD:-$top/build}
case $BUILD in
/*) ;;
*) BUILD=$PWD/$BUILD ;;
esac
export BUILD
me=$(basename "$0")

say() { printf '%s\n' "$me: $*" >&2; }
die() { say "$*"; exit 1; }

# beat TEXT: says every ten seconds that the script is alive, until still.
beat() {
	(
		n=0
		while sleep 10 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
			n=$((n + 10))
			say "$1: $n s"
		done
	) </dev/null >&2 9>&- &
	heart=$!
}
still() { kill "$heart" 2>/dev/null || :; }

# The store of the kernel's source, $BUILD/git: settings of the host stay out, so that ids are the same everywhere.
g() {
	GIT_DIR=$BUILD/git GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null \
	GIT_AUTHOR_NAME='DAX-GUP developers' GIT_COMMITTER_NAME='DAX-GUP developers' \
	GIT_AUTHOR_EMAIL=dax-gup@localhost GIT_COMMITTER_EMAIL=dax-gup@localhost \
	GIT_AUTHOR_DATE='1731881708 +0000' GIT_COMMITTER_DATE='1731881708 +0000' git "$@"
}

steps() {
	[ -f "$top/series" ] || return 0
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$top/series"
}

# The three parts of patches/STEP.patch, on stdin: the message, its "Adds:"/"Replaces:" paths, the hunks.
message_of() { sed '/^---$/,$d'; }
trailers_of() { message_of | sed -n "s/^$1: *//p"; }
hunks_of() { sed '1,/^---$/d'; }

# The file that says what the kernel work tree $1 and the repository last agreed on.
state_of() { printf '%s/refresh/%s\n' "$BUILD" "$(printf '%s' "$1" | sha1sum | cut -c1-12)"; }

# One compose, build, … at a time in one BUILD: lock NAME takes the lock for the rest of the script.
lock() {
	mkdir -p "$BUILD"
	exec 9>"$BUILD/.lock-$1"
	flock -n 9 || { say "waiting for another run on $BUILD ($1)"; flock 9; }
}

free_mib() { df -Pk "$BUILD" | awk 'NR == 2 { print int($4 / 1024) }'; }

# room MIB WHAT: a full disk is said before the work starts.
room() {
	mkdir -p "$BUILD"
	[ "$(free_mib)" -ge "$1" ] ||
		die "$BUILD has $(free_mib) MiB free, $2 needs about $1 MiB: make room, or make build/ a symbolic link to a bigger disk"
}

# blame TEXT: dies of a full disk if it is full, else with TEXT.
blame() {
	[ "$(free_mib)" -ge 50 ] || die "the disk under $BUILD is full: make room, or make build/ a symbolic link to a bigger disk, and run it again"
	die "$1"
}
