/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * session.h - the tables: sessions, their leg slots, the keys that lead to them.
 *
 * One definition for the BPF program, the DPDK workers and the daemon. The records lie in pinned
 * maps that outlive the daemon, so a change of layout is a change of MR_LAYOUT_VERSION.
 *
 * Who writes what: a record is written whole by the daemon before any key leads to it; from then on
 * the packet path owns everything under `lock`, and the daemon reads, until it clears
 * MR_SESSION_OPEN at the end. Keys are written by the daemon alone.
 */
#ifndef MR_CORE_SESSION_H
#define MR_CORE_SESSION_H

#include "compat.h"

#define MR_LAYOUT_VERSION 3

/** Leg slots of a session, and so the size of a block of upstream ports. */
#define MR_LEGS       16
#define MR_LEG_SHIFT  4
#define MR_NO_SLOT    0xff
#define MR_PUBLIC_MAX 64 /* public addresses of one daemon */

/**
 * An IPv6 address, or an IPv4 address mapped into ::ffff:0:0/96 (RFC 4291, 2.5.5.2). Moved and
 * compared by halves: BPF code has no wider words, and the verifier half as many to follow.
 */
struct mr_addr {
	union {
		__be32 w[4];
		__u64 half[2];
	};
};

/**
 * Key of both tables that lead to a session.
 * Clients' side: a public address, the port in network byte order, block 0.
 * Targets' side: the target's address and port, block = upstream port / MR_LEGS.
 */
struct mr_key {
	struct mr_addr addr;
	__be16 port;
	__u16 block; /* host byte order */
	__u8 pad[4];
};

/** What a key leads to. */
struct mr_ref {
	__u32 index;       /* into the array of sessions */
	__u32 public_slot; /* clients' side: into the array of public addresses; else 0 */
};

/** How to reach the next hop; a copy of what the kernel's routing said at `generation`. */
struct mr_next_hop {
	union {
		struct {
			__u8 dmac[6];
			__u8 smac[6];
		};
		__u32 macs[3]; /* as in a frame */
	};
	__u16 vlan;            /* VLAN identifier to send with, host byte order, 0: untagged */
	__u16 mtu;             /* octets of IP packet */
	__u32 generation;      /* 0: never resolved */
	__u32 ifindex;         /* the interface that carries the frame, below any VLAN device */
} __attribute__((aligned(8))); /* moved by eight octets, and no field lies in two of them */

/** One direction's counts, read off datagrams and their nonces. */
struct mr_flow_stats {
	__u64 datagrams;
	__u64 bytes; /* UDP payload */
	__u64 lost;  /* missing on the way to the relay */
	__u64 reordered;
};

enum mr_leg_state {
	MR_LEG_EMPTY,
	MR_LEG_UNPROVEN, /* claimed by a datagram */
	MR_LEG_PROVEN,   /* the target has answered on it */
};

/**
 * One client transport address on a session. Its upstream port is the session's base + the slot.
 * While a leg is the current one, its times and sequence number live in the session's hot lines and
 * the copies here are stale: read legs through mr_session_leg().
 */
struct mr_leg {
	struct mr_addr addr; /* the client's address */
	__be16 port;
	__u8 state;       /* enum mr_leg_state */
	__u8 public_slot; /* the public address that the client sends to, and is answered from */
	__u32 datagrams;  /* from the client, since the claim, until the leg is proven */
	__u64 claimed_ns; /* all times: CLOCK_MONOTONIC */
	__u64 client_ns;  /* last datagram from the client */
	__u64 target_ns;  /* last datagram from the target, 0: none */
	__u64 next_seq;   /* newest plausible sequence number from the client + 1, 0: none */
};

enum mr_session_flags {
	MR_SESSION_OPEN = 1 << 0, /* cleared under the lock when the session is closed */
	MR_SESSION_HINT = 1 << 1, /* slot 0 is kept for the address in `hint` */
};

/**
 * A session. Both directions read the first two groups of 64 octets, each writes one more. `id`
 * stands before them because a value in a BPF array starts 8 octets before a cache line, on today's
 * kernels.
 */
struct mr_session {
	__u64 id; /* unique across hosts and restarts, never 0 */

	/* what both directions read */
	struct bpf_spin_lock lock; /* everything below, once a key leads here */
	__u8 flags;                /* enum mr_session_flags */
	__u8 current;              /* slot of the current leg, MR_NO_SLOT: none yet */
	__be16 public_port;
	__be16 target_port;
	__be16 client_port;      /* of the current leg */
	__u16 upstream_base;     /* first upstream port of the block, host byte order */
	__u8 client_public;      /* public_slot of the current leg */
	__u8 scratch;            /* mr_slot_forget() */
	struct mr_addr target;   /* target endpoint's address */
	struct mr_addr upstream; /* the bastion's own address towards the target */
	struct mr_addr client;   /* of the current leg */

	struct mr_next_hop to_target;
	struct mr_next_hop to_client; /* of the current leg */
	__u32 rtt_us;  /* from a claim to the target's first answer, 0: not known yet */
	__u32 version; /* of what is above here; odd while it changes: see quick.h */
	__u8 pad0[8];

