/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - unpredictable numbers from the kernel.
 */
#ifndef MR_CONTROL_RANDOM_H
#define MR_CONTROL_RANDOM_H

#include <stdint.h>

/** 64 random bits. Any thread. */
uint64_t mr_random_u64(void);

/** Evenly distributed in 0 .. limit - 1; `limit` is far below 2^32, so the bias is not to be seen.
 */
static inline uint32_t mr_random_below(uint32_t limit)
{
	return (uint32_t)(mr_random_u64() % limit);
}

#endif
