# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# via.sh - what the cases about mosh-via share: a relay that does what it is told. Sourced behind
# lib.sh.
#
# These cases are about ssh, mosh and terminals. fake_relay.py answers as the daemon would, or as it
# rarely does; what the dataplane does with the datagrams is not asked here.

# fake_relay [OPTION...]: on the bastion, with its public addresses. Another one replaces it.
fake_relay() {
	if [ -n "${FAKE_PID:-}" ]; then
		kill "$FAKE_PID"
		wait "$FAKE_PID" || true
	fi
	rm -f /run/moshrelay/setup.sock "$BED/relay.log"
	background relay bastion "$E2E/via/fake_relay.py" --listen "$PUBLIC4" --listen "$PUBLIC6" "$@"
	FAKE_PID=$PID
	must 5 "the relay listens" test -S /run/moshrelay/setup.sock
}

# asked PATTERN: the relay was asked for it (METHOD UID PARAMETERS).
asked() {
	grep -qE -- "$1" "$BED/relay.log"
}

# another_sshd HOST PORT LINE...: one more, with nothing but these lines in its configuration.
another_sshd() {
	local host=$1 port=$2 name=sshd-$1-$2
	shift 2
	printf '%s\n' "Port $port" "HostKey $BED/hostkey" "PidFile none" "UsePAM no" "PrintMotd no" \
		"$@" >"$BED/$name.conf"
	background "$name" "$host" /usr/sbin/sshd -D -e -f "$BED/$name.conf"
	must 5 "sshd listens on $host port $port" grep -q 'Server listening' "$BED/$name.log"
}

# via ARGUMENT...: mosh-via as laptop, without a terminal.
via() {
	as client laptop mosh-via "$@"
}

# process_of NAME USER: the processes of that name, the eldest first. A terminal may keep dead ones.
process_of() {
	pgrep -r D,R,S,T -x "$1" -u "$2"
}

# setting PROCESS NAME: what that environment variable is there. No process is started for it: the name
# would stand in an argument list, where via-key looks for it.
setting() {
	local line
	while IFS= read -r -d '' line; do
		[[ $line != "$2="* ]] || echo "${line#*=}"
	done <"/proc/$1/environ"
}

# Nothing of mosh-via is left: no directory, no connection, no process.
nothing_left() {
	! compgen -G "$BED/home/laptop/mosh-via.*" >/dev/null && ! process_of ssh laptop >/dev/null &&
		! process_of mosh-via laptop >/dev/null
}

# The command in that terminal has ended.
ended() {
	[ "$(terminal display-message -p -t "$1" '#{pane_dead}')" = 1 ]
}
