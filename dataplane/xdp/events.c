/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * events.c - the XDP backend's ring of events.
 */
#include "xdp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "core/limit.h"

uint64_t mr_xdp_events_suppressed(struct mr_backend *b)
{
	int cpus = libbpf_num_possible_cpus();
	struct mr_event_limit *each;
	uint64_t sum = 0;

	if (cpus < 0)
		return 0;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return 0;
	for (uint32_t kind = 0; kind < MR_EVENT_KINDS; kind++) {
		if (bpf_map_lookup_elem(bpf_map__fd(b->skel->maps.limits), &kind, each) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			sum += each[cpu].suppressed;
	}
	free(each);
	return sum;
}

int mr_xdp_event_fd(struct mr_backend *b)
{
	return ring_buffer__epoll_fd(b->ring);
}

int mr_xdp_on_event(void *context, void *data, size_t size)
{
	struct mr_backend *b = context;
	struct mr_event event;

	if (size < sizeof(event))
		return 0;
	memcpy(&event, data, sizeof(event));
	b->event_fn(&event, b->event_context);
	return --b->events_left ? 0 : -ECANCELED; /* what follows stays in the ring */
}

int mr_xdp_events(struct mr_backend *b, unsigned max, mr_event_fn *fn, void *context)
{
	int rc;

	if (!max)
		return 0;
	b->event_fn = fn;
	b->event_context = context;
	b->events_left = max;
	rc = ring_buffer__consume(b->ring);
	if (rc < 0 && rc != -ECANCELED)
		return rc;
	return (int)(max - b->events_left);
}
