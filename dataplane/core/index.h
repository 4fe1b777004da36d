/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * index.h - two tables that lead to sessions in one or two cache lines, for one writer and any
 * number of readers that don't wait.
 *
 * With many sessions a look-up costs what it misses in the caches: a chained hash touches a bucket
 * and an element of two lines before it comes to the record. Clients' ports are so few that they
 * are an array. Target endpoints are hashed into buckets of one line, and the record itself is
 * compared, whose first line is needed next anyway.
 *
 * An entry is the index of a session + 1, so that zeroed memory is an empty table. The writer
 * stores an entry last when it adds and clears it first when it removes; readers check what they
 * find.
 */
#ifndef MR_CORE_INDEX_H
#define MR_CORE_INDEX_H

#include "session.h"

/** Clients' side: one line of sixteen ports of one public address. */
#define MR_PORTS_PER_LINE 16
#define MR_PORT_LINES     (65536 / MR_PORTS_PER_LINE) /* of one public address */

struct mr_port_line {
	__u32 entry[MR_PORTS_PER_LINE];
};

/** Number of the line with this port; `port` in host byte order. */
mr_inline __u32 mr_port_line(__u32 public_slot, __u16 port)
{
	return public_slot * MR_PORT_LINES + port / MR_PORTS_PER_LINE;
}

/** Public addresses are found by a hash of few bits, and compared. */
#define MR_ADDRESS_BUCKETS 256
#define MR_ADDRESS_PROBES  8

/** Home of an address among MR_ADDRESS_BUCKETS; collisions go on to the next ones. */
mr_inline __u32 mr_address_home(const struct mr_addr *a)
{
	__u32 h = a->w[0] ^ a->w[1] ^ a->w[2] ^ a->w[3];

	return h * 0x9e3779b1 >> 24; /* 2^32 / golden ratio: spreads what differs in few bits */
}

/** Targets' side: entries of one bucket, and how many of this home went on to later buckets. */
#define MR_BUCKET_ENTRIES 7
#define MR_BUCKET_PROBES  8

struct mr_bucket {
	__u32 hash[MR_BUCKET_ENTRIES];
	__u32 entry[MR_BUCKET_ENTRIES];
	__u32 passed; /* entries that found this bucket full and lie behind it */
	__u32 pad;
};

_Static_assert(sizeof(struct mr_port_line) == 64, "a cache line");
_Static_assert(sizeof(struct mr_bucket) == 64, "a cache line");

/** Buckets of a table for so many sessions: half full at the most, a power of two. */
mr_inline __u32 mr_bucket_count(__u32 max_sessions)
{
	__u32 n = 1;

	while (n < max_sessions / MR_BUCKET_ENTRIES * 2 + 1)
		n *= 2;
	return n;
}

mr_inline __u32 mr_hash_step(__u32 h, __u32 word)
{
	word *= 0xcc9e2d51; /* the constants and rotations of MurmurHash3 x86_32 */
	word = word << 15 | word >> 17;
	h ^= word * 0x1b873593;
	h = h << 13 | h >> 19;
	return h * 5 + 0xe6546b64;
}

/** Hash of a key of the targets' side; `seed` is secret, or users could make their keys collide. */
mr_inline __u32 mr_key_hash(__u32 seed, const struct mr_key *key)
{
	__u32 h = seed;

	h = mr_hash_step(h, key->addr.w[0]);
	h = mr_hash_step(h, key->addr.w[1]);
	h = mr_hash_step(h, key->addr.w[2]);
	h = mr_hash_step(h, key->addr.w[3]);
	h = mr_hash_step(h, (__u32)key->port << 16 | key->block);
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

/** True if this record is what a key of the targets' side is for. */
mr_inline bool mr_session_has_key(const struct mr_session *s, const struct mr_key *key)
{
	return s->target_port == key->port && s->upstream_base >> MR_LEG_SHIFT == key->block &&
		mr_addr_equal(&s->target, &key->addr);
}

#endif
