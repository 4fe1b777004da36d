/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.c - the dataplane's events made into notices.
 */
#include "events.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "netlink.h"
#include "sessions_private.h"
#include "wire.h"

#define BATCH   256 /* events at once, so that the loop gets to other things in between */
#define POLL_MS 100 /* where a backend has no file descriptor */

#define ICMP_PORT_UNREACHABLE   3
#define ICMPV6_PORT_UNREACHABLE 4

struct mr_events {
	struct mr_sessions *sessions;
	mr_events_neighbour_fn *no_neighbour;
	void *context;
	int error;             /* the backend's, told once */
	struct mr_why trouble; /* so is its trouble; "": none */
	/* One of them; outlives the rest by one turn of the loop. */
	uv_poll_t *poll;
	uv_timer_t *timer;
};

static void tell_client(
	struct mr_events *events, const struct session *session, const struct mr_event *event)
{
	static const enum mr_notice_kind kinds[MR_EVENT_KINDS] = {
		[MR_EVENT_LEG] = MR_NOTICE_LEG,
		[MR_EVENT_PROVEN] = MR_NOTICE_PROVEN,
		[MR_EVENT_ROAMED] = MR_NOTICE_ROAMED,
	};
	struct mr_notice notice = {
		.kind = kinds[event->kind],
		.info = &session->info,
		.has_client = true,
		.slot = event->slot,
		.client = event->addr,
		.client_port = ntohs(event->port),
	};

	mr_sessions_notify(events->sessions, &notice);
}

static void tell_unreachable(
	struct mr_events *events, struct session *session, bool certain, const char *text)
{
	int64_t now = mr_sessions_monotonic(events->sessions);
	struct mr_notice notice = {
		.kind = MR_NOTICE_UNREACHABLE,
		.info = &session->info,
		.text = text,
		.certain = certain,
	};

	if (!certain && session->unreachable_ns &&
		now - session->unreachable_ns < MR_EVENTS_UNREACHABLE_NS)
		return;
	session->unreachable_ns = now;
	mr_sessions_notify(events->sessions, &notice);
}

static bool is_port_unreachable(const struct session *session, const struct mr_event *event)
{
	if (mr_addr_is_v4(&session->info.upstream))
		return event->icmp_type == MR_ICMP_UNREACH &&
			event->icmp_code == ICMP_PORT_UNREACHABLE;
	return event->icmp_type == MR_ICMPV6_UNREACH && event->icmp_code == ICMPV6_PORT_UNREACHABLE;
}

/* When the target was last heard of, as its record says now. */
static int target_heard(const struct session *session, int64_t *ret_ns)
{
	const struct mr_sessions_config *config = &session->sessions->config;
	struct mr_session record;
	struct activity activity;
	int r = config->ops->session_get(config->backend, session->info.index, 1, &record);

	if (r < 0)
		return r;
	mr_session_activity(session, &record, &activity);
	*ret_ns = activity.target_ns;
	return 0;
}

static void hear_icmp(
	struct mr_events *events, struct session *session, const struct mr_event *event)
{
	enum mr_runt_answer answer = MR_RUNT_FORGED;
	char sender[INET6_ADDRSTRLEN], text[96];
	int64_t heard;

	if (is_port_unreachable(session, event) && target_heard(session, &heard) == 0)
		answer = mr_runt_judge(&session->runt, event->payload, heard,
			mr_sessions_monotonic(events->sessions));
	mr_addr_format(&event->addr, sender, sizeof(sender));
	if (answer == MR_RUNT_FORGED)
		snprintf(text, sizeof(text), "ICMP type %u code %u from %s", event->icmp_type,
			event->icmp_code, sender);
	else
		snprintf(text, sizeof(text), "%s says that nobody listens there", sender);
	tell_unreachable(events, session, answer != MR_RUNT_FORGED, text);
	if (answer == MR_RUNT_GONE)
		mr_sessions_close(
			events->sessions, session->info.id, MR_SESSION_END_TARGET_GONE, NULL, NULL);
}

static void hear_no_route(
	struct mr_events *events, struct session *session, const struct mr_event *event)
{
	char addr[INET6_ADDRSTRLEN], name[IF_NAMESIZE], text[224];

