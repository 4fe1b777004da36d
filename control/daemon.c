/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.c - puts the parts of the daemon together and takes them apart.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api.h"
#include "attached.h"
#include "events.h"
#include "feed.h"
#include "host.h"
#include "keep.h"
#include "loopback.h"
#include "metrics.h"
#include "neigh.h"
#include "news.h"
#include "reaper.h"
#include "reload.h"
#include "runt.h"
#include "sandbox.h"
#include "select.h"
#include "vlan_offload.h"
#include "ways.h"

struct mr_daemon {
	uv_loop_t loop;
	const struct mr_options *options;
	struct mr_config config;
	int lock_fd;
	struct mr_sandbox sandbox;

	struct mr_netlink *netlink;
	struct mr_host_routes routes;
	struct mr_selection selection;
	struct mr_changes *changes;
	struct mr_loopback *loopback;
	struct mr_vlan_offload *vlan_offload;
	struct mr_feed *feed;
	struct mr_neigh *neigh;
	struct mr_store *store;
	struct mr_pool_list pools;
	struct mr_sessions *sessions;
	struct mr_keep *keep;
	struct mr_ways_feed *ways;
	struct mr_events *events;
	struct mr_runt *runt;
	struct mr_reaper *reaper;
	struct mr_watch *watch;
	struct mr_identities *identities;
	struct mr_rpc_server *server;
	struct mr_api api;
	struct mr_metrics *metrics;

	struct mr_subscriber logger;
	struct mr_news news;
	uv_signal_t signals[3];
	size_t n_signals;
	struct mr_rpc_request *detaching; /* to be answered when the dataplane is off */
	bool failed;                      /* to start */
};

/* Signals. */

static void reload(struct mr_daemon *daemon)
{
	const struct mr_reload what = {
		.options = daemon->options,
		.config = &daemon->config,
		.pools = &daemon->pools,
		.sessions = daemon->sessions,
		.netlink = daemon->netlink,
		.monitor = daemon->sandbox.monitor,
	};
	struct mr_reload_report report;
	struct mr_why why;

	sd_notify(0, "RELOADING=1");
	if (mr_reload(&what, &report, &why)) {
		mr_log_error(
			"the configuration was not read anew, the old one holds: %s", why.text);
	} else {
		mr_news_reload(&daemon->config, &report);
		if (report.pools_changed)
			mr_news_addresses(&daemon->config, daemon->netlink);
	}
	sd_notify(0, "READY=1");
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct mr_daemon *daemon = handle->data;

	if (number == SIGHUP) {
		reload(daemon);
		return;
	}
	mr_log_notice("stopping on signal %d; sessions stay", number);
	uv_stop(&daemon->loop);
}

static int start_signals(struct mr_daemon *daemon)
{
	static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; !r && i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uv_signal_t *handle = &daemon->signals[i];

		r = uv_signal_init(&daemon->loop, handle);
		if (r)
			break;
		daemon->n_signals++;
		handle->data = daemon;
		r = uv_signal_start(handle, on_signal, numbers[i]);
	}
	return r;
}

static void on_detach(void *context, struct mr_rpc_request *request)
{
	struct mr_daemon *daemon = context;

	daemon->detaching = request;
	uv_stop(&daemon->loop);
}

/* The dataplane and what it needs of the kernel. */

