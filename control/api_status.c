/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_status.c - methods about the relay as a whole: stats, status, policy, drain, detach.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "log.h"

static const char *const reason_names[] = {
#define MR_X(name, verdict, text) [MR_REASON_##name] = #name,
	MR_REASONS(MR_X)
#undef MR_X
};

void mr_api_stats(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	struct mr_reason_count reasons[MR_REASON_CAPACITY];
	struct mr_sessions_counts counts;
	struct mr_json *json;
	int r = api->ops->stats(api->backend, reasons);

	(void)params;
	if (r) {
		mr_rpc_request_fail(request, MR_RPC_FAILED,
			"the dataplane's counters can't be read: %s", strerror(-r));
		return;
	}
	mr_sessions_counts(api->sessions, &counts);
	json = mr_rpc_request_result(request);
	mr_json_open(json, NULL, '{');
	mr_json_number(json, "sessions", counts.sessions);
	mr_json_open(json, "reasons", '{');
	for (size_t i = 0; i < MR_REASON_COUNT; i++)
		mr_json_number(json, reason_names[i], reasons[i].packets);
	mr_json_close(json, '}');
	mr_json_open(json, "bytes", '{');
	for (size_t i = 0; i < MR_REASON_COUNT; i++)
		mr_json_number(json, reason_names[i], reasons[i].bytes);
	mr_json_close(json, '}');
	mr_json_number(json, "opened", counts.opened);
	mr_json_number(json, "closed", counts.closed);
	mr_json_number(json, "events_suppressed", api->ops->events_suppressed(api->backend));
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}

/* status */

static void put_refusals(struct mr_json *json, const struct mr_api *api)
{
	mr_json_open(json, "refused", '{');
	for (size_t i = 0; i < api->selection->n_refusals; i++)
		mr_json_text(json, mr_dataplane_name(api->selection->refusals[i].dataplane),
			api->selection->refusals[i].why.text);
	mr_json_close(json, '}');
}

static void put_range(struct mr_json *json, const char *key, struct mr_port_range range)
{
	char text[16];

	snprintf(text, sizeof(text), "%u-%u", range.lo, range.hi);
	mr_json_text(json, key, text);
}

static void put_pool(struct mr_json *json, const struct mr_config_pool *pool)
{
	char text[INET6_ADDRSTRLEN];

	mr_json_open(json, NULL, '{');
	mr_json_text(json, "name", pool->name);
	mr_json_open(json, "addresses", '[');
	for (size_t i = 0; i < pool->n_addresses; i++)
		mr_json_text(json, NULL, mr_addr_format(&pool->addresses[i], text, sizeof(text)));
	mr_json_close(json, ']');
	mr_json_open(json, "advertise", '[');
	for (size_t i = 0; i < pool->advertise.n; i++)
		mr_json_text(json, NULL, pool->advertise.items[i]);
	mr_json_close(json, ']');
	put_range(json, "ports", pool->ports);
	mr_json_close(json, '}');
}

static void put_limits(
	struct mr_json *json, const struct mr_api *api, const struct mr_sessions_counts *counts)
{
	mr_json_open(json, "pools", '[');
	for (size_t i = 0; i < api->config->n_pools; i++)
		put_pool(json, &api->config->pools[i]);
	mr_json_close(json, ']');
	mr_json_number(json, "public_ports", counts->public_ports);
	mr_json_number(json, "public_ports_free", counts->public_ports_free);
	put_range(json, "upstream_ports", api->config->upstream);
}

static void put_store(
	struct mr_json *json, const struct mr_api *api, const struct mr_sessions_counts *counts)
{
	char text[MR_WHY_SIZE];

	api->store->ops->describe(api->store, text, sizeof(text));
	mr_json_text(json, "store", text);
	mr_json_number(json, "store_errors", counts->store_errors);
	mr_json_text(
		json, "store_error", counts->store_why.text[0] ? counts->store_why.text : NULL);
}

static void put_sandbox(struct mr_json *json, const struct mr_sandbox *sandbox)
{
	const struct mr_why *why =
		sandbox->user_why.text[0] ? &sandbox->user_why : &sandbox->filter_why;

	mr_json_open(json, "runs_as", '{');
	mr_json_number(json, "uid", sandbox->user.uid);
	mr_json_text(json, "name", sandbox->user.name);
	mr_json_bool(json, "seccomp", sandbox->filtered);
	mr_json_close(json, '}');
	mr_json_text(json, "runs_as_error", why->text[0] ? why->text : NULL);
}

