# Draws out/bench.csv: a dot for each kernel on a line for each row and file system,
# in panels with a logarithmic axis each. An error stands beside its line. Set: source,
# what the kernels were made of. Goes with tests/svg.awk.

BEGIN {
	FS = ","
	split("#0060a8 #d55e00 #007a55 #9b4f96 #6b6b6b", colour, " ")
	name_width = 170; fs_width = 80; plot = 290; error_width = 230
	width = name_width + fs_width + plot + error_width
	line = 15
	panels = split("page 4K,page 2M,page 1G,fault,leaf,I/O,namespace", panel, ",")
	title["page 4K"] = "Get and pin 4K leaves: instructions for each page"
	title["page 2M"] = "Get and pin 2M leaves: instructions for each page of 4K"
	title["page 1G"] = "Get and pin 1G leaves: instructions for each page of 4K"
	title["fault"] = "Faults: instructions for each"
	title["leaf"] = "Leaves unmapped, moved, copied, written back, cut off: instructions for each"
	title["I/O"] = "fio, O_DIRECT, from pmem into memory: instructions for each I/O"
	title["namespace"] = "Namespaces enabled (instructions for each GiB) and disabled (4 GiB)"
}

FNR == 1 { next }

!($2 in kernel_of) { kernel_of[$2] = ++kernels; kernel[kernels] = $2 }

!(($1, $3) in line_of) {
	place = $5
	sub(/^instructions\/?/, "", place)
	if (place == "" || place == "GiB")
		place = "namespace"
	name = $1
	if (place == "page") {
		place = place " " substr($1, length($1) - 1)
		name = substr($1, 1, length($1) - 3)
	}
	count[place]++
	line_of[$1, $3] = place SUBSEP count[place]
	label[place, count[place]] = name
	fs[place, count[place]] = $3
}

{
	l = line_of[$1, $3]
	value[l, kernel_of[$2]] = $4
	if ($4 ~ /^[0-9.]+$/ && $4 > 0) {
		split(l, part, SUBSEP)
		if (!(part[1] in low) || $4 + 0 < low[part[1]])
			low[part[1]] = $4 + 0
		if ($4 + 0 > high[part[1]] + 0)
			high[part[1]] = $4 + 0
	}
}

# "series stock EOPNOTSUPP, base EFAULT"
function errors(l,  k, v, words, order, n, i, all) {
	for (k = 1; k <= kernels; k++) {
		v = value[l, k]
		if (v ~ /^[0-9.]+$/ || v == "")
			continue
		if (!(v in words))
			order[++n] = v
		words[v] = words[v] "<tspan fill=\"" colour[(k - 1) % 5 + 1] "\">" kernel[k] "</tspan> "
	}
	for (i = 1; i <= n; i++)
		all = all (i > 1 ? ", " : "") words[order[i]] order[i]
	return all
}

function draw(p, x0, y,  i, l, k, v, at, least, most, top, tip) {
	text(x0, y + 12, "start", "class=\"title\"", title[p])
	top = y + 34
	axis(p, x0, top)
	for (i = 1; i <= count[p]; i++) {
		y = top + (i - 0.5) * line
		l = p SUBSEP i
		if (i == 1 || label[p, i] != label[p, i - 1]) {
			if (i > 1)
				rule(x0, y - line / 2, x0 + width - 10, y - line / 2, "#ececec")
			text(x0, y + 4, "start", "", label[p, i])
		}
		text(x - 8, y + 4, "end", "class=\"fs\"", fs[p, i])
		least = most = ""
		for (k = 1; k <= kernels; k++) {
			v = value[l, k]
			if (v !~ /^[0-9.]+$/ || v <= 0)
				continue
			at[k] = place_of(v)
			if (least == "" || at[k] < least)
				least = at[k]
			if (most == "" || at[k] > most)
				most = at[k]
		}
		if (most > least)
			rule(least, y, most, y, "#9a9a9a")
		for (k = kernels; k; k--) {
			v = value[l, k]
			tip = label[p, i] ", " fs[p, i] ", " kernel[k] ": " v
			if (v ~ /^[0-9.]+$/ && v > 0)
				dot(at[k], y, k, tip)
		}
		v = errors(l)
		if (v != "")
			text(x + plot + 12, y + 4, "start", "class=\"error\"", v)
	}
	return top + count[p] * line + 26
}

# Left the pages, right the rest.
function all(dry,  p, column, y, bottom) {
	for (p = 1; p <= panels; p++) {
		column = panel[p] ~ /^page/ ? 0 : 1
		if (!(panel[p] in low))
			continue
		y = below[column] ? below[column] : 84
		below[column] = dry ? y + 34 + count[panel[p]] * line + 26 : draw(panel[p], 20 + column * (width + 30), y)
	}
	bottom = below[0] > below[1] ? below[0] : below[1]
	delete below
	return bottom
}

END {
	total = 2 * width + 60
	height = all(1)
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" ", \
		total, height, total, height
	print "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#222222\">"
	print "<style>.title{font-size:14px;font-weight:bold}.tick,.fs{font-size:11px;fill:#555555}.error{font-size:10.5px;fill:#555555}</style>"
	print "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
	if (source != "")
		print "<title>What memory costs: " source "</title>"
	text(20, 32, "start", "font-size=\"20\" font-weight=\"bold\"", "What memory costs, in instructions: DAX mappings beside ordinary memory")
	text(total - 20, 32, "end", "class=\"fs\"", source)
	x = 26
	for (k = 1; k <= kernels; k++) {
		dot(x, 56, k, kernel[k])
		text(x + 12, 60, "start", "font-size=\"13\"", kernel[k])
		x += 44 + 8 * length(kernel[k])
	}
	text(x, 60, "start", "class=\"fs\"", "logarithmic axes; less is better; an error's name stands where a kernel gave one, no-leaf where it made smaller leaves")
	all(0)
	print "</svg>"
}
