# shellcheck shell=sh
# For tests of bad input: what must be refused, with one clear line.
#
# Use: plan N; refuse NAME PATTERN COMMAND...; accept NAME COMMAND...
# $tmp is a folder for the test's files; it goes when the test ends.

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
number=0

plan() {
	echo "1..$1"
}

result() {
	number=$((number + 1))
	if [ "$1" = ok ]; then
		echo "ok $number $2"
	else
		sed 's/^/# /' "$tmp/err"
		echo "# why: $3"
		echo "not ok $number $2"
	fi
}

# refuse NAME PATTERN COMMAND...: it fails, and says one line that PATTERN matches
refuse() {
	name=$1
	pattern=$2
	shift 2
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	if [ $status -eq 0 ]; then
		result bad "$name" 'was not refused'
	elif [ "$(wc -l <"$tmp/err")" -ne 1 ]; then
		result bad "$name" "status $status, but not one line on stderr"
	elif ! grep -qE -e "$pattern" "$tmp/err"; then
		result bad "$name" "the line does not match: $pattern"
	else
		result ok "$name"
	fi
}

accept() {
	name=$1
	shift
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	if [ $status -eq 0 ]; then
		result ok "$name"
	else
		result bad "$name" "status $status"
	fi
}
