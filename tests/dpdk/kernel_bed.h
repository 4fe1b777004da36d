/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel_bed.h - what a kernel might say of its routes, rules and links, put together by hand, and
 * what a snapshot of it answers. Each test starts with nothing in it.
 */
#ifndef MR_TESTS_DPDK_KERNEL_BED_H
#define MR_TESTS_DPDK_KERNEL_BED_H

#include "routes.h"

#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

/** What the kernel says. */
extern struct mr_kernel_tables k;

/** DPDK is started, and the tables are empty; and ended again. */
void kernel_set_up(void);
void kernel_tear_down(void);

struct mr_addr addr(const char *text);

/**
 * One more of its kind, which the test may change until the next one is added.
 * `prefix`: "ADDRESS/BITS", on-link by that interface; `family`: AF_INET or AF_INET6.
 */
struct mr_kernel_route *add_route(uint32_t table, const char *prefix, uint32_t ifindex);
struct mr_kernel_rule *add_rule(int family, uint32_t priority, uint32_t table);
struct mr_kernel_link *add_link(uint32_t ifindex);

/** Links 1 to `last`. */
void add_links(uint32_t last);

/** A neighbour whose link address ends in `mac`. */
void add_neighbour(uint32_t ifindex, const char *address, uint8_t mac);

/** A snapshot of the routes, rules and links. */
struct mr_routes *build(void);

/** From the bastion's port 61008 to port 60001 of `dst`. */
struct mr_flow flow_to(const char *dst);

/** The interface that a lookup leads to, or minus the reason that there is none. */
int way_of(const struct mr_routes *r, const struct mr_flow *flow);
int way_to(const struct mr_routes *r, const char *dst);

#endif
