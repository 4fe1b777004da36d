// SPDX-License-Identifier: BSD-2-Clause
/*
 * netlink.c - the two sockets, the requests, and the handing out of news.
 */
#include "netlink.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "mirror.h"

#define LISTENERS_MAX 16
#define EVENT_BUFFER  (4 << 20) /* octets of events that may wait before some are lost */
#define BATCH_MAX     256       /* datagrams read in one go, so that clients are served too */
#define STALE_MAX     100000    /* thrown away in one go: more than EVENT_BUFFER holds */
#define RESYNC_MS     1000      /* until the next try, where reading everything anew fails */

struct listener {
	union {
		mr_netlink_change_fn *change;
		mr_netlink_neighbour_fn *neighbour;
	};
	void *context;
};

struct mr_netlink {
	struct mnl_socket *events;
	struct mnl_socket *requests;
	uv_poll_t poll;
	uv_timer_t again; /* after a resync that failed */
	unsigned handles; /* of these two, that are not closed yet */
	struct mr_mirror mirror;
	uint32_t sequence;
	unsigned changes; /* since the listeners were called last */
	uint64_t resyncs;
	struct listener change[LISTENERS_MAX];
	struct listener neighbour[LISTENERS_MAX];
	/* One socket each, and a listener may send a request while events are being read. */
	char event_buffer[32768];
	char reply_buffer[32768];
};

static const unsigned groups[] = {
	RTNLGRP_LINK,
	RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE,
	RTNLGRP_IPV6_RULE,
	RTNLGRP_NEIGH,
	RTNLGRP_NEXTHOP,
	RTNLGRP_IPV4_NETCONF,
	RTNLGRP_IPV6_NETCONF,
};

/* Requests */

struct reply {
	uint32_t sequence;
	mr_netlink_reply_fn *fn;
	void *context;
	int error;        /* the first one; the answer is read to its end all the same */
	bool interrupted; /* the table changed under the dump: what there is is handed out anyway */
	bool complete;
};

/* One answer datagram. */
static void reply_handle(struct reply *reply, const char *data, size_t length)
{
	const struct nlmsghdr *message = (const void *)data;
	int left = (int)length;
	int error = 0;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != reply->sequence)
			continue; /* a late answer to a request that was given up */
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			reply->interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *result = mnl_nlmsg_get_payload(message);
			error = mnl_nlmsg_get_payload_len(message) < sizeof(*result)
				? -EBADMSG
				: result->error;
			reply->complete = true;
		} else if (message->nlmsg_type == NLMSG_DONE) {
			reply->complete = true;
		} else if (reply->fn && !reply->error && !error) {
			error = reply->fn(message, reply->context);
		}
		if (error < 0 && !reply->error)
			reply->error = error;
	}
}

int mr_netlink_request(struct mr_netlink *netlink, struct nlmsghdr *request,
	mr_netlink_reply_fn *fn, void *context)
{
	struct reply reply = {.sequence = ++netlink->sequence, .fn = fn, .context = context};

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	request->nlmsg_seq = reply.sequence;
	request->nlmsg_pid = 0;
	if (mnl_socket_sendto(netlink->requests, request, request->nlmsg_len) < 0)
		return -errno;
	while (!reply.complete) {
		ssize_t length = mnl_socket_recvfrom(
			netlink->requests, netlink->reply_buffer, sizeof(netlink->reply_buffer));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		reply_handle(&reply, netlink->reply_buffer, (size_t)length);
	}
	return reply.error ? reply.error : reply.interrupted ? -EINTR : 0;
}

/* Reading everything anew */

static int take_in(const struct nlmsghdr *message, void *context)
{
	struct mr_netlink *netlink = context;
	struct mr_mirror_neighbour neighbour;
	int result = 0;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
		result = mr_mirror_link(&netlink->mirror, message);
		break;
	case RTM_NEWADDR:
		result = mr_mirror_address(&netlink->mirror, message);
		break;
	case RTM_NEWNEIGH:
		result = mr_mirror_neighbour(&netlink->mirror, message, &neighbour);
		break;
	}
	return result == -ENOMEM ? result : 0;
}

static int dump(struct mr_netlink *netlink, uint16_t type, size_t header_size)
{
	char buffer[MNL_NLMSG_HDRLEN + 64] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(request, header_size);
	return mr_netlink_request(netlink, request, take_in, netlink);
}

static int dump_all(struct mr_netlink *netlink)
{
	static const struct {
		uint16_t type;
		size_t header_size;
	} tables[] = {
		{RTM_GETLINK, sizeof(struct ifinfomsg)},
		{RTM_GETADDR, sizeof(struct ifaddrmsg)},
		{RTM_GETNEIGH, sizeof(struct ndmsg)},
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		int error = -EINTR;
		/* The kernel says when a table changed under the dump; a few tries are enough, for
		 * the change itself comes as an event as well. */
		for (int try = 0; try < 8 && error == -EINTR; try++)
			error = dump(netlink, tables[i].type, tables[i].header_size);
		if (error && error != -EINTR)
			return error;
	}
	return 0;
}

