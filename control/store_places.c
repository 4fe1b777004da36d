/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_places.c - see store_places.h.
 */
#include "store_places.h"

#include <errno.h>
#include <stdlib.h>

static struct mr_store_place *place_of(struct mr_hash_link *link)
{
	return mr_hash_entry(link, struct mr_store_place, link);
}

struct mr_store_place *mr_store_place_find(const struct mr_store_places *places, uint64_t id)
{
	/* Ids are random: they are their own hash. */
	struct mr_hash_link *link = mr_hash_first(&places->by_id, id);

	return link ? place_of(link) : NULL;
}

int mr_store_place_add(struct mr_store_places *places, uint64_t id, uint64_t number,
	struct mr_store_place **ret_place)
{
	struct mr_store_place *place = malloc(sizeof(*place));

	if (!place || mr_hash_add(&places->by_id, &place->link, id)) {
		free(place);
		return -ENOMEM;
	}
	place->number = number ? number : places->last + 1;
	place->linked = true;
	if (place->number > places->last)
		places->last = place->number;
	*ret_place = place;
	return 0;
}

void mr_store_place_unlink(struct mr_store_places *places, struct mr_store_place *place)
{
	mr_hash_remove(&places->by_id, &place->link);
	place->linked = false;
}

void mr_store_place_relink(struct mr_store_places *places, struct mr_store_place *place)
{
	/* Only a table that never had a link can fail to take one. */
	place->linked = mr_hash_add(&places->by_id, &place->link, place->link.hash) == 0;
}

void mr_store_place_free(struct mr_store_places *places, struct mr_store_place *place)
{
	if (place && place->linked)
		mr_store_place_unlink(places, place);
	free(place);
}

static void free_place(struct mr_hash_link *link)
{
	free(place_of(link));
}

void mr_store_places_clear(struct mr_store_places *places)
{
	mr_hash_clear(&places->by_id, free_place);
}
