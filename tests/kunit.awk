# Turns what KUnit printed into the kernel's log at boot into one line a test, as
# tests/ktap.awk does. Set: suite, and want: the KUnit suites that must be there, with
# spaces between. Input: the console's log.

function give(verdict, test, remark) {
	printf "%s\t%s\t%s\t%s\t%s\n", verdict, suite, "kunit", test, remark
}

# A suite ends: as many tests as KUnit planned?
function end_group() {
	if (group != "" && seen != planned)
		give("FAIL", group ": all tests run", seen " of " planned " gave a result")
	group = ""
}

{
	sub(/\r$/, "")
	sub(/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? /, "")
}

/^1\.\.[0-9]+$/ { suites = substr($1, 4) + 0 }

/^    # Subtest: / {
	end_group()
	group = $3
	ran[group] = 1
	groups++
	seen = 0
	planned = "an unknown number"
}

/^    1\.\.[0-9]+$/ { planned = substr($1, 4) + 0 }

/^(not )?ok [0-9]+ / { end_group() }

# Deeper lines are the parameters of one test.
/^    (not )?ok [0-9]+ / {
	skip = $0 ~ /# SKIP/
	good = $1 == "ok"
	name = good ? $3 : $4
	give(skip ? "SKIP" : good ? "PASS" : "FAIL", group ": " name, good ? "" : why)
	seen++
	why = ""
	next
}

/^ +# / { why = $0; sub(/^ +# /, "", why) }

END {
	end_group()
	n = split(want, name_of, " ")
	for (i = 1; i <= n; i++)
		if (!(name_of[i] in ran))
			give("FAIL", name_of[i] ": all tests run", "none: is its CONFIG_*_KUNIT_TEST on, and CONFIG_KUNIT?")
	if (groups != suites)
		give("FAIL", "all suites run", groups + 0 " of " suites + 0 " that KUnit planned")
}
