/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netbed.h - a bed for tests that need a network: this process in a namespace of its own, a peer in
 * another, a veth between them, and a loop that is run until something is so.
 *
 * Everything goes away with the processes. Needs root, iproute2 and a kernel with veth.
 */
#ifndef MR_TESTS_NETBED_H
#define MR_TESTS_NETBED_H

#include "netlink.h"

struct netbed {
	uv_loop_t loop;
	struct mr_netlink *netlink;
	int peer; /* process in the peer's namespace */
};

/**
 * Enters a new namespace with `v0` 10.1.0.1/24, fd01::1/64; the peer has `p0` 10.1.0.2/24,
 * fd01::2/64. Both are up. Opens netlink.
 */
void netbed_open(struct netbed *bed);

/** Closes netlink and the loop; fails the test if handles are left open. */
void netbed_close(struct netbed *bed);

/** Runs a shell command in this namespace, or in the peer's; fails the test if it fails. */
void netbed_here(const char *format, ...) __attribute__((format(printf, 1, 2)));
void netbed_there(const struct netbed *bed, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Runs the loop until `so` is true, at most 20 seconds. Asks after each event and 50 times a s. */
bool netbed_until(struct netbed *bed, bool (*so)(void *context), void *context);

/** Runs the loop for so long: for what must not happen. */
void netbed_run(struct netbed *bed, unsigned milliseconds);

/** A literal address; fails the test if it is none. */
struct mr_addr netbed_addr(const char *text);

/** Index of an interface of this namespace. */
uint32_t netbed_ifindex(const char *name);

/** What has changed since the last netbed_expect(), ored. */
extern unsigned netbed_seen;

/** As mr_netlink's listener: keeps what changed (ored) for netbed_expect(). */
void netbed_note(unsigned changes, void *context);

/** Waits until all of `wanted` has changed since the last call, and forgets it. */
void netbed_expect(struct netbed *bed, unsigned wanted);

#endif
