/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.c - the pairs of target and own address that sessions have, and a walk over them in slices
 * after each change of routes.
 */
#include "ways.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define SLICE   100 /* pairs looked at in one go: some 10 ms */
#define WALK_MS 50  /* between slices */

struct pair {
	struct mr_ways_key key;
	struct mr_ways told; /* what the dataplane has */
	bool known;          /* it has been told */
	size_t users;
	TAILQ_ENTRY(pair) link;
};

struct mr_ways_feed {
	struct mr_subscriber subscriber;
	const struct mr_host_routes *routes;
	const struct mr_backend_ops *ops;
	struct mr_backend *backend;
	uv_timer_t timer;
	void *tree; /* of pairs, tsearch(3) */
	TAILQ_HEAD(, pair) pairs;
	struct pair *visit; /* next to be looked at */
	bool again;         /* routes have changed since that walk began */
};

static int compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return memcmp(&x->key, &y->key, sizeof(x->key));
}

static void tell(struct mr_ways_feed *feed, struct pair *pair, const struct mr_ways *ways)
{
	if (pair->known && !memcmp(&pair->told, ways, sizeof(*ways)))
		return;
	/* A table that is full: the target is then reached by its next hop alone. Tried again. */
	pair->known =
		!feed->ops->ways_put(feed->backend, &pair->key.target, &pair->key.upstream, ways);
	pair->told = *ways;
}

static void look(struct mr_ways_feed *feed, struct pair *pair)
{
	struct mr_ways ways;

	mr_host_ways(feed->routes, &pair->key.target, &pair->key.upstream, &ways);
	tell(feed, pair, &ways);
}

static void walk(uv_timer_t *timer)
{
	struct mr_ways_feed *feed = timer->data;

	if (!feed->visit && feed->again) {
		feed->again = false;
		feed->visit = TAILQ_FIRST(&feed->pairs);
	}
	for (int i = 0; i < SLICE && feed->visit; i++) {
		struct pair *pair = feed->visit;

		feed->visit = TAILQ_NEXT(pair, link);
		look(feed, pair);
	}
	if (feed->visit || feed->again)
		uv_timer_start(timer, walk, WALK_MS, 0);
}

/* Soon, and not from within the news of it: the route cache's listener may not have run yet. */
static void start_walk(struct mr_ways_feed *feed)
{
	feed->again = true;
	if (!uv_is_active((uv_handle_t *)&feed->timer))
		uv_timer_start(&feed->timer, walk, 0, 0);
}

static struct pair *acquire(struct mr_ways_feed *feed, const struct mr_session_info *info)
{
	struct pair key = {.key = {info->target, info->upstream}};
	struct pair **node = tfind(&key, &feed->tree, compare), *pair;

	if (node) {
		(*node)->users++;
		return *node;
	}
	pair = malloc(sizeof(*pair));
	if (!pair)
		return NULL;
	*pair = key;
	pair->users = 1;
	if (!tsearch(pair, &feed->tree, compare)) {
		free(pair);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&feed->pairs, pair, link);
	return pair;
}

static void release(struct mr_ways_feed *feed, const struct mr_session_info *info)
{
	static const struct mr_ways none;
	struct pair key = {.key = {info->target, info->upstream}};
	struct pair **node = tfind(&key, &feed->tree, compare), *pair;

	if (!node || --(*node)->users)
		return;
	pair = *node;
	tell(feed, pair, &none);
	if (feed->visit == pair)
		feed->visit = TAILQ_NEXT(pair, link);
	TAILQ_REMOVE(&feed->pairs, pair, link);
	tdelete(&key, &feed->tree, compare);
	free(pair);
}

static void on_notice(const struct mr_notice *notice, void *context)
{
	struct mr_ways_feed *feed = context;
	struct pair *pair;

	switch (notice->kind) {
	case MR_NOTICE_OPENED:
		pair = acquire(feed, notice->info);
		if (pair && !pair->known)
			look(feed, pair);
		break;
	case MR_NOTICE_RESTORED:
		/* There may be very many: by the walk. A dataplane that was adopted knows them. */
		if (acquire(feed, notice->info))
			start_walk(feed);
		break;
	case MR_NOTICE_CLOSED:
		release(feed, notice->info);
		break;
	default:
		break;
	}
}

static void on_change(unsigned changes, void *context)
{
	if (changes & ~(unsigned)(MR_NETLINK_NEIGHBOURS | MR_NETLINK_FORWARDING))
		start_walk(context);
}

int mr_ways_open(struct mr_sessions *sessions, const struct mr_host_routes *routes,
	const struct mr_backend_ops *ops, struct mr_backend *backend, uv_loop_t *loop,
	struct mr_ways_feed **ret_feed)
{
	struct mr_ways_feed *feed;
	int r;

	*ret_feed = NULL;
	if (!ops->ways_put)
		return 0;
	feed = calloc(1, sizeof(*feed));
	if (!feed)
		return -ENOMEM;
	feed->routes = routes;
	feed->ops = ops;
	feed->backend = backend;
	TAILQ_INIT(&feed->pairs);
	r = mr_netlink_on_change(routes->netlink, on_change, feed);
	if (r) {
		free(feed);
		return r;
	}
	uv_timer_init(loop, &feed->timer);
	feed->timer.data = feed;
	feed->subscriber.fn = on_notice;
	feed->subscriber.context = feed;
	mr_sessions_subscribe(sessions, &feed->subscriber);
	*ret_feed = feed;
	return 0;
}

static void closed(uv_handle_t *handle)
{
	free(handle->data);
}

void mr_ways_close(struct mr_ways_feed *feed)
{
	struct pair *pair;

	if (!feed)
		return;
	mr_netlink_ignore(feed->routes->netlink, feed);
	mr_sessions_unsubscribe(&feed->subscriber);
	while ((pair = TAILQ_FIRST(&feed->pairs))) {
		TAILQ_REMOVE(&feed->pairs, pair, link);
		tdelete(pair, &feed->tree, compare);
		free(pair);
	}
	uv_close((uv_handle_t *)&feed->timer, closed);
}