	/* client to target */
	struct mr_flow_stats from_client;
	__u64 client_seq;  /* newest sequence number on the current leg + 1 */
	__u64 client_last; /* of the last datagram on it + 1: smaller when that one was late */
	__u64 client_ns;   /* last datagram from the client on the current leg */
	__u8 pad1[8];

	/* target to client */
	struct mr_flow_stats from_target;
	__u64 target_seq; /* newest sequence number from the target + 1 */
	__u64 target_ns;  /* last datagram from the target on the current leg */
	__u64 proven_seq; /* the client's, as proven by an answer, + 1; 0: not known */
	__u64 proven_ns;  /* last datagram from the target on any leg */

	/* a stranger's datagram reads these */
	struct mr_addr hint;
	struct mr_leg legs[MR_LEGS];

	/* rarely */
	__u64 claims; /* slots taken */
	__u64 roams;  /* changes of the current leg, the first one not counted */
	__u64 opened_ns;
	__u8 pad2[16];
};

/** Where an interface index of the kernel's routing leads: VLAN devices to what carries them. */
struct mr_link {
	__u32 ifindex; /* of the interface that carries the frames */
	__u16 vlan;    /* VLAN identifier, host byte order, 0: the interface itself */
	__u16 flags;   /* enum mr_link_flags */
};

#define MR_WAYS_MAX 8 /* ways of a multipath route that answers may come by; others are refused */

/** By which interface, and under which tag, a target is reached. */
struct mr_way {
	__u32 ifindex; /* as in struct mr_next_hop; 0: no further way */
	__u16 vlan;    /* host byte order, 0: untagged */
	__u16 pad;
};

/** All the ways to a target, where there are several. */
struct mr_ways {
	struct mr_way way[MR_WAYS_MAX];
};

/** Key of the table of ways: routes may depend on the own address, too. */
struct mr_ways_key {
	struct mr_addr target;
	struct mr_addr upstream;
};

enum mr_link_flags {
	MR_LINK_USED = 1 << 0,          /* the dataplane is attached to it */
	MR_LINK_VLAN_STRIPPED = 1 << 1, /* it may take tags off before the dataplane sees frames */
};

_Static_assert(sizeof(struct mr_addr) == 16, "layout");
_Static_assert(sizeof(struct mr_key) == 24, "layout");
_Static_assert(sizeof(struct mr_ref) == 8, "layout");
_Static_assert(sizeof(struct mr_next_hop) == 24, "layout");
_Static_assert(sizeof(struct mr_flow_stats) == 32, "layout");
_Static_assert(sizeof(struct mr_leg) == 56, "layout");
_Static_assert(sizeof(struct mr_ways) == 64 && sizeof(struct mr_ways_key) == 32, "layout");
_Static_assert(sizeof(struct mr_link) == 8, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, lock) == 8, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, to_target) == 8 + 64, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, from_client) == 8 + 128, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, from_target) == 8 + 192, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, hint) == 8 + 256, "layout");
_Static_assert(__builtin_offsetof(struct mr_session, legs) == 280, "layout");
_Static_assert(sizeof(struct mr_session) == 19 * 64, "layout");

mr_inline bool mr_addr_equal(const struct mr_addr *a, const struct mr_addr *b)
{
	return !((a->half[0] ^ b->half[0]) | (a->half[1] ^ b->half[1]));
}

mr_inline struct mr_addr mr_addr_from_v4(__be32 v4)
{
	return (struct mr_addr){.w = {0, 0, mr_cpu_to_be32(0xffff), v4}};
}

mr_inline bool mr_addr_is_v4(const struct mr_addr *a)
{
	return !(a->half[0] | (a->w[2] ^ mr_cpu_to_be32(0xffff)));
}

/** Key of the clients' side. */
mr_inline struct mr_key mr_key_public(const struct mr_addr *addr, __be16 port)
{
	return (struct mr_key){.addr = *addr, .port = port};
}

/** Key of the targets' side; `upstream_port` in host byte order. */
mr_inline struct mr_key mr_key_target(const struct mr_addr *addr, __be16 port, __u16 upstream_port)
{
	return (struct mr_key){
		.addr = *addr,
		.port = port,
		.block = (__u16)(upstream_port >> MR_LEG_SHIFT),
	};
}

/**
 * Around what changes where datagrams go, under the lock: whoever reads without it (quick.h) sees
 * an odd version, or another one than before.
 */
mr_inline void mr_session_change(struct mr_session *s)
{
	mr_write_once(s->version, s->version + 1);
	mr_compiler_barrier();
}

mr_inline void mr_session_changed(struct mr_session *s)
{
	mr_compiler_barrier();
	mr_write_once(s->version, s->version + 1);
}

/** A leg as it is now: for the current one, with what lies in the session's hot lines. */
mr_inline void mr_session_leg(const struct mr_session *s, __u32 slot, struct mr_leg *ret)
{
	*ret = s->legs[slot & (MR_LEGS - 1)];
	if (slot == s->current) {
		ret->client_ns = s->client_ns;
		ret->target_ns = s->target_ns;
		ret->next_seq = s->client_seq;
	}
}

#endif
