/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route_cache.c - a table with one place for each hash.
 */
#include "route_cache.h"

#include <errno.h>
#include <stdlib.h>

#include "hash.h"
#include "random.h"

struct answer {
	struct mr_addr target, source; /* as asked */
	uint64_t generation;           /* of the cache when it was kept; 0: never */
	uint64_t kept_ns;
	struct mr_route route;
};

struct mr_route_cache {
	struct mr_netlink *netlink;
	uint64_t generation; /* one more with each change; never 0 */
	uint64_t seed;       /* people choose targets: they are not to choose places */
	struct answer answers[MR_ROUTE_CACHE_SIZE];
};

static void changed(unsigned changes, void *context)
{
	struct mr_route_cache *cache = context;

	if (changes & ~(unsigned)(MR_NETLINK_NEIGHBOURS | MR_NETLINK_FORWARDING))
		cache->generation++;
}

int mr_route_cache_open(struct mr_netlink *netlink, struct mr_route_cache **ret_cache)
{
	struct mr_route_cache *cache = calloc(1, sizeof(*cache));
	int r;

	if (!cache)
		return -ENOMEM;
	cache->netlink = netlink;
	cache->generation = 1;
	cache->seed = mr_random_u64();
	r = mr_netlink_on_change(netlink, changed, cache);
	if (r) {
		free(cache);
		return r;
	}
	*ret_cache = cache;
	return 0;
}

void mr_route_cache_close(struct mr_route_cache *cache)
{
	if (!cache)
		return;
	mr_netlink_ignore(cache->netlink, cache);
	free(cache);
}

static struct answer *place_of(
	struct mr_route_cache *cache, const struct mr_addr *target, const struct mr_addr *source)
{
	uint64_t hash = mr_hash_octets(cache->seed, target, sizeof(*target));

	hash = mr_hash_octets(hash, source, sizeof(*source));
	return &cache->answers[hash % MR_ROUTE_CACHE_SIZE];
}

bool mr_route_cache_find(struct mr_route_cache *cache, const struct mr_addr *target,
	const struct mr_addr *source, struct mr_route *ret_route)
{
	const struct answer *answer = place_of(cache, target, source);

	if (!answer->generation || !mr_addr_equal(&answer->target, target) ||
		!mr_addr_equal(&answer->source, source) ||
		uv_hrtime() - answer->kept_ns >= MR_ROUTE_CACHE_TTL_NS)
		return false;
	mr_netlink_catch_up(cache->netlink);
	if (answer->generation != cache->generation)
		return false;
	*ret_route = answer->route;
	return true;
}

void mr_route_cache_keep(struct mr_route_cache *cache, const struct mr_addr *target,
	const struct mr_addr *source, const struct mr_route *route)
{
	*place_of(cache, target, source) = (struct answer){
		.target = *target,
		.source = *source,
		.generation = cache->generation,
		.kept_ns = uv_hrtime(),
		.route = *route,
	};
}
