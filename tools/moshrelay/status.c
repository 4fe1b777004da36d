// SPDX-License-Identifier: BSD-2-Clause
/*
 * status.c - moshrelay status: the dataplane in use, limits and version; waits for it on request.
 */
#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "table.h"
#include "wait.h"

#define WAIT_MAX 86400

enum { WAIT };

static const struct mr_option options[] = {
	[WAIT] = {"wait", "S", "wait up to S seconds for the daemon to come up"},
	{0},
};

/** Appends `value` to `line`: text as it is, lists word by word, objects as "key value, ...". */
static void append_value(char *line, size_t size, const json_t *value)
{
	mr_cleanup(mr_free_text) char *text = NULL;
	size_t used = strlen(line), i;
	const char *key;
	json_t *part;

	if (json_is_array(value)) {
		json_array_foreach (value, i, part) {
			if (i > 0)
				append_value(line, size, NULL);
			append_value(line, size, part);
		}
	} else if (json_is_object(value)) {
		json_object_foreach ((json_t *)value, key, part) {
			used = strlen(line);
			snprintf(line + used, size - used, "%s%s ",
				used && line[used - 1] != ' ' ? ", " : "", key);
			append_value(line, size, part);
		}
	} else if (!value) {
		snprintf(line + used, size - used, " ");
	} else if (json_is_boolean(value)) {
		snprintf(line + used, size - used, "%s", json_is_true(value) ? "yes" : "no");
	} else if (json_is_null(value)) {
		snprintf(line + used, size - used, "-");
	} else if (json_is_string(value)) {
		snprintf(line + used, size - used, "%s", json_string_value(value));
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY);
		snprintf(line + used, size - used, "%s", text ? text : "-");
	}
}

/** Everything that the daemon says about itself, in its order: what is new shows up by itself. */
static enum mr_exit print_status(const json_t *result)
{
	static const struct mr_column columns[] = {{0}, {0}};
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(columns, 2);
	const char *key;
	json_t *value;

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	json_object_foreach ((json_t *)result, key, value) {
		char line[1024] = "", name[64];

		snprintf(name, sizeof(name), "%s", key);
		for (char *c = name; *c; c++)
			if (*c == '_')
				*c = ' ';
		append_value(line, sizeof(line), value);
		mr_table_add(table, name);
		mr_table_add(table, line);
	}
	return mr_table_print(table) < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	const char *wait = call->values[WAIT];
	struct mr_rpc_error error;
	uint64_t seconds;
	enum mr_exit status;

	if (!wait) {
		status = mr_connection_ask(call, "cannot read the status", "status", NULL, &result);
		if (status)
			return status;
	} else {
		if (mr_cli_number(wait, 0, WAIT_MAX, &seconds) < 0)
			return mr_cli_usage(
				"--wait %s: it must be a number of seconds from 0 to %d", wait,
				WAIT_MAX);
		status = mr_wait_status(call->socket, (int)seconds * 1000, &result, &error);
		if (status)
			return mr_cli_fail(status, "%s", error.message);
	}
	if (!call->json)
		return print_status(result);
	mr_print_json(result);
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_status = {
	.name = "status",
	.arguments = "",
	.summary = "dataplane in use and why, interfaces, limits, store, version",
	.options = options,
	.max_args = 0,
	.run = run,
};
