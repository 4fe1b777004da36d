/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * wire.h - headers as they lie in a frame: Ethernet, 802.1Q, IPv4, IPv6, UDP, ICMP errors, mosh.
 *
 * Own definitions rather than the UAPI's, without bit-fields (which follow the host's byte order)
 * and with address words that a BPF program can load whole. Sizes are the MR_*_LEN, never sizeof.
 */
#ifndef MR_CORE_WIRE_H
#define MR_CORE_WIRE_H

#include "compat.h"

#define MR_ETH_LEN  14
#define MR_VLAN_LEN 4
#define MR_IPV4_LEN 20
#define MR_IPV6_LEN 40
#define MR_UDP_LEN  8
#define MR_ICMP_LEN 8

#define MR_ETH_IPV4   0x0800
#define MR_ETH_IPV6   0x86dd
#define MR_ETH_8021Q  0x8100
#define MR_ETH_8021AD 0x88a8

#define MR_VLAN_VID_MASK 0x0fff

#define MR_PROTO_ICMP   1
#define MR_PROTO_UDP    17
#define MR_PROTO_ICMPV6 58

struct mr_eth {
	__u32 macs[3]; /* destination, source: moved as three words, never looked at */
	__be16 type;
} mr_wire;

struct mr_vlan {
	__be16 tci;
	__be16 type; /* of what follows */
} mr_wire;

struct mr_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 len;
	__be16 id;
	__be16 frag; /* MR_IPV4_DF, MR_IPV4_MF, offset */
	__u8 ttl;
	__u8 proto;
	__u16 csum; /* checksums stay as they lie: one's complement sums don't mind the byte order
		     */
	__be32 src;
	__be32 dst;
} mr_wire;

#define MR_IPV4_DF     0x4000
#define MR_IPV4_MF     0x2000
#define MR_IPV4_OFFSET 0x1fff

struct mr_ipv6_addr {
	__be32 w[4];
} mr_wire;

struct mr_ipv6 {
	__be32 flow; /* version, traffic class, flow label */
	__be16 payload_len;
	__u8 next;
	__u8 hop_limit;
	struct mr_ipv6_addr src;
	struct mr_ipv6_addr dst;
} mr_wire;

struct mr_udp {
	__be16 sport;
	__be16 dport;
	__be16 len;
	__u16 csum;
} mr_wire;

struct mr_icmp {
	__u8 type;
	__u8 code;
	__u16 csum;
	__be16 unused;
	__be16 mtu_v4; /* RFC 1191; ICMPv6 uses all four octets (RFC 4443, 3.2) */
} mr_wire;

/** Any two octets, for checksums. */
struct mr_word {
	__u16 w;
} mr_wire;

/** Any four octets. */
struct mr_wide_word {
	__u32 w;
} mr_wire;

/* RFC 792 */
#define MR_ICMP_UNREACH       3
#define MR_ICMP_QUENCH        4
#define MR_ICMP_TIME_EXCEEDED 11
#define MR_ICMP_PARAMETER     12
/* RFC 4443 */
#define MR_ICMPV6_UNREACH       1
#define MR_ICMPV6_TOO_BIG       2
#define MR_ICMPV6_TIME_EXCEEDED 3
#define MR_ICMPV6_PARAMETER     4

/**
 * A mosh datagram begins with the nonce of its OCB encryption in the clear (mosh,
 * src/crypto/crypto.cc and src/network/network.cc): bit 63 is the direction, the rest counts from 0
 * in each direction. Sixteen octets of authentication tag follow in any datagram that can be
 * genuine.
 */
struct mr_nonce {
	__be32 high;
	__be32 low;
} mr_wire;

#define MR_MOSH_MIN_LEN   24
#define MR_MOSH_TO_CLIENT (1ULL << 63)
#define MR_MOSH_SEQ_MASK  (~MR_MOSH_TO_CLIENT)

#endif
