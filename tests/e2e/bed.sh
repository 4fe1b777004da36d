# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# bed.sh - the hosts and the networks between them. Sourced by lib.sh.
#
#     client ---- isp ---- bastion ---- target          a host is a network and a UTS namespace
#
#     client    198.51.100.10   2001:db8:a::10    first network, towards isp
#               192.0.2.10      2001:db8:b::10    second network, for roaming
#     isp       .1              ::1               a router on all networks outside
#     bastion   203.0.113.7     2001:db8::7       (second pool: .8, ::8)
#               10.2.0.1        fd00:2::1         towards the target
#     target    10.2.0.2        fd00:2::2         admits the bastion alone
#
# Native XDP hands frames to a veth only where the other end runs NAPI (gro on), and lets a local
# sender's unfinished checksums through as they are (tx off).

# shellcheck disable=SC2034 # for the cases
CLIENT4=198.51.100.10 CLIENT6=2001:db8:a::10
# shellcheck disable=SC2034
PUBLIC4=203.0.113.7 PUBLIC6=2001:db8::7
# shellcheck disable=SC2034
TARGET4=10.2.0.2 TARGET6=fd00:2::2

# on HOST COMMAND...: runs it there. Not `ip netns exec`: that hides /sys/fs/bpf.
on() {
	local host=$1
	shift
	nsenter --net="/run/netns/$host" --uts="/run/uts/$host" -- "$@"
}

# background NAME HOST COMMAND...: starts it there, what it says in /run/bed/NAME.log, its process
# in $PID.
background() {
	local name=$1 host=$2
	shift 2
	: >>"$BED/$name.log"
	nsenter --net="/run/netns/$host" --uts="/run/uts/$host" -- "$@" \
		>>"$BED/$name.log" 2>&1 </dev/null &
	PID=$!
}

host_add() {
	local host
	for host in "$@"; do
		touch "/run/netns/$host" "/run/uts/$host"
		unshare --net="/run/netns/$host" --uts="/run/uts/$host" hostname "$host"
		on "$host" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
			net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.dad_transmits=0 net.ipv4.conf.all.promote_secondaries=1 \
			net.ipv4.conf.default.promote_secondaries=1 net.ipv4.conf.all.rp_filter=0 \
			net.ipv4.conf.default.rp_filter=0
		ip -n "$host" link set lo up
	done
}

# wire HOST DEV HOST DEV: a cable, both ends up. Where the bed has virtio cables (in qemu, see
# tests/qemu/vm), the bastion's are of those; all others are veth pairs.
cables_used=0
wire() {
	if [[ ${CABLES:-0} -gt $cables_used && " $1 $3 " = *" bastion "* ]]; then
		ip link set "$(device_of "52:54:00:00:0$cables_used:01")" netns "$1" name "$2"
		ip link set "$(device_of "52:54:00:00:0$cables_used:02")" netns "$3" name "$4"
		cables_used=$((cables_used + 1))
	else
		ip -n "$1" link add "$2" type veth peer name "$4" netns "$3"
	fi
	on "$1" ethtool -K "$2" tx off gro on txvlan off rxvlan off >/dev/null 2>&1
	on "$3" ethtool -K "$4" tx off gro on txvlan off rxvlan off >/dev/null 2>&1
	# Only now: a veth learns when it comes up whether its peer can take redirected frames.
	ip -n "$1" link set "$2" up
	ip -n "$3" link set "$4" up
}

device_of() {
	ip -j link show | jq -r --arg mac "$1" '.[] | select(.address == $mac).ifname'
}

# addresses HOST DEV ADDRESS...
addresses() {
	local host=$1 dev=$2 address
	shift 2
	for address in "$@"; do
		case $address in
		*:*) ip -n "$host" addr add "$address" dev "$dev" nodad ;;
		*) ip -n "$host" addr add "$address" dev "$dev" ;;
		esac
	done
}

