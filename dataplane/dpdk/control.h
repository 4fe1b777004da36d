/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - the control thread: brings what the kernel says to the workers, and what the daemon
 * wants to the kernel.
 *
 * It reads the mirror and publishes snapshots of it under RCU, and it keeps the kernel silent about
 * the relay's ports where it sees them. Changes that come in a burst are taken together.
 */
#ifndef MR_DPDK_CONTROL_H
#define MR_DPDK_CONTROL_H

#include "dpdk.h"

/** Reads the kernel's tables, publishes them, and starts the thread. */
int mr_control_start(struct mr_backend *b, struct mr_why *ret_why);

/** Ends the thread and frees what it published. No worker runs. */
void mr_control_stop(struct mr_backend *b);

/**
 * A key of the clients' or the targets' side has come or gone. Returns at once; -ENOMEM. Does
 * nothing where the kernel sees only what it is given.
 */
int mr_control_public_port(struct mr_backend *b, const struct mr_key *key, bool add);
int mr_control_upstream_block(struct mr_backend *b, uint16_t block, bool add);

/** Keeps the thread off a TAP that is exchanged. */
void mr_control_lock(struct mr_backend *b);
void mr_control_unlock(struct mr_backend *b);

/**
 * What the thread fails to do, and tries again: 0, or -EIO with `ret_why`. The events' descriptor
 * becomes readable when that changes.
 */
int mr_control_trouble(struct mr_backend *b, struct mr_why *ret_why);

#endif
