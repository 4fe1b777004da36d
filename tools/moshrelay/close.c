// SPDX-License-Identifier: BSD-2-Clause
/*
 * close.c - moshrelay close: closes sessions, each on its own, and tells how it went for each.
 */
#include <stdio.h>

#include "connection.h"

/** Prints how one went, or adds it to `report`. */
static void tell(json_t *report, const char *id, const struct mr_rpc_error *error)
{
	if (error)
		mr_cli_error("cannot close %s: %s", id, error->message);
	if (report && error)
		json_array_append_new(report,
			json_pack("{s:s, s:b, s:{s:i, s:s}}", "id", id, "closed", 0, "error",
				"code", error->code, "message", error->message));
	else if (report)
		json_array_append_new(report, json_pack("{s:s, s:b}", "id", id, "closed", 1));
	else if (!error)
		printf("%s closed\n", id);
}

/** Asks for all of them at once and reads the answers: the worst status, by its number. */
static enum mr_exit close_all(const struct mr_call *call, struct mr_rpc *rpc, json_t *report)
{
	enum mr_exit status, worst = MR_EXIT_DONE;
	struct mr_rpc_error error;

	for (int i = 0; i < call->n_args; i++) {
		status = mr_rpc_send(rpc, "close", mr_id_params(call->args[i]), &error);
		if (status)
			return mr_cli_fail(status, "%s", error.message);
	}
	for (int i = 0; i < call->n_args; i++) {
		mr_cleanup(mr_json_decrefp) json_t *result = NULL;

		status = mr_rpc_receive(rpc, &result, &error);
		tell(report, call->args[i], status ? &error : NULL);
		if (status > worst)
			worst = status;
		if (status && !error.answered)
			break;
	}
	return worst;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	mr_cleanup(mr_json_decrefp) json_t *report = NULL;
	enum mr_exit status;

	status = mr_connection_open(call, &rpc);
	if (status)
		return status;
	if (call->json)
		report = json_pack("{s:[]}", "sessions");
	status = close_all(call, rpc, json_object_get(report, "sessions"));
	if (report)
		mr_print_json(report);
	return status;
}

const struct mr_command mr_command_close = {
	.name = "close",
	.arguments = "ID...",
	.summary = "close sessions at once",
	.details = "Each ID is tried; the exit status is the worst one.",
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
