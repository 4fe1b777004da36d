/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - what the daemon needs of its host before it starts: directories, the lock, limits, and
 * the interfaces and addresses that the configuration leaves to it.
 */
#ifndef MR_CONTROL_HOST_H
#define MR_CONTROL_HOST_H

#include "config.h"
#include "netlink.h"
#include "route_cache.h"
#include "sessions.h"

/**
 * Makes run and state directory where they are missing, parents included, and takes the lock of
 * the run directory: `*ret_lock_fd` holds it. -EBUSY: another daemon has it.
 */
int mr_host_prepare(const struct mr_config *config, int *ret_lock_fd, struct mr_why *ret_why);

/**
 * Raises the limits of open files and locked memory to what the configuration can need.
 * \return 0; 1: only to less than that, and `ret_why` says so; -errno.
 */
int mr_host_raise_limits(const struct mr_config *config, struct mr_why *ret_why);

/**
 * Fills in what the configuration leaves open: interfaces (that of the default route) and the
 * first pool's addresses (those of the interfaces), and checks that the named ones exist.
 */
int mr_host_complete(
	struct mr_config *config, const struct mr_netlink *netlink, struct mr_why *ret_why);

/**
 * The interfaces to attach to: those of the configuration, VLAN devices replaced by what carries
 * them, each once.
 */
int mr_host_carriers(const struct mr_config *config, const struct mr_netlink *netlink,
	struct mr_strv *ret_names, struct mr_why *ret_why);

/** What mr_host_route() works on. */
struct mr_host_routes {
	struct mr_netlink *netlink;
	struct mr_route_cache *cache;
	struct mr_strv carriers; /* that the dataplane is attached to */
};

/** mr_session_route_fn; `context` is a struct mr_host_routes. */
int mr_host_route(void *context, const struct mr_addr *target, const struct mr_addr *prefer,
	struct mr_addr *ret_upstream, struct mr_why *ret_why);

/**
 * The ways by which answers from `target` to the own address `upstream` may come in, if there are
 * several; all zero, if there is one alone or none.
 */
void mr_host_ways(const struct mr_host_routes *routes, const struct mr_addr *target,
	const struct mr_addr *upstream, struct mr_ways *ret_ways);

#endif
