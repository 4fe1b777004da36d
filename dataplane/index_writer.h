/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * index_writer.h - the writer's side of the tables of core/index.h, for every dataplane.
 *
 * There is one writer, and readers that don't wait: an entry is stored last when a key comes, and
 * cleared first when it goes. A writer that is killed between two stores leaves at the worst an
 * entry counted as passed that isn't there, which costs a look at one more bucket. Where the tables
 * lie is the dataplane's; errors are those that backend.h names.
 */
#ifndef MR_DATAPLANE_INDEX_WRITER_H
#define MR_DATAPLANE_INDEX_WRITER_H

#include <stdint.h>

#include "core/index.h"

/** The tables as they lie; nothing of it is owned. */
struct mr_index {
	struct mr_port_line *lines;      /* MR_PORT_LINES of each public address */
	struct mr_bucket *buckets;       /* bucket_mask + 1 */
	uint8_t *address_slots;          /* MR_ADDRESS_BUCKETS + MR_ADDRESS_PROBES; slot + 1 */
	const struct mr_addr *addresses; /* MR_PUBLIC_MAX, by slot */
	uint32_t bucket_mask;
	uint32_t hash_seed;
	uint32_t max_sessions;
	/** Does the record of that index have this key of the targets' side? */
	bool (*has_key)(void *context, uint32_t index, const struct mr_key *key);
	void *context;
};

/** Makes `addr` be found as `slot`, where addresses[] has it. -ENOSPC. */
int mr_index_address_put(const struct mr_index *index, uint32_t slot, const struct mr_addr *addr);

/** Number of a public address, or -1. */
int mr_index_address(const struct mr_index *index, const struct mr_addr *addr);

int mr_index_public_put(const struct mr_index *index, const struct mr_key *key, struct mr_ref ref);
int mr_index_public_del(const struct mr_index *index, const struct mr_key *key);

/** The record has been put before, and has the key: it is not asked. */
int mr_index_target_put(const struct mr_index *index, const struct mr_key *key, struct mr_ref ref);
int mr_index_target_del(const struct mr_index *index, const struct mr_key *key);

/** Entry (number of a session + 1) of a key of the targets' side, 0: none. Readers may ask, too. */
uint32_t mr_index_target(const struct mr_index *index, const struct mr_key *key);

#endif
