/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * rewrite.h - the new headers of a packet, built whole from what was parsed and where it goes.
 *
 * The caller asks mr_rewrite_check(), moves the frame's start by the difference of the header
 * lengths, and has mr_rewrite() write the headers there. Nothing of the old headers is read again,
 * so they may be overwritten; where their length stays the same they must not be: some of them
 * stay. The payload is never touched.
 */
#ifndef MR_CORE_REWRITE_H
#define MR_CORE_REWRITE_H

#include "decide.h"

/** Octets of the new headers, Ethernet to UDP. */
mr_inline __u32 mr_rewrite_len(const struct mr_route *r)
{
	return MR_ETH_LEN + (r->nh.vlan ? MR_VLAN_LEN : 0) +
		(mr_addr_is_v4(&r->dst) ? MR_IPV4_LEN : MR_IPV6_LEN) + MR_UDP_LEN;
}

/** Octets of the new IP packet. */
mr_inline __u32 mr_rewrite_ip_len(const struct mr_packet *p, const struct mr_route *r)
{
	return (mr_addr_is_v4(&r->dst) ? MR_IPV4_LEN : MR_IPV6_LEN) + MR_UDP_LEN + p->payload_len;
}

/** True if a UDP checksum has to be made, because IPv6 knows no datagrams without one (RFC 8200).
 */
mr_inline bool mr_rewrite_needs_sum(const struct mr_packet *p, const struct mr_route *r)
{
	return !p->udp_csum && !p->is_v6 && !mr_addr_is_v4(&r->dst);
}

/** The last reason not to send: asked before the first octet changes. to_target if there is none.
 */
mr_inline enum mr_reason mr_rewrite_check(const struct mr_packet *p, const struct mr_route *r)
{
	if (mr_rewrite_ip_len(p, r) > r->nh.mtu)
		return MR_REASON_too_big;
	return MR_REASON_to_target;
}

/** Sum over addresses and ports: what a relayed datagram's checksum covers that changes. */
mr_inline __u64 mr_endpoints_sum(
	const struct mr_addr *src, const struct mr_addr *dst, __be16 sport, __be16 dport)
{
	return mr_csum_addr(src) + mr_csum_addr(dst) + sport + dport;
}

/**
 * The new UDP checksum as it goes on the wire.
 *
 * The pseudo-headers of IPv4 and IPv6 (RFC 768; RFC 8200, 8.1) add up to the same but for the
 * addresses, so translation needs no more than the change of addresses and ports.
 *
 * @param payload_sum  sum over the payload, used if mr_rewrite_needs_sum()
 */
mr_inline __u16 mr_rewrite_udp_csum(
	const struct mr_packet *p, const struct mr_route *r, __u64 payload_sum)
{
	__u64 new_sum = mr_endpoints_sum(&r->src, &r->dst, r->sport, r->dport);
	__be16 len = mr_cpu_to_be16((__u16)(MR_UDP_LEN + p->payload_len));

	if (mr_rewrite_needs_sum(p, r)) {
		new_sum += payload_sum + len + len + mr_cpu_to_be16(MR_PROTO_UDP);
		return mr_csum_udp_wire((__u16)~mr_csum_fold(new_sum));
	}
	if (!p->udp_csum)
		return 0;
	return mr_csum_udp_wire(mr_csum_update(
		p->udp_csum, mr_endpoints_sum(&p->src, &p->dst, p->sport, p->dport), new_sum));
}

mr_inline void mr_rewrite_macs(struct mr_eth *eth, const struct mr_route *r)
{
	for (int i = 0; i < 3; i++)
		eth->macs[i] = r->nh.macs[i];
}

mr_inline void mr_rewrite_udp(
	struct mr_udp *udp, const struct mr_packet *p, const struct mr_route *r, __u16 csum)
{
	udp->sport = r->sport;
	udp->dport = r->dport;
	udp->len = mr_cpu_to_be16((__u16)(MR_UDP_LEN + p->payload_len));
	udp->csum = csum;
}

/**
 * IPv4 to IPv4 keeps identification and flags, and updates the checksum. From IPv6 the rules are
 * those of RFC 7915, 5.1: DF above 1260 octets, else an identification that fragments can be told
 * apart by, for which the datagram's own sequence number serves.
 */
mr_inline void mr_rewrite_ipv4(
	struct mr_ipv4 *ip, const struct mr_packet *p, const struct mr_route *r)
{
	__u32 len = mr_rewrite_ip_len(p, r);
	__be16 ttl_proto = mr_cpu_to_be16((__u16)((p->ttl - 1) << 8 | MR_PROTO_UDP));
	__u64 sum = (__u64)r->src.w[3] + r->dst.w[3] + ttl_proto;

