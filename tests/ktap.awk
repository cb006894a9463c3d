# Turns the KTAP of a suite into one line a test, with tabs between:
#	PASS|FAIL|SKIP  suite  program  test  remark
# Set: suite, kernel. Input: KTAP, "## PROGRAM" before each program's, and
# "## exit N" at the end: how guest/run, or what else made the lines, ended. A host
# test (suite is host) has no guest to end; one that fails says so by a result, or
# its status is one. Its lines "# | TEXT" are a table, and handed on: NOTE ... TEXT.
#
# The word before the colon of a test's name says what it needs of the kernel;
# where the kernel does not have that, the test must fail, for that reason (must_fail).
# The words of the programs are in tools/testing/selftests/dax_gup/dax_test.h. Those
# of scripts alone, beside them:
#	pool:		refuse a memmap that does not fit, and lose nothing
#	infoblock:	refuse an info block with a line that says why
#	media:		refuse an info block that cannot be read, and name the remedy
#	cost: size: parity:	of host tests: no kernel must fail them

function give(verdict, test, remark) {
	printf "%s\t%s\t%s\t%s\t%s\n", verdict, suite, program, test, remark
	fflush()
	failed += verdict == "FAIL"
}

# The reason a test must fail with on this kernel, or "" if it must pass.
function must_fail(test) {
	if (kernel == "base" && test ~ /^longterm:/)
		return "EFAULT|EOPNOTSUPP"
	if (kernel == "base" && test ~ /^(gup|break|device|told):/)
		return "EFAULT|EIO|Bad address"
	if (kernel == "stock" && test ~ /^break:/)
		return "bytes wrong|while their pages were held|ended before its signal|beside its range|after its block was freed|(data of the DMA|a store) may be lost"
	if (kernel == "stock" && test ~ /^told:/)
		return "was not told|of the page"
	if (kernel == "stock" && test ~ /^longterm:/)
		return "EOPNOTSUPP|Operation not supported|failed to create mr|LONGTERM_TEST_START failed"
	if (kernel == "stock" && test ~ /^pool:/)
		return "lines in dmesg|are lost|failed to enable|alloc failure"
	if (kernel == "stock" && test ~ /^infoblock:/)
		return "without a line"
	if (kernel == "stock" && test ~ /^media:/)
		return "not one line of|it works"
	return ""
}

# Stock loses all memory to the memmap that it could not make; most often it panics
# a little later, or kills the test.
function must_die() {
	return kernel == "stock" && program == "pool" && seen >= 5 && seen < planned
}

function end_program() {
	if (program == "")
		return
	died = must_die()
	if (died)
		give("PASS", "all tests run", "dies, as it must: " seen " of " planned " gave a result")
	else if (seen != planned)
		give("FAIL", "all tests run", seen " of " (planned < 0 ? "an unknown number" : planned) \
		     " gave a result; the last words: " last)
	program = ""
}

{ sub(/\r$/, "") }

/^## exit / && suite == "host" {
	test_of = program
	end_program()
	program = test_of
	if ($3 != 0 && !failed)
		give("FAIL", "ends well", "exit status " $3 ": see " log_file)
	program = ""
	next
}

/^## exit / {
	end_program()
	program = "guest"
	if ($3 == 0 || died)
		give("PASS", "ends well, with a clean kernel log", "")
	else
		give("FAIL", "ends well, with a clean kernel log", "exit status " $3 ": see " log_file)
	program = ""
	next
}

/^## / {
	end_program()
	program = $2
	seen = 0
	planned = -1
	why = ""
	next
}

program == "" { next }

suite == "host" && /^# \| / { give("NOTE", substr($0, 5), ""); next }

/^1\.\.0 # SKIP/ {
	planned = 0
	sub(/^1\.\.0 # SKIP */, "")
	give("SKIP", "all tests", $0)
	next
}

/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0; next }

/^# why: / { why = substr($0, 8); next }

/^ok [0-9]+ # SKIP/ {
	seen++
	sub(/^ok [0-9]+ # SKIP */, "")
	give("SKIP", $0, "")
	next
}

/^(not )?ok [0-9]+/ {
	seen++
	good = $1 == "ok"
	test = $0
	sub(/^(not )?ok [0-9]+ *(- )?/, "", test)
	reason = must_fail(test)
	if (reason == "" && good)
		give("PASS", test, "")
	else if (reason == "")
		give("FAIL", test, why)
	else if (good)
		give("FAIL", test, "must fail on " kernel ", but passes: it shows nothing")
	else if (why ~ reason)
		give("PASS", test, "fails, as it must: " why)
	else
		give("FAIL", test, "must fail on " kernel " for " reason ", but says: " why)
	why = ""
	next
}

{ last = $0 }

END { end_program() }
