/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.c - the module's one symbol: struct mr_backend_ops over the files beside this one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "dpdk.h"
#include "eal.h"
#include "events.h"
#include "keys.h"
#include "port.h"
#include "replug.h"
#include "tables.h"
#include "ways.h"
#include "worker.h"

extern const struct mr_backend_module mr_backend_module;

/* Undoes what open() did so far, in the reverse order; nothing runs when it returns. */
static void close_backend(struct mr_backend *b)
{
	mr_workers_stop(b);
	if (b->tables.rcu)
		mr_control_stop(b);
	mr_ports_close(b);
	mr_events_close(&b->events);
	if (b->tables.rcu)
		mr_tables_close(&b->tables);
	mr_eal_stop();
	free(b);
}

static int open_started(
	struct mr_backend *b, const struct mr_backend_config *config, struct mr_why *ret_why)
{
	int rc = mr_tables_open(config, b->options.workers, &b->tables, ret_why);

	if (!rc)
		rc = mr_events_open(&b->events, ret_why);
	if (!rc)
		rc = mr_ports_open(b, ret_why);
	if (!rc)
		rc = mr_control_start(b, ret_why);
	if (!rc)
		rc = mr_workers_start(b, ret_why);
	if (!rc && mr_eal_confine())
		rc = mr_why_set(ret_why, -EIO, "DPDK's interrupt thread does not answer");
	return rc;
}

static int backend_open(const struct mr_backend_config *config, struct mr_backend **ret_backend,
	bool *ret_adopted, struct mr_why *ret_why)
{
	struct mr_backend *b = calloc(1, sizeof(*b));
	size_t buffers = 0;
	int rc;

	if (!b)
		return mr_why_set(ret_why, -ENOMEM, "out of memory");
	b->events.fd = -1;
	rc = mr_dpdk_options_parse(config->options, config->n_options, &b->options, ret_why);
	if (!rc)
		rc = mr_ports_plan(b, config->interfaces, config->n_interfaces, &buffers, ret_why);
	if (!rc)
		rc = mr_eal_start(
			&b->options, buffers + mr_tables_memory(config), &b->huge, ret_why);
	if (rc) {
		free(b);
		return rc;
	}
	rc = open_started(b, config, ret_why);
	if (rc) {
		close_backend(b);
		return rc;
	}
	*ret_backend = b;
	*ret_adopted = false;
	return 0;
}

static void backend_close(struct mr_backend *b)
{
	close_backend(b);
}

static void backend_describe(struct mr_backend *b, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, "DPDK, %u worker%s, %s, %s", b->options.workers,
		b->options.workers == 1 ? "" : "s", b->huge ? "huge pages" : "no huge pages",
		b->options.poll ? "polling" : "sleeping when idle");

	for (unsigned i = 0; i < b->n_ports && used < size; i++) {
		const struct mr_port *port = &b->ports[i];

		used += (size_t)snprintf(buf + used, size - used, "; %s: %s (%s)%s%s", port->ifname,
			port->driver, port->device, port->has_tap ? ", TAP" : "",
			port->gone ? ", not attached now" : "");
	}
}

static int backend_session_put(
	struct mr_backend *b, uint32_t index, const struct mr_session *session)
{
	return mr_tables_session_put(&b->tables, index, session);
}

static int backend_session_get(
	struct mr_backend *b, uint32_t first, uint32_t count, struct mr_session *ret_sessions)
{
	return mr_tables_session_get(&b->tables, first, count, ret_sessions);
}

static int backend_session_close(struct mr_backend *b, uint32_t index)
{
	return mr_tables_session_close(&b->tables, index);
}

static int backend_public_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	int rc = mr_keys_public_put(&b->tables, key, ref);

	if (rc)
		return rc;
	rc = mr_control_public_port(b, key, true);
	if (rc)
		mr_keys_public_del(&b->tables, key);
	return rc;
}

