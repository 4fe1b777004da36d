/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_sessions.c - methods about one session: open, close, show, watch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"
#include "log.h"

static bool is_public_address(const struct mr_api *api, const struct mr_addr *target)
{
	for (size_t i = 0; i < api->config->n_pools; i++) {
		const struct mr_config_pool *pool = &api->config->pools[i];

		for (size_t j = 0; j < pool->n_addresses; j++) {
			if (mr_addr_equal(&pool->addresses[j], target))
				return true;
		}
	}
	return false;
}

int mr_api_check_target(const struct mr_api *api, const struct mr_identity *who,
	const struct mr_addr *target, uint16_t port, const struct mr_rule **ret_rule, char *ret_why,
	size_t size)
{
	char address[INET6_ADDRSTRLEN];
	const char *what = NULL;

	if (!mr_policy_never(target)) {
		if (mr_netlink_is_own(api->netlink, target) || is_public_address(api, target))
			what = "the bastion itself";
		else if (mr_netlink_is_broadcast(api->netlink, target))
			what = "a broadcast or network address";
	}
	if (what) {
		snprintf(ret_why, size,
			"target %s is %s, which nobody may open; give the address of another host",
			mr_addr_format(target, address, sizeof(address)), what);
		return -EACCES;
	}
	return mr_policy_check(&api->config->policy, who, target, port, ret_rule, ret_why, size);
}

/* open */

/* The exit status that says it best. */
static enum mr_rpc_code code_of(int error)
{
	if (error == -EINVAL)
		return MR_RPC_PARAMS;
	if (error == -ESHUTDOWN || mr_session_error_is_limit(error))
		return MR_RPC_LIMIT;
	return MR_RPC_FAILED;
}

struct opening {
	struct mr_api *api;
	struct mr_rpc_request *request;
};

static void answer_session(struct mr_api *api, struct mr_rpc_request *request, uint64_t id)
{
	struct mr_session_view view;
	int r = mr_sessions_show(api->sessions, id, &view);

	if (r == -ENOENT) {
		mr_rpc_request_fail(request, MR_RPC_NO_SESSION, "the session is closed already");
	} else if (r) {
		mr_rpc_request_fail(request, MR_RPC_FAILED,
			"the session can't be read from the dataplane: %s", strerror(-r));
	} else {
		mr_session_json(mr_rpc_request_result(request), &view, true);
		mr_rpc_request_finish(request);
	}
}

static void on_opened(void *context, int error, uint64_t id, const struct mr_why *why)
{
	struct opening *opening = context;

	if (error)
		mr_rpc_request_fail(opening->request, code_of(error), "%s", why->text);
	else
		answer_session(opening->api, opening->request, id);
	free(opening);
}

/* What the parameters of open say. False: the request has been answered. */
static bool read_open(struct mr_rpc_request *request, json_t *params, struct mr_session_open *open,
	struct mr_addr *hint)
{
	const json_t *idle = json_object_get(params, "idle");
	const char *target = mr_api_text(params, "target");
	const char *client = mr_api_text(params, "client");
	json_int_t seconds = json_integer_value(idle);

	open->label = mr_api_text(params, "label");
	if (mr_endpoint_parse(target, &open->target, &open->target_port)) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"open: target \"%.64s\": expected ADDRESS:PORT or [IPV6]:PORT, in numbers",
			target);
		return false;
	}
	if (json_is_integer(idle) &&
		(seconds < MR_SESSION_IDLE_MIN || seconds > MR_SESSION_IDLE_MAX)) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"open: \"idle\" must be from %d to %d seconds", MR_SESSION_IDLE_MIN,
			MR_SESSION_IDLE_MAX);
		return false;
	}
	open->idle_s = (uint32_t)seconds;
	if (open->label && strlen(open->label) > MR_STORE_LABEL_MAX) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"open: \"label\" must be of at most %d octets", MR_STORE_LABEL_MAX);
		return false;
	}
	/* A link-local client (with a zone) can't be one that dials a public address. */
	if (!client || !*client || strchr(client, '%'))
		return true;
	if (mr_addr_parse(client, hint)) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"open: client \"%.64s\": expected an IPv4 or IPv6 address", client);
		return false;
	}
	open->hint = hint;
	return true;
}

/* Lines a minute about one user's denials. */
#define DENIALS_PER_MINUTE 30

/* Refusals are worth a line: they are how an attempt shows. Who keeps trying doesn't fill the log.
 */
static void log_denied(struct mr_api *api, const struct mr_identity *who,
	const struct mr_session_open *open, const char *why)
{
	char target[MR_ADDR_TEXT_SIZE];
	uint64_t wait_ns;

	if (mr_quota_take(&api->denials, who->uid, DENIALS_PER_MINUTE, uv_hrtime(), &wait_ns))
		return;
	mr_log_notice("denied: user %s (uid %u), target %s: %s", who->name, (unsigned)who->uid,
		mr_endpoint_format(&open->target, open->target_port, target, sizeof(target)), why);
}

/* Policy and quotas. False: the request has been answered. `ret_rate`: the bucket that a token was
 * taken from, 0: none. */
