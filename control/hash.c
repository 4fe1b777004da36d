/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.c - chained hash tables, and the function that spreads their keys.
 */
#include "hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 64

static struct mr_hash_link **chain_of(const struct mr_hash *table, uint64_t hash)
{
	return &table->chains[hash & (table->size - 1)];
}

static void grow(struct mr_hash *table)
{
	struct mr_hash bigger = {.size = table->size ? 2 * table->size : SIZE_FIRST, .n = table->n};
	struct mr_hash_link *link, *next, **chain;

	bigger.chains = calloc(bigger.size, sizeof(*bigger.chains));
	if (!bigger.chains)
		return;
	for (size_t i = 0; i < table->size; i++) {
		for (link = table->chains[i]; link; link = next) {
			next = link->next;
			chain = chain_of(&bigger, link->hash);
			link->next = *chain;
			*chain = link;
		}
	}
	free(table->chains);
	*table = bigger;
}

int mr_hash_add(struct mr_hash *table, struct mr_hash_link *link, uint64_t hash)
{
	struct mr_hash_link **chain;

	if (table->n >= table->size)
		grow(table);
	if (!table->size)
		return -ENOMEM;
	chain = chain_of(table, hash);
	link->hash = hash;
	link->next = *chain;
	*chain = link;
	table->n++;
	return 0;
}

void mr_hash_remove(struct mr_hash *table, struct mr_hash_link *link)
{
	struct mr_hash_link **where = chain_of(table, link->hash);

	while (*where != link) {
		assert(*where && "it is in this table");
		where = &(*where)->next;
	}
	*where = link->next;
	table->n--;
}

static struct mr_hash_link *skip_others(struct mr_hash_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct mr_hash_link *mr_hash_first(const struct mr_hash *table, uint64_t hash)
{
	return table->size ? skip_others(*chain_of(table, hash), hash) : NULL;
}

struct mr_hash_link *mr_hash_next(const struct mr_hash_link *link)
{
	return skip_others(link->next, link->hash);
}

void mr_hash_clear(struct mr_hash *table, void (*fn)(struct mr_hash_link *link))
{
	struct mr_hash_link *link, *next;

	for (size_t i = 0; fn && i < table->size; i++) {
		for (link = table->chains[i]; link; link = next) {
			next = link->next;
			fn(link);
		}
	}
	free(table->chains);
	*table = (struct mr_hash){0};
}

/* Multiplies by 2^64 over the golden ratio and brings the high bits down: eight octets a step. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15;
	return hash ^ hash >> 32;
}

uint64_t mr_hash_octets(uint64_t seed, const void *octets, size_t n)
{
	const unsigned char *at = octets;
	uint64_t hash = mix(seed, n), word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	memcpy(&word, at, n);
	return mix(mix(hash, word), seed);
}