	mr_addr_format(&event->addr, addr, sizeof(addr));
	if (event->detail != MR_DETAIL_NO_DEVICE)
		snprintf(
			text, sizeof(text), "no route to %s (fib lookup: %u)", addr, event->detail);
	else
		snprintf(text, sizeof(text),
			"%s is reached by %s, which the relay is not attached to: see "
			"\"interfaces\" in moshrelay.conf, and restart the daemon",
			addr, if_indextoname(event->ifindex, name) ? name : "an unknown interface");
	tell_unreachable(events, session, false, text);
}

static void hear_too_big(
	struct mr_events *events, struct session *session, const struct mr_event *event)
{
	char text[96];

	snprintf(text, sizeof(text), "a datagram of %u octets is over the next hop's MTU",
		event->detail);
	tell_unreachable(events, session, false, text);
}

static void hear(const struct mr_event *event, void *context)
{
	struct mr_events *events = context;
	struct session *session = mr_session_find(events->sessions, event->session_id);

	if (event->kind == MR_EVENT_NO_NEIGHBOUR && events->no_neighbour)
		events->no_neighbour(events->context, event->ifindex, &event->addr);
	if (!session || session->life != LIFE_OPEN)
		return;
	switch (event->kind) {
	case MR_EVENT_LEG:
	case MR_EVENT_PROVEN:
	case MR_EVENT_ROAMED:
		tell_client(events, session, event);
		break;
	case MR_EVENT_NO_ROUTE:
		hear_no_route(events, session, event);
		break;
	case MR_EVENT_TOO_BIG:
		hear_too_big(events, session, event);
		break;
	case MR_EVENT_ICMP:
		hear_icmp(events, session, event);
		break;
	default: /* NO_NEIGHBOUR above; and a newer dataplane may know more than we do */
		break;
	}
}

/* What the dataplane does in threads of its own may fail there. */
static void hear_trouble(struct mr_events *events)
{
	const struct mr_sessions_config *config = &events->sessions->config;
	struct mr_why why = {""};

	if (!config->ops->trouble)
		return;
	config->ops->trouble(config->backend, &why);
	if (!strcmp(why.text, events->trouble.text))
		return;
	mr_sessions_trouble(events->sessions, NULL, "the dataplane: %s",
		why.text[0] ? why.text : "what failed goes well again");
	events->trouble = why;
}

static void drain(struct mr_events *events)
{
	const struct mr_sessions_config *config = &events->sessions->config;
	int r = config->ops->events(config->backend, BATCH, hear, events);

	if (r < 0 && !events->error)
		mr_sessions_trouble(events->sessions, NULL, "reading events from the dataplane: %s",
			strerror(-r));
	events->error = r < 0 ? r : 0;
	hear_trouble(events);
}

static void on_readable(uv_poll_t *poll, int status, int what)
{
	(void)status;
	(void)what;
	drain(poll->data);
}

static void on_tick(uv_timer_t *timer)
{
	drain(timer->data);
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

static int start_poll(struct mr_events *events, int fd)
{
	int r;

	events->poll = calloc(1, sizeof(*events->poll));
	if (!events->poll)
		return -ENOMEM;
	r = uv_poll_init(events->sessions->config.loop, events->poll, fd);
	if (r < 0) {
		free(events->poll);
		events->poll = NULL;
		return r;
	}
	events->poll->data = events;
	return uv_poll_start(events->poll, UV_READABLE, on_readable);
}

static int start_timer(struct mr_events *events)
{
	events->timer = calloc(1, sizeof(*events->timer));
	if (!events->timer)
		return -ENOMEM;
	uv_timer_init(events->sessions->config.loop, events->timer);
	events->timer->data = events;
	return uv_timer_start(events->timer, on_tick, POLL_MS, POLL_MS);
}

int mr_events_new(struct mr_sessions *sessions, mr_events_neighbour_fn *no_neighbour, void *context,
	struct mr_events **ret_events)
{
	struct mr_events *events = calloc(1, sizeof(*events));
	int fd, r;

	if (!events)
		return -ENOMEM;
	events->sessions = sessions;
	events->no_neighbour = no_neighbour;
	events->context = context;
	fd = sessions->config.ops->event_fd(sessions->config.backend);
	r = fd >= 0 ? start_poll(events, fd) : start_timer(events);
	if (r < 0) {
		mr_events_free(events);
		return r;
	}
	*ret_events = events;
	return 0;
}

void mr_events_free(struct mr_events *events)
{
	if (!events)
		return;
	if (events->poll)
		uv_close((uv_handle_t *)events->poll, free_handle);
	if (events->timer)
		uv_close((uv_handle_t *)events->timer, free_handle);
	free(events);
}
