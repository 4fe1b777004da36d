/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.c - see memory.h.
 */
#include "memory.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* A transparent huge page begins at a multiple of its size, so the mapping has to. */
static void *map_aligned(size_t size)
{
	char *at = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (at == MAP_FAILED)
		return NULL;
	before = (size_t)(RTE_PTR_ALIGN_CEIL(at, HUGE_PAGE) - at);
	if (before)
		munmap(at, before);
	munmap(at + before + size, HUGE_PAGE - before);
	return at + before;
}

int mr_memory_take(const char *name, size_t size, struct mr_memory *ret_memory)
{
	struct mr_memory memory = {0};

	if (rte_eal_has_hugepages()) {
		memory.at = rte_zmalloc(name, size, RTE_CACHE_LINE_SIZE);
	} else {
		memory.size = RTE_ALIGN_CEIL(size, HUGE_PAGE);
		memory.at = map_aligned(memory.size);
		/* a kernel that has none refuses, and gives small ones */
		if (memory.at)
			madvise(memory.at, memory.size, MADV_HUGEPAGE);
	}
	if (!memory.at)
		return -ENOMEM;
	*ret_memory = memory;
	return 0;
}

void mr_memory_give_back(struct mr_memory *memory)
{
	if (memory->size)
		munmap(memory->at, memory->size);
	else
		rte_free(memory->at);
	*memory = (struct mr_memory){0};
}
