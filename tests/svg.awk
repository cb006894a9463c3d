# For tests/bench-svg.awk: the shapes of an SVG, and logarithmic axes. The caller sets colour[1..5]; of a panel p
# the lowest and highest value, low[p] and high[p], and how many lines it has, count[p]; and the widths and the
# height of a line.

function log10(x) {
	return log(x) / log(10)
}

function floor(x,  i) {
	i = int(x)
	return i > x ? i - 1 : i
}

function text(x, y, anchor, extra, words) {
	printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s</text>\n", x, y, anchor, extra == "" ? "" : " " extra, words
}

function rule(x1, y1, x2, y2, stroke) {
	printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, stroke
}

# A shape for each kernel, hollow but the first: dots on one another stay visible.
function dot(x, y, k, tip,  c) {
	c = colour[(k - 1) % 5 + 1]
	if (k == 1)
		printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\">", x, y, c
	else
		printf "<path d=\"%s\" transform=\"translate(%.1f %.1f)\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\">", \
			k == 2 ? "M-4.5-4.5h9v9h-9z" : k == 3 ? "M0-5.5L5.5 4.5H-5.5z" : "M0-6L6 0L0 6L-6 0z", x, y, c
	printf "<title>%s</title>%s\n", tip, k == 1 ? "</circle>" : "</path>"
}

function short(x) {
	x = sprintf("%.0f", x) + 0
	return x >= 1e6 ? x / 1e6 "M" : x >= 1e3 ? x / 1e3 "k" : x ""
}

# The largest of 1, 2, 5, 10, 20, ... that is not above x, or (up) the next one
function step(x, up,  d, i) {
	d = 10 ^ floor(log10(x) + 1e-9)
	i = x >= 4.999 * d ? 5 : x >= 1.999 * d ? 2 : 1
	return up ? d * (i == 1 ? 2 : i == 2 ? 5 : 10) : d * i
}

function place_of(v) {
	return x + plot * (log10(v) - from) / (to - from)
}

# Sets for place_of(): where the axis is
function axis(p, x0, top,  v, last, wide) {
	v = step(low[p], 0)
	last = step(high[p], 1)
	from = log10(v)
	to = log10(last)
	wide = to - from > 2.5
	x = x0 + name_width + fs_width
	for (; v <= last * 1.001; v = step(v, 1)) {
		if (wide && v > 1.001 * 10 ^ floor(log10(v) + 1e-9))
			continue
		rule(place_of(v), top - 4, place_of(v), top + count[p] * line, "#d8d8d8")
		text(place_of(v), top - 8, "middle", "class=\"tick\"", short(v))
	}
}
