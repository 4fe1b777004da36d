// SPDX-License-Identifier: BSD-2-Clause
/*
 * feed.c - from the mirror of the kernel's network to the dataplane: which interfaces it is
 * attached to, its link table, its generation.
 */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the dataplane was last told of an interface. */
struct told {
	uint32_t ifindex;
	struct mr_link link;
};

/* One of those that the dataplane was opened on. */
struct attached {
	char name[IF_NAMESIZE];
	uint32_t ifindex; /* 0: there is none, or it was refused */
	uint32_t refused; /* the one that was refused, and told; 0: none */
};

struct mr_feed {
	struct mr_netlink *netlink;
	const struct mr_backend_ops *ops;
	struct mr_backend *backend;
	struct attached *interfaces;
	size_t n_interfaces;
	mr_feed_fn *fn;
	void *context;
	struct told *told; /* sorted by index */
	size_t n_told;
	uint64_t bumps;
};

static void tell(
	const struct mr_feed *feed, const char *iface, enum mr_feed_news news, const char *why)
{
	if (feed->fn)
		feed->fn(iface, news, why, feed->context);
}

static bool is_attached(const struct mr_feed *feed, const char *name)
{
	for (size_t i = 0; i < feed->n_interfaces; i++)
		if (!strcmp(feed->interfaces[i].name, name))
			return true;
	return false;
}

/* What an interface is to the dataplane; false: it leads nowhere that frames could be sent. */
static bool link_of(
	const struct mr_feed *feed, const struct mr_iface *iface, struct mr_link *ret_link)
{
	uint16_t vlan = 0;
	const struct mr_iface *carrier = mr_netlink_carrier(feed->netlink, iface->ifindex, &vlan);
	const struct mr_iface *bond;

	if (!carrier || !carrier->ethernet || carrier->kind == MR_IFACE_LOOPBACK)
		return false;
	*ret_link = (struct mr_link){.ifindex = carrier->ifindex, .vlan = vlan};
	if (carrier->vlan_stripped)
		ret_link->flags |= MR_LINK_VLAN_STRIPPED;
	/* A program on a bond runs on its members and sees them as where frames come in; routes
	 * know the bond. */
	bond = mr_netlink_iface(feed->netlink, carrier->master);
	if (bond && bond->kind == MR_IFACE_BOND) {
		ret_link->ifindex = bond->ifindex;
		carrier = bond;
	}
	if (is_attached(feed, carrier->name))
		ret_link->flags |= MR_LINK_USED;
	return true;
}

static bool link_equal(const struct mr_link *a, const struct mr_link *b)
{
	return a->ifindex == b->ifindex && a->vlan == b->vlan && a->flags == b->flags;
}

/* Tells the dataplane what is different from what it was told before: both lists are sorted. */
static int links_tell(struct mr_feed *feed)
{
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(feed->netlink, &ifaces);
	struct told *now = calloc(count ? count : 1, sizeof(*now));
	size_t n_now = 0, old = 0;

	if (!now)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct told *one = &now[n_now];
		int error = 0;

		one->ifindex = ifaces[i].ifindex;
		if (!link_of(feed, &ifaces[i], &one->link))
			continue;
		for (; old < feed->n_told && feed->told[old].ifindex < one->ifindex; old++)
			(void)feed->ops->link_del(feed->backend, feed->told[old].ifindex);
		bool known = old < feed->n_told && feed->told[old].ifindex == one->ifindex;
		if (!known || !link_equal(&feed->told[old].link, &one->link))
			error = feed->ops->link_put(feed->backend, one->ifindex, &one->link);
		old += known;
		if (!error)
			n_now++;
		else
			tell(feed, ifaces[i].name, MR_FEED_REFUSED, strerror(-error));
	}
	for (; old < feed->n_told; old++)
		(void)feed->ops->link_del(feed->backend, feed->told[old].ifindex);
	free(feed->told);
	feed->told = now;
	feed->n_told = n_now;
	return 0;
}