/* An error leaves the mirror as it was: what is missing there is taken for gone. */
static int read_all(struct mr_netlink *netlink)
{
	struct mr_mirror other = netlink->mirror;
	int error;

	netlink->mirror = (struct mr_mirror){.ethtool_fd = other.ethtool_fd};
	error = dump_all(netlink);
	if (error) {
		struct mr_mirror half = netlink->mirror;

		netlink->mirror = other;
		other = half;
	}
	other.ethtool_fd = -1; /* the mirror's that stays */
	mr_mirror_fini(&other);
	return error;
}

/* Events */

static void neighbour_event(struct mr_netlink *netlink, const struct nlmsghdr *message)
{
	struct mr_mirror_neighbour n;

	if (mr_mirror_neighbour(&netlink->mirror, message, &n) != 1)
		return;
	netlink->changes |= MR_NETLINK_NEIGHBOURS;
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		const struct listener *listener = &netlink->neighbour[i];
		if (listener->neighbour)
			listener->neighbour(message->nlmsg_type, n.ifindex, &n.addr, n.state,
				n.flags, n.has_mac ? n.mac : NULL, listener->context);
	}
}

static void route_event(struct mr_netlink *netlink, const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*route) ||
		(route->rtm_flags & RTM_F_CLONED))
		return;
	netlink->changes |= MR_NETLINK_ROUTES;
	if (route->rtm_dst_len == 0)
		netlink->changes |= MR_NETLINK_DEFAULT_ROUTES;
}

static void event(struct mr_netlink *netlink, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (mr_mirror_link(&netlink->mirror, message))
			netlink->changes |= MR_NETLINK_LINKS;
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (mr_mirror_address(&netlink->mirror, message))
			netlink->changes |= MR_NETLINK_ADDRESSES;
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_event(netlink, message);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		route_event(netlink, message);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		netlink->changes |= MR_NETLINK_ROUTES | MR_NETLINK_DEFAULT_ROUTES;
		break;
	case RTM_NEWNETCONF:
		netlink->changes |= MR_NETLINK_FORWARDING;
		break;
	}
}

/* What waits is older than what is read anew, and would undo it. */
static void throw_away(struct mr_netlink *netlink)
{
	for (int i = 0; i < STALE_MAX; i++) {
		ssize_t length = mnl_socket_recvfrom(
			netlink->events, netlink->event_buffer, sizeof(netlink->event_buffer));
		if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
	}
}

static void try_again(uv_timer_t *again);

static void resync(struct mr_netlink *netlink)
{
	netlink->resyncs++;
	throw_away(netlink);
	if (read_all(netlink))
		uv_timer_start(&netlink->again, try_again, RESYNC_MS, 0);
	netlink->changes |= MR_NETLINK_RESYNC | MR_NETLINK_LINKS | MR_NETLINK_ADDRESSES |
		MR_NETLINK_ROUTES | MR_NETLINK_DEFAULT_ROUTES | MR_NETLINK_NEIGHBOURS |
		MR_NETLINK_FORWARDING;
}

static void events_read(struct mr_netlink *netlink, bool lost)
{
	for (int i = 0; !lost && i < BATCH_MAX; i++) {
		ssize_t length = mnl_socket_recvfrom(
			netlink->events, netlink->event_buffer, sizeof(netlink->event_buffer));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && (errno == ENOBUFS || errno == ENOSPC))
			lost = true;
		if (length <= 0)
			break;
		const struct nlmsghdr *message = (const void *)netlink->event_buffer;
		int left = (int)length;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			event(netlink, message);
	}
	if (lost)
		resync(netlink);

	unsigned changes = netlink->changes;
	netlink->changes = 0;
	for (size_t i = 0; changes && i < LISTENERS_MAX; i++)
		if (netlink->change[i].change)
			netlink->change[i].change(changes, netlink->change[i].context);
}

static void events_readable(uv_poll_t *poll, int status, int uv_events)
{
	(void)uv_events;
	/* libuv stops to look at a descriptor that has an error, as one has that lost events. */
	if (status < 0)
		(void)uv_poll_start(poll, UV_READABLE, events_readable);
	events_read(poll->data, status < 0);
}

static void try_again(uv_timer_t *again)
{
	events_read(again->data, true);
}

void mr_netlink_catch_up(struct mr_netlink *netlink)
{
	events_read(netlink, false);
}

/* Opening and closing */

static struct mnl_socket *socket_open(bool nonblocking)
{
	struct mnl_socket *socket =
		mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));

	if (!socket)
		return NULL;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int error = errno;
		mnl_socket_close(socket);
		errno = error;
		return NULL;
	}
	return socket;
}