static int start_dataplane(struct mr_daemon *daemon, struct mr_why *why)
{
	const struct mr_config *config = &daemon->config;
	struct mr_selection *selection = &daemon->selection;
	struct mr_backend_config wanted = {
		.dataplane = config->dataplane,
		.interfaces = (const char *const *)daemon->routes.carriers.items,
		.n_interfaces = daemon->routes.carriers.n,
		.pin_dir = config->pin_dir,
		.pin_path = daemon->sandbox.pin_path[0] ? daemon->sandbox.pin_path : NULL,
		.max_sessions = config->max_sessions,
		.upstream_lo = config->upstream.lo,
		.options = (const char *const *)config->dpdk.items,
		.n_options = config->dpdk.n,
	};
	int r = mr_select_open(&wanted, selection);
	char text[MR_WHY_SIZE];

	if (r || selection->dataplane == MR_DATAPLANE_DPDK)
		mr_sandbox_remove_pin_dir(&daemon->sandbox, config);
	if (r && selection->n_refusals == 1) {
		snprintf(why->text, sizeof(why->text), "dataplane %s: %.220s",
			mr_dataplane_name(selection->refusals[0].dataplane),
			selection->refusals[0].why.text);
		return r;
	}
	for (size_t i = 0; i < selection->n_refusals; i++)
		mr_log(r ? MR_LOG_ERROR : MR_LOG_NOTICE, "dataplane %s: %s",
			mr_dataplane_name(selection->refusals[i].dataplane),
			selection->refusals[i].why.text);
	if (r) {
		snprintf(why->text, sizeof(why->text), "no dataplane runs on %s",
			mr_strv_join(&daemon->routes.carriers, text, 64));
		return r;
	}
	if (selection->dataplane == MR_DATAPLANE_DPDK)
		mr_attached_forget(config); /* nothing of it outlives the daemon */
	else if ((r = mr_attached_note(config)))
		mr_log_warning(
			"%s: what is attached can't be noted there: %s; moshrelay detach will "
			"need a running daemon",
			config->run_dir, strerror(-r));
	selection->ops->describe(selection->backend, text, sizeof(text));
	mr_log_info("dataplane %s: %s", mr_dataplane_name(selection->dataplane), text);
	return 0;
}

static int start_kernel_side(struct mr_daemon *daemon, struct mr_why *why)
{
	struct mr_selection *selection = &daemon->selection;
	int r = 0;

	why->text[0] = '\0';
	if (selection->dataplane != MR_DATAPLANE_DPDK)
		r = mr_loopback_open(daemon->netlink, daemon->changes, mr_news_loopback, daemon,
			&daemon->loopback, why);
	if (!r && selection->dataplane == MR_DATAPLANE_XDP_GENERIC)
		r = mr_vlan_offload_open(daemon->netlink, &daemon->config.interfaces,
			&daemon->routes.carriers, daemon->changes, mr_news_vlan_offload, daemon,
			&daemon->vlan_offload, why);
	if (!r)
		r = mr_feed_open(daemon->netlink, selection->ops, selection->backend,
			(const char *const *)daemon->routes.carriers.items,
			daemon->routes.carriers.n, mr_news_feed, daemon, &daemon->feed);
	if (!r)
		r = mr_neigh_open(&daemon->loop, daemon->netlink, true, &daemon->neigh);
	if (r && !why->text[0])
		snprintf(why->text, sizeof(why->text),
			"interfaces and neighbours can't be followed: %s", strerror(-r));
	return r;
}

/* Sessions. */

static void on_no_neighbour(void *context, uint32_t ifindex, const struct mr_addr *addr)
{
	struct mr_daemon *daemon = context;

	mr_neigh_resolve(daemon->neigh, ifindex, addr);
}

/* What keeps sessions true once they are there: news from the dataplane, and the clock. */
static int start_upkeep(struct mr_daemon *daemon, struct mr_why *why)
{
	int r = mr_events_new(daemon->sessions, on_no_neighbour, daemon, &daemon->events);

	if (!r)
		r = mr_runt_open(&daemon->runt, why);
	if (!r)
		r = mr_reaper_new(daemon->sessions, daemon->runt, &daemon->reaper);
	return r;
}

static int start_sessions(struct mr_daemon *daemon, struct mr_why *why)
{
	struct mr_sessions_config config = {
		.loop = &daemon->loop,
		.ops = daemon->selection.ops,
		.backend = daemon->selection.backend,
		.store = daemon->store,
		.pools = daemon->pools.pools,
		.n_pools = daemon->pools.n,
		.upstream_lo = daemon->config.upstream.lo,
		.upstream_hi = daemon->config.upstream.hi,
		.max_sessions = daemon->config.max_sessions,
		.route = mr_host_route,
		.route_context = &daemon->routes,
	};
	struct mr_restore_report report;
	int r;

	if (config.ops->capacity)
		config.n_records = config.ops->capacity(config.backend);
	else
		config.n_records = config.max_sessions;
	r = mr_sessions_new(&config, &daemon->sessions, why);

	if (r)
		return r;
	daemon->logger.fn = mr_news_notice;
	daemon->logger.context = &daemon->news;
	mr_sessions_subscribe(daemon->sessions, &daemon->logger);
	daemon->watch = mr_watch_new(daemon->sessions);
	daemon->keep = mr_keep_new(daemon->sessions, daemon->neigh, config.n_records);
	if (!daemon->watch || !daemon->keep)
		return -ENOMEM;
	r = mr_ways_open(daemon->sessions, &daemon->routes, config.ops, config.backend,
		&daemon->loop, &daemon->ways);
	if (r)
		return r;
	r = mr_sessions_restore(daemon->sessions, daemon->selection.adopted, &report, why);
	if (r)
		return r;
	mr_news_restored(&report);
	return start_upkeep(daemon, why);
}

