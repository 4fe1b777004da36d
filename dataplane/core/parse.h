/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * parse.h - from a frame to a struct mr_packet, strictly.
 *
 * Nothing is believed: every length is checked against the one outside it, before anything is
 * subtracted. What can't be a relayed datagram gets a reason that passes it to the host.
 */
#ifndef MR_CORE_PARSE_H
#define MR_CORE_PARSE_H

#include "csum.h"
#include "reason.h"
#include "session.h"
#include "wire.h"

enum mr_packet_kind {
	MR_PACKET_UDP,
	MR_PACKET_ICMP, /* an ICMP or ICMPv6 error that quotes a UDP datagram */
};

/**
 * All that deciding and rewriting need to know of a frame. For an ICMP error, addresses and ports
 * are those of the quoted datagram, with source and destination exchanged: it is looked up like an
 * answer.
 */
struct mr_packet {
	struct mr_addr src;
	struct mr_addr dst;
	__be16 sport;
	__be16 dport;
	__be32 flow; /* IPv6: flow label */
	union {
		struct {
			__u16 vlan_tci;    /* host byte order, 0: no tag */
			__u16 header_len;  /* from the frame's start to the UDP payload */
			__u16 payload_len; /* UDP payload */
			__u16 udp_csum;    /* as it lies */
			__u32 frame_len;   /* to the end of the IP packet; behind it is padding */
			__u32 ip_len;
		};
		struct mr_addr icmp_from; /* ICMP: who sent the error */
	};
	__u8 kind; /* enum mr_packet_kind */
	__u8 is_v6;
	__u8 tos; /* DSCP and ECN, in IPv6 the traffic class */
	__u8 ttl;
	__be16 ip_id;  /* IPv4 */
	__be16 frag;   /* IPv4: DF and the reserved bit, as they came */
	__u16 ip_csum; /* IPv4, as it lies */
	__u8 icmp_type;
	__u8 icmp_code;
	__u32 icmp_mtu; /* of "fragmentation needed" and "packet too big", else 0 */
	/* UDP: mosh's nonce in host byte order, if the payload is long enough for mosh. ICMP: the
	 * first octets of the quoted payload in wire order, 0 where the quotation is shorter. */
	__u64 nonce;
};

_Static_assert(sizeof(struct mr_packet) == 80, "no padding: it is written whole");

#define MR_PARSED MR_REASON_COUNT /* what mr_parse() returns when there is a packet to look up */

/** True for sources that no answer could be sent to, or that only a forger would use. */
mr_inline bool mr_source_is_bad(const struct mr_packet *p)
{
	if (!p->sport)
		return true;
	if (!p->is_v6) {
		__u8 first = (__u8)(mr_be32_to_cpu(p->src.w[3]) >> 24);

		return first == 0 || first == 127 || first >= 224;
	}
	__u32 w0 = mr_be32_to_cpu(p->src.w[0]);

	if ((w0 >> 24) == 0xff || (w0 >> 22) == 0xfe80 >> 6)
		return true; /* multicast; link-local, which no address of another link can answer
			      */
	/* ::/96 (unspecified, loopback, RFC 4291's old mapping) and ::ffff:0:0/96, which on the
	 * wire would be taken for IPv4 inside the tables. */
	return !w0 && !p->src.w[1] && (!p->src.w[2] || p->src.w[2] == mr_cpu_to_be32(0xffff));
}

mr_inline __u64 mr_parse_nonce(const struct mr_nonce *nonce)
{
	return (__u64)mr_be32_to_cpu(nonce->high) << 32 | mr_be32_to_cpu(nonce->low);
}

/** The UDP header and what it says of mosh; `l4_len` octets of IP payload are known to be there. */
mr_inline enum mr_reason mr_parse_udp(
	const void *l4, const void *end, __u32 l4_off, __u32 l4_len, struct mr_packet *ret)
{
	const struct mr_udp *udp = l4;

	if (l4 + MR_UDP_LEN > end)
		return MR_REASON_truncated;
	if (l4_len < MR_UDP_LEN || mr_be16_to_cpu(udp->len) != l4_len)
		return MR_REASON_bad_length;
	ret->kind = MR_PACKET_UDP;
	ret->sport = udp->sport;
	ret->dport = udp->dport;
	ret->udp_csum = udp->csum;
	ret->header_len = (__u16)(l4_off + MR_UDP_LEN);
	ret->payload_len = (__u16)(l4_len - MR_UDP_LEN);
	if (ret->is_v6 && !udp->csum)
		return MR_REASON_zero_checksum;
	if (mr_source_is_bad(ret))
		return MR_REASON_bad_source;
	if (ret->is_v6 && mr_addr_is_v4(&ret->dst)) /* in the tables that is an IPv4 endpoint */
		return MR_REASON_no_session;
	if (ret->payload_len >= MR_MOSH_MIN_LEN) {
		const struct mr_nonce *nonce = l4 + MR_UDP_LEN;

		if (l4 + MR_UDP_LEN + 8 > end)
			return MR_REASON_truncated;
		ret->nonce = mr_parse_nonce(nonce);
	}
	return MR_PARSED;
}

