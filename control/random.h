/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - unpredictable numbers from the kernel.
 */
#ifndef MR_CONTROL_RANDOM_H
#define MR_CONTROL_RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/** 64 random bits. */
static inline uint64_t mr_random_u64(void)
{
	uint64_t bits;

	/* Up to 256 octets are given whole and uninterrupted once the pool is up (getrandom(2)). */
	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		abort();
	return bits;
}

/** Evenly distributed in 0 .. limit - 1; `limit` is far below 2^32, so the bias is not to be seen.
 */
static inline uint32_t mr_random_below(uint32_t limit)
{
	return (uint32_t)(mr_random_u64() % limit);
}

#endif
