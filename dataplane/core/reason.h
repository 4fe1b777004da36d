/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * reason.h - every outcome that a packet can have, in one list.
 *
 * The list makes the enum, the names that `moshrelay stats` prints and the table in the manual.
 * Numbers are part of the pinned counters: add at the end, never renumber, never reuse.
 */
#ifndef MR_CORE_REASON_H
#define MR_CORE_REASON_H

#include "compat.h"

/** What the binding does with a packet. */
enum mr_verdict {
	MR_VERDICT_PASS, /* to the host, byte for byte as it came */
	MR_VERDICT_DROP,
	MR_VERDICT_SEND, /* rewritten, out by the next hop */
};

/* X(name, verdict, what it means) */
#define MR_REASONS(X)                                                                         \
	X(to_target, SEND, "a client's datagram sent on to its target")                       \
	X(to_client, SEND, "a target's datagram sent on to its client")                       \
	X(not_ip, PASS, "neither IPv4 nor IPv6")                                              \
	X(vlan_stack, PASS, "more than one VLAN tag")                                         \
	X(not_udp, PASS, "neither UDP nor an ICMP error")                                     \
	X(truncated, PASS, "the frame ends inside a header, or before its IP length says")    \
	X(bad_length, PASS, "IP and UDP lengths contradict each other")                       \
	X(bad_version, PASS, "the IP version is not the one that the Ethernet type promises") \
	X(bad_ip_checksum, PASS, "wrong IPv4 header checksum")                                \
	X(ip_options, PASS, "IPv4 options")                                                   \
	X(ext_header, PASS, "IPv6 extension header")                                          \
	X(fragment, PASS, "IP fragment")                                                      \
	X(zero_checksum, PASS, "IPv6 UDP without a checksum")                                 \
	X(bad_source, PASS, "source address or port that no answer could be sent to")         \
	X(no_session, PASS, "no session at this address and port")                            \
	X(not_for_us, PASS, "an ICMP error about somebody else's datagram")                   \
	X(runt, DROP, "UDP payload too short for mosh (under 24 bytes)")                      \
	X(direction, DROP, "mosh's direction bit points the wrong way")                       \
	X(no_slot, DROP, "unknown source and no leg slot that may be taken")                  \
	X(empty_slot, DROP, "from the target, to an upstream port without a leg")             \
	X(wrong_interface, DROP, "from the target's address on an interface not towards it")  \
	X(session_closed, DROP, "the session was closed while the packet was on its way")     \
	X(ttl_expired, DROP, "TTL or hop limit used up")                                      \
	X(too_big, DROP, "larger than the next hop's MTU")                                    \
	X(no_route, DROP, "no route to the next hop, or a route that forbids it")             \
	X(no_neighbour, DROP, "the next hop's link address is not known yet")                 \
	X(no_device, DROP, "the next hop is behind an interface that the relay does not use") \
	X(no_headroom, DROP, "no room in front of the packet for a longer header")            \
	X(no_checksum, DROP, "IPv4 UDP without checksum, too long to compute one for IPv6")   \
	X(icmp_hint, DROP, "ICMP error about a relayed datagram, reported to the daemon")     \
	X(unsent, DROP, "the interface took no more packets")                                 \
	X(internal, DROP, "a state that the program thought impossible")

enum mr_reason {
#define MR_X(name, verdict, text) MR_REASON_##name,
	MR_REASONS(MR_X)
#undef MR_X
		MR_REASON_COUNT
};

/** Counters exist for this many reasons, so that a newer program can count into older pinned maps.
 */
#define MR_REASON_CAPACITY 64
_Static_assert(MR_REASON_COUNT <= MR_REASON_CAPACITY, "the pinned counters are too few");

/** The one place that turns a reason into what happens to the packet. */
mr_inline enum mr_verdict mr_reason_verdict(enum mr_reason reason)
{
	switch (reason) {
#define MR_X(name, verdict, text) \
	case MR_REASON_##name:    \
		return MR_VERDICT_##verdict;
		MR_REASONS(MR_X)
#undef MR_X
	case MR_REASON_COUNT:
		break;
	}
	return MR_VERDICT_DROP;
}

/** Packets that ended with one reason, and octets of their frames as they came in. */
struct mr_reason_count {
	__u64 packets;
	__u64 bytes;
};

#endif
