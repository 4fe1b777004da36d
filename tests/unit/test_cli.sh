#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What moshrelay makes of its arguments and of the daemon's answers: output, errors, exit statuses.
# usage: test_cli.sh MOSHRELAY FAKE_DAEMON      prints TAP
set -u
moshrelay=$1 fake=$2
dir=$(mktemp -d)
socket=$dir/setup.sock log=$dir/log
export LC_ALL=C.UTF-8
unset SSH_CLIENT
number=0 failed=0 daemon=

# shellcheck disable=SC2317 # called by the trap
cleanup()
{
	[[ $daemon ]] && kill "$daemon" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

report() # report WHAT WHY...: not ok if there is a WHY
{
	number=$((number + 1))
	if (($# == 1)); then
		echo "ok $number - $1"
	else
		failed=$((failed + 1))
		echo "not ok $number - $1"
		printf '# %s\n' "${@:2}" "stdout: $(cat "$dir/out")" "stderr: $(cat "$dir/err")"
	fi
}

# expect WHAT STATUS OUT ERR ARGS...: OUT and ERR are extended regular expressions, '' nothing at all
expect()
{
	local what=$1 status=$2 out=$3 err=$4 why=() got
	shift 4
	"$moshrelay" -s "$socket" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	((got == status)) || why+=("exit status $got, not $status")
	if [[ $out ]]; then
		grep -Eq -- "$out" "$dir/out" || why+=("stdout lacks: $out")
	elif [[ -s $dir/out ]]; then
		why+=("stdout is not empty")
	fi
	if [[ $err ]]; then
		grep -Eq -- "$err" "$dir/err" || why+=("stderr lacks: $err")
		[[ $(wc -l <"$dir/err") == 1 ]] || why+=("stderr is not one line")
		grep -q '^moshrelay: ' "$dir/err" || why+=("stderr does not start with the program")
	elif [[ -s $dir/err ]]; then
		why+=("stderr is not empty")
	fi
	grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$dir/out" "$dir/err" && why+=("a control character")
	report "$what" "${why[@]}"
}

# verify WHAT COMMAND...: the command succeeds
verify()
{
	local what=$1
	shift
	if "$@" >/dev/null; then
		report "$what"
	else
		report "$what" "fails: $*"
	fi
}

# run ARGS...: output to the files, exit status to $status
run()
{
	"$moshrelay" -s "$socket" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}

lines() # lines FILE: how many
{
	wc -l <"$dir/$1"
}

# asked WHAT FILTER: jq FILTER is true of the last request
asked()
{
	if tail -n 1 "$log" | jq -e "$2" >/dev/null 2>&1; then
		report "$1"
	else
		report "$1" "request: $(tail -n 1 "$log")"
	fi
}

# --- without a daemon: arguments -------------------------------------------------------------
expect 'no command' 2 '' 'no command given'
expect 'an unknown command' 2 '' 'frobnicate: there is no such command' frobnicate
expect 'an unknown option' 2 '' 'option -Q' -Q list
expect 'an unknown option behind the command' 2 '' 'option --frob' list --frob
expect 'an option without its argument' 2 '' '--idle: its argument is missing' open --idle
expect 'top without a terminal' 2 '' 'needs a terminal: use moshrelay list' top
expect 'top has no JSON' 2 '' 'moshrelay -j list' -j top
expect 'too few arguments' 2 '' 'argument is missing: it wants HOST:PORT' open
expect 'too many arguments' 2 '' 'one argument too many: b' show a b
expect 'version' 0 '^moshrelay [0-9]+\.[0-9]+\.[0-9]+$' '' --version
expect 'version, short' 0 '^moshrelay [0-9]+\.[0-9]+\.[0-9]+$' '' -V
expect 'help' 0 '^Usage: moshrelay' '' --help
for command in open close list show top watch stats status doctor policy drain detach hop; do
	expect "help of $command" 0 "^Usage: moshrelay .* $command" '' "$command" --help
	expect "help names $command" 0 "^  $command " '' --help
done
for target in 10.0.0.1 :60001 10.0.0.1: 10.0.0.1:0 10.0.0.1:65536 10.0.0.1:60001x 10.0.0.1:-1 \
	'10.0.0.1: 60001' fd00::2:60001 '[fd00::2]' '[fd00::2]60001' '[fd00::2:60001' '[]:60001' \
	'[10.0.0.1]:60001' '[example]:60001' 99999999999999999999:99999999999999999999 ''; do
	expect "open refuses '$target'" 2 '' . open "$target"
done
expect 'open looks up no name of figures alone' 2 '' '10\.2\.0\.300: not an IPv4 address' open 10.2.0.300:60001
expect 'a control character in an argument does not reach the terminal' 2 '' 'a\?\[31m' open $'a\e[31m'
for idle in 0 -1 x 1.5 '' 31536001 99999999999999999999; do
	expect "open refuses --idle '$idle'" 2 '' '--idle' open 10.0.0.1:60001 --idle "$idle"
done
expect 'open refuses a --client that is no address' 2 '' '--client' open 10.0.0.1:60001 --client host
expect 'open refuses a label that is not UTF-8' 2 '' 'not UTF-8' open 10.0.0.1:60001 --label $'\xff'
expect 'a host name that cannot be' 1 '' 'cannot look up' open no..name:60001
for network in 10.0.0.0/33 10.0.0/8 fd00::/129 x 10.0.0.0/ /8 10.0.0.0/8/8; do
	expect "list refuses --target $network" 2 '' '--target' list --target "$network"
done
expect 'list refuses a state' 2 '' '--state' list --state happy
expect 'list refuses a field' 2 '' '--sort' list --sort beauty
expect 'status refuses --wait x' 2 '' '--wait' status --wait x

# --- no daemon -------------------------------------------------------------------------------
for command in list stats status drain detach watch 'show 00000000000000aa' \
	'close 00000000000000aa' 'open 10.0.0.1:60001' 'policy alice 10.0.0.1:60001'; do
	# shellcheck disable=SC2086 # words
	expect "no daemon: $command" 5 '' "cannot reach the daemon at $socket.*moshrelayd" $command
done
expect 'no daemon: doctor says so, and looks at the rest' 5 '^kernel' '' doctor
expect 'no daemon: doctor --json' 5 '"ok": *false' '' doctor -j
expect 'waiting ends in time' 5 '' 'cannot reach' status --wait 1
long=$(printf 'x%.0s' {1..200})
expect 'a socket path that is too long' 2 '' 'has 205 octets, and the system takes 107 at most' -s "/tmp/$long" list
expect 'nor is such a one waited for' 2 '' '107 at most' -s "/tmp/$long" status --wait 600
expect 'an empty socket path' 2 '' "path of the daemon's socket is empty" -s '' list
touch "$dir/file"
expect 'a socket that is a file' 5 '' 'cannot reach' -s "$dir/file" list

# --- a daemon that comes up while we wait, in a directory that isn't there yet ------------------
socket=$dir/run/moshrelay/setup.sock
"$moshrelay" -s "$socket" status --wait 30 >"$dir/out" 2>"$dir/err" &
waiting=$!
mkdir -p "$dir/run/moshrelay"
exec 3< <(exec "$fake" "$socket" "$log")
daemon=$!
if ! read -r -t 30 ready <&3 || [[ $ready != ready ]]; then
	echo "Bail out! no fake daemon"
	exit 1
fi
verify 'status --wait sees the daemon come up' wait "$waiting"
verify 'status --wait prints the status' grep -q xdp-native "$dir/out"

# --- with a daemon: output ---------------------------------------------------------------------
expect 'open prints what to dial' 0 '^dial +203\.0\.113\.7 2001:db8::7 port 60005$' '' open 10.0.0.1:60001
asked 'open sends the target and nothing that was not said' \
	'.method == "open" and .params == {"target": "10.0.0.1:60001"}'
expect 'open prints the target and its ports' 0 'target +\[fd00::2\]:60001, .* 61040-61055' '' open 10.0.0.1:60001
expect 'open with everything' 0 '^label +web one$' '' \
	open '[fd00::2]:60001' --idle 90 --label 'web one' --client 198.51.100.9
asked 'open sends everything' '.params == {"target": "[fd00::2]:60001", "idle": 90,
	"label": "web one", "client": "198.51.100.9"}'
SSH_CLIENT='198.51.100.77 50000 22' expect 'open under ssh' 0 session '' open 10.0.0.1:60001
asked 'the client is taken from SSH_CLIENT' '.params.client == "198.51.100.77"'
SSH_CLIENT='198.51.100.77 50000 22' expect 'open under ssh with --client' 0 session '' \
	open 10.0.0.1:60001 --client 2001:db8::9
asked '--client beats SSH_CLIENT' '.params.client == "2001:db8::9"'
SSH_CLIENT='nonsense 1 2' expect 'open with a broken SSH_CLIENT' 0 session '' open 10.0.0.1:60001
asked 'a broken SSH_CLIENT is left out' '.params | has("client") | not'
expect 'open looks names up' 0 session '' open localhost:60001
asked 'the daemon gets an address' '.params.target == "127.0.0.1:60001" or .params.target == "[::1]:60001"'
expect 'open -j is the session' 0 '^\{"id":"00000000000000aa",.*\}$' '' -j open 10.0.0.1:60001
expect 'options may stand behind the command' 0 '^\{"id"' '' open 10.0.0.1:60001 --json
expect 'open, denied' 3 '' 'cannot open a session to 10\.0\.0\.1:60003: alice may not' open 10.0.0.1:60003
expect 'open, limit' 6 '' '20 sessions is the limit' open 10.0.0.1:60006

expect 'close one' 0 '^00000000000000aa closed$' '' close 00000000000000aa
run close 00000000000000aa 0000000000000004 0000000000000003 00000000000000bb
verify 'close ends with the worst status' [ "$status" = 4 ]
verify 'close tries each' [ "$(lines out) $(lines err)" = '2 2' ]
verify 'close goes on behind an error' grep -q '00000000000000bb closed' "$dir/out"
for id in 1 0123456789abcdef0 0123456789abcdeg $'\xff' ''; do
	expect "show: no session can be called '$id'" 4 '' 'there is no session' show "$id"
	expect "close tries the others beside '$id'" 4 '^00000000000000bb closed$' 'there is no session' \
		close "$id" 00000000000000bb
	expect "watch: no session can be called '$id'" 4 '' 'there is no session' watch "$id"
done
run -j close 00000000000000aa 0000000000000003
verify 'close -j: status' [ "$status" = 3 ]
verify 'close -j reports each' jq -e '.sessions == [{"id": "00000000000000aa", "closed": true},
	{"id": "0000000000000003", "closed": false, "error": {"code": -32003,
	"message": "alice may not: the rule \"dev\" allows 10.0.0.0/8"}}]' "$dir/out"

expect 'list has titles' 0 '^ID +STATE +OWNER +PUBLIC +TARGET' '' list
expect 'list: a hostile label is defused and stays in its row' 0 '3/2  "\}\{\\räd\?\[31m\?fake row\?txt$' '' list
expect 'list: which part of several addresses is the port' 0 '203.0.113.7 2001:db8::7 port 60005 ' '' list
expect 'list -j' 0 '^\{"sessions":\[\{"id"' '' list -j
run list && cp "$dir/out" "$dir/compact"
run list --state closing
verify 'list: white space in the answer changes nothing' cmp -s "$dir/compact" "$dir/out"
run -j list && cp "$dir/out" "$dir/compact"
run -j list --state closing
verify 'list -j: nor there' [ "$(jq -cS . "$dir/compact")" = "$(jq -cS . "$dir/out")" ]
run list && cp "$dir/out" "$dir/compact"
run list --state waiting
verify 'list: nor does the order of members' cmp -s "$dir/compact" "$dir/out"
starts=$("$moshrelay" -s "$socket" list | sed 's/203.0.113.7.*//; s/PUBLIC.*//' |
	while IFS= read -r line; do echo "${#line}"; done | sort -u | wc -l)
verify 'list: columns line up behind a name that is not ASCII' [ "$starts" = 1 ]
expect 'list with filters' 0 '^ID' '' list --user bob --target 10.0.0.0/8 --state silent --sort lost
asked 'list sends the filters' '.params == {"user": "bob", "target": "10.0.0.0/8",
	"state": "silent", "sort": "lost"}'
