/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocks.c - upstream ports: a small bitmap for each target endpoint in use, and one queue of the
 * blocks that are in quarantine.
 */
#include "blocks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "hash.h"
#include "random.h"

/** A target endpoint with at least one block taken or in quarantine. */
struct endpoint {
	struct mr_hash_link link;
	struct mr_addr target;
	uint16_t port;
	uint16_t users;  /* blocks taken or in quarantine, those outside the range too */
	uint16_t in_use; /* of those, within the range */
	uint64_t taken[];
};

struct quarantined {
	STAILQ_ENTRY(quarantined) link;
	int64_t until;
	struct endpoint *endpoint;
	uint16_t base;
};

struct mr_blocks {
	const struct mr_clock *clock;
	uint16_t first; /* number of the range's first block: port / MR_LEGS */
	uint16_t size;
	struct mr_hash endpoints;
	uint64_t seed;                         /* people choose endpoints, and not their chains */
	STAILQ_HEAD(, quarantined) quarantine; /* soonest first */
	uint32_t n_quarantined;
};

int mr_blocks_new(
	uint16_t lo, uint16_t hi, const struct mr_clock *clock, struct mr_blocks **ret_blocks)
{
	uint32_t first = ((uint32_t)lo + MR_LEGS - 1) / MR_LEGS;
	uint32_t end = ((uint32_t)hi + 1) / MR_LEGS;
	struct mr_blocks *blocks;

	if (first == 0) /* port 0 is no port */
		first = 1;
	if (first >= end)
		return -EINVAL;
	blocks = calloc(1, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	blocks->clock = clock;
	blocks->first = (uint16_t)first;
	blocks->size = (uint16_t)(end - first);
	blocks->seed = mr_random_u64();
	STAILQ_INIT(&blocks->quarantine);
	*ret_blocks = blocks;
	return 0;
}

static void endpoint_free(struct mr_hash_link *link)
{
	free(mr_hash_entry(link, struct endpoint, link));
}

void mr_blocks_free(struct mr_blocks *blocks)
{
	struct quarantined *entry;

	if (!blocks)
		return;
	while ((entry = STAILQ_FIRST(&blocks->quarantine))) {
		STAILQ_REMOVE_HEAD(&blocks->quarantine, link);
		free(entry);
	}
	mr_hash_clear(&blocks->endpoints, endpoint_free);
	free(blocks);
}

/* The endpoint, made if it is not there and `make` says so. */
static struct endpoint *endpoint_get(
	struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port, bool make)
{
	uint64_t hash = mr_hash_octets(blocks->seed ^ port, target, sizeof(*target));
	struct mr_hash_link *link = mr_hash_first(&blocks->endpoints, hash);
	size_t words = ((size_t)blocks->size + 63) / 64;
	struct endpoint *endpoint;

	for (; link; link = mr_hash_next(link)) {
		endpoint = mr_hash_entry(link, struct endpoint, link);
		if (endpoint->port == port && mr_addr_equal(&endpoint->target, target))
			return endpoint;
	}
	if (!make)
		return NULL;
	endpoint = calloc(1, sizeof(*endpoint) + words * sizeof(endpoint->taken[0]));
	if (!endpoint)
		return NULL;
	endpoint->target = *target;
	endpoint->port = port;
	if (mr_hash_add(&blocks->endpoints, &endpoint->link, hash)) {
		free(endpoint);
		return NULL;
	}
	return endpoint;
}

static bool in_range(const struct mr_blocks *blocks, uint16_t base)
{
	uint16_t number = base / MR_LEGS;

	return number >= blocks->first && number < blocks->first + blocks->size;
}

static bool bit_is_set(const struct endpoint *endpoint, uint32_t bit)
{
	return endpoint->taken[bit / 64] >> (bit % 64) & 1;
}

static void mark_taken(struct mr_blocks *blocks, struct endpoint *endpoint, uint16_t base)
{
	uint32_t bit = (uint32_t)(base / MR_LEGS - blocks->first);

	endpoint->users++;
	if (in_range(blocks, base)) {
		endpoint->in_use++;
		endpoint->taken[bit / 64] |= 1ULL << (bit % 64);
	}
}

static void mark_free(struct mr_blocks *blocks, struct endpoint *endpoint, uint16_t base)
{
	uint32_t bit = (uint32_t)(base / MR_LEGS - blocks->first);

	if (in_range(blocks, base)) {
		endpoint->in_use--;
		endpoint->taken[bit / 64] &= ~(1ULL << (bit % 64));
	}
	if (--endpoint->users == 0) {
		mr_hash_remove(&blocks->endpoints, &endpoint->link);
		free(endpoint);
	}
}

static void end_quarantines(struct mr_blocks *blocks)
{
	int64_t now = blocks->clock->monotonic();
	struct quarantined *entry;

	while ((entry = STAILQ_FIRST(&blocks->quarantine)) && entry->until <= now) {
		STAILQ_REMOVE_HEAD(&blocks->quarantine, link);
		blocks->n_quarantined--;
		mark_free(blocks, entry->endpoint, entry->base);
		free(entry);
	}
}

int mr_blocks_take(
	struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port, uint16_t *ret_base)
{
	struct endpoint *endpoint;
	uint32_t bit;

	end_quarantines(blocks);
	if (blocks->n_quarantined >= MR_BLOCKS_QUARANTINE_MAX)
		return -ENOSPC;
	endpoint = endpoint_get(blocks, target, port, true);
	if (!endpoint)
		return -ENOMEM;
	if (endpoint->in_use >= blocks->size)
		return -ENOSPC;
	/* At most 4,095 bits: even the last free one is found in a few hundred ns a word. */
	bit = mr_random_below(blocks->size);
	while (bit_is_set(endpoint, bit))
		bit = bit + 1 < blocks->size ? bit + 1 : 0;
	*ret_base = (uint16_t)((blocks->first + bit) * MR_LEGS);
	mark_taken(blocks, endpoint, *ret_base);
	return 0;
}

int mr_blocks_claim(
	struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port, uint16_t base)
{
	struct endpoint *endpoint;

	if (base == 0 || base % MR_LEGS)
		return -EINVAL;
	endpoint = endpoint_get(blocks, target, port, true);
	if (!endpoint)
		return -ENOMEM;
	if (in_range(blocks, base) &&
		bit_is_set(endpoint, (uint32_t)(base / MR_LEGS - blocks->first)))
		return -EEXIST;
	mark_taken(blocks, endpoint, base);
	return 0;
}

void mr_blocks_release(struct mr_blocks *blocks, const struct mr_addr *target, uint16_t port,
	uint16_t base, bool used)
{
	struct endpoint *endpoint = endpoint_get(blocks, target, port, false);
	struct quarantined *entry = NULL;

	if (!endpoint)
		return;
	if (used)
		entry = malloc(sizeof(*entry));
	if (!entry) { /* without memory for a quarantine it is better reused early than never */
		mark_free(blocks, endpoint, base);
		return;
	}
	entry->until = blocks->clock->monotonic() + MR_BLOCKS_QUARANTINE_NS;
	entry->endpoint = endpoint;
	entry->base = base;
	STAILQ_INSERT_TAIL(&blocks->quarantine, entry, link);
	blocks->n_quarantined++;
}

uint32_t mr_blocks_size(const struct mr_blocks *blocks)
{
	return blocks->size;
}
