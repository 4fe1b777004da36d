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

/** Nothing that a person would want to read: null, "", [], {}. */
static bool is_nothing(const json_t *value)
{
	return json_is_null(value) || (json_is_string(value) && !json_string_length(value)) ||
		(json_is_array(value) && !json_array_size(value)) ||
		(json_is_object(value) && !json_object_size(value));
}

static void append_text(char *line, size_t size, const char *text)
{
	size_t used = strlen(line);

	snprintf(line + used, size - used, "%s", text);
}

static void append_value(char *line, size_t size, const json_t *value);

/** "key value, key value", without what is empty. */
static void append_object(char *line, size_t size, const json_t *object)
{
	const char *key, *separator = "";
	json_t *part;

	json_object_foreach ((json_t *)object, key, part) {
		if (is_nothing(part))
			continue;
		append_text(line, size, separator);
		append_text(line, size, key);
		append_text(line, size, " ");
		append_value(line, size, part);
		separator = ", ";
	}
}

/** Text as it is, lists word by word, lists of objects with semicolons. */
static void append_value(char *line, size_t size, const json_t *value)
{
	mr_cleanup(mr_free_text) char *text = NULL;
	json_t *part;
	size_t i;

	if (is_nothing(value)) {
		append_text(line, size, "-");
	} else if (json_is_array(value)) {
		json_array_foreach (value, i, part) {
			append_text(line, size, i == 0 ? "" : json_is_object(part) ? "; " : " ");
			append_value(line, size, part);
		}
	} else if (json_is_object(value)) {
		append_object(line, size, value);
	} else if (json_is_boolean(value)) {
		append_text(line, size, json_is_true(value) ? "yes" : "no");
	} else if (json_is_string(value)) {
		append_text(line, size, json_string_value(value));
	} else {
		text = json_dumps(value, JSON_ENCODE_ANY);
		append_text(line, size, text ? text : "-");
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
