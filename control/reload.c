/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.c - compares the fresh configuration with the one in use, and moves over what can be.
 */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

static bool same_list(const struct mr_strv *a, const struct mr_strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]))
			return false;
	return true;
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool same_range(struct mr_port_range a, struct mr_port_range b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static bool same_pools(const struct mr_config *a, const struct mr_config *b)
{
	if (a->n_pools != b->n_pools)
		return false;
	for (size_t i = 0; i < a->n_pools; i++) {
		const struct mr_config_pool *x = &a->pools[i], *y = &b->pools[i];

		if (strcmp(x->name, y->name) || !same_range(x->ports, y->ports) ||
			!same_list(&x->advertise, &y->advertise) ||
			x->n_addresses != y->n_addresses ||
			memcmp(x->addresses, y->addresses, x->n_addresses * sizeof(*x->addresses)))
			return false;
	}
	return true;
}

/* Names what differs and waits, and puts what is in use in the place of what pools depend on. */
static int keep_fixed(const struct mr_config *now, struct mr_config *fresh, struct mr_strv *later)
{
	const struct {
		const char *name;
		bool same;
	} settings[] = {
		{"interfaces",
			!fresh->interfaces.n || same_list(&now->interfaces, &fresh->interfaces)},
		{"upstream-ports", same_range(now->upstream, fresh->upstream)},
		{"dataplane", now->dataplane == fresh->dataplane},
		{"max-sessions", now->max_sessions == fresh->max_sessions},
		{"run-dir", same_text(now->run_dir, fresh->run_dir)},
		{"state-dir", same_text(now->state_dir, fresh->state_dir)},
		{"pin-dir", same_text(now->pin_dir, fresh->pin_dir)},
		{"metrics", same_text(now->metrics, fresh->metrics)},
		{"user", same_text(now->user, fresh->user)},
		{"seccomp", now->seccomp == fresh->seccomp},
		{"dpdk", same_list(&now->dpdk, &fresh->dpdk)},
	};
	int r = 0;

	for (size_t i = 0; !r && i < sizeof(settings) / sizeof(settings[0]); i++)
		if (!settings[i].same)
			r = mr_strv_add(later, settings[i].name);
	mr_strv_clear(&fresh->interfaces);
	for (size_t i = 0; !r && i < now->interfaces.n; i++)
		r = mr_strv_add(&fresh->interfaces, now->interfaces.items[i]);
	fresh->upstream = now->upstream;
	fresh->max_sessions = now->max_sessions;
	return r;
}

static void swap_pools(struct mr_config *a, struct mr_config *b)
{
	struct mr_config_pool *pools = a->pools;
	size_t n = a->n_pools;

	a->pools = b->pools;
	a->n_pools = b->n_pools;
	b->pools = pools;
	b->n_pools = n;
}

/* Both configurations live until the manager has left the old one's texts. */
static int take_pools(
	const struct mr_reload *reload, struct mr_config *fresh, struct mr_reload_report *report)
{
	struct mr_pool_list list;
	int r = mr_host_complete(fresh, reload->netlink, &report->why);

	if (r)
		return r;
	if (same_pools(reload->config, fresh))
		return 0;
	if (mr_host_raise_limits(fresh, &report->limit) <= 0)
		report->limit.text[0] = '\0';
	r = mr_pool_list_make(fresh, &list);
	if (r) {
		snprintf(report->why.text, sizeof(report->why.text), "%s", strerror(-r));
		return r;
	}
	r = mr_sessions_set_pools(reload->sessions, list.pools, list.n, &report->why);
	if (r) {
		mr_pool_list_clear(&list);
		return r;
	}
	mr_pool_list_clear(reload->pools);
	*reload->pools = list;
	swap_pools(reload->config, fresh);
	report->pools_changed = true;
	return 0;
}

/* If the monitor is gone, the file may still be for everybody. */
static int load(
	const struct mr_reload *reload, struct mr_config *ret_config, struct mr_why *ret_why)
{
	int fd = reload->monitor ? mr_monitor_open_config(reload->monitor) : -EPIPE;

	return fd == -EPIPE ? mr_config_load(reload->options, ret_config, ret_why)
			    : mr_config_load_fd(reload->options, fd, ret_config, ret_why);
}

int mr_reload(
	const struct mr_reload *reload, struct mr_reload_report *ret_report, struct mr_why *ret_why)
{
	struct mr_reload_report report = {0};
	struct mr_config *config = reload->config, fresh;
	struct mr_strv later = {0};
	int r = load(reload, &fresh, ret_why);

	if (r)
		return r;
	mr_policy_clear(&config->policy);
	config->policy = fresh.policy;
	fresh.policy = (struct mr_policy){0};
	config->log_level = fresh.log_level;
	mr_log_init(config->log_level);

	report.pools_error = keep_fixed(config, &fresh, &later);
	mr_strv_join(&later, report.later.text, sizeof(report.later.text));
	if (!report.pools_error)
		report.pools_error = take_pools(reload, &fresh, &report);
	mr_strv_clear(&later);
	mr_config_clear(&fresh);
	*ret_report = report;
	return 0;
}
