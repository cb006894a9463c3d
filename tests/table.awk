# Makes a table for people of the lines of tests/cells: rows down, one column for
# each kernel and file system. Set colour=1 for a terminal.

BEGIN { FS = "\t"; width = 14 }

{
	column = $2 SUBSEP $3
	if (!(column in known_column)) {
		known_column[column] = 1
		kernel[++columns] = $2
		fs[columns] = $3
		kernels += $2 != kernel[columns - 1]
	}
	if (!($1 in known_row)) {
		known_row[$1] = 1
		row[++rows] = $1
	}
	cell[$1, $2, $3] = $4
}

function paint(text,  code) {
	code = text == "ok" || text == "0" ? 32 : text == "-" ? 33 : 31
	text = sprintf("%-*s", width - 1, text)
	return colour ? "\033[" code "m" text "\033[0m" : text
}

END {
	if (kernels > 1) {
		line = sprintf("%-36s", "")
		for (c = 1; c <= columns; c++)
			line = line sprintf("%-*s", width, kernel[c] == kernel[c - 1] ? "" : kernel[c])
		sub(/ +$/, "", line)
		print line
	}
	line = sprintf("%-36s", "")
	for (c = 1; c <= columns; c++)
		line = line sprintf("%-*s", width, fs[c])
	sub(/ +$/, "", line)
	print line
	for (r = 1; r <= rows; r++) {
		line = sprintf("%-36s", row[r])
		for (c = 1; c <= columns; c++) {
			text = cell[row[r], kernel[c], fs[c]]
			line = line paint(text == "" ? "-" : text) " "
		}
		sub(/ +$/, "", line)
		print line
	}
}
