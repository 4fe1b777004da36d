/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_places.h - which row of the SQLite store a session has.
 *
 * Rows are numbered as they come, so that those written together lie together: keyed by their
 * random ids, each would be a page of its own to be written and synchronized. The loop's thread
 * owns the table; nothing here touches the database.
 */
#ifndef MR_CONTROL_STORE_PLACES_H
#define MR_CONTROL_STORE_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "hash.h"

struct mr_store_place {
	struct mr_hash_link link; /* by the session's id */
	uint64_t number;          /* of the row; never used again while the store is open */
	bool linked;              /* in the table; one that is being deleted is not */
};

/** All zero: an empty one. */
struct mr_store_places {
	struct mr_hash by_id;
	uint64_t last; /* the highest number ever given out */
};

/** NULL: there is no row, or it is being deleted. */
struct mr_store_place *mr_store_place_find(const struct mr_store_places *places, uint64_t id);

/** A place for a session that has none. `number` is that of a row that exists, 0: a new one.
 * -ENOMEM. */
int mr_store_place_add(struct mr_store_places *places, uint64_t id, uint64_t number,
	struct mr_store_place **ret_place);

/** Out of the table, and back into it. */
void mr_store_place_unlink(struct mr_store_places *places, struct mr_store_place *place);
void mr_store_place_relink(struct mr_store_places *places, struct mr_store_place *place);

/** Frees it, linked or not. NULL is allowed. */
void mr_store_place_free(struct mr_store_places *places, struct mr_store_place *place);

/** Frees all that are linked. */
void mr_store_places_clear(struct mr_store_places *places);

#endif
