/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.c - the ring of events.
 */
#include "events.h"

#include <errno.h>
#include <rte_ring_elem.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RING_SIZE 4096

int mr_events_open(struct mr_events *ret_events, struct mr_why *ret_why)
{
	struct mr_events events = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

	if (events.fd < 0)
		return mr_why_set(ret_why, -errno, "eventfd: %m");
	events.ring = rte_ring_create_elem(
		"events", sizeof(struct mr_event), RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (!events.ring) {
		close(events.fd);
		return mr_why_set(ret_why, -ENOMEM,
			"the ring of events doesn't fit into DPDK's memory: raise memory in "
			"dpdk { }");
	}
	*ret_events = events;
	return 0;
}

void mr_events_close(struct mr_events *events)
{
	if (!events->ring)
		return;
	rte_ring_free(events->ring);
	close(events->fd);
	*events = (struct mr_events){.fd = -1};
}

void mr_events_wake(struct mr_events *events)
{
	uint64_t one = 1;

	/* fails only when the counter is full, and then it is readable anyway */
	if (write(events->fd, &one, sizeof(one)) < 0)
		return;
}

void mr_events_notify(struct mr_worker *w, struct mr_event *event)
{
	struct mr_event_limit *limit = &w->limits[event->kind];
	struct mr_events *events = &w->backend->events;

	if (!mr_limit_take(limit, event->time_ns) ||
		rte_ring_mp_enqueue_elem(events->ring, event, sizeof(*event))) {
		__atomic_store_n(&limit->suppressed, limit->suppressed + 1, __ATOMIC_RELAXED);
		return;
	}
	mr_events_wake(events);
}

int mr_events_take(struct mr_events *events, unsigned max, mr_event_fn *fn, void *context)
{
	struct mr_event event;
	unsigned count = 0;
	uint64_t value, one = 1;

	/* first, so that what comes from now on makes it readable again */
	if (read(events->fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
		return -errno;
	while (count < max && !rte_ring_sc_dequeue_elem(events->ring, &event, sizeof(event))) {
		fn(&event, context);
		count++;
	}
	if (!rte_ring_empty(events->ring) && write(events->fd, &one, sizeof(one)) < 0)
		return -errno;
	return (int)count;
}
