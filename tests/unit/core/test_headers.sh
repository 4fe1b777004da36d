#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Each header of the core compiles alone, on the host and for BPF, with no include path but the
# core's own (and the UAPI's): nobody has to know what to include before it, and it needs nothing else.
# usage: test_headers.sh COREDIR ASM-INCLUDE-DIR CC...      prints TAP
set -u
core=$1 include=$2
shift 2
number=0 failed=0
flags=(-std=gnu17 -Wall -Wextra -Wshadow -Werror -fsyntax-only -x c)

compile() # compile WHAT COMMAND...: standard input must compile
{
	local what=$1 said
	shift
	number=$((number + 1))
	if said=$("$@" "${flags[@]}" -I "$core" - 2>&1); then
		echo "ok $number - $what"
	else
		failed=$((failed + 1))
		echo "not ok $number - $what"
		echo "${said//$'\n'/$'\n# '}" | sed '1s/^/# /'
	fi
}

for header in "$core"/*.h; do
	name=${header##*/}
	# twice: the guard holds
	source="#include \"$name\""$'\n'"#include \"$name\""$'\n'"extern int not_empty;"
	compile "$name, host" "$@" <<<"$source"
	compile "$name, BPF" clang -target bpf -mcpu=v3 -O2 -idirafter "$include" \
		<<<"$source"
	compile "$name, BPF, the other byte order" clang -target bpfeb -mcpu=v3 -O2 \
		-idirafter "$include" <<<"$source"
done
echo "1..$number"
((failed == 0 && number > 0))
