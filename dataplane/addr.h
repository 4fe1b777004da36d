/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h - addresses, prefixes and endpoints in the forms that people write, and
 * addresses as they stand in netlink and in packets.
 *
 * Pure text to numbers and back: no name is looked up. For all layers above the core.
 */
#ifndef MR_DATAPLANE_ADDR_H
#define MR_DATAPLANE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/session.h"
#include "port_range.h"

/** Enough for "[v6]:port", "v6/128" and their NUL. */
#define MR_ADDR_TEXT_SIZE (INET6_ADDRSTRLEN + 8)

/** An address block; IPv4 blocks are of mapped addresses, so `bits` counts from 96. */
struct mr_prefix {
	struct mr_addr addr; /* bits beyond the prefix are zero */
	uint8_t bits;        /* 0-128 */
};

/** Parses a literal IPv4 or IPv6 address. A zone ("%eth0") is refused. 0 or -EINVAL. */
int mr_addr_parse(const char *text, struct mr_addr *ret_addr);

/** Length on the wire (4 or 16) and pointer to the octets of `addr` in its own family. */
size_t mr_addr_octets(const struct mr_addr *addr, const void **ret_octets);

/** From an address of `family` in wire form; -EAFNOSUPPORT, -EINVAL if `length` does not fit. */
int mr_addr_from_octets(int family, const void *octets, size_t length, struct mr_addr *ret_addr);

/** As people write it (IPv4 without ::ffff:). Returns `buf`, of at least INET6_ADDRSTRLEN. */
const char *mr_addr_format(const struct mr_addr *addr, char *buf, size_t size);

/** Parses "ADDRESS/BITS" or "ADDRESS". -EINVAL also for bits set beyond the prefix. */
int mr_prefix_parse(const char *text, struct mr_prefix *ret_prefix);

/** Writes "ADDRESS/BITS", or "ADDRESS" for a whole one. Returns `buf`. */
const char *mr_prefix_format(const struct mr_prefix *prefix, char *buf, size_t size);

/** Is the address in the block? An IPv6 block never holds an IPv4 address. */
bool mr_prefix_contains(const struct mr_prefix *prefix, const struct mr_addr *addr);

/** Parses "ADDRESS:PORT" or "[ADDRESS]:PORT"; `ret_port` in host byte order, never 0. */
int mr_endpoint_parse(const char *text, struct mr_addr *ret_addr, uint16_t *ret_port);

/** Writes "ADDRESS:PORT", with brackets around IPv6; `port` in host byte order. Returns `buf`. */
const char *mr_endpoint_format(const struct mr_addr *addr, uint16_t port, char *buf, size_t size);

#endif