void mr_api_status(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	struct mr_sessions_counts counts;
	char text[MR_WHY_SIZE] = "";
	struct mr_why trouble = {""};
	struct mr_json *json;

	(void)params;
	mr_sessions_counts(api->sessions, &counts);
	api->ops->describe(api->backend, text, sizeof(text));
	json = mr_rpc_request_result(request);
	mr_json_open(json, NULL, '{');
	mr_json_text(json, "dataplane", mr_dataplane_name(api->selection->dataplane));
	mr_json_text(json, "dataplane_detail", text);
	if (api->ops->trouble)
		api->ops->trouble(api->backend, &trouble);
	mr_json_text(json, "dataplane_error", trouble.text[0] ? trouble.text : NULL);
	put_refusals(json, api);
	mr_json_open(json, "interfaces", '[');
	for (size_t i = 0; i < api->config->interfaces.n; i++)
		mr_json_text(json, NULL, api->config->interfaces.items[i]);
	mr_json_close(json, ']');
	mr_json_number(json, "sessions", counts.sessions);
	mr_json_number(json, "max_sessions", counts.max_sessions);
	mr_json_bool(json, "draining", mr_sessions_draining(api->sessions));
	put_limits(json, api, &counts);
	put_store(json, api, &counts);
	put_sandbox(json, api->sandbox);
	mr_json_number(json, "connections", mr_rpc_server_clients(api->server));
	mr_json_time(json, "started_at", api->started_at);
	mr_json_text(json, "version", MR_VERSION);
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}

/* policy */

struct inquiry {
	struct mr_api *api;
	struct mr_rpc_request *request;
	struct mr_addr target;
	uint16_t port; /* 0: whichever */
};

static void refuse_others(struct mr_rpc_request *request)
{
	mr_rpc_request_fail(
		request, MR_RPC_DENIED, "denied: only administrators may ask about other users");
}

static void on_asked_about(void *context, int error, const struct mr_identity *who)
{
	struct inquiry inquiry = *(struct inquiry *)context;
	struct mr_rpc_request *request = inquiry.request;
	const struct mr_rule *rule = NULL;
	struct mr_json *json;
	char why[512];
	bool allowed;

	free(context);
	if (inquiry.api->stopping)
		error = -ECANCELED;
	if (error) {
		mr_rpc_request_fail(request, error == -ENOENT ? MR_RPC_PARAMS : MR_RPC_FAILED,
			"there is no user of that name or number%s%s",
			error == -ENOENT ? "" : ", or it can't be found out: ",
			error == -ENOENT ? "" : strerror(-error));
		return;
	}
	if (who->uid != mr_rpc_request_identity(request)->uid &&
		!mr_api_is_admin(inquiry.api, request)) {
		refuse_others(request);
		return;
	}
	allowed = !mr_api_check_target(
		inquiry.api, who, &inquiry.target, inquiry.port, &rule, why, sizeof(why));
	json = mr_rpc_request_result(request);
	mr_json_open(json, NULL, '{');
	mr_json_bool(json, "allowed", allowed);
	mr_json_text(json, "rule", allowed ? rule->name : NULL);
	mr_json_text(json, "why", why);
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}

void mr_api_policy(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const char *target = mr_api_text(params, "target");
	const char *user = mr_api_text(params, "user");
	struct inquiry *inquiry;
	int r;

	if (!mr_api_may_ask_about(api, request, user)) {
		refuse_others(request);
		return;
	}
	inquiry = malloc(sizeof(*inquiry));
	if (!inquiry) {
		mr_rpc_request_fail(request, MR_RPC_FAILED, "out of memory");
		return;
	}
	*inquiry = (struct inquiry){.api = api, .request = request};
	if (mr_addr_parse(target, &inquiry->target) &&
		mr_endpoint_parse(target, &inquiry->target, &inquiry->port)) {
		free(inquiry);
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"policy: target \"%.64s\": expected ADDRESS:PORT, [IPV6]:PORT or ADDRESS, "
			"in numbers",
			target);
		return;
	}
	r = mr_identity_by_name(api->identities, user, on_asked_about, inquiry);
	if (r) {
		free(inquiry);
		mr_rpc_request_fail(request, MR_RPC_FAILED, "policy: user: %s", strerror(-r));
	}
}

/* drain, detach */

void mr_api_drain(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const json_t *given = json_object_get(params, "draining");
	bool drain = !json_is_false(given);
	struct mr_json *json;

	mr_sessions_drain(api->sessions, drain);
	mr_log_notice("%s: asked by %s", drain ? "draining" : "not draining any more",
		mr_rpc_request_identity(request)->name);
	json = mr_rpc_request_result(request);
	mr_json_open(json, NULL, '{');
	mr_json_bool(json, "draining", drain);
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}

void mr_api_detach(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	(void)params;
	mr_log_notice("detaching: asked by %s", mr_rpc_request_identity(request)->name);
	api->detach(api->context, request);
}
