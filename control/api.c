/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api.c - the table of methods: permission and parameters are checked here, once for all.
 */
#include <stdio.h>
#include <string.h>

#include "api_internal.h"

enum permission {
	KNOWN, /* somebody for whom there is a rule, or who still has a session */
	ADMIN,
};

enum type {
	TEXT,
	NUMBER,
	TRUTH,
};

struct param {
	const char *name;
	enum type type;
	bool required;
};

#define PARAMS_MAX 4

static const struct method {
	const char *name;
	enum permission permission;
	mr_api_handler *handler;
	struct param params[PARAMS_MAX + 1];
} methods[] = {
	{"open", KNOWN, mr_api_open,
		{{"target", TEXT, true}, {"idle", NUMBER, false}, {"label", TEXT, false},
			{"client", TEXT, false}}},
	{"close", KNOWN, mr_api_close, {{"id", TEXT, true}}},
	{"list", KNOWN, mr_api_list,
		{{"user", TEXT, false}, {"target", TEXT, false}, {"state", TEXT, false},
			{"sort", TEXT, false}}},
	{"show", KNOWN, mr_api_show, {{"id", TEXT, true}}},
	{"watch", KNOWN, mr_api_watch, {{"id", TEXT, false}}},
	{"stats", KNOWN, mr_api_stats, {{0}}},
	{"status", KNOWN, mr_api_status, {{0}}},
	{"policy", KNOWN, mr_api_policy, {{"user", TEXT, true}, {"target", TEXT, true}}},
	{"doctor", KNOWN, mr_api_doctor, {{"target", TEXT, false}}},
	{"drain", ADMIN, mr_api_drain, {{"draining", TRUTH, false}}},
	{"detach", ADMIN, mr_api_detach, {{0}}},
};

static const struct method *find_method(const char *name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	}
	return NULL;
}

static bool is_type(const json_t *value, enum type type)
{
	switch (type) {
	case TEXT:
		return json_is_string(value);
	case NUMBER:
		return json_is_integer(value);
	case TRUTH:
		return json_is_boolean(value);
	}
	return false;
}

/* False: the request has been answered with what is wrong. null is the same as nothing. */
static bool check_params(
	const struct method *method, struct mr_rpc_request *request, json_t *params)
{
	static const char *const types[] = {"a text", "a whole number", "true or false"};
	const char *key;
	json_t *value;

	for (const struct param *p = method->params; p->name; p++) {
		value = json_object_get(params, p->name);
		if (value && !json_is_null(value) && !is_type(value, p->type)) {
			mr_rpc_request_fail(request, MR_RPC_PARAMS, "%s: \"%s\" must be %s",
				method->name, p->name, types[p->type]);
			return false;
		}
		if (p->required && (!value || json_is_null(value))) {
			mr_rpc_request_fail(request, MR_RPC_PARAMS, "%s: \"%s\" is missing",
				method->name, p->name);
			return false;
		}
	}
	json_object_foreach (params, key, value) {
		const struct param *p = method->params;

		while (p->name && strcmp(p->name, key))
			p++;
		if (!p->name) {
			mr_rpc_request_fail(request, MR_RPC_PARAMS,
				"%s: there is no parameter \"%.64s\"", method->name, key);
			return false;
		}
	}
	return true;
}

/* False: the request has been answered. */
static bool check_permission(
	struct mr_api *api, const struct method *method, struct mr_rpc_request *request)
{
	const struct mr_identity *who = mr_rpc_request_identity(request);
	char why[MR_WHY_SIZE];

	if (mr_policy_is_admin(&api->config->policy, who))
		return true;
	if (method->permission == ADMIN) {
		mr_rpc_request_fail(request, MR_RPC_DENIED,
			"%s is for administrators of the relay, which user %s is not", method->name,
			who->name);
		return false;
	}
	/* Who had a session before a rule went may still look after it. */
	if (mr_policy_knows(&api->config->policy, who) ||
		mr_sessions_count_uid(api->sessions, who->uid))
		return true;
	mr_policy_describe_stranger(who, why, sizeof(why));
	mr_rpc_request_fail(request, MR_RPC_DENIED, "denied: %s", why);
	return false;
}

void mr_api_dispatch(
	struct mr_rpc_request *request, const char *method_name, json_t *params, void *context)
{
	const struct method *method = find_method(method_name);
	struct mr_api *api = context;

	if (api->stopping)
		mr_rpc_request_fail(request, MR_RPC_FAILED, "the daemon is stopping");
	else if (!method)
		mr_rpc_request_fail(
			request, MR_RPC_METHOD, "there is no method \"%.64s\"", method_name);
	else if (check_permission(api, method, request) && check_params(method, request, params))
		method->handler(api, request, params);
}

bool mr_api_is_privileged(const struct mr_identity *who, void *context)
{
	const struct mr_api *api = context;

	return mr_policy_is_admin(&api->config->policy, who);
}

const char *mr_api_text(json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

bool mr_api_is_admin(const struct mr_api *api, const struct mr_rpc_request *request)
{
	return mr_policy_is_admin(&api->config->policy, mr_rpc_request_identity(request));
}

bool mr_api_may_ask_about(
	const struct mr_api *api, const struct mr_rpc_request *request, const char *user)
{
	const struct mr_identity *who = mr_rpc_request_identity(request);
	char number[16];

	snprintf(number, sizeof(number), "%u", (unsigned)who->uid);
	return !strcmp(user, who->name) || !strcmp(user, number) || mr_api_is_admin(api, request);
}

void mr_api_clear(struct mr_api *api)
{
	mr_quota_clear(&api->quota);
	mr_quota_clear(&api->doctors);
	mr_quota_clear(&api->denials);
}
