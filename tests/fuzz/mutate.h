/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mutate.h - makes packets that nobody would send out of packets that somebody might.
 *
 * Deterministic: the same state gives the same packets on any machine, so a finding is a seed and a
 * number. Knows just enough of headers to keep a mutated one from being refused for its checksum.
 */
#ifndef MR_TESTS_MUTATE_H
#define MR_TESTS_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/** State of the generator (splitmix64); any value is a seed. */
struct mr_random {
	uint64_t state;
};

uint64_t mr_random_next(struct mr_random *random);

/** 0 to n - 1; `n` > 0. */
uint32_t mr_random_below(struct mr_random *random, uint32_t n);

/**
 * Changes `frame` of `len` octets in one to a few ways: bits, interesting numbers, lengths, cuts,
 * growth, pieces of `other`. Half of the time the IPv4 header's checksum is made right again.
 * Returns the new length, at most `size`.
 */
size_t mr_mutate(struct mr_random *random, uint8_t *frame, size_t len, size_t size,
	const uint8_t *other, size_t other_len);

#endif
