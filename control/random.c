/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.c - takes the kernel's random numbers a few dozen at a time: opening a session needs
 * three.
 */
#include "random.h"

#include <stdlib.h>
#include <sys/random.h>

#define STOCK 32

uint64_t mr_random_u64(void)
{
	static _Thread_local uint64_t stock[STOCK];
	static _Thread_local unsigned left;
	uint64_t bits;

	/* Up to 256 octets are given whole and uninterrupted once the pool is up (getrandom(2)). */
	_Static_assert(sizeof(stock) <= 256, "in one go");
	if (left == 0) {
		if (getrandom(stock, sizeof(stock), 0) != sizeof(stock))
			abort();
		left = STOCK;
	}
	bits = stock[--left];
	stock[left] = 0; /* what was given out is nowhere else */
	return bits;
}
