/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports.h - public ports: which ones of each pool are taken, and the sockets that keep local
 * programs off them.
 *
 * A port in use is held by one bound UDP socket that nobody reads, whichever pools use it: the
 * dataplane takes the datagrams before the kernel sees them. Upstream ports are blocks.h's.
 */
#ifndef MR_CONTROL_PORTS_H
#define MR_CONTROL_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "addr.h"
#include "clock.h"

/** How long a port that a local program was found on is left alone. */
#define MR_PORTS_TAKEN_NS (60 * MR_SECOND)

/** File descriptors that are left for everything else; see mr_ports_new(). */
#define MR_PORTS_SPARE_FDS 2048

struct mr_ports;

/**
 * `ranges`: one a pool. -EINVAL: 0 or lo > hi. RLIMIT_NOFILE, as it is now, says how many ports can
 * be held; those beyond are served without.
 */
int mr_ports_new(const struct mr_port_range *ranges, uint32_t n_pools, const struct mr_clock *clock,
	struct mr_ports **ret_ports);

/**
 * Other ranges, for as many pools or more: what is taken stays so, within its pool's range or not.
 * The handle may move. -EINVAL, -ENOMEM: nothing has changed.
 */
int mr_ports_set_ranges(
	struct mr_ports **ports, const struct mr_port_range *ranges, uint32_t n_pools);

/** Closes every socket. NULL is allowed. */
void mr_ports_free(struct mr_ports *ports);

/**
 * Takes a random free port of a pool and holds it. -ENOSPC: none is free. Another
 * -errno: the kernel has no memory for a socket.
 */
int mr_ports_take(struct mr_ports *ports, uint32_t pool, uint16_t *ret_port);

/**
 * Takes this very port, also outside the pool's range: a session from the store insists on it.
 * -EEXIST: taken already. Any other error only means that it could not be held (-EADDRINUSE: a
 * local program has it); it is taken all the same.
 */
int mr_ports_claim(struct mr_ports *ports, uint32_t pool, uint16_t port);

/** Gives a taken port back. The socket goes with its last user. */
void mr_ports_release(struct mr_ports *ports, uint32_t pool, uint16_t port);

/** Is the port taken in this pool? Is it held by a socket of ours? */
bool mr_ports_is_taken(const struct mr_ports *ports, uint32_t pool, uint16_t port);
bool mr_ports_is_held(const struct mr_ports *ports, uint16_t port);

/** Ports of a pool's range, and how many of them are not taken (a local program may have some). */
uint32_t mr_ports_size(const struct mr_ports *ports, uint32_t pool);
uint32_t mr_ports_left(const struct mr_ports *ports, uint32_t pool);

/** Ports that are held. */
uint32_t mr_ports_held(const struct mr_ports *ports);

#endif
