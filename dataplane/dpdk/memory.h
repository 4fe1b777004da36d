/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - memory for tables that packets reach at random: in huge pages, or each look-up costs a
 * walk through page tables as well, which in a virtual machine are two-dimensional.
 */
#ifndef MR_DPDK_MEMORY_H
#define MR_DPDK_MEMORY_H

#include <stddef.h>

struct mr_memory {
	void *at;    /* zeroed, at the border of a cache line; NULL: none */
	size_t size; /* of a mapping of our own; 0: EAL's */
};

/**
 * From EAL's huge pages where it has such; else of our own, with transparent huge pages where the
 * kernel gives them. -ENOMEM.
 */
int mr_memory_take(const char *name, size_t size, struct mr_memory *ret_memory);
void mr_memory_give_back(struct mr_memory *memory);

#endif