/* The socket. */

static int start_server(struct mr_daemon *daemon, struct mr_why *why)
{
	char path[128];
	struct mr_rpc_config config = {
		.loop = &daemon->loop,
		.path = path,
		.identities = daemon->identities,
		.dispatch = mr_api_dispatch,
		.privileged = mr_api_is_privileged,
		.context = &daemon->api,
	};

	daemon->api = (struct mr_api){
		.sessions = daemon->sessions,
		.store = daemon->store,
		.ops = daemon->selection.ops,
		.backend = daemon->selection.backend,
		.netlink = daemon->netlink,
		.identities = daemon->identities,
		.watch = daemon->watch,
		.config = &daemon->config,
		.selection = &daemon->selection,
		.sandbox = &daemon->sandbox,
		.started_at = mr_clock_system.realtime(),
		.detach = on_detach,
		.context = daemon,
	};
	snprintf(path, sizeof(path), "%s/setup.sock", daemon->config.run_dir);
	int r = mr_rpc_server_open(&config, &daemon->server, why);
	daemon->api.server = daemon->server;
	return r;
}

/* All of it. */

/* Last, for by then all is open; and threads are made before they can't be in the newer way. */
static int confine(struct mr_daemon *daemon, struct mr_why *why)
{
	int r = mr_sandbox_tighten(daemon->selection.dataplane, why);

	if (!r)
		r = mr_identities_prepare(daemon->identities);
	if (!r)
		mr_sandbox_filter(&daemon->sandbox, &daemon->config, daemon->selection.dataplane);
	return r;
}

static int start_parts(struct mr_daemon *daemon, struct mr_why *why)
{
	struct mr_config *config = &daemon->config;
	int r = mr_host_prepare(config, &daemon->lock_fd, why);

	if (!r)
		r = mr_host_raise_limits(config, why);
	if (r > 0) {
		mr_log_warning("%s", why->text);
		r = 0;
	}
	if (!r)
		r = mr_sandbox_enter(
			&daemon->sandbox, config, mr_config_path(daemon->options), why);
	if (!r)
		r = start_signals(daemon);
	if (!r)
		r = mr_netlink_open(&daemon->loop, &daemon->netlink, why);
	daemon->routes.netlink = daemon->netlink;
	if (!r)
		r = mr_route_cache_open(daemon->netlink, &daemon->routes.cache);
	if (!r)
		r = mr_host_complete(config, daemon->netlink, why);
	if (!r)
		r = mr_host_carriers(config, daemon->netlink, &daemon->routes.carriers, why);
	if (!r)
		r = mr_pool_list_make(config, &daemon->pools);
	if (!r)
		r = mr_changes_open(config->state_dir, &daemon->changes);
	/* Before the dataplane: a store that is not to be had must not leave one attached. */
	if (!r)
		r = mr_store_sqlite_open(config->state_dir, &daemon->loop, &daemon->store, why);
	if (!r)
		r = start_dataplane(daemon, why);
	if (!r)
		r = start_kernel_side(daemon, why);
	if (!r)
		r = start_sessions(daemon, why);
	daemon->identities = r ? NULL : mr_identities_new(&daemon->loop);
	if (!r && !daemon->identities)
		r = -ENOMEM;
	if (!r)
		r = start_server(daemon, why);
	if (!r && config->metrics)
		r = mr_metrics_open(
			&daemon->loop, config->metrics, &daemon->api, &daemon->metrics, why);
	return r ? r : confine(daemon, why);
}