expect 'list: IPv6 networks and bare addresses' 0 '^ID' '' list --target fd00::/8
expect 'list: a bare address' 0 '^ID' '' list --target 10.0.0.1

expect 'show: facts' 0 '^owner +alice \(uid 1000\)$' '' show 00000000000000aa
expect 'show: a duration' 0 '^idle limit +1 d 1 h 1 min 1 s$' '' show 00000000000000aa
expect 'show: what never was' 0 '^target heard +never$' '' show 00000000000000aa
expect 'show: flows' 0 '^to target +7 +700 +3 +1$' '' show 00000000000000aa
expect 'show: legs' 0 '^ +11  unproven  \[2001:db8::9\]:40001' '' show 00000000000000aa
expect 'show: no such session' 4 '' 'cannot show 0000000000000004: there is no session' show 0000000000000004
expect 'show: denied' 3 '' 'alice may not' show 0000000000000003
expect 'show: the daemon failed' 1 '' 'the store is full' show 0000000000000001

expect 'stats' 0 '^to_target +12345$' '' stats
expect 'stats leaves zeros out' 0 '^no_slot +7$' '' stats
verify 'stats has no runt' [ "$(grep -c runt "$dir/out")" = 0 ]
expect 'stats --all' 0 '^runt +0$' '' stats --all
expect 'status' 0 '^interfaces +eth0 eth1$' '' status
expect 'status: objects, and nothing where nothing is' 0 '^pools +addresses 203\.0\.113\.7 203\.0\.113\.8, ports 1-2; name b$' '' status
expect 'status: an empty list' 0 '^refused +-$' '' status
expect 'status: words for keys' 0 '^max sessions +65536$' '' status
expect 'policy: allowed' 0 '^allowed: rule "dev"$' '' policy alice 10.0.0.1:60001
expect 'policy: denied' 3 '^denied: no rule names mallory$' '' policy mallory 10.0.0.1:60001
expect 'policy: a target without a port' 2 '' 'not a target' policy alice 10.0.0.1
expect 'doctor' 0 '^kernel +ok +6\.1$' '' doctor
expect 'doctor: a failed check and its advice' 1 '^ +-> switch the target on$' '' doctor 192.0.2.1
expect 'doctor: a target with a port' 0 '^kernel' '' doctor '[fd00::2]:60001'
asked 'doctor sends the target' '.params.target == "[fd00::2]:60001"'
expect 'drain' 0 'refused' '' drain
asked 'drain says so' '.params == {"draining": true}'
expect 'drain --off' 0 'taken again' '' drain --off
asked 'drain --off says so' '.params == {"draining": false}'
expect 'detach' 0 'off the interfaces' '' detach

