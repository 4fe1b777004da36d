// SPDX-License-Identifier: BSD-2-Clause
/*
 * relay.c - see relay.h.
 */
#include "relay.h"

#include <netinet/in.h>

#include <stdio.h>
#include <string.h>

static void drop_json(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}

enum mr_exit mr_relay_check(const char *socket, int timeout_ms, struct mr_rpc_error *ret_error)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	mr_cleanup(drop_json) json_t *result = NULL;
	enum mr_exit status = mr_rpc_connect(socket, timeout_ms, &rpc, ret_error);

	return status ? status : mr_rpc_call(rpc, "status", NULL, &result, ret_error);
}

/** Reads the daemon's session; false: it isn't one. */
static bool read_session(json_t *json, struct mr_relay_session *ret_session)
{
	struct mr_relay_session session = {0};
	json_t *public = json_object_get(json, "public");
	json_t *addresses = json_object_get(public, "addresses"), *item;
	const char *id = json_string_value(json_object_get(json, "id"));
	json_int_t port = json_integer_value(json_object_get(public, "port"));
	size_t i;

	if (!id || strlen(id) + 1 != sizeof(session.id) || port < 1 || port > UINT16_MAX)
		return false;
	strcpy(session.id, id);
	session.port = (uint16_t)port;
	json_array_foreach (addresses, i, item) {
		const char *address = json_string_value(item);

		if (session.n_addresses == MR_RELAY_ADDRESSES)
			break;
		if (!address || strlen(address) >= MR_HOST_SIZE)
			return false;
		strcpy(session.addresses[session.n_addresses++], address);
	}
	if (!session.n_addresses)
		return false;
	*ret_session = session;
	return true;
}

static json_t *open_params(const struct mr_relay_request *request)
{
	char endpoint[INET6_ADDRSTRLEN + 8];
	json_t *params;

	mr_cli_format_endpoint(endpoint, sizeof(endpoint), request->address, request->port);
	params = json_pack("{s:s, s:s*, s:s*}", "target", endpoint, "label", request->label,
		"client", request->client);
	if (params && request->idle_s)
		json_object_set_new(params, "idle", json_integer(request->idle_s));
	return params;
}

/** Whether a session has been of use before. */
static bool is_used(json_t *session)
{
	const char *state = json_string_value(json_object_get(session, "state"));

	return state && strcmp(state, "waiting") != 0;
}

static enum mr_exit open_once(struct mr_rpc *rpc, const struct mr_relay_request *request,
	struct mr_relay_session *ret_session, bool *ret_used, struct mr_rpc_error *ret_error)
{
	mr_cleanup(drop_json) json_t *result = NULL;
	json_t *params = open_params(request);
	enum mr_exit status;

	if (!params) {
		*ret_error = (struct mr_rpc_error){.status = MR_EXIT_USAGE};
		snprintf(ret_error->message, sizeof(ret_error->message), "the label is not UTF-8");
		return MR_EXIT_USAGE;
	}
	status = mr_rpc_call(rpc, "open", params, &result, ret_error);
	if (status)
		return status;
	if (!read_session(result, ret_session)) {
		*ret_error = (struct mr_rpc_error){.status = MR_EXIT_FAILED};
		snprintf(ret_error->message, sizeof(ret_error->message),
			"the relay's answer is no session: is it another version?");
		return MR_EXIT_FAILED;
	}
	*ret_used = is_used(result);
	return MR_EXIT_DONE;
}

static enum mr_exit close_once(struct mr_rpc *rpc, const char *id, struct mr_rpc_error *ret_error)
{
	mr_cleanup(drop_json) json_t *result = NULL;
	enum mr_exit status =
		mr_rpc_call(rpc, "close", json_pack("{s:s}", "id", id), &result, ret_error);

	return status == MR_EXIT_NO_SESSION ? MR_EXIT_DONE : status;
}

enum mr_exit mr_relay_open(const char *socket, int timeout_ms,
	const struct mr_relay_request *request, struct mr_relay_session *ret_session,
	struct mr_rpc_error *ret_error)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	bool used = false;
	enum mr_exit status = mr_rpc_connect(socket, timeout_ms, &rpc, ret_error);

	if (!status)
		status = open_once(rpc, request, ret_session, &used, ret_error);
	if (status || !used)
		return status;
	status = close_once(rpc, ret_session->id, ret_error);
	return status ? status : open_once(rpc, request, ret_session, &used, ret_error);
}

enum mr_exit mr_relay_close(
	const char *socket, int timeout_ms, const char *id, struct mr_rpc_error *ret_error)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	enum mr_exit status = mr_rpc_connect(socket, timeout_ms, &rpc, ret_error);

	return status ? status : close_once(rpc, id, ret_error);
}
