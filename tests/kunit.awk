# Turns what KUnit printed into the kernel's log at boot into one line a test, as
# tests/ktap.awk does. Set: suite. Input: the console's log.

function give(verdict, test, remark) {
	printf "%s\t%s\t%s\t%s\t%s\n", verdict, suite, "kunit", test, remark
	seen++
}

{
	sub(/\r$/, "")
	sub(/^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](\[ *[TC][0-9]+\])? /, "")
}

/^    # Subtest: / { group = $3 }

# Deeper lines are the parameters of one test.
/^    (not )?ok [0-9]+ / {
	skip = $0 ~ /# SKIP/
	good = $1 == "ok"
	name = good ? $3 : $4
	give(skip ? "SKIP" : good ? "PASS" : "FAIL", group ": " name, good ? "" : why)
	why = ""
	next
}

/^ +# / { why = $0; sub(/^ +# /, "", why) }

END {
	if (!seen)
		give("FAIL", "results in the kernel's log", "none: is CONFIG_KUNIT on, and a test in the series?")
}