static uint32_t present(const struct mr_feed *feed, const struct attached *one)
{
	const struct mr_iface *iface = mr_netlink_iface_by_name(feed->netlink, one->name);

	return iface ? iface->ifindex : 0;
}

static void attach_one(struct mr_feed *feed, struct attached *one, uint32_t ifindex)
{
	struct mr_why why = {""};

	if (!feed->ops->interface_set(feed->backend, one->name, ifindex, &why)) {
		one->ifindex = ifindex;
		one->refused = 0;
		tell(feed, one->name, MR_FEED_ATTACHED, "");
	} else if (one->refused != ifindex) {
		one->refused = ifindex;
		tell(feed, one->name, MR_FEED_REFUSED, why.text);
	}
}

/* First off all that have lost their names, then to those that have them now: names may be swapped.
 */
static void interfaces_follow(struct mr_feed *feed)
{
	struct mr_why why;

	if (!feed->ops->interface_set)
		return;
	for (size_t i = 0; i < feed->n_interfaces; i++) {
		struct attached *one = &feed->interfaces[i];
		uint32_t ifindex = present(feed, one);

		if (!one->ifindex || one->ifindex == ifindex)
			continue;
		(void)feed->ops->interface_set(feed->backend, one->name, 0, &why);
		one->ifindex = 0;
		if (!ifindex)
			tell(feed, one->name, MR_FEED_GONE, "");
	}
	for (size_t i = 0; i < feed->n_interfaces; i++) {
		struct attached *one = &feed->interfaces[i];
		uint32_t ifindex = present(feed, one);

		if (ifindex && one->ifindex != ifindex)
			attach_one(feed, one, ifindex);
	}
}

static void bump(struct mr_feed *feed)
{
	feed->ops->routes_changed(feed->backend);
	feed->bumps++;
}

static void changed(unsigned changes, void *context)
{
	struct mr_feed *feed = context;

	if (changes & MR_NETLINK_LINKS) {
		int error;

		interfaces_follow(feed);
		error = links_tell(feed);
		if (error)
			tell(feed, "all", MR_FEED_REFUSED, strerror(-error));
	}
	/* The links first: a next hop that is looked up after the bump must find them. */
	if (changes & ~(unsigned)MR_NETLINK_FORWARDING)
		bump(feed);
}

static void feed_free(struct mr_feed *feed)
{
	free(feed->told);
	free(feed->interfaces);
	free(feed);
}

int mr_feed_open(struct mr_netlink *netlink, const struct mr_backend_ops *ops,
	struct mr_backend *backend, const char *const *interfaces, size_t n_interfaces,
	mr_feed_fn *fn, void *context, struct mr_feed **ret_feed)
{
	struct mr_feed *feed = calloc(1, sizeof(*feed));
	int error = -ENOMEM;

	if (!feed)
		return -ENOMEM;
	*feed = (struct mr_feed){
		.netlink = netlink, .ops = ops, .backend = backend, .fn = fn, .context = context};
	feed->interfaces = calloc(n_interfaces ? n_interfaces : 1, sizeof(*feed->interfaces));
	if (!feed->interfaces)
		goto fail;
	for (; feed->n_interfaces < n_interfaces; feed->n_interfaces++) {
		struct attached *one = &feed->interfaces[feed->n_interfaces];

		strncpy(one->name, interfaces[feed->n_interfaces], IF_NAMESIZE - 1);
		one->ifindex = present(feed, one);
	}
	error = links_tell(feed);
	if (!error)
		error = mr_netlink_on_change(netlink, changed, feed);
	if (error)
		goto fail;
	bump(feed);
	*ret_feed = feed;
	return 0;
fail:
	feed_free(feed);
	return error;
}

void mr_feed_close(struct mr_feed *feed)
{
	if (!feed)
		return;
	mr_netlink_ignore(feed->netlink, feed);
	feed_free(feed);
}

uint64_t mr_feed_bumps(const struct mr_feed *feed)
{
	return feed->bumps;
}
