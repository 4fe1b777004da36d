/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feed.h - keeps the dataplane's picture of the network true: which interface an index leads to,
 * and that cached next hops are stale.
 *
 * Owns nothing but the subscription: the mirror is netlink.h's, the tables are the backend's.
 */
#ifndef MR_CONTROL_FEED_H
#define MR_CONTROL_FEED_H

#include "backend.h"
#include "netlink.h"

struct mr_feed;

enum mr_feed_news {
	MR_FEED_ATTACHED, /* the interface has come back, or another one has its name */
	MR_FEED_GONE,     /* there is no interface of that name any more */
	MR_FEED_REFUSED,  /* the dataplane does not take it; told once, and tried again */
};

/** What has become of an interface; the feed goes on. `why` is "" unless refused. For the log. */
typedef void mr_feed_fn(const char *iface, enum mr_feed_news news, const char *why, void *context);

/**
 * Tells the backend of every interface (link_put) and follows changes from now on: link_put and
 * link_del as interfaces come, change and go, routes_changed() at most once an iteration of the
 * loop. `interfaces` are the names that the dataplane was opened on: an interface that is made anew
 * or renamed is attached when it has such a name (interface_set), before anything else of it is
 * told. Bumps once at the start: an adopted dataplane may hold next hops of long ago. \return 0 or
 * -errno; the backend and `netlink` must outlive the feed.
 */
int mr_feed_open(struct mr_netlink *netlink, const struct mr_backend_ops *ops,
	struct mr_backend *backend, const char *const *interfaces, size_t n_interfaces,
	mr_feed_fn *fn, void *context, struct mr_feed **ret_feed);

/** Stops following. Entries stay as they are: XDP goes on forwarding by them. NULL is allowed. */
void mr_feed_close(struct mr_feed *feed);

/** Times that routes_changed() was called. */
uint64_t mr_feed_bumps(const struct mr_feed *feed);

#endif
