/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route_cache.h - for a moment, by which way targets are reached: many sessions are opened to one
 * host, and each look-up costs up to three requests to the kernel.
 *
 * Owns copies of the kernel's answers, a fixed number of them. An answer is believed until links,
 * addresses or routes change, and no longer than MR_ROUTE_CACHE_TTL_NS, for what makes no event (a
 * sysctl). Refusals are not kept.
 */
#ifndef MR_CONTROL_ROUTE_CACHE_H
#define MR_CONTROL_ROUTE_CACHE_H

#include "routes.h"

/** Answers kept: a newer one takes the place of an older one with the same hash. */
#define MR_ROUTE_CACHE_SIZE   4096
#define MR_ROUTE_CACHE_TTL_NS 1000000000ull

struct mr_route_cache;

/** 0, -ENOMEM, or -ENOSPC: too many listen to `netlink`. */
int mr_route_cache_open(struct mr_netlink *netlink, struct mr_route_cache **ret_cache);

/** NULL is allowed. `netlink` must still be there. */
void mr_route_cache_close(struct mr_route_cache *cache);

/**
 * The kept answer about `target`, asked for with the own address `source` (zero: any), if there is
 * one. Reads events that wait before it says so: a change that was made before this call counts.
 */
bool mr_route_cache_find(struct mr_route_cache *cache, const struct mr_addr *target,
	const struct mr_addr *source, struct mr_route *ret_route);

/** Keeps an answer that was asked for just now. */
void mr_route_cache_keep(struct mr_route_cache *cache, const struct mr_addr *target,
	const struct mr_addr *source, const struct mr_route *route);

#endif
