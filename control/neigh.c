// SPDX-License-Identifier: BSD-2-Clause
/*
 * neigh.c - which destinations are kept, which next hops they have just now, and when the kernel is
 * asked to look at them again.
 *
 * A destination is what callers name; an entry is the neighbour that it is reached by, shared by
 * all destinations behind one gateway. Routes decide, so each change of routes looks at all
 * destinations again, in slices.
 */
#include "neigh.h"

#include <assert.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "neigh_kernel.h"
#include "routes.h"

#define ROUND_MS     1000
#define WALK_MS      50  /* between slices of a walk over all destinations */
#define SLICE        100 /* destinations or entries looked at in one go: some 10 ms */
#define GATEWAYS_MAX 64
#define RECENT       1024 /* slots that remember what was resolved in the last second */
#define USE_S        10   /* each entry is used once in so long where we keep it alive, ... */
#define VERIFY_MS    5000 /* an entry is not verified more often */
#define CHECK_S      60   /* ... or looked at, where the kernel does */

struct next_hop {
	uint32_t ifindex;
	struct mr_addr addr;
	size_t users;
	uint64_t marked_ms, verified_ms;
	bool again; /* gone, or could not be marked: at the next tick */
	TAILQ_ENTRY(next_hop) link;
};

struct destination {
	struct mr_addr addr;
	size_t users;
	struct next_hop *entry; /* NULL: no route, or a link without neighbours */
	TAILQ_ENTRY(destination) link;
};

struct recent {
	uint32_t ifindex;
	struct mr_addr addr;
	uint64_t time_ms;
};

struct mr_neigh {
	struct mr_netlink *netlink;
	uv_timer_t tick;
	bool manage;  /* ask the kernel to */
	bool managed; /* it does */
	bool probed;  /* `managed` has been found out */

	void *destination_tree, *entry_tree; /* tsearch(3) */
	TAILQ_HEAD(, destination) destinations;
	TAILQ_HEAD(, next_hop) entries; /* the one at the head is looked at next */
	size_t n_destinations, n_entries, n_again;

	struct next_hop *gateways[GATEWAYS_MAX];
	size_t n_gateways;

	struct destination *visit; /* next to be looked at after a change of routes */
	bool routes_again;         /* they changed since that walk began */
	uint64_t walked_ms, rounded_ms;

	struct recent recent[RECENT];
	uint64_t budget_ms; /* the second that `budget` is of */
	unsigned budget;
};

static void ticked(uv_timer_t *timer);