static int backend_public_del(struct mr_backend *b, const struct mr_key *key)
{
	int rc = mr_keys_public_del(&b->tables, key);

	return rc ? rc : mr_control_public_port(b, key, false);
}

static int backend_target_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref)
{
	int rc = mr_keys_target_put(&b->tables, key, ref);

	if (rc)
		return rc;
	rc = mr_control_upstream_block(b, key->block, true);
	if (rc)
		mr_keys_target_del(&b->tables, key);
	return rc;
}

static int backend_target_del(struct mr_backend *b, const struct mr_key *key)
{
	int rc = mr_keys_target_del(&b->tables, key);

	return rc ? rc : mr_control_upstream_block(b, key->block, false);
}

static int backend_address_put(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr)
{
	return mr_keys_address_put(&b->tables, slot, addr);
}

static int backend_address_get(struct mr_backend *b, uint32_t slot, struct mr_addr *ret_addr)
{
	if (slot >= MR_PUBLIC_MAX)
		return -EINVAL;
	*ret_addr = b->tables.addresses[slot];
	return 0;
}

static int backend_link_put(struct mr_backend *b, uint32_t ifindex, const struct mr_link *link)
{
	return mr_tables_link_put(&b->tables, ifindex, link);
}

static int backend_link_del(struct mr_backend *b, uint32_t ifindex)
{
	return mr_tables_link_del(&b->tables, ifindex);
}

static int backend_ways_put(struct mr_backend *b, const struct mr_addr *target,
	const struct mr_addr *upstream, const struct mr_ways *ways)
{
	return mr_ways_put(&b->tables, target, upstream, ways);
}

static void backend_routes_changed(struct mr_backend *b)
{
	mr_tables_bump_generation(&b->tables);
}

static int backend_stats(
	struct mr_backend *b, struct mr_reason_count ret_counts[MR_REASON_CAPACITY])
{
	memset(ret_counts, 0, MR_REASON_CAPACITY * sizeof(*ret_counts));
	for (uint32_t i = 0; i < b->options.workers; i++) {
		for (unsigned r = 0; r < MR_REASON_CAPACITY; r++) {
			const struct mr_reason_count *c = &b->workers[i].counts[r];

			ret_counts[r].packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
			ret_counts[r].bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
		}
	}
	return 0;
}

static uint64_t backend_events_suppressed(struct mr_backend *b)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < b->options.workers; i++) {
		for (unsigned k = 0; k < MR_EVENT_KINDS; k++)
			sum += __atomic_load_n(
				&b->workers[i].limits[k].suppressed, __ATOMIC_RELAXED);
	}
	return sum;
}

static int backend_event_fd(struct mr_backend *b)
{
	return b->events.fd;
}

static int backend_events(struct mr_backend *b, unsigned max, mr_event_fn *fn, void *context)
{
	return mr_events_take(&b->events, max, fn, context);
}

static int backend_trouble(struct mr_backend *b, struct mr_why *ret_why)
{
	return mr_control_trouble(b, ret_why);
}

static const struct mr_backend_ops ops = {
	.open = backend_open,
	.close = backend_close,
	.detach = backend_close, /* nothing outlives the daemon */
	.describe = backend_describe,
	.session_put = backend_session_put,
	.session_get = backend_session_get,
	.session_close = backend_session_close,
	.public_put = backend_public_put,
	.public_del = backend_public_del,
	.target_put = backend_target_put,
	.target_del = backend_target_del,
	.address_put = backend_address_put,
	.address_get = backend_address_get,
	.link_put = backend_link_put,
	.link_del = backend_link_del,
	.ways_put = backend_ways_put,
	.interface_set = mr_replug,
	.routes_changed = backend_routes_changed,
	.stats = backend_stats,
	.events_suppressed = backend_events_suppressed,
	.event_fd = backend_event_fd,
	.events = backend_events,
	.trouble = backend_trouble,
};

const struct mr_backend_module mr_backend_module = {
	.layout = MR_LAYOUT_VERSION,
	.version = MR_VERSION,
	.ops = &ops,
};
