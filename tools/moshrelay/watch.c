// SPDX-License-Identifier: BSD-2-Clause
/*
 * watch.c - moshrelay watch: what happens, one line an event, until interrupted.
 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"

#define LINE_SIZE 2048

/** Appends " key value" for what the columns before don't show, so that nothing new is lost. */
static void append_rest(char *line, size_t size, const json_t *event)
{
	size_t used = strlen(line);
	json_t *value;
	const char *key;

	json_object_foreach ((json_t *)event, key, value) {
		mr_cleanup(mr_free_text) char *text = NULL;
		int n;

		if (!strcmp(key, "time") || !strcmp(key, "event") || !strcmp(key, "id") ||
			json_is_null(value))
			continue;
		if (!json_is_string(value))
			text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		n = snprintf(line + used, size - used, "  %s %s", key,
			text ? text : mr_text(event, key));
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

static void print_event(const json_t *event)
{
	char line[LINE_SIZE], printable[LINE_SIZE];

	snprintf(line, sizeof(line), "%-24s  %-18s  %s", mr_text(event, "time"),
		mr_text(event, "event"), mr_text(event, "id"));
	append_rest(line, sizeof(line), event);
	mr_cli_printable(printable, sizeof(printable), line);
	puts(printable);
}

/** Ends when the connection does, or when nobody reads what we print. */
static enum mr_exit follow(const struct mr_call *call, struct mr_rpc *rpc)
{
	struct mr_rpc_error error;
	enum mr_exit status;

	while (!ferror(stdout)) {
		mr_cleanup(mr_json_decrefp) json_t *notification = NULL;
		const json_t *event;

		status = mr_rpc_notification(rpc, &notification, &error);
		if (status)
			return mr_cli_fail(status, "%s", error.message);
		event = json_object_get(notification, "params");
		if (call->json) {
			json_dumpf(event, stdout, JSON_COMPACT);
			putchar('\n');
		} else {
			print_event(event);
		}
		fflush(stdout);
	}
	return MR_EXIT_FAILED;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	json_t *params = NULL;
	struct mr_rpc_error error;
	enum mr_exit status;

	if (call->n_args > 0)
		params = mr_id_params(call->args[0]);
	status = mr_connection_open(call, &rpc);
	if (status) {
		json_decref(params);
		return status;
	}
	status = mr_rpc_call(rpc, "watch", params, &result, &error);
	if (status)
		return mr_cli_fail(status, "cannot watch: %s", error.message);
	return follow(call, rpc);
}

const struct mr_command mr_command_watch = {
	.name = "watch",
	.arguments = "[ID]",
	.summary = "events as they happen, one a line",
	.details = "Events: opened leg proven roamed silent target-unreachable closed",
	.max_args = 1,
	.run = run,
};
