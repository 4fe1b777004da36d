/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * event.h - what the packet path tells the daemon: rare things, each kind under its own rate limit.
 *
 * An event is news, never the only record of a fact: what the daemon must know it can read from the
 * tables, because any event may be suppressed under load.
 */
#ifndef MR_CORE_EVENT_H
#define MR_CORE_EVENT_H

#include "session.h"

enum mr_event_kind {
	MR_EVENT_LEG,    /* an unknown source took a slot */
	MR_EVENT_PROVEN, /* the target answered on a leg for the first time */
	MR_EVENT_ROAMED, /* another leg became the current one (comes after PROVEN, if both) */
	MR_EVENT_NO_NEIGHBOUR, /* the kernel has no link address for `addr` on `ifindex` */
	MR_EVENT_NO_ROUTE,     /* `addr` can't be reached; `detail` is the BPF_FIB_LKUP_RET_ code,
				* or MR_DETAIL_NO_DEVICE: it can, by `ifindex`, which isn't used */
	MR_EVENT_TOO_BIG,      /* a datagram of `detail` octets was over the next hop's MTU */
	MR_EVENT_ICMP,         /* an ICMP error about U:u -> T:t: a hint, anybody can forge one */
	MR_EVENT_KINDS
};

struct mr_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 session_id;
	__u32 index;
	__u16 kind; /* enum mr_event_kind */
	__u8 slot;
	__u8 pad0;
	struct mr_addr
		addr;   /* LEG, PROVEN, ROAMED: the client; NO_*: whom it was for; ICMP: sender */
	__be16 port;    /* LEG, PROVEN, ROAMED: the client's */
	__u8 icmp_type; /* as on the wire; which ICMP it is follows from the upstream address */
	__u8 icmp_code;
	__u32 ifindex;
	__u32 detail; /* ICMP: the MTU of "fragmentation needed"/"packet too big"; others: above */
	__u8 pad1[4];
	__u8 payload[8]; /* ICMP: first octets of the UDP payload that it quotes, zero where it ends
			  */
};

_Static_assert(sizeof(struct mr_event) == 64, "layout");

#define MR_DETAIL_NO_DEVICE (~0U)

/** Events a second of one kind (and that many at once); what is over is counted, not queued. */
#define MR_EVENT_RATE 1000

#endif