static int sockets_open(struct mr_netlink *netlink)
{
	int size = EVENT_BUFFER, on = 1;
	struct timeval second = {.tv_sec = 1};

	netlink->events = socket_open(true);
	if (!netlink->events)
		return -errno;
	netlink->requests = socket_open(false);
	if (!netlink->requests)
		return -errno;

	int fd = mnl_socket_get_fd(netlink->events);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		/* Kernels are built without rules or next hop objects; then none can change. */
		int group = (int)groups[i];
		if (mnl_socket_setsockopt(
			    netlink->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 &&
			(group == RTNLGRP_LINK || group == RTNLGRP_NEIGH ||
				group == RTNLGRP_IPV4_ROUTE || group == RTNLGRP_IPV4_IFADDR))
			return -errno;
	}
	(void)mnl_socket_setsockopt(netlink->requests, NETLINK_CAP_ACK, &on, sizeof(on));
	if (setsockopt(mnl_socket_get_fd(netlink->requests), SOL_SOCKET, SO_RCVTIMEO, &second,
		    sizeof(second)))
		return -errno;
	return 0;
}

static void netlink_free(struct mr_netlink *netlink)
{
	if (netlink->events)
		mnl_socket_close(netlink->events);
	if (netlink->requests)
		mnl_socket_close(netlink->requests);
	mr_mirror_fini(&netlink->mirror);
	free(netlink);
}

int mr_netlink_open(uv_loop_t *loop, struct mr_netlink **ret_netlink, struct mr_why *ret_why)
{
	struct mr_netlink *netlink = calloc(1, sizeof(*netlink));
	const char *what = "allocate";
	int error = -ENOMEM;

	if (!netlink)
		goto fail;
	what = "open the netlink sockets";
	error = mr_mirror_init(&netlink->mirror);
	if (!error)
		error = sockets_open(netlink);
	if (error)
		goto fail;
	what = "read interfaces and addresses by netlink";
	error = read_all(netlink);
	if (error)
		goto fail;
	what = "watch the netlink socket";
	error = uv_poll_init(loop, &netlink->poll, mnl_socket_get_fd(netlink->events));
	if (error)
		goto fail;
	netlink->poll.data = netlink;
	uv_timer_init(loop, &netlink->again);
	netlink->again.data = netlink;
	netlink->handles = 2;
	error = uv_poll_start(&netlink->poll, UV_READABLE, events_readable);
	assert(!error);
	*ret_netlink = netlink;
	return 0;
fail:
	snprintf(ret_why->text, sizeof(ret_why->text), "can't %s: %s", what, strerror(-error));
	if (netlink)
		netlink_free(netlink);
	return error;
}

static void handle_closed(uv_handle_t *handle)
{
	struct mr_netlink *netlink = handle->data;

	if (--netlink->handles == 0)
		netlink_free(netlink);
}

void mr_netlink_close(struct mr_netlink *netlink)
{
	if (!netlink)
		return;
	uv_close((uv_handle_t *)&netlink->poll, handle_closed);
	uv_close((uv_handle_t *)&netlink->again, handle_closed);
}

int mr_netlink_on_change(struct mr_netlink *netlink, mr_netlink_change_fn *fn, void *context)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (!netlink->change[i].change) {
			netlink->change[i] = (struct listener){.change = fn, .context = context};
			return 0;
		}
	}
	return -ENOSPC;
}

int mr_netlink_on_neighbour(struct mr_netlink *netlink, mr_netlink_neighbour_fn *fn, void *context)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (!netlink->neighbour[i].neighbour) {
			netlink->neighbour[i] =
				(struct listener){.neighbour = fn, .context = context};
			return 0;
		}
	}
	return -ENOSPC;
}

void mr_netlink_ignore(struct mr_netlink *netlink, const void *context)
{
	for (size_t i = 0; i < LISTENERS_MAX; i++) {
		if (netlink->change[i].context == context)
			netlink->change[i] = (struct listener){0};
		if (netlink->neighbour[i].context == context)
			netlink->neighbour[i] = (struct listener){0};
	}
}

uint64_t mr_netlink_resyncs(const struct mr_netlink *netlink)
{
	return netlink->resyncs;
}

/* The mirror's answers: netlink.h gives them, mirror.c has the tables. */

const struct mr_iface *mr_netlink_iface(const struct mr_netlink *netlink, uint32_t ifindex)
{
	return mr_mirror_iface(&netlink->mirror, ifindex);
}

size_t mr_netlink_ifaces(const struct mr_netlink *netlink, const struct mr_iface **ret_ifaces)
{
	*ret_ifaces = netlink->mirror.ifaces;
	return netlink->mirror.n_ifaces;
}

size_t mr_netlink_addresses(
	const struct mr_netlink *netlink, const struct mr_own_address **ret_addresses)
{
	*ret_addresses = netlink->mirror.addresses;
	return netlink->mirror.n_addresses;
}
