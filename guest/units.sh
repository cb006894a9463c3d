# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Sizes and addresses, as the kernel's memparse() reads them. Sourced.

# bytes WORD: print its value in bytes (decimal, or hexadecimal after 0x, with
# K, M, G or T); fail where it is none.
bytes() {
	case $1 in
	*[Kk]) set -- "${1%?}" 10 ;;
	*[Mm]) set -- "${1%?}" 20 ;;
	*[Gg]) set -- "${1%?}" 30 ;;
	*[Tt]) set -- "${1%?}" 40 ;;
	*) set -- "$1" 0 ;;
	esac
	case $1 in
	0x*[!0-9a-fA-F]* | 0x | '') return 1 ;;
	0x*) ;;
	*[!0-9]*) return 1 ;;
	0?*) return 1 ;;
	esac
	# 13 digits shifted by 40 would overflow: nothing here is that large
	[ ${#1} -le 15 ] && [ $((${#1} * 3 + $2)) -le 62 ] || return 1
	echo $(($1 << $2))
}

# size BYTES: the largest unit that divides it
size() {
	for u in T40 G30 M20 K10; do
		if [ $(($1 % (1 << ${u#?}))) -eq 0 ] && [ "$1" -gt 0 ]; then
			echo "$(($1 >> ${u#?}))${u%??}"
			return
		fi
	done
	echo "$1"
}