expect 'watch: one line an event' 5 '  leg  +00000000000000aa  address 198\.51\.100\.9  port 40000  slot 0$' \
	'lost the connection' watch
verify 'watch: three events, three lines' [ "$(lines out)" = 3 ]
expect 'watch -j: one document a line' 5 '^\{"time".*"event":"opened".*\}$' 'lost the connection' watch -j
expect 'watch one session' 5 opened 'lost' watch 00000000000000aa
asked 'watch sends the session' '.params == {"id": "00000000000000aa"}'

# --- a daemon that misbehaves ----------------------------------------------------------------------
expect 'not JSON' 1 '' 'makes no sense: not JSON' show dead000000000001
expect 'closed at once' 5 '' 'lost the connection' show dead000000000002
expect 'an answer to another question' 1 '' 'another question' show dead000000000003
expect 'not an object' 1 '' 'makes no sense' show dead000000000004
expect 'neither result nor error' 1 '' 'neither' show dead000000000005
expect 'half a line' 5 '' 'lost the connection' show dead000000000006
expect 'not UTF-8' 1 '' 'makes no sense' show dead000000000007
whole=$("$moshrelay" -s "$socket" list --user cut100000 -j | tr -d '\n' | wc -c)
wrong=''
for ((octets = 1; octets < whole - 1; octets += 13)); do
	run list --user "cut$octets"
	[[ $status = 1 ]] && grep -q 'makes no sense' "$dir/err" || wrong+=" $octets"
done
verify 'a list that ends too early is not shown as one' [ "$whole$wrong" = "$whole" ]
"$moshrelay" -s "$socket" list >/dev/full 2>"$dir/err"
verify 'a full disk is not success' [ $? = 1 ]

echo "1..$number"
((failed == 0))