static int entry_compare(const void *a, const void *b)
{
	const struct next_hop *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

static int destination_compare(const void *a, const void *b)
{
	const struct destination *x = a, *y = b;

	return memcmp(&x->addr, &y->addr, sizeof(x->addr));
}

/* Entries */

static void entry_mark(struct mr_neigh *neigh, struct next_hop *entry)
{
	struct mr_neigh_entry state;
	bool manage = neigh->manage && (neigh->managed || !neigh->probed);
	int error = mr_neigh_entry_use(neigh->netlink, entry->ifindex, &entry->addr,
		manage ? MR_NEIGH_MANAGE : MR_NEIGH_AS_IT_IS);

	entry->marked_ms = uv_now(neigh->tick.loop);
	/* An error passes by itself (link down, table full) or with a change of routes. */
	neigh->n_again += (size_t)(error != 0) - (size_t)entry->again;
	entry->again = error != 0;

	/* The first entry shows whether this kernel manages: an old one keeps no such mark. */
	if (!error && !neigh->probed &&
		!mr_neigh_entry_get(neigh->netlink, entry->ifindex, &entry->addr, &state) &&
		!(state.nud & (NUD_PERMANENT | NUD_NOARP)) && !(state.flags & NTF_EXT_LEARNED)) {
		neigh->probed = true;
		neigh->managed = state.managed;
	}
}

static struct next_hop *entry_acquire(
	struct mr_neigh *neigh, uint32_t ifindex, const struct mr_addr *addr)
{
	struct next_hop key = {.ifindex = ifindex, .addr = *addr};
	struct next_hop **node = tfind(&key, &neigh->entry_tree, entry_compare);

	if (node) {
		(*node)->users++;
		return *node;
	}
	struct next_hop *entry = malloc(sizeof(*entry));
	if (!entry)
		return NULL;
	*entry = key;
	entry->users = 1;
	if (!tsearch(entry, &neigh->entry_tree, entry_compare)) {
		free(entry);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&neigh->entries, entry, link);
	neigh->n_entries++;
	entry_mark(neigh, entry);
	return entry;
}

static void entry_free(struct mr_neigh *neigh, struct next_hop *entry)
{
	neigh->n_again -= entry->again;
	neigh->n_entries--;
	TAILQ_REMOVE(&neigh->entries, entry, link);
	tdelete(entry, &neigh->entry_tree, entry_compare);
	free(entry);
}

static void entry_unmark(struct mr_neigh *neigh, const struct next_hop *entry)
{
	/* Where it fails, the entry or its link is gone, and so is the mark. */
	if (neigh->managed)
		(void)mr_neigh_entry_use(
			neigh->netlink, entry->ifindex, &entry->addr, MR_NEIGH_UNMANAGE);
}

static void entry_release(struct mr_neigh *neigh, struct next_hop *entry)
{
	if (!entry || --entry->users)
		return;
	entry_unmark(neigh, entry);
	entry_free(neigh, entry);
}

/* Destinations */

/* Finds the present next hop. The new one is acquired first: it may be the old one. */
static void destination_route(struct mr_neigh *neigh, struct destination *destination)
{
	struct mr_route_query query = {.dst = destination->addr, .one_path = true};
	struct mr_route route;
	struct next_hop *entry = NULL;

	if (!mr_route_get(neigh->netlink, &query, &route) && route.type == MR_ROUTE_UNICAST) {
		const struct mr_iface *iface = mr_netlink_iface(neigh->netlink, route.oif);
		if (iface && iface->ethernet)
			entry = entry_acquire(neigh, route.oif, &route.gateway);
	}
	entry_release(neigh, destination->entry);
	destination->entry = entry;
}

/* Goes on with the walk over all destinations, and ticks faster until it is done. */
static void destinations_walk(struct mr_neigh *neigh)
{
	for (int i = 0; i < SLICE && neigh->visit; i++) {
		struct destination *destination = neigh->visit;
		neigh->visit = TAILQ_NEXT(destination, link);
		destination_route(neigh, destination);
	}
	uv_timer_start(&neigh->tick, ticked, neigh->visit ? WALK_MS : ROUND_MS, 0);
}

static void walk_start(struct mr_neigh *neigh, uint64_t now_ms)
{
	neigh->routes_again = false;
	neigh->walked_ms = now_ms;
	neigh->visit = TAILQ_FIRST(&neigh->destinations);
	destinations_walk(neigh);
}

static int keep(struct mr_neigh *neigh, const struct mr_addr *dst, bool now)
{
	struct destination key = {.addr = *dst};
	struct destination **node = tfind(&key, &neigh->destination_tree, destination_compare);

	if (node) {
		(*node)->users++;
		return 0;
	}
	if (neigh->n_destinations >= MR_NEIGH_MAX)
		return -ENOSPC;
	struct destination *destination = malloc(sizeof(*destination));
	if (!destination)
		return -ENOMEM;
	*destination = key;
	destination->users = 1;
	if (!tsearch(destination, &neigh->destination_tree, destination_compare)) {
		free(destination);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&neigh->destinations, destination, link);
	neigh->n_destinations++;
	if (now)
		destination_route(neigh, destination);
	else
		neigh->routes_again = true;
	return 0;
}

int mr_neigh_keep(struct mr_neigh *neigh, const struct mr_addr *dst)
{
	return keep(neigh, dst, true);
}

int mr_neigh_keep_soon(struct mr_neigh *neigh, const struct mr_addr *dst)
{
	return keep(neigh, dst, false);
}

void mr_neigh_drop(struct mr_neigh *neigh, const struct mr_addr *dst)
{
	struct destination key = {.addr = *dst};
	struct destination **node = tfind(&key, &neigh->destination_tree, destination_compare);

	assert(node && "as many drops as keeps");
	struct destination *destination = *node;
	if (--destination->users)
		return;
	if (neigh->visit == destination)
		neigh->visit = TAILQ_NEXT(destination, link);
	TAILQ_REMOVE(&neigh->destinations, destination, link);
	tdelete(&key, &neigh->destination_tree, destination_compare);
	neigh->n_destinations--;
	entry_release(neigh, destination->entry);
	free(destination);
}

/* Default gateways */

static void gateways_update(struct mr_neigh *neigh)
{
	struct mr_route_gateway gateways[GATEWAYS_MAX];
	struct next_hop *entries[GATEWAYS_MAX];
	size_t count = 0, kept = 0;

	if (mr_route_default_gateways(neigh->netlink, gateways, GATEWAYS_MAX, &count))
		return; /* what is kept stays kept; the next change of routes asks again */
	for (size_t i = 0; i < count; i++) {
		const struct mr_iface *iface =
			mr_netlink_iface(neigh->netlink, gateways[i].ifindex);
		if (!iface || !iface->ethernet)
			continue;
		entries[kept] = entry_acquire(neigh, gateways[i].ifindex, &gateways[i].addr);
		kept += entries[kept] != NULL;
	}
	for (size_t i = 0; i < neigh->n_gateways; i++)
		entry_release(neigh, neigh->gateways[i]);
	memcpy(neigh->gateways, entries, kept * sizeof(*entries));
	neigh->n_gateways = kept;
}

/* Events and time */

static void neighbour_changed(uint16_t type, uint32_t ifindex, const struct mr_addr *addr,
	uint16_t state, uint8_t flags, const uint8_t *mac, void *context)
{
	struct mr_neigh *neigh = context;
	struct next_hop key = {.ifindex = ifindex, .addr = *addr};
	struct next_hop **node = tfind(&key, &neigh->entry_tree, entry_compare);

	(void)flags, (void)mac;
	if (!node || (type != RTM_DELNEIGH && !(state & NUD_FAILED)))
		return;
	/* Deleted by hand or by the kernel's garbage collection, or found dead by probes to the
	 * address that it had: then it is looked for by broadcast now. Once at once, then by the
	 * tick: whoever deletes in a loop must not make us spin. */
	struct next_hop *entry = *node;
	if (uv_now(neigh->tick.loop) - entry->marked_ms >= ROUND_MS) {
		entry_mark(neigh, entry);
	} else if (!entry->again) {
		entry->again = true;
		neigh->n_again++;
	}
}

/* That some of them are gone may be among the news that were lost. */
static void entries_again(struct mr_neigh *neigh)
{
	struct next_hop *entry;

	TAILQ_FOREACH (entry, &neigh->entries, link)
		entry->again = true;
	neigh->n_again = neigh->n_entries;
}

static void network_changed(unsigned changes, void *context)
{
	struct mr_neigh *neigh = context;
	uint64_t now_ms = uv_now(neigh->tick.loop);

	if (changes & MR_NETLINK_RESYNC)
		entries_again(neigh);
	if (changes & (MR_NETLINK_DEFAULT_ROUTES | MR_NETLINK_LINKS | MR_NETLINK_RESYNC))
		gateways_update(neigh);
	if (!(changes &
		    (MR_NETLINK_ROUTES | MR_NETLINK_LINKS | MR_NETLINK_ADDRESSES |
			    MR_NETLINK_RESYNC)))
		return;
	/* A routing daemon changes routes all day: at once after a pause, else by the tick. */
	if (!neigh->visit && now_ms - neigh->walked_ms >= ROUND_MS)
		walk_start(neigh, now_ms);
	else
		neigh->routes_again = true;
}

/* Looks at the next entries in turn, so that all have had theirs in time. */
static void entries_round(struct mr_neigh *neigh)
{
	size_t seconds = neigh->managed ? CHECK_S : USE_S;
	size_t due = (neigh->n_entries + seconds - 1) / seconds;
	size_t left = 2 * SLICE;
	struct next_hop *entry;

	for (; due && left; due--, left--) {
		entry = TAILQ_FIRST(&neigh->entries);
		TAILQ_REMOVE(&neigh->entries, entry, link);
		TAILQ_INSERT_TAIL(&neigh->entries, entry, link);
		entry_mark(neigh, entry);
	}
	if (!neigh->n_again)
		return;
	TAILQ_FOREACH (entry, &neigh->entries, link) {
		if (entry->again && left) {
			entry_mark(neigh, entry);
			left--;
		}
	}
}

static void ticked(uv_timer_t *timer)
{
	struct mr_neigh *neigh = timer->data;
	uint64_t now_ms = uv_now(timer->loop);

	uv_timer_start(timer, ticked, ROUND_MS, 0);
	if (neigh->visit)
		destinations_walk(neigh);
	else if (neigh->routes_again)
		walk_start(neigh, now_ms);
	if (now_ms - neigh->rounded_ms >= ROUND_MS) {
		neigh->rounded_ms = now_ms;
		entries_round(neigh);
	}
}

/* Resolving what a packet has missed */

static bool allowed(struct mr_neigh *neigh, uint32_t ifindex, const struct mr_addr *addr)
{
	uint64_t now_ms = uv_now(neigh->tick.loop);
	uint32_t hash = (mr_be32_to_cpu(addr->w[3] ^ addr->w[2]) ^ ifindex) * 2654435761U;
	struct recent *recent = &neigh->recent[hash >> 22];

	_Static_assert(RECENT == 1 << (32 - 22), "the hash gives a slot");
	if (recent->ifindex == ifindex && mr_addr_equal(&recent->addr, addr) &&
		now_ms - recent->time_ms < 1000)
		return false;
	if (now_ms - neigh->budget_ms >= 1000) {
		neigh->budget_ms = now_ms;
		neigh->budget = MR_NEIGH_RESOLVE_RATE;
	}
	if (!neigh->budget)
		return false;
	neigh->budget--;
	*recent = (struct recent){ifindex, *addr, now_ms};
	return true;
}

void mr_neigh_resolve(struct mr_neigh *neigh, uint32_t ifindex, const struct mr_addr *addr)
{
	struct mr_route_query query = {.dst = *addr, .one_path = true};
	struct mr_route route;
	struct next_hop key = {.ifindex = ifindex, .addr = *addr};

	if (!allowed(neigh, ifindex, addr))
		return;
	/* A next hop is its own next hop; what isn't was the final destination. */
	if (!mr_route_get(neigh->netlink, &query, &route) && route.type == MR_ROUTE_UNICAST &&
		(!ifindex || (route.oif == ifindex && !route.on_link))) {
		key.ifindex = route.oif;
		key.addr = route.gateway;
	}
	const struct mr_iface *iface = mr_netlink_iface(neigh->netlink, key.ifindex);
	if (!iface || !iface->ethernet)
		return;
	struct next_hop **node = tfind(&key, &neigh->entry_tree, entry_compare);
	if (node)
		entry_mark(neigh, *node);
	else /* a failure is not kept: the next packet asks again */
		(void)mr_neigh_entry_use(neigh->netlink, key.ifindex, &key.addr, MR_NEIGH_AS_IT_IS);
}

void mr_neigh_verify(struct mr_neigh *neigh, const struct mr_addr *dst)
{
	struct destination key = {.addr = *dst};
	struct destination **node = tfind(&key, &neigh->destination_tree, destination_compare);
	uint64_t now_ms = uv_now(neigh->tick.loop);

	if (!node || !(*node)->entry)
		return;
	struct next_hop *entry = (*node)->entry;
	if (entry->verified_ms && now_ms - entry->verified_ms < VERIFY_MS)
		return;
	entry->verified_ms = now_ms;
	/* Probing takes the mark off, so it is set again. */
	if (!mr_neigh_entry_probe(neigh->netlink, entry->ifindex, &entry->addr))
		entry_mark(neigh, entry);
}

/* Opening and closing */

int mr_neigh_open(
	uv_loop_t *loop, struct mr_netlink *netlink, bool manage, struct mr_neigh **ret_neigh)
{
	struct mr_neigh *neigh = calloc(1, sizeof(*neigh));
	int error;

	if (!neigh)
		return -ENOMEM;
	neigh->netlink = netlink;
	neigh->manage = neigh->managed = manage;
	neigh->probed = !manage;
	TAILQ_INIT(&neigh->destinations);
	TAILQ_INIT(&neigh->entries);
	error = mr_netlink_on_change(netlink, network_changed, neigh);
	if (!error)
		error = mr_netlink_on_neighbour(netlink, neighbour_changed, neigh);
	if (error) {
		mr_netlink_ignore(netlink, neigh);
		free(neigh);
		return error;
	}
	uv_timer_init(loop, &neigh->tick);
	neigh->tick.data = neigh;
	uv_timer_start(&neigh->tick, ticked, ROUND_MS, 0);
	gateways_update(neigh);
	*ret_neigh = neigh;
	return 0;
}

static void tick_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void mr_neigh_close(struct mr_neigh *neigh, bool unmark)
{
	struct destination *destination;
	struct next_hop *entry;

	if (!neigh)
		return;
	mr_netlink_ignore(neigh->netlink, neigh);
	while ((destination = TAILQ_FIRST(&neigh->destinations))) {
		TAILQ_REMOVE(&neigh->destinations, destination, link);
		tdelete(destination, &neigh->destination_tree, destination_compare);
		free(destination);
	}
	while ((entry = TAILQ_FIRST(&neigh->entries))) {
		if (unmark)
			entry_unmark(neigh, entry);
		entry_free(neigh, entry);
	}
	uv_close((uv_handle_t *)&neigh->tick, tick_closed);
}

/* Questions */

bool mr_neigh_managed(const struct mr_neigh *neigh)
{
	return neigh->managed;
}

void mr_neigh_counts(const struct mr_neigh *neigh, size_t *ret_destinations, size_t *ret_entries)
{
	*ret_destinations = neigh->n_destinations;
	*ret_entries = neigh->n_entries;
}
