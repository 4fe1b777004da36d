# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# lib.sh - what every end-to-end case starts with: a private world, waiting, checking.
#
# A case runs in mount and process namespaces of its own, with its own /run, /etc and /var/log on a
# tmpfs. So its accounts, sshd, daemons and pins are seen by nobody else, several cases run side by
# side, and all of it is gone with the case's last process, however that ended.
# bed.sh lays out the hosts and their networks, relay.sh runs the relay, ssh and mosh on them.

set -euo pipefail

E2E=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$E2E/../.." && pwd)
: "${DATAPLANE:=xdp}" "${BUILD:=$TOP/build}"
CASE=$(basename "$0")
export E2E TOP DATAPLANE BUILD
# shellcheck disable=SC2034 # for those who source this
BED=/run/bed

# Enters the private world: the script starts again inside of it.
if [ -z "${MR_E2E_INSIDE:-}" ]; then
	if [ "$(id -u)" != 0 ]; then
		exec sudo DATAPLANE="$DATAPLANE" BUILD="$BUILD" -- "$0" "$@"
	fi
	MR_E2E_INSIDE=1 exec unshare --mount --propagation private --pid --mount-proc --ipc \
		--fork --kill-child -- "$BASH" "$0" "$@"
fi
unset MR_E2E_INSIDE

# ---- waiting and checking

now_us() {
	echo "${EPOCHREALTIME/./}"
}
started=$(now_us)

# step TEXT: says what the case does next.
step() {
	local ms=$((($(now_us) - started) / 1000))
	printf '%3d.%03d  %s\n' $((ms / 1000)) $((ms % 1000)) "$*"
}

fail() {
	echo "$CASE: $*" >&2
	exit 1
}

# wait_until SECONDS COMMAND...: until COMMAND succeeds; false when SECONDS have passed (PATIENCE
# times as many where the machine is busy or emulated).
# The one place that looks again and again; whoever can be told of an event should not use it.
wait_until() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000 * ${PATIENCE:-1}))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
		sleep 0.05
	done
}

# must SECONDS WHAT COMMAND...: as wait_until, and the case fails with WHAT.
must() {
	local seconds=$1 what=$2
	shift 2
	wait_until "$seconds" "$@" || fail "not within $seconds s: $what"
}

# expect STATUS PATTERN COMMAND...: COMMAND exits with STATUS, and what it says matches PATTERN
# (extended, '' for anything).
expect() {
	local status=$1 pattern=$2 got=0 said
	shift 2
	said=$("$@" 2>&1 </dev/null) || got=$?
	[ "$got" = "$status" ] || fail "exit status $got instead of $status: $*: $said"
	[[ $said =~ $pattern ]] || fail "no '$pattern' in what '$*' says: $said"
}

# ---- the private world

private_world() {
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p "$BED/home" /run/netns /run/uts /run/sshd /run/lock
	cp -a /etc "$BED/etc"
	mount --bind "$BED/etc" /etc
	# The daemon's own user, as systemd-sysusers makes it.
	sed -i '/^moshrelay:/d' /etc/passwd /etc/group
	echo 'moshrelay:x:990:990:mosh relay:/:/usr/sbin/nologin' >>/etc/passwd
	echo 'moshrelay:x:990:' >>/etc/group
	mount -t tmpfs tmpfs /var/log
	mount -t bpf bpf /sys/fs/bpf
	if [ -d "$BUILD/e2e-root/usr/local" ]; then
		mount --bind "$BUILD/e2e-root/usr/local" /usr/local
	fi
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export LANG=C.UTF-8
	unset LC_ALL TMUX SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION NOTIFY_SOCKET XDG_RUNTIME_DIR
}

# What stands in every terminal that the case has opened (relay.sh); whoever waits for words on a screen
# and misses them wants to see it.
show_terminals() {
	local name
	[ -S "$BED/home/laptop/tmux" ] || return 0
	terminal list-sessions -F "#S" 2>/dev/null | while read -r name; do
		echo "--- terminal $name:"
		screen "$name" | grep -v '^$'
	done || true
}

# Hands the logs of a failed case over to the world outside.
leave() {
	local status=$? file
	trap - EXIT
	if [ $status != 0 ] && [ $status != 77 ]; then
		for file in "$BED"/*.log; do
			[ -s "$file" ] || continue
			echo "--- ${file##*/}, its end:"
			tail -n 15 "$file"
		done
		show_terminals
		local keep=$BUILD/e2e-logs/$CASE.$DATAPLANE
		mkdir -p "$keep"
		cp "$BED"/*.log "$BED"/*.pcap "$keep/" 2>/dev/null || true
		echo "--- all of it: $keep"
	fi
	exit $status
}

trap leave EXIT
trap 'exit 130' INT TERM
private_world
# shellcheck source=bed.sh
. "$E2E/bed.sh"
# shellcheck source=relay.sh
. "$E2E/relay.sh"
