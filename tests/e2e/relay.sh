# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# relay.sh - the accounts, sshd, the relay and mosh on the bed. Sourced by lib.sh.
#
# laptop is the person at the client, jump her account at the bastion (no shell), dev the one at the
# target. Her ssh configuration knows both hosts by name.

# ---- accounts and ssh

# account NAME SHELL [GROUP...]: its home under /run/bed/home; keys only. Written by hand, because
# useradd takes longer than the rest of the bed.
accounts=20000
account() {
	local name=$1 shell=$2 home=$BED/home/$1 group
	shift 2
	accounts=$((accounts + 1))
	echo "$name:x:$accounts:$accounts::$home:$shell" >>/etc/passwd
	echo "$name:*:19000:0:99999:7:::" >>/etc/shadow
	echo "$name:x:$accounts:" >>/etc/group
	for group in "$@"; do
		if grep -q "^$group:" /etc/group; then
			sed -i "s/^$group:.*[^:]\$/&,/; s/^$group:.*/&$name/" /etc/group
		else
			accounts=$((accounts + 1))
			echo "$group:x:$accounts:$name" >>/etc/group
		fi
	done
	install -d -m 700 -o "$name" -g "$name" "$home" "$home/.ssh"
	touch "$home/.hushlogin"
	echo "PS1='\\u@\\h\\\$ '" >"$home/.bash_profile"
	install -m 600 -o "$name" -g "$name" "$BED/userkey.pub" "$home/.ssh/authorized_keys"
}

# as HOST USER COMMAND...: on that host with that account's identity, groups and home.
as() {
	local host=$1 user=$2
	shift 2
	on "$host" setpriv --reuid "$user" --regid "$user" --init-groups \
		env -i -C "$BED/home/$user" HOME="$BED/home/$user" USER="$user" LOGNAME="$user" \
		SHELL=/bin/bash TMPDIR="$BED/home/$user" PATH="$PATH" LANG=C.UTF-8 TERM=xterm-256color "$@"
}

# sshd_start HOST [LINE...]: with these lines in its configuration; its process in $SSHD_PID.
sshd_start() {
	local host=$1
	shift
	cat >"$BED/sshd-$host.conf" <<-END
	HostKey $BED/hostkey
	PidFile none
	UsePAM no
	PasswordAuthentication no
	PrintMotd no
	AcceptEnv LANG LC_*
	MaxStartups 200
	$(printf '%s\n' "$@")
	END
	background "sshd-$host" "$host" /usr/sbin/sshd -D -e -f "$BED/sshd-$host.conf"
	export SSHD_PID=$PID
	must 5 "sshd listens on $host" grep -q 'Server listening' "$BED/sshd-$host.log"
}

# people [BASTION-ADDRESS [TARGET-ADDRESS]]: accounts, keys, sshd on bastion and target, and the
# laptop's ssh configuration.
people() {
	local home="$BED/home/laptop"
	ssh-keygen -q -t ed25519 -N '' -f "$BED/hostkey"
	ssh-keygen -q -t ed25519 -N '' -f "$BED/userkey"
	account laptop /bin/bash
	account jump /usr/sbin/nologin moshrelay
	account dev /bin/bash
	install -m 600 -o laptop -g laptop "$BED/userkey" "$home/.ssh/id_ed25519"
	echo "* $(cat "$BED/hostkey.pub")" >"$home/.ssh/known_hosts"
	cat >"$home/.ssh/config" <<-END
	Host bastion
	  HostName ${1:-$PUBLIC4}
	  User jump
	Host target
	  HostName ${2:-$TARGET4}
	  User dev
	Host *
	  SendEnv LANG
	  ConnectTimeout $((10 * ${PATIENCE:-1}))
	END
	cat >"$BED/tmux.conf" <<-END
	set -g remain-on-exit on
	set -g status off
	set -g history-limit 5000
	END
	sshd_start target
	sshd_start bastion
}

# ---- the relay