/** UDP ports and payload of a quoted datagram, `quoted` octets of which follow its IP header. */
mr_inline enum mr_reason mr_parse_quoted_udp(
	const void *l4, const void *end, __u32 quoted, struct mr_packet *ret)
{
	const struct mr_udp *udp = l4;

	if (quoted < MR_UDP_LEN || l4 + MR_UDP_LEN > end)
		return MR_REASON_truncated;
	ret->kind = MR_PACKET_ICMP;
	ret->sport = udp->dport;
	ret->dport = udp->sport;
	if (quoted >= MR_UDP_LEN + 8 && l4 + MR_UDP_LEN + 8 <= end) {
		ret->nonce = mr_parse_nonce(l4 + MR_UDP_LEN);
	}
	return MR_PARSED;
}

mr_inline enum mr_reason mr_parse_icmp4(
	const void *l4, const void *end, __u32 l4_len, struct mr_packet *ret)
{
	const struct mr_icmp *icmp = l4;
	const struct mr_ipv4 *inner = l4 + MR_ICMP_LEN;

	if (l4 + MR_ICMP_LEN > end || l4_len < MR_ICMP_LEN)
		return MR_REASON_truncated;
	if (icmp->type != MR_ICMP_UNREACH && icmp->type != MR_ICMP_QUENCH &&
		icmp->type != MR_ICMP_TIME_EXCEEDED && icmp->type != MR_ICMP_PARAMETER)
		return MR_REASON_not_udp;
	if (l4 + MR_ICMP_LEN + MR_IPV4_LEN > end || l4_len < MR_ICMP_LEN + MR_IPV4_LEN)
		return MR_REASON_truncated;
	/* The relay sends no options and no fragments: anything else isn't about its datagrams. */
	if (inner->version_ihl != 0x45 || inner->proto != MR_PROTO_UDP ||
		inner->frag & mr_cpu_to_be16(MR_IPV4_OFFSET))
		return MR_REASON_not_for_us;
	ret->icmp_type = icmp->type;
	ret->icmp_code = icmp->code;
	if (icmp->type == MR_ICMP_UNREACH && icmp->code == 4)
		ret->icmp_mtu = mr_be16_to_cpu(icmp->mtu_v4);
	ret->src = mr_addr_from_v4(inner->dst);
	ret->dst = mr_addr_from_v4(inner->src);
	return mr_parse_quoted_udp(
		l4 + MR_ICMP_LEN + MR_IPV4_LEN, end, l4_len - MR_ICMP_LEN - MR_IPV4_LEN, ret);
}

mr_inline struct mr_addr mr_addr_from_wire(const struct mr_ipv6_addr *a)
{
	return (struct mr_addr){.w = {a->w[0], a->w[1], a->w[2], a->w[3]}};
}

mr_inline enum mr_reason mr_parse_icmp6(
	const void *l4, const void *end, __u32 l4_len, struct mr_packet *ret)
{
	const struct mr_icmp *icmp = l4;
	const struct mr_ipv6 *inner = l4 + MR_ICMP_LEN;

	if (l4 + MR_ICMP_LEN > end || l4_len < MR_ICMP_LEN)
		return MR_REASON_truncated;
	if (icmp->type < MR_ICMPV6_UNREACH || icmp->type > MR_ICMPV6_PARAMETER)
		return MR_REASON_not_udp;
	if (l4 + MR_ICMP_LEN + MR_IPV6_LEN > end || l4_len < MR_ICMP_LEN + MR_IPV6_LEN)
		return MR_REASON_truncated;
	if (inner->next != MR_PROTO_UDP)
		return MR_REASON_not_for_us;
	ret->icmp_type = icmp->type;
	ret->icmp_code = icmp->code;
	if (icmp->type == MR_ICMPV6_TOO_BIG)
		ret->icmp_mtu =
			(__u32)mr_be16_to_cpu(icmp->unused) << 16 | mr_be16_to_cpu(icmp->mtu_v4);
	ret->src = mr_addr_from_wire(&inner->dst);
	ret->dst = mr_addr_from_wire(&inner->src);
	if (mr_addr_is_v4(&ret->src) || mr_addr_is_v4(&ret->dst))
		return MR_REASON_not_for_us; /* no datagram of the relay has such */
	return mr_parse_quoted_udp(
		l4 + MR_ICMP_LEN + MR_IPV6_LEN, end, l4_len - MR_ICMP_LEN - MR_IPV6_LEN, ret);
}

