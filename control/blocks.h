/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocks.h - upstream ports: which blocks of MR_LEGS ports are taken at each target endpoint.
 *
 * Every target endpoint has the whole upstream range to itself. A block that was given back stays
 * away from its target endpoint for a while: the target may go on sending to it.
 */
#ifndef MR_CONTROL_BLOCKS_H
#define MR_CONTROL_BLOCKS_H

#include <stdint.h>

#include "backend.h" /* struct mr_addr */
#include "clock.h"

/** mosh-server gives up after 60 s without its client. */
#define MR_BLOCKS_QUARANTINE_NS (90 * MR_SECOND)

/** Blocks in quarantine at most; beyond, nothing is given out until some are free again. */
#define MR_BLOCKS_QUARANTINE_MAX 1048576

struct mr_blocks;

/** Upstream ports `lo` to `hi`, host byte order, both included. -EINVAL: not one whole block. */
int mr_blocks_new(
	uint16_t lo, uint16_t hi, const struct mr_clock *clock, struct mr_blocks **ret_blocks);

/** NULL is allowed. */
void mr_blocks_free(struct mr_blocks *blocks);

/**
 * Takes a random free block at a target endpoint (`port` in host byte order) and tells its first
 * port. -ENOSPC: none is free; -ENOMEM.
 */
int mr_blocks_take(
	struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port, uint16_t *ret_base);

/**
 * Takes the block that begins at `base`, for a session from the store. One outside the range is
 * allowed: nothing else can get it. -EEXIST: taken; -EINVAL: `base` is no block's first port.
 */
int mr_blocks_claim(
	struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port, uint16_t base);

/** Gives a block back, into quarantine; `used` false: at once, for no datagram ever left it. */
void mr_blocks_release(struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port,
	uint16_t base, bool used);

/** Blocks of the range. */
uint32_t mr_blocks_size(const struct mr_blocks *blocks);

#endif
