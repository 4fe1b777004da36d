/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * neigh.h - keeps link addresses of next hops known to the kernel, for the packet path reads them
 * there and, unlike the kernel's own output, never makes it ask.
 *
 * Owns the marks it puts on neighbour entries: managed (kernel 5.16 on; the kernel then probes by
 * itself) or, before that, NTF_USE again and again from a timer. They are taken off again when the
 * last user drops the destination. Entries that an administrator made permanent are left alone.
 */
#ifndef MR_CONTROL_NEIGH_H
#define MR_CONTROL_NEIGH_H

#include "netlink.h"

/** Distinct destinations kept at most; beyond, keep() is refused with -ENOSPC. */
#define MR_NEIGH_MAX 131072

struct mr_neigh;

/**
 * Needs CAP_NET_ADMIN for as long as it lives. Keeps the gateways of the default routes from now
 * on: most clients are behind them.
 * `manage`: false forces the way of old kernels (for tests), true finds out.
 */
int mr_neigh_open(
	uv_loop_t *loop, struct mr_netlink *netlink, bool manage, struct mr_neigh **ret_neigh);

/**
 * Un-marks everything if `unmark`, frees. A daemon that leaves XDP forwarding behind leaves the
 * marks as well; one that detaches takes them off. NULL is allowed.
 */
void mr_neigh_close(struct mr_neigh *neigh, bool unmark);

/**
 * Resolve the next hop to `dst` now and keep it resolved, whichever way it is routed later on.
 * Counted: as many drop() as keep(). For targets from open to close, for clients while their leg
 * is the current one. -ENETUNREACH (no route just now) is not a failure: the destination is kept
 * and tried again when routes change, and 0 is returned.
 * \return 0, -ENOSPC, -ENOMEM.
 */
int mr_neigh_keep(struct mr_neigh *neigh, const struct mr_addr *dst);

/** The same, but that it is resolved within seconds and not now: for thousands at once. */
int mr_neigh_keep_soon(struct mr_neigh *neigh, const struct mr_addr *dst);
void mr_neigh_drop(struct mr_neigh *neigh, const struct mr_addr *dst);

/**
 * Make the kernel resolve (NTF_USE) the next hop `addr` on `ifindex`, as MR_EVENT_NO_NEIGHBOUR
 * names them: `addr` may be the next hop or the final destination; ifindex 0: by route. At most
 * once a second for each, and MR_NEIGH_RESOLVE_RATE a second in all; what is over is ignored, the
 * next packet asks again.
 */
#define MR_NEIGH_RESOLVE_RATE 500
void mr_neigh_resolve(struct mr_neigh *neigh, uint32_t ifindex, const struct mr_addr *addr);

/**
 * A kept destination is suspected not to answer any more: have the kernel ask its next hop now,
 * rather than when it ages (some 45 s). At most once in 5 s for each next hop; a destination that
 * isn't kept is ignored.
 */
void mr_neigh_verify(struct mr_neigh *neigh, const struct mr_addr *dst);

/** The state of the next hop to a destination, for doctor and `show`. */
struct mr_neigh_state {
	uint32_t ifindex;
	struct mr_addr next_hop;
	uint16_t nud; /* NUD_...; 0: no entry */
	bool valid;   /* the packet path could use it now */
	bool managed;
	uint8_t mac[6];
};

/** Asks the kernel. -ENETUNREACH: no route; 0 with nud 0: no entry. Needs no privilege. */
int mr_neigh_state_get(
	struct mr_netlink *netlink, const struct mr_addr *dst, struct mr_neigh_state *ret_state);

/** Is the kernel doing the probing (5.16 on), or we? */
bool mr_neigh_managed(const struct mr_neigh *neigh);

/** Distinct destinations, and distinct neighbour entries kept for them. */
void mr_neigh_counts(const struct mr_neigh *neigh, size_t *ret_destinations, size_t *ret_entries);

#endif
