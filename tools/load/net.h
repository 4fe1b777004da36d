/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - socket addresses, clocks and limits: the small things that every part of the harness
 * needs.
 */
#ifndef MR_LOAD_NET_H
#define MR_LOAD_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "port_range.h"

/** An IPv4 or IPv6 address with a port. */
union mr_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t mr_now_ns(void);

/** Reads a numeric address; the port becomes 0. -EINVAL: it is none. */
int mr_sockaddr_parse(const char *text, union mr_sockaddr *ret_addr);

unsigned mr_port_range_count(struct mr_port_range range);

socklen_t mr_sockaddr_len(const union mr_sockaddr *addr);

uint16_t mr_sockaddr_port(const union mr_sockaddr *addr);

void mr_sockaddr_set_port(union mr_sockaddr *addr, uint16_t port);

bool mr_sockaddr_equal(const union mr_sockaddr *a, const union mr_sockaddr *b);

/** "address" as text, without the port; `size` of INET6_ADDRSTRLEN fits. */
void mr_sockaddr_format(char *buf, size_t size, const union mr_sockaddr *addr);

/** A non-blocking UDP socket with large buffers, bound to `addr`. */
int mr_udp_bind(const union mr_sockaddr *addr, int *ret_fd);

/** As mr_udp_bind(), from any address (`source` NULL) or from `source`, connected to `peer`. */
int mr_udp_connect(const union mr_sockaddr *source, const union mr_sockaddr *peer, int *ret_fd);

/** Lets the process hold `n` descriptors more than it commonly does. -EMFILE: it may not. */
int mr_want_files(unsigned n);

/** A generator of random numbers (xorshift64*): fast, seeded, not for secrets. */
struct mr_random {
	uint64_t state; /* never 0 */
};

void mr_random_seed(struct mr_random *random);

/** A number below `below`, which is not 0. */
uint32_t mr_random_below(struct mr_random *random, uint32_t below);

#endif