int mr_daemon_start(
	const struct mr_options *options, struct mr_config *config, struct mr_daemon **ret_daemon)
{
	struct mr_daemon *daemon = calloc(1, sizeof(*daemon));
	struct mr_why why = {""};
	int r;

	if (!daemon) {
		mr_config_clear(config);
		return -ENOMEM;
	}
	daemon->options = options;
	daemon->config = *config;
	daemon->lock_fd = -1;
	mr_sandbox_init(&daemon->sandbox);
	*config = (struct mr_config){0};
	r = uv_loop_init(&daemon->loop);
	if (!r)
		r = start_parts(daemon, &why);
	if (r) {
		mr_log_error("can't start: %s", why.text[0] ? why.text : strerror(-r));
		daemon->failed = true;
		mr_daemon_stop(daemon);
		return r;
	}
	mr_log_notice("version %s, dataplane %s, %s/setup.sock", MR_VERSION,
		mr_dataplane_name(daemon->selection.dataplane), daemon->config.run_dir);
	mr_news_sandbox(&daemon->sandbox);
	mr_news_addresses(&daemon->config, daemon->netlink);
	sd_notifyf(0, "READY=1\nSTATUS=relaying by %s",
		mr_dataplane_name(daemon->selection.dataplane));
	*ret_daemon = daemon;
	return 0;
}

void mr_daemon_run(struct mr_daemon *daemon)
{
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
}

static void stop_sessions(struct mr_daemon *daemon)
{
	struct mr_why why = {""};

	if (!daemon->sessions)
		return;
	if (mr_sessions_flush(daemon->sessions, &why))
		mr_log_error("the newest counts of sessions are lost: %s", why.text);
	mr_reaper_free(daemon->reaper);
	mr_events_free(daemon->events);
	mr_runt_close(daemon->runt);
	mr_watch_free(daemon->watch);
	mr_keep_free(daemon->keep);
	mr_ways_close(daemon->ways);
	if (daemon->logger.fn)
		mr_sessions_unsubscribe(&daemon->logger);
	mr_sessions_free(daemon->sessions);
}

static void stop_dataplane(struct mr_daemon *daemon)
{
	struct mr_selection *selection = &daemon->selection;
	/* A start that fails leaves the host as it was. */
	bool detach = daemon->detaching || (daemon->failed && !selection->adopted);

	/* Without XDP nothing goes on that would need them. */
	mr_neigh_close(daemon->neigh, detach || selection->dataplane == MR_DATAPLANE_DPDK);
	mr_feed_close(daemon->feed);
	mr_loopback_close(daemon->loopback, detach);
	mr_vlan_offload_close(daemon->vlan_offload);
	if (!selection->backend)
		return;
	if (!detach) {
		selection->ops->close(selection->backend);
		return;
	}
	selection->ops->detach(selection->backend);
	mr_sandbox_remove_pin_dir(&daemon->sandbox, &daemon->config);
	mr_vlan_offload_put_back(daemon->changes);
	mr_attached_forget(&daemon->config);
}

/* Who asked for the dataplane to be taken off waits for this answer. */
static void answer_detach(struct mr_daemon *daemon)
{
	struct mr_json *json;

	if (!daemon->detaching)
		return;
	json = mr_rpc_request_result(daemon->detaching);
	mr_json_open(json, NULL, '{');
	mr_json_close(json, '}');
	mr_rpc_request_finish(daemon->detaching);
	/* One turn of the connection writes it. */
	uv_run(&daemon->loop, UV_RUN_NOWAIT);
	mr_log_notice("the dataplane is off the interfaces");
}

void mr_daemon_stop(struct mr_daemon *daemon)
{
	sd_notify(0, "STOPPING=1");
	/* From here on the methods have nothing to work on. */
	daemon->api.stopping = true;
	mr_metrics_close(daemon->metrics);
	stop_sessions(daemon);
	stop_dataplane(daemon);
	answer_detach(daemon);
	mr_rpc_server_close(daemon->server);
	mr_identities_free(daemon->identities);
	if (daemon->store)
		daemon->store->ops->close(daemon->store);
	mr_changes_close(daemon->changes);
	mr_route_cache_close(daemon->routes.cache);
	mr_netlink_close(daemon->netlink);
	for (size_t i = 0; i < daemon->n_signals; i++)
		uv_close((uv_handle_t *)&daemon->signals[i], NULL);
	uv_run(&daemon->loop, UV_RUN_DEFAULT);
	uv_loop_close(&daemon->loop);
	mr_api_clear(&daemon->api);
	mr_news_clear(&daemon->news);
	mr_strv_clear(&daemon->routes.carriers);
	mr_pool_list_clear(&daemon->pools);
	mr_config_clear(&daemon->config);
	mr_sandbox_close(&daemon->sandbox);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
	free(daemon);
}
