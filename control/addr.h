/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h - addresses, prefixes, port ranges and endpoints in the forms that people write.
 *
 * Pure text to numbers and back: no name is looked up. Formatting of a bare address is in
 * netlink.h, mr_addr_format().
 */
#ifndef MR_CONTROL_ADDR_H
#define MR_CONTROL_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend.h"

/** Enough for "[v6]:port", "v6/128" and their NUL. */
#define MR_ADDR_TEXT_SIZE (INET6_ADDRSTRLEN + 8)

/** An address block; IPv4 blocks are of mapped addresses, so `bits` counts from 96. */
struct mr_prefix {
	struct mr_addr addr; /* bits beyond the prefix are zero */
	uint8_t bits;        /* 0-128 */
};

/** Ports from lo to hi, both included, in host byte order. */
struct mr_port_range {
	uint16_t lo, hi;
};

/** Parses a literal IPv4 or IPv6 address. A zone ("%eth0") is refused. 0 or -EINVAL. */
int mr_addr_parse(const char *text, struct mr_addr *ret_addr);

/** Parses "ADDRESS/BITS" or "ADDRESS". -EINVAL also for bits set beyond the prefix. */
int mr_prefix_parse(const char *text, struct mr_prefix *ret_prefix);

/** Writes "ADDRESS/BITS", or "ADDRESS" for a whole one. Returns `buf`. */
const char *mr_prefix_format(const struct mr_prefix *prefix, char *buf, size_t size);

/** Is the address in the block? An IPv6 block never holds an IPv4 address. */
bool mr_prefix_contains(const struct mr_prefix *prefix, const struct mr_addr *addr);

/** Parses "LO-HI" or "PORT". 0 or -EINVAL (also for port 0 and LO > HI). */
int mr_port_range_parse(const char *text, struct mr_port_range *ret_range);

/** Parses "ADDRESS:PORT" or "[ADDRESS]:PORT"; `ret_port` in host byte order, never 0. */
int mr_endpoint_parse(const char *text, struct mr_addr *ret_addr, uint16_t *ret_port);

/** Writes "ADDRESS:PORT", with brackets around IPv6; `port` in host byte order. Returns `buf`. */
const char *mr_endpoint_format(const struct mr_addr *addr, uint16_t port, char *buf, size_t size);

#endif