	ip->version_ihl = 0x45;
	ip->tos = p->tos;
	ip->len = mr_cpu_to_be16((__u16)len);
	ip->ttl = (__u8)(p->ttl - 1);
	ip->proto = MR_PROTO_UDP;
	ip->src = r->src.w[3];
	ip->dst = r->dst.w[3];
	if (!p->is_v6) {
		__be16 old_ttl_proto = mr_cpu_to_be16((__u16)(p->ttl << 8 | MR_PROTO_UDP));

		ip->id = p->ip_id;
		ip->frag = p->frag;
		ip->csum = mr_csum_update(
			p->ip_csum, (__u64)p->src.w[3] + p->dst.w[3] + old_ttl_proto, sum);
		return;
	}
	__be16 id = len > 1260 ? 0 : mr_cpu_to_be16((__u16)p->nonce);
	__be16 frag = len > 1260 ? mr_cpu_to_be16(MR_IPV4_DF) : 0;

	ip->id = id;
	ip->frag = frag;
	sum += mr_cpu_to_be16((__u16)(0x4500 | p->tos)) + mr_cpu_to_be16((__u16)len) + id + frag;
	ip->csum = (__u16)~mr_csum_fold(sum);
}

mr_inline void mr_rewrite_ipv6(
	struct mr_ipv6 *ip, const struct mr_packet *p, const struct mr_route *r)
{
	ip->flow = mr_cpu_to_be32(6U << 28 | (__u32)p->tos << 20) | p->flow;
	ip->payload_len = mr_cpu_to_be16((__u16)(MR_UDP_LEN + p->payload_len));
	ip->next = MR_PROTO_UDP;
	ip->hop_limit = (__u8)(p->ttl - 1);
	for (int i = 0; i < 4; i++) {
		ip->src.w[i] = r->src.w[i];
		ip->dst.w[i] = r->dst.w[i];
	}
}

/**
 * True for a plain frame (see parse.h) that goes out as one, and that fits: nothing has to be done
 * to it but mr_rewrite_plain().
 *
 * @param len  octets of the frame: there is no padding to cut off
 */
mr_inline bool mr_rewrite_is_plain(const struct mr_packet *p, const struct mr_route *r, __u32 len)
{
	return p->header_len == MR_PLAIN_LEN && p->frame_len == len && !r->nh.vlan &&
		mr_addr_is_v4(&r->dst) && p->ip_len <= r->nh.mtu;
}

/** Changes in place what changes in a plain frame: what mr_rewrite() makes of it, for less. */
mr_inline bool mr_rewrite_plain(
	void *data, const void *end, const struct mr_packet *p, const struct mr_route *r)
{
	struct mr_eth *eth = data;
	struct mr_ipv4 *ip = data + MR_ETH_LEN;
	struct mr_udp *udp = data + MR_ETH_LEN + MR_IPV4_LEN;
	__u64 old_sum = (__u64)p->src.w[3] + p->dst.w[3];
	__u64 new_sum = (__u64)r->src.w[3] + r->dst.w[3];

	if (data + MR_PLAIN_LEN > end)
		return false;
	mr_rewrite_macs(eth, r);
	ip->ttl = (__u8)(p->ttl - 1);
	ip->csum = mr_csum_update(p->ip_csum, old_sum + mr_cpu_to_be16(0x100), new_sum);
	ip->src = r->src.w[3];
	ip->dst = r->dst.w[3];
	udp->sport = r->sport;
	udp->dport = r->dport;
	if (p->udp_csum)
		udp->csum = mr_csum_udp_wire(mr_csum_update(
			p->udp_csum, old_sum + p->sport + p->dport, new_sum + r->sport + r->dport));
	return true;
}

/**
 * Writes the new headers at `data`, mr_rewrite_len() octets.
 *
 * @param end          end of what can be written in place
 * @param payload_sum  sum over the payload, if mr_rewrite_needs_sum()
 * @return false if the headers don't fit before `end`; the frame must be dropped then
 */
mr_inline bool mr_rewrite(void *data, const void *end, const struct mr_packet *p,
	const struct mr_route *r, __u64 payload_sum)
{
	bool v4 = mr_addr_is_v4(&r->dst);
	__u16 csum = mr_rewrite_udp_csum(p, r, payload_sum);
	__be16 type = mr_cpu_to_be16(v4 ? MR_ETH_IPV4 : MR_ETH_IPV6);
	struct mr_eth *eth = data;
	void *l3 = data + MR_ETH_LEN;

	if (data + MR_ETH_LEN + MR_VLAN_LEN > end)
		return false;
	mr_rewrite_macs(eth, r);
	eth->type = type;
	if (r->nh.vlan) {
		struct mr_vlan *vlan = data + MR_ETH_LEN;

		eth->type = mr_cpu_to_be16(MR_ETH_8021Q);
		vlan->tci = mr_cpu_to_be16(
			(__u16)(r->nh.vlan | (p->vlan_tci & (__u16)~MR_VLAN_VID_MASK)));
		vlan->type = type;
		l3 += MR_VLAN_LEN;
	}
	if (v4) {
		if (l3 + MR_IPV4_LEN + MR_UDP_LEN > end)
			return false;
		mr_rewrite_ipv4(l3, p, r);
		mr_rewrite_udp(l3 + MR_IPV4_LEN, p, r, csum);
	} else {
		if (l3 + MR_IPV6_LEN + MR_UDP_LEN > end)
			return false;
		mr_rewrite_ipv6(l3, p, r);
		mr_rewrite_udp(l3 + MR_IPV6_LEN, p, r, csum);
	}
	return true;
}

#endif
