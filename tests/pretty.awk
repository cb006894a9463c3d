# Results (tests/ktap.awk: verdict, suite, program, test, why; tabs between) for people.
BEGIN { FS = "\t" }
$1 == "NOTE" { print "      " $4; fflush(); next }
{
	word = $1 == "PASS" ? "ok  " : $1 == "SKIP" ? "skip" : "FAIL"
	printf "%s  %-16s %-16s %s%s\n", word, $2, $3, $4, $5 == "" ? "" : "\n        " $5
	fflush()
}
