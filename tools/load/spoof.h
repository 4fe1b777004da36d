/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spoof.h - strangers: datagrams of mosh's shape with made-up sources, as an attacker would send
 * who can see the sequence numbers but has no key.
 */
#ifndef MR_LOAD_SPOOF_H
#define MR_LOAD_SPOOF_H

#include <stdint.h>

#include "engine.h"

struct mr_spoof;

/**
 * Starts to send `rate` datagrams a second to the endpoints in random order, from random addresses
 * of the networks that are reserved for benchmarks (198.18.0.0/15, 2001:2::/48). Sequence numbers
 * are a little ahead of the engine's, so that they are plausible. -EPERM: needs CAP_NET_RAW.
 */
int mr_spoof_start(const struct mr_engine *engine, const struct mr_engine_endpoint *endpoints,
	uint32_t n, double rate, struct mr_spoof **ret_spoof);

/** Stops; returns how many were sent. NULL is fine: 0. */
uint64_t mr_spoof_stop(struct mr_spoof **spoof);

#endif
