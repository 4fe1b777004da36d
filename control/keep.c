/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep.c - turns news of sessions into neighbours that are kept or dropped.
 *
 * A neighbour that can't be kept (there are too many) is no error: the packet path asks for it with
 * an event when it misses it.
 */
#include "keep.h"

#include <stdlib.h>

struct mr_keep {
	struct mr_subscriber subscriber;
	struct mr_neigh *neigh;
	struct mr_addr *clients; /* kept for each session, by its index; zero: none */
	uint8_t *targets;        /* is the target kept? */
	uint32_t n_records;
};

static bool is_set(const struct mr_addr *addr)
{
	return addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3];
}

static void drop_client(struct mr_keep *keep, uint32_t index)
{
	if (is_set(&keep->clients[index]))
		mr_neigh_drop(keep->neigh, &keep->clients[index]);
	keep->clients[index] = (struct mr_addr){0};
}

static void keep_client(struct mr_keep *keep, uint32_t index, const struct mr_addr *client,
	int (*how)(struct mr_neigh *neigh, const struct mr_addr *dst))
{
	if (mr_addr_equal(&keep->clients[index], client))
		return;
	drop_client(keep, index);
	if (!how(keep->neigh, client))
		keep->clients[index] = *client;
}

static void on_notice(const struct mr_notice *notice, void *context)
{
	const struct mr_session_info *info = notice->info;
	struct mr_keep *keep = context;

	if (!info || info->index >= keep->n_records)
		return;
	switch (notice->kind) {
	case MR_NOTICE_OPENED:
	case MR_NOTICE_RESTORED:
		if (!keep->targets[info->index])
			keep->targets[info->index] = !mr_neigh_keep(keep->neigh, &info->target);
		/* There may be very many, each with its own; the kernel knows them yet. */
		if (notice->has_client)
			keep_client(keep, info->index, &notice->client, mr_neigh_keep_soon);
		break;
	case MR_NOTICE_PROVEN:
	case MR_NOTICE_ROAMED:
		keep_client(keep, info->index, &notice->client, mr_neigh_keep);
		break;
	case MR_NOTICE_LEG:
		/* mosh hops its port when it hears nothing for 10 s: somebody's link address may
		 * have changed without a word. */
		mr_neigh_verify(keep->neigh, &info->target);
		if (is_set(&keep->clients[info->index]))
			mr_neigh_verify(keep->neigh, &keep->clients[info->index]);
		break;
	case MR_NOTICE_CLOSED:
		drop_client(keep, info->index);
		if (keep->targets[info->index])
			mr_neigh_drop(keep->neigh, &info->target);
		keep->targets[info->index] = 0;
		break;
	default:
		break;
	}
}

struct mr_keep *mr_keep_new(
	struct mr_sessions *sessions, struct mr_neigh *neigh, uint32_t n_records)
{
	struct mr_keep *keep = calloc(1, sizeof(*keep));

	if (!keep)
		return NULL;
	/* Pages that no session has touched cost nothing. */
	keep->clients = calloc(n_records, sizeof(*keep->clients));
	keep->targets = calloc(n_records, sizeof(*keep->targets));
	if (!keep->clients || !keep->targets) {
		free(keep->clients);
		free(keep->targets);
		free(keep);
		return NULL;
	}
	keep->neigh = neigh;
	keep->n_records = n_records;
	keep->subscriber.fn = on_notice;
	keep->subscriber.context = keep;
	mr_sessions_subscribe(sessions, &keep->subscriber);
	return keep;
}

void mr_keep_free(struct mr_keep *keep)
{
	if (!keep)
		return;
	mr_sessions_unsubscribe(&keep->subscriber);
	free(keep->clients);
	free(keep->targets);
	free(keep);
}