static bool admit(struct mr_api *api, struct mr_rpc_request *request, struct mr_session_open *open,
	uint32_t *ret_rate)
{
	const struct mr_identity *who = mr_rpc_request_identity(request);
	const struct mr_rule *rule;
	char why[512];
	uint64_t wait_ns = 0;

	*ret_rate = 0;
	if (mr_api_check_target(
		    api, who, &open->target, open->target_port, &rule, why, sizeof(why))) {
		log_denied(api, who, open, why);
		mr_rpc_request_fail(request, MR_RPC_DENIED, "denied: %s", why);
		return false;
	}
	if (mr_policy_is_admin(&api->config->policy, who))
		return true;
	if (mr_quota_take(&api->quota, who->uid, rule->opens_per_minute, uv_hrtime(), &wait_ns)) {
		mr_rpc_request_fail(request, MR_RPC_LIMIT,
			"limit reached: rule \"%.64s\" lets each user open %u sessions a minute; "
			"try again in %u s",
			rule->name, rule->opens_per_minute, (unsigned)(wait_ns / MR_SECOND) + 1);
		return false;
	}
	open->quota = rule->sessions;
	*ret_rate = rule->opens_per_minute;
	return true;
}

void mr_api_open(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const struct mr_identity *who = mr_rpc_request_identity(request);
	struct mr_session_open open = {.uid = who->uid, .owner = who->name};
	struct opening *opening;
	struct mr_addr hint;
	struct mr_why why = {""};
	uint32_t rate;
	uint64_t id;
	int r;

	if (!read_open(request, params, &open, &hint) || !admit(api, request, &open, &rate))
		return;
	opening = malloc(sizeof(*opening));
	if (!opening) {
		mr_rpc_request_fail(request, MR_RPC_FAILED, "out of memory");
		return;
	}
	*opening = (struct opening){api, request};
	r = mr_sessions_open(api->sessions, &open, on_opened, opening, &id, &why);
	if (!r)
		return;
	free(opening);
	if (rate)
		mr_quota_return(&api->quota, who->uid, rate);
	if (r > 0)
		answer_session(api, request, id);
	else
		mr_rpc_request_fail(
			request, code_of(r), "%s", why.text[0] ? why.text : strerror(-r));
}

/* close, show, watch */

const struct mr_session_info *mr_api_find_session(
	struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const char *text = mr_api_text(params, "id");
	const struct mr_session_info *info;
	uint64_t id;

	if (mr_session_id_parse(text, &id)) {
		mr_rpc_request_fail(request, MR_RPC_NO_SESSION,
			"there is no session \"%.32s\": an id has 16 hexadecimal digits, see "
			"moshrelay list",
			text);
		return NULL;
	}
	info = mr_sessions_find(api->sessions, id);
	if (!info) {
		mr_rpc_request_fail(request, MR_RPC_NO_SESSION,
			"there is no session %s: see moshrelay list", text);
		return NULL;
	}
	if (info->uid != mr_rpc_request_identity(request)->uid && !mr_api_is_admin(api, request)) {
		mr_rpc_request_fail(request, MR_RPC_DENIED,
			"denied: session %s is another user's: only its owner and administrators "
			"may",
			text);
		return NULL;
	}
	return info;
}

static void answer_closed(struct mr_rpc_request *request, uint64_t id)
{
	struct mr_json *json = mr_rpc_request_result(request);
	char text[MR_SESSION_ID_SIZE];

	mr_json_open(json, NULL, '{');
	mr_json_text(json, "id", mr_session_id_format(id, text));
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}

static void on_closed(void *context, int error, uint64_t id, const struct mr_why *why)
{
	struct mr_rpc_request *request = context;

	if (error)
		mr_rpc_request_fail(request, MR_RPC_FAILED,
			"the session forwards nothing any more, but the store still has it: %s",
			why->text);
	else
		answer_closed(request, id);
}

void mr_api_close(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const struct mr_session_info *info = mr_api_find_session(api, request, params);
	uint64_t id;
	int r;

	if (!info)
		return;
	id = info->id;
	r = mr_sessions_close(api->sessions, id, MR_SESSION_END_CLOSED, on_closed, request);
	if (r)
		mr_rpc_request_fail(request, r == -ENOENT ? MR_RPC_NO_SESSION : MR_RPC_FAILED,
			"the session can't be closed: %s", strerror(-r));
}

void mr_api_show(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const struct mr_session_info *info = mr_api_find_session(api, request, params);

	if (info)
		answer_session(api, request, info->id);
}

void mr_api_watch(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	bool admin = mr_api_is_admin(api, request);
	const struct mr_session_info *info = NULL;
	struct mr_json *json;
	int r;

	if (mr_api_text(params, "id")) {
		info = mr_api_find_session(api, request, params);
		if (!info)
			return;
	}
	r = mr_watch_add(api->watch, request, info ? info->id : 0, admin);
	if (r == -EDQUOT) {
		mr_rpc_request_fail(request, MR_RPC_LIMIT,
			"watch: %d connections of yours watch already: close one",
			MR_WATCH_UID_MAX);
		return;
	}
	if (r) {
		mr_rpc_request_fail(request, MR_RPC_FAILED, "watch: %s",
			r == -EBUSY ? "this connection watches already: use another one"
				    : strerror(-r));
		return;
	}
	json = mr_rpc_request_result(request);
	mr_json_open(json, NULL, '{');
	mr_json_close(json, '}');
	mr_rpc_request_finish(request);
}