router() {
	on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

# default_route HOST V4-GATEWAY V6-GATEWAY
default_route() {
	ip -n "$1" route replace default via "$2"
	ip -n "$1" -6 route replace default via "$3"
}

# bridge HOST: a switch; every interface that the host has now becomes a port.
bridge() {
	local dev
	ip -n "$1" link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
	for dev in $(ip -n "$1" -j link show type veth | jq -r '.[].ifname'); do
		ip -n "$1" link set "$dev" master br0
	done
	ip -n "$1" link set br0 up
}

# bed_outside: client, its two networks, isp. The second network's cable is unplugged.
bed_outside() {
	host_add client isp bastion target
	wire client eth0 isp net0
	wire client eth1 isp net1
	addresses client eth0 198.51.100.10/24 2001:db8:a::10/64
	addresses isp net0 198.51.100.1/24 2001:db8:a::1/64
	addresses isp net1 192.0.2.1/24 2001:db8:b::1/64
	ip -n client link set eth1 down
	router isp
	default_route client 198.51.100.1 2001:db8:a::1
}

# The bastion's own configuration, on whatever interfaces it has.
bed_bastion() {
	local outer=$1 inner=$2
	addresses bastion "$outer" 203.0.113.7/24 2001:db8::7/64 203.0.113.8/24 2001:db8::8/64
	addresses bastion "$inner" 10.2.0.1/24 fd00:2::1/64
	default_route bastion 203.0.113.1 2001:db8::1
}

# bed two-nics: the bastion stands between two networks.
bed_two_nics() {
	bed_outside
	wire isp wan bastion eth0
	wire bastion eth1 target eth0
	addresses isp wan 203.0.113.1/24 2001:db8::1/64
	bed_bastion eth0 eth1
	addresses target eth0 10.2.0.2/24 fd00:2::2/64
	default_route target 10.2.0.1 fd00:2::1
	NICS=(eth0 eth1)
}

# passes HOST DEV: an XDP program there that passes everything. What the other end of a veth sends back
# out of where it came in (XDP_TX) lies in the ring until the next frame otherwise: the kernel wakes
# the far end's NAPI only if that has a program (as of Linux 6.18).
passes() {
	on "$1" ip link set dev "$2" xdp obj "$BUILD/tests/e2e/pass.bpf.o" sec xdp
}

# bed one-nic: both sides are reached by one interface, through a switch.
bed_one_nic() {
	bed_outside
	host_add switch
	wire isp wan switch p0
	wire bastion eth0 switch p1
	passes switch p1
	wire target eth0 switch p2
	bridge switch
	addresses isp wan 203.0.113.1/24 2001:db8::1/64
	bed_bastion eth0 eth0
	addresses target eth0 10.2.0.2/24 fd00:2::2/64
	NICS=(eth0)
}

# bed gateway: the target is one router further in.
bed_gateway() {
	bed_outside
	host_add gateway
	wire isp wan bastion eth0
	wire bastion eth1 gateway eth0
	wire gateway eth1 target eth0
	addresses isp wan 203.0.113.1/24 2001:db8::1/64
	bed_bastion eth0 eth1
	addresses gateway eth0 10.2.0.254/24 fd00:2::fe/64
	addresses gateway eth1 10.9.0.1/24 fd00:9::1/64
	router gateway
	addresses target eth0 10.9.0.2/24 fd00:9::2/64
	default_route target 10.9.0.1 fd00:9::1
	ip -n bastion route add 10.9.0.0/24 via 10.2.0.254
	ip -n bastion route add fd00:9::/64 via fd00:2::fe
	TARGET4=10.9.0.2 TARGET6=fd00:9::2
	NICS=(eth0 eth1)
}

# bed vlan: towards the target, frames carry an 802.1Q tag.
bed_vlan() {
	local host
	bed_outside
	wire isp wan bastion eth0
	wire bastion eth1 target eth0
	for host in "bastion eth1" "target eth0"; do
		# shellcheck disable=SC2086 # two words
		set -- $host
		ip -n "$1" link add link "$2" name "$2.42" type vlan id 42
		ip -n "$1" link set "$2.42" up
	done
	addresses isp wan 203.0.113.1/24 2001:db8::1/64
	bed_bastion eth0 eth1.42
	addresses target eth0.42 10.2.0.2/24 fd00:2::2/64
	NICS=(eth0 eth1)
}

# The target lets in the bastion and its answers, nobody else.
target_firewall() {
	on target nft -f - <<-END
	table inet filter {
		chain input {
			type filter hook input priority 0; policy drop;
			iif lo accept
			meta l4proto { icmp, icmpv6 } accept
			ip saddr 10.2.0.1 accept
			ip6 saddr fd00:2::1 accept
		}
	}
	END
}

# bed two-nics|one-nic|gateway|vlan: lays everything out.
bed() {
	"bed_${1//-/_}"
	target_firewall
}

# strip HOST 4|6: takes that family's addresses away.
strip() {
	local dev
	for dev in $(ip -n "$1" -j link show | jq -r '.[].ifname' | grep -v '^lo$'); do
		ip -n "$1" "-$2" addr flush dev "$dev" scope global
	done
}

# roam_address: the client gets another address on the network that it is on.
roam_address() {
	addresses client eth0 198.51.100.11/24 2001:db8:a::11/64
	ip -n client addr del 198.51.100.10/24 dev eth0
	ip -n client addr del 2001:db8:a::10/64 dev eth0
}

# roam_network: the client leaves its network for the other one.
roam_network() {
	ip -n client link set eth0 down
	ip -n client addr flush dev eth0
	ip -n client link set eth1 up
	addresses client eth1 192.0.2.10/24 2001:db8:b::10/64
	default_route client 192.0.2.1 2001:db8:b::1
}

# capture HOST DEV NAME: keeps the UDP that passes there in NAME.pcap.
captures=()
capture() {
	background "capture-$3" "$1" tcpdump -Z root --immediate-mode -U -n -i "$2" \
		-w "$BED/$3.pcap" 'udp or (vlan and udp)'
	captures+=("$PID")
	must 5 "tcpdump listens on $1 $2" grep -q 'listening on' "$BED/capture-$3.log"
}

# captures_end: stops them; no datagram seen had a wrong checksum, and there were some.
captures_end() {
	local file text
	kill -INT "${captures[@]}"
	wait "${captures[@]}" || true
	captures=()
	for file in "$BED"/*.pcap; do
		text=$(tcpdump -n -vv -r "$file" 2>/dev/null)
		[[ $text = *'udp sum ok'* ]] || fail "$(basename "$file") holds no datagram"
		if grep -qE 'bad (udp )?cksum|incorrect' <<<"$text"; then
			fail "bad checksums in $(basename "$file"): $(grep -E 'bad (udp )?cksum|incorrect' <<<"$text" | head -3)"
		fi
	done
}

# captured NAME FILTER: how many frames of that capture match.
captured() {
	tcpdump -n -r "$BED/$1.pcap" "$2" 2>/dev/null | wc -l
}
