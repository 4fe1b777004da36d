/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * indices.c - free indices: a stack of those that can be given out, a ring of those that rest.
 */
#include "indices.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define NOT_FREE      UINT32_MAX
#define QUARANTINE_MS ((uint32_t)(MR_INDICES_QUARANTINE_NS / 1000000))

struct resting {
	uint32_t index;
	uint32_t until_ms; /* of the monotonic clock, modulo 2^32 */
};

struct mr_indices {
	const struct mr_clock *clock;
	uint32_t size;
	uint32_t n_free;
	uint32_t *free;  /* a stack */
	uint32_t *place; /* of each index in the stack, or NOT_FREE */
	struct resting *ring;
	uint32_t ring_first, ring_n;
};

static uint32_t now_ms(const struct mr_indices *indices)
{
	return (uint32_t)(indices->clock->monotonic() / 1000000);
}

static void push(struct mr_indices *indices, uint32_t index)
{
	indices->place[index] = indices->n_free;
	indices->free[indices->n_free++] = index;
}

int mr_indices_new(uint32_t size, const struct mr_clock *clock, struct mr_indices **ret_indices)
{
	struct mr_indices *indices = calloc(1, sizeof(*indices));

	if (!indices)
		return -ENOMEM;
	indices->clock = clock;
	indices->size = size;
	indices->free = calloc(size, sizeof(indices->free[0]));
	indices->place = calloc(size, sizeof(indices->place[0]));
	indices->ring = calloc(size, sizeof(indices->ring[0]));
	if (!indices->free || !indices->place || !indices->ring) {
		mr_indices_free(indices);
		return -ENOMEM;
	}
	while (size > 0)
		push(indices, --size);
	*ret_indices = indices;
	return 0;
}

void mr_indices_free(struct mr_indices *indices)
{
	if (!indices)
		return;
	free(indices->free);
	free(indices->place);
	free(indices->ring);
	free(indices);
}

/* Nobody may have looked for months: what lies further ahead than a rest is long is past. */
static bool rests(const struct mr_indices *indices, const struct resting *entry)
{
	uint32_t left_ms = entry->until_ms - now_ms(indices);

	return left_ms > 0 && left_ms <= QUARANTINE_MS;
}

static void end_rests(struct mr_indices *indices)
{
	while (indices->ring_n > 0) {
		struct resting *oldest = &indices->ring[indices->ring_first];

		if (rests(indices, oldest))
			break;
		push(indices, oldest->index);
		indices->ring_first = (indices->ring_first + 1) % indices->size;
		indices->ring_n--;
	}
}

int mr_indices_take(struct mr_indices *indices, uint32_t *ret_index)
{
	end_rests(indices);
	if (indices->n_free == 0)
		return -ENOSPC;
	*ret_index = indices->free[--indices->n_free];
	indices->place[*ret_index] = NOT_FREE;
	return 0;
}

int mr_indices_claim(struct mr_indices *indices, uint32_t index)
{
	uint32_t hole, last;

	if (index >= indices->size)
		return -EINVAL;
	hole = indices->place[index];
	if (hole == NOT_FREE)
		return -EEXIST;
	last = indices->free[--indices->n_free];
	indices->free[hole] = last;
	indices->place[last] = hole;
	indices->place[index] = NOT_FREE;
	return 0;
}

void mr_indices_release(struct mr_indices *indices, uint32_t index)
{
	struct resting *entry =
		&indices->ring[(indices->ring_first + indices->ring_n) % indices->size];

	entry->index = index;
	entry->until_ms = now_ms(indices) + QUARANTINE_MS;
	indices->ring_n++;
}
