/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - hash tables whose links are members of what they hold.
 *
 * Owns the array of chains, which grows with what is in it. Compares nothing: whoever looks goes
 * through the links of one hash value, and knows what equal means.
 */
#ifndef MR_CONTROL_HASH_H
#define MR_CONTROL_HASH_H

#include <stddef.h>
#include <stdint.h>

struct mr_hash_link {
	struct mr_hash_link *next; /* in the chain */
	uint64_t hash;
};

/** All zero: an empty one. */
struct mr_hash {
	struct mr_hash_link **chains;
	size_t size; /* of `chains`: a power of two, or 0 */
	size_t n;    /* links in it */
};

/** What a link is a member of. */
#define mr_hash_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

/** Adds a link that is in no table. -ENOMEM: for a first one only; later, chains become longer. */
int mr_hash_add(struct mr_hash *table, struct mr_hash_link *link, uint64_t hash);

/** Takes out a link that is in the table. */
void mr_hash_remove(struct mr_hash *table, struct mr_hash_link *link);

/** The first link of this very hash value, and those after it; NULL: no more. */
struct mr_hash_link *mr_hash_first(const struct mr_hash *table, uint64_t hash);
struct mr_hash_link *mr_hash_next(const struct mr_hash_link *link);

/** Empties the table; `fn` (NULL: nothing) may free what it gets. */
void mr_hash_clear(struct mr_hash *table, void (*fn)(struct mr_hash_link *link));

/** Mixes octets into `seed`, which is random where people choose the octets. */
uint64_t mr_hash_octets(uint64_t seed, const void *octets, size_t n);

#endif
