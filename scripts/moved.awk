# SPDX-License-Identifier: GPL-2.0
# Says where git apply -v put the hunks of one file, if not where the patch has them: "FILE hunk N: ...". A hunk that does not fit is
# "FILE hunk N (line M): ..."; so is one that would land in another function than the patch's, and fits in more than one place.
# Set: file. Input: kind=patch the patch, kind=log what git said, kind=text the file without its hunks.

# The function or the like that a hunk is in, as git diff has it in the headings of hunks: before it is applied.
function heading(n, at) {
	at -= first[n] - old[n]
	while (--at > 0)
		if (line[at] ~ /^[A-Za-z_$]/ && line[at] !~ /^[A-Za-z_0-9]+:[ \t]*($|\/[\/*])/)
			return trim(line[at])
	return ""
}

function odd(e,	n) {
	n = event[e]
	return title[n] != "" && substr(heading(n, where[e]), 1, length(title[n])) != title[n]
}

# In how many places are the lines that a hunk looks for, less the context that it had to do without?
function places(e,	n, from, to, at, i, found_in) {
	n = event[e]
	from = lead[n] - above[e] + 1
	to = length_of[n] - trail[n] + below[e]
	for (at = 1; at <= last; at++) {
		for (i = from; i <= to && line[at + i - from] == wanted[n, i]; i++) ;
		found_in += i > to
	}
	return found_in
}

function trim(s) {
	sub(/[ \t]+$/, "", s)
	return s
}

function lines(n) {
	return n (n == 1 ? " line" : " lines")
}

# git counts the lines of context that it left out at the top twice.
function found(at, by, left, right,	n, cut) {
	if (left == "")
		n = number
	else {
		for (n = 1; n < count; n++) {
			cut = lead[n] - left
			if (number ? n == number : first[n] - cut == at)
				break
		}
		cut = lead[n] - left
		at -= cut
		by -= 2 * cut
	}
	event[++events] = n; where[events] = at; offset[events] = by
	above[events] = left == "" ? lead[n] : left
	below[events] = left == "" ? trail[n] : right
	context[events] = left == "" ? "" : lines(left) " above, " right " below"
	number = 0
}

kind == "patch" && /^diff --git / { mine = $NF == "b/" file; next }
kind == "patch" && mine && /^@@ -/ {
	split($3, range, ",")
	first[++count] = substr(range[1], 2) + 0
	split($2, range, ",")
	old[count] = -range[1]
	title[count] = match(substr($0, 4), /@@ ./) ? trim(substr($0, RSTART + 6)) : ""
	open = 1
	next
}
kind == "patch" && mine && count && /^[ -]/ { wanted[count, ++length_of[count]] = substr($0, 2) }
kind == "patch" {
	if (mine && open && /^ /) lead[count]++
	else open = 0
	if (/^ /) trail[count]++
	else trail[count] = 0
	next
}

kind == "log" && /^Checking patch / {
	if (number) found(line_at, line_by, "")
	mine = $0 == "Checking patch " file "..."
	next
}
kind == "log" && mine && /^Hunk #/ {
	if (number) found(line_at, line_by, "")
	number = substr($2, 2) + 0
	line_at = $5 + 0
	line_by = $7 + 0
}
kind == "log" && mine && /^Context reduced/ {
	if (number && line_at != $NF + 0) found(line_at, line_by, "")
	split($4, part, /[(\/)]/)
	found($NF + 0, number ? line_by : 0, part[2], part[3])
}
kind == "log" && mine && /^error: patch failed: / {
	split($0, part, ":")
	for (i = 1; i <= count; i++)
		if (old[i] == part[length(part)] + 0) print file " hunk " i " (line " old[i] "): nothing like it in this source"
}

kind == "text" { line[last = FNR] = $0 }

function say(from, to, by, more) {
	printf "%s hunk%s:%s%s\n", file, from == to ? " " from : "s " from "-" to,
		by ? sprintf(" moved %s by %s", by > 0 ? "down" : "up", lines(by > 0 ? by : -by)) : "", more
}

END {
	if (number) found(line_at, line_by, "")
	for (e = 1; e <= events; e++) {
		n = event[e]
		elsewhere = odd(e)
		now = heading(n, where[e])
		if (elsewhere && places(e) != 1) {
			printf "%s hunk %d (line %d): what is like it is elsewhere, in %d places, e.g. in: %s\n", file, n, old[n], places(e), now
			continue
		}
		more = context[e] == "" ? "" : (offset[e] ? "," : "") " its context has changed: at line " where[e] ", " context[e] " fit"
		if (elsewhere) more = more ", is in: " now
		if (!from) from = n
		# Neighbours that have moved together are said together.
		if (more == "" && event[e + 1] == n + 1 && offset[e + 1] == offset[e] && context[e + 1] == "" && !odd(e + 1)) continue
		say(from, n, offset[e], more)
		from = 0
	}
}
