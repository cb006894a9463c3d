# Makes a table for people of out/bench.csv: a line for each row and file system, a
# column for each kernel, and how the first two compare.

BEGIN { FS = "," }

FNR == 1 { next }

!($2 in column) { column[$2] = ++columns; kernel[columns] = $2 }

!(($1, $3) in line) {
	line[$1, $3] = ++lines
	row[lines] = $1
	fs[lines] = $3
	unit[lines] = $5
}

{ value[line[$1, $3], column[$2]] = $4 }

function number(text) {
	return text ~ /^-?[0-9.]+$/
}

function cell(text) {
	if (!number(text))
		return text
	return sprintf((text < 100 ? "%.1f" : "%.0f"), text)
}

END {
	for (l = 1; l <= lines; l++) {
		if (unit[l] != unit[l - 1]) {
			printf("%s%-39s", (l > 1 ? "\n" : ""), unit[l])
			for (c = 1; c <= columns; c++)
				printf "%13s", kernel[c]
			print (columns > 1 ? "   ratio" : "")
		}
		printf("  %-25s%-12s", (row[l] == row[l - 1] ? "" : row[l]), fs[l])
		for (c = 1; c <= columns; c++)
			printf "%13s", cell(value[l, c])
		a = value[l, 1]
		b = value[l, 2]
		print (number(a) && number(b) && b > 0 ? sprintf("%8.2f", a / b) : "")
	}
}