mr_inline enum mr_reason mr_parse_ipv4(
	const void *l3, const void *end, __u32 l3_off, __u32 len, struct mr_packet *ret)
{
	const struct mr_ipv4 *ip = l3;
	__u32 ip_len;

	if (l3 + MR_IPV4_LEN > end || len < l3_off + MR_IPV4_LEN)
		return MR_REASON_truncated;
	if (ip->version_ihl >> 4 != 4)
		return MR_REASON_bad_version;
	ip_len = mr_be16_to_cpu(ip->len);
	if ((ip->version_ihl & 0xf) < 5 || ip_len < (ip->version_ihl & 0xfu) * 4)
		return MR_REASON_bad_length;
	if (ip_len > len - l3_off)
		return MR_REASON_truncated;
	if (ip->proto != MR_PROTO_UDP && ip->proto != MR_PROTO_ICMP)
		return MR_REASON_not_udp;
	if ((ip->version_ihl & 0xf) > 5)
		return MR_REASON_ip_options;
	if (ip->frag & mr_cpu_to_be16(MR_IPV4_MF | MR_IPV4_OFFSET))
		return MR_REASON_fragment;
	if (!mr_csum_ipv4_ok(ip))
		return MR_REASON_bad_ip_checksum;
	ret->ip_len = ip_len;
	ret->frame_len = l3_off + ip_len;
	ret->tos = ip->tos;
	ret->ttl = ip->ttl;
	ret->ip_id = ip->id;
	ret->frag = ip->frag;
	ret->ip_csum = ip->csum;
	if (ip->proto == MR_PROTO_ICMP) {
		ret->icmp_from = mr_addr_from_v4(ip->src);
		return mr_parse_icmp4(l3 + MR_IPV4_LEN, end, ip_len - MR_IPV4_LEN, ret);
	}
	ret->src = mr_addr_from_v4(ip->src);
	ret->dst = mr_addr_from_v4(ip->dst);
	return mr_parse_udp(l3 + MR_IPV4_LEN, end, l3_off + MR_IPV4_LEN, ip_len - MR_IPV4_LEN, ret);
}

/** RFC 8200, section 4: hop-by-hop, routing, fragment, ESP, AH, destination, mobility, HIP, shim6.
 */
mr_inline bool mr_is_ext_header(__u8 next)
{
	switch (next) {
	case 0:
	case 43:
	case 44:
	case 50:
	case 51:
	case 60:
	case 135:
	case 139:
	case 140:
		return true;
	}
	return false;
}

mr_inline enum mr_reason mr_parse_ipv6(
	const void *l3, const void *end, __u32 l3_off, __u32 len, struct mr_packet *ret)
{
	const struct mr_ipv6 *ip = l3;
	__u32 payload_len, flow;

	if (l3 + MR_IPV6_LEN > end || len < l3_off + MR_IPV6_LEN)
		return MR_REASON_truncated;
	flow = mr_be32_to_cpu(ip->flow);
	if (flow >> 28 != 6)
		return MR_REASON_bad_version;
	payload_len = mr_be16_to_cpu(ip->payload_len);
	if (payload_len > len - l3_off - MR_IPV6_LEN)
		return MR_REASON_truncated;
	if (ip->next != MR_PROTO_UDP && ip->next != MR_PROTO_ICMPV6)
		return mr_is_ext_header(ip->next) ? MR_REASON_ext_header : MR_REASON_not_udp;
	ret->is_v6 = 1;
	ret->ip_len = MR_IPV6_LEN + payload_len;
	ret->frame_len = l3_off + MR_IPV6_LEN + payload_len;
	ret->tos = (__u8)(flow >> 20);
	ret->ttl = ip->hop_limit;
	ret->flow = mr_cpu_to_be32(flow & 0xfffff);
	if (ip->next == MR_PROTO_ICMPV6) {
		ret->icmp_from = mr_addr_from_wire(&ip->src);
		return mr_parse_icmp6(l3 + MR_IPV6_LEN, end, payload_len, ret);
	}
	ret->src = mr_addr_from_wire(&ip->src);
	ret->dst = mr_addr_from_wire(&ip->dst);
	return mr_parse_udp(l3 + MR_IPV6_LEN, end, l3_off + MR_IPV6_LEN, payload_len, ret);
}

