/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mirror.h - reads the kernel's routing and neighbours by netlink, and hears of changes.
 *
 * Owns the two netlink sockets. What is read becomes a snapshot (routes.h) that control.c
 * publishes.
 */
#ifndef MR_DPDK_MIRROR_H
#define MR_DPDK_MIRROR_H

#include "routes.h"

struct mr_mirror;

enum mr_mirror_change {
	MR_MIRROR_ROUTES = 1 << 0, /* routes, rules, links */
	MR_MIRROR_NEIGHBOURS = 1 << 1,
};

int mr_mirror_open(struct mr_mirror **ret_mirror, struct mr_why *ret_why);
void mr_mirror_close(struct mr_mirror *mirror);

/** Readable when something has changed. */
int mr_mirror_fd(const struct mr_mirror *mirror);

/** Takes what waits; returns which kinds changed (enum mr_mirror_change), all if news was lost. */
unsigned mr_mirror_drain(struct mr_mirror *mirror);

/** Reads the kernel's tables; -errno of the kernel. `ret_tables` is the caller's to clear. */
int mr_mirror_read_routes(struct mr_mirror *mirror, struct mr_kernel_tables *ret_tables);
int mr_mirror_read_neighbours(struct mr_mirror *mirror, struct mr_kernel_tables *ret_tables);

#endif
