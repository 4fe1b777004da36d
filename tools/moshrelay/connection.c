// SPDX-License-Identifier: BSD-2-Clause
/*
 * connection.c - see connection.h.
 */
#include "connection.h"

#include <stdio.h>
#include <unistd.h>

void mr_json_decrefp(json_t **value)
{
	json_decref(*value);
	*value = NULL;
}

enum mr_exit mr_connection_open(const struct mr_call *call, struct mr_rpc **ret_rpc)
{
	struct mr_rpc_error error;
	enum mr_exit status;

	status = mr_rpc_connect(call->socket, MR_RPC_TIMEOUT_MS, ret_rpc, &error);
	if (status)
		mr_cli_error("%s", error.message);
	return status;
}

static enum mr_exit tell(enum mr_exit status, const char *what, const struct mr_rpc_error *error)
{
	if (status && what)
		mr_cli_error("%s: %s", what, error->message);
	else if (status)
		mr_cli_error("%s", error->message);
	return status;
}

enum mr_exit mr_connection_ask(const struct mr_call *call, const char *what, const char *method,
	json_t *params, json_t **ret_result)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;
	enum mr_exit status;

	status = mr_connection_open(call, &rpc);
	if (status) {
		json_decref(params);
		return status;
	}
	return tell(mr_rpc_call(rpc, method, params, ret_result, &error), what, &error);
}

enum mr_exit mr_connection_ask_text(const struct mr_call *call, const char *what,
	const char *method, json_t *params, char **ret_text, size_t *ret_length)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;
	enum mr_exit status;

	status = mr_connection_open(call, &rpc);
	if (status) {
		json_decref(params);
		return status;
	}
	return tell(
		mr_rpc_call_text(rpc, method, params, ret_text, ret_length, &error), what, &error);
}

void mr_print_json(const json_t *value)
{
	json_dumpf(value, stdout, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
}

json_t *mr_id_params(const char *text)
{
	json_t *params = json_pack("{s:s}", "id", text);
	char printable[64];

	if (params)
		return params;
	mr_cli_printable(printable, sizeof(printable), text);
	return json_pack("{s:s}", "id", printable);
}