/** The strict way, step by step: `ret` is zeroed. */
mr_inline enum mr_reason mr_parse_any(
	const void *data, const void *end, __u32 len, struct mr_packet *ret)
{
	const struct mr_eth *eth = data;
	__u32 l3_off = MR_ETH_LEN;
	__be16 type;

	if (data + MR_ETH_LEN > end || len < MR_ETH_LEN)
		return MR_REASON_truncated;
	type = eth->type;
	if (type == mr_cpu_to_be16(MR_ETH_8021Q)) {
		const struct mr_vlan *vlan = data + MR_ETH_LEN;

		if (data + MR_ETH_LEN + MR_VLAN_LEN > end || len < MR_ETH_LEN + MR_VLAN_LEN)
			return MR_REASON_truncated;
		ret->vlan_tci = mr_be16_to_cpu(vlan->tci);
		type = vlan->type;
		l3_off = MR_ETH_LEN + MR_VLAN_LEN;
		if (type == mr_cpu_to_be16(MR_ETH_8021Q))
			return MR_REASON_vlan_stack;
	}
	if (type == mr_cpu_to_be16(MR_ETH_IPV4))
		return mr_parse_ipv4(data + l3_off, end, l3_off, len, ret);
	if (type == mr_cpu_to_be16(MR_ETH_IPV6))
		return mr_parse_ipv6(data + l3_off, end, l3_off, len, ret);
	return type == mr_cpu_to_be16(MR_ETH_8021AD) ? MR_REASON_vlan_stack : MR_REASON_not_ip;
}

/** Up to the UDP payload of an untagged frame with IPv4 and no options. */
#define MR_PLAIN_LEN (MR_ETH_LEN + MR_IPV4_LEN + MR_UDP_LEN)

/** True if it is such a frame and no fragment: what tells so lies in two words of the frame. */
mr_inline bool mr_is_plain(const void *data)
{
	const struct mr_wide_word *type = data + MR_ETH_LEN - 2; /* version, length, TOS follow */
	const struct mr_wide_word *frag = data + MR_ETH_LEN + 6; /* TTL, protocol follow */

	return !(((type->w ^ mr_cpu_to_be32(MR_ETH_IPV4 << 16 | 0x4500)) &
			 mr_cpu_to_be32(0xffffff00)) |
		((frag->w ^ mr_cpu_to_be32(MR_PROTO_UDP)) &
			mr_cpu_to_be32((MR_IPV4_MF | MR_IPV4_OFFSET) << 16 | 0xff)));
}

/**
 * Parses what nearly every datagram is: plain, long enough for mosh, nothing wrong with it. False
 * says no more than that, and leaves anything in `ret`: mr_parse_any() parses it or finds the
 * reason, by rules that this one must not be laxer than.
 */
mr_inline bool mr_parse_plain(const void *data, const void *end, __u32 len, struct mr_packet *ret)
{
	const struct mr_ipv4 *ip = data + MR_ETH_LEN;
	const struct mr_udp *udp = data + MR_ETH_LEN + MR_IPV4_LEN;
	const struct mr_nonce *nonce = data + MR_PLAIN_LEN;
	__u32 ip_len, udp_len;

	if (data + MR_PLAIN_LEN + 8 > end || !mr_is_plain(data))
		return false;
	ip_len = mr_be16_to_cpu(ip->len);
	udp_len = mr_be16_to_cpu(udp->len);
	if (udp_len < MR_UDP_LEN + MR_MOSH_MIN_LEN || MR_IPV4_LEN + udp_len != ip_len ||
		MR_ETH_LEN + ip_len > len || !mr_csum_ipv4_ok(ip))
		return false;
	ret->src = mr_addr_from_v4(ip->src);
	ret->dst = mr_addr_from_v4(ip->dst);
	ret->sport = udp->sport;
	ret->dport = udp->dport;
	ret->flow = 0;
	ret->vlan_tci = 0;
	ret->header_len = MR_PLAIN_LEN;
	ret->payload_len = (__u16)(udp_len - MR_UDP_LEN);
	ret->udp_csum = udp->csum;
	ret->frame_len = MR_ETH_LEN + ip_len;
	ret->ip_len = ip_len;
	ret->kind = MR_PACKET_UDP;
	ret->is_v6 = 0;
	ret->tos = ip->tos;
	ret->ttl = ip->ttl;
	ret->ip_id = ip->id;
	ret->frag = ip->frag;
	ret->ip_csum = ip->csum;
	ret->icmp_type = 0;
	ret->icmp_code = 0;
	ret->icmp_mtu = 0;
	ret->nonce = mr_parse_nonce(nonce);
	return !mr_source_is_bad(ret);
}

/**
 * Parses the frame that starts at `data`.
 *
 * @param end   end of what can be read in place; headers must lie before it
 * @param len   octets of the whole frame, which may go on elsewhere (multi-buffer, segments)
 * @param ret   written whole; filled in as far as parsing comes
 * @return MR_PARSED, or a reason whose verdict is PASS
 */
mr_inline enum mr_reason mr_parse(
	const void *data, const void *end, __u32 len, struct mr_packet *ret)
{
	if (mr_likely(mr_parse_plain(data, end, len, ret)))
		return MR_PARSED;
	*ret = (struct mr_packet){0};
	return mr_parse_any(data, end, len, ret);
}

#endif