# relay_start [OPTION...]: the daemon on the bastion, on all of its interfaces, and where no
# configuration file is given, for its outer addresses; its process in $RELAY_PID.
relay_start() {
	local nic options=()
	for nic in "${NICS[@]}"; do
		options+=(-i "$nic")
	done
	if [[ " $* " != *" -c "* ]]; then
		options+=(--public "$PUBLIC4" --public "$PUBLIC6")
	fi
	mkdir -p "$BED/state"
	background moshrelayd bastion moshrelayd "${options[@]}" --dataplane "$DATAPLANE" \
		--state-dir "$BED/state" "$@"
	RELAY_PID=$PID
	relay status --wait $((20 * ${PATIENCE:-1})) >/dev/null || fail "the daemon does not come up"
}

# relay_kill [SIGNAL]: and it is gone.
relay_kill() {
	kill "-${1:-KILL}" "$RELAY_PID"
	wait "$RELAY_PID" || true
}

# relay ARGUMENT...: the command line, as root on the bastion.
relay() {
	on bastion moshrelay "$@"
}

# relay_json FILTER COMMAND...: what jq makes of that command's answer.
relay_json() {
	local filter=$1
	shift
	relay --json "$@" | jq -r "$filter"
}

# reason NAME: how many packets ended so.
reason() {
	relay_json ".reasons[\"$1\"] // 0" stats
}

# The only session's id.
session_id() {
	relay_json 'if .sessions | length == 1 then .sessions[0].id else error("not one session") end' list
}

# ---- mosh

terminal() {
	tmux -S "$BED/home/laptop/tmux" -f "$BED/tmux.conf" "$@"
}

# terminal_run NAME COMMAND...: in a terminal of that name, by laptop on the client.
terminal_run() {
	local name=$1
	shift
	as client laptop tmux -S "$BED/home/laptop/tmux" -f "$BED/tmux.conf" \
		new-session -d -x 100 -y 30 -s "$name" "$(printf '%q ' "$@")"
}

screen() {
	terminal capture-pane -p -t "$1"
}

screen_has() {
	grep -qE -- "$2" <<<"$(screen "$1")" # not through a pipe, which may end before what is in it
}

# mosh_start NAME [OPTION...]: mosh through the relay, up to the target's prompt.
mosh_start() {
	local name=$1
	shift
	terminal_run "$name" mosh-via "$@" bastion target
	mosh_up "$name"
}

mosh_up() {
	wait_until 20 screen_has "$1" '^dev@target[$]' || {
		screen "$1" | grep -v '^$' >&2
		fail "no prompt in $1's terminal"
	}
}

type_line() {
	terminal send-keys -t "$1" -l "$2"
	terminal send-keys -t "$1" Enter
}

# mosh_echo NAME [SECONDS]: types a sum, and the target's answer comes back.
mosh_echo() {
	local a=$((RANDOM + 1000)) b=$((RANDOM + 1000))
	type_line "$1" "echo =\$(($a*$b))="
	wait_until "${2:-10}" screen_has "$1" "=$((a * b))=" || {
		screen "$1" | grep -v '^$' >&2
		fail "what was typed into $1 did not come back within ${2:-10} s"
	}
}

# ---- questions that cases ask

# The name in `status` of the dataplane that the case runs with.
dataplane_name() {
	case $DATAPLANE in
	xdp) echo xdp-native ;;
	*) echo "$DATAPLANE" ;;
	esac
}

no_session() {
	[ "$(relay_json '.sessions | length' list)" = 0 ]
}

# current_leg ID ADDRESS [PORT]: the session's current leg is there.
current_leg() {
	relay --json show "$1" | jq -e --arg address "$2" --arg port "${3:-}" '
		.legs | any(.state == "current" and .address == $address
			and ($port == "" or (.port | tostring) == $port))' >/dev/null
}

# A second client of the setup socket: one beside the asking itself.
connected() {
	[ "$(relay_json .connections status)" -ge 2 ]
}

# port_bound HOST PORT: a UDP socket has it.
port_bound() {
	[ -n "$(on "$1" ss -Huln "sport = $2")" ]
}

no_xdp() {
	[[ $(ip -n "$1" link show) != *' xdp'* ]]
}
