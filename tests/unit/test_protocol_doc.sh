#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# test_protocol_doc.sh SOURCE - every method, parameter and field of the setup socket is in its manual.
# Prints TAP.
set -uo pipefail

cd "$1" || exit
number=0
failed=0

# documented WHAT NAME...
documented() {
	local what=$1 name
	shift
	for name in "$@"; do
		number=$((number + 1))
		if grep -qE "[\`\"]${name}[\`\"]" docs/protocol.md; then
			echo "ok $number - $what $name"
		else
			failed=$((failed + 1))
			echo "not ok $number - $what $name"
		fi
	done
}

# The names are the first text in a call, wherever the line was broken.
names() {
	cat "${@:2}" | tr -s '\n\t' '  ' | grep -oP "$1" | sort -u
}

mapfile -t methods < <(names '\{"\K[a-z]+(?=", (KNOWN|ADMIN))' control/api.c)
mapfile -t params < <(names '\{"\K[a-z]+(?=", (TEXT|NUMBER|TRUTH))' control/api.c)
mapfile -t fields < <(names 'mr_json_[a-z]+\( ?[a-z>-]+, "\K[a-z_]+' \
	control/api_*.c control/session_json.c control/watch.c)
documented method "${methods[@]}"
documented parameter "${params[@]}"
documented field "${fields[@]}"

# Should the sources take another form, that must show.
number=$((number + 1))
if [[ ${#methods[@]} -ge 11 && ${#params[@]} -ge 9 && ${#fields[@]} -ge 50 ]]; then
	echo "ok $number - all were found in the sources"
else
	failed=$((failed + 1))
	echo "not ok $number - found ${#methods[@]} methods, ${#params[@]} parameters, ${#fields[@]} fields"
fi
echo "1..$number"
[[ $failed = 0 ]]
