# Says which targets are met by out/bench.csv, one a line, with tabs between:
#	met|missed  target  our number  what it may be
# Those that compare with stock are left out where stock was not counted.

BEGIN { FS = ","; OFS = "\t" }

FNR > 1 { value[$1, $2, $3] = $4; counted[$2] = 1 }

function say(good, name, ours, most) {
	print (good ? "met" : "missed"), name, ours, most
}

# What one row costs, or two: "pin + unpin"; no number where one of them has none.
function cost(row, kernel, fs,  part, n, a, b) {
	n = split(row, part, " \\+ ")
	a = value[part[1], kernel, fs]
	if (n == 1)
		return a
	b = value[part[2], kernel, fs]
	return a !~ /^[0-9]/ ? a : b !~ /^[0-9]/ ? b : a + b
}

# No more than factor times what KERNEL needs in memory of the sort that REFERENCE says.
# A tenth of an instruction is let pass: gup_test counts whole microseconds.
function most(row, fs, factor, kernel, reference,  ours, theirs) {
	if (!(kernel in counted))
		return
	ours = cost(row, "series", fs)
	theirs = cost(row, kernel, reference)
	say(ours ~ /^[0-9]/ && theirs ~ /^[0-9]/ && ours <= factor * theirs + 0.1, row ", " fs, ours,
	    sprintf("at most %.2f", factor * theirs) " = " sprintf("%.2f", factor) " x " \
	    (kernel == "series" ? reference : kernel))
}

END {
	fss = split("ext4 xfs", fs, " ")
	ops = split("get pin unpin", op, " ")
	for (o = 1; o <= ops; o++)
		for (f = 1; f <= fss; f++)
			most(op[o] " 2M", fs[f], 1.05, "series", "hugetlb")
	for (o = 1; o <= ops; o++)
		most(op[o] " 1G", "device-dax", 1.05, "series", "hugetlb")
	for (o = 1; o <= ops; o++)
		for (f = 1; f <= fss; f++)
			most(op[o] " 4K", fs[f], 1.00, "series", "anonymous")
	# the slow way goes by leaves, not by pages; long-term pins of both sizes
	for (f = 1; f <= fss; f++) {
		most("slow get 2M", fs[f], 1.05, "series", "hugetlb")
		most("slow pin 2M", fs[f], 1.05, "series", "hugetlb")
		most("long-term pin 2M + long-term unpin 2M", fs[f], 1.05, "series", "hugetlb")
		most("long-term pin 4K + long-term unpin 4K", fs[f], 1.05, "series", "anonymous")
	}
	leaves = split("4K 2M", leaf, " ")
	for (l = 1; l <= leaves; l++)
		for (f = 1; f <= fss; f++) {
			most("write fault first " leaf[l], fs[f], 0.95, "stock", fs[f])
			most("write fault again " leaf[l], fs[f], 0.95, "stock", fs[f])
			most("munmap " leaf[l], fs[f], 1.00, "stock", fs[f])
		}
	# put_page() of memory that has nothing to do with DAX: below stock
	n = split("4K anonymous 4K shmem 2M THP 2M hugetlb", other, " ")
	if ("stock" in counted)
		for (i = 1; i <= n; i += 2) {
			ours = value["put " other[i], "series", other[i + 1]]
			theirs = value["put " other[i], "stock", other[i + 1]]
			say(ours ~ /^[0-9]/ && theirs ~ /^[0-9]/ && ours + 0 < theirs + 0,
			    "put " other[i] ", " other[i + 1], ours, "below " theirs " = stock")
		}
}
