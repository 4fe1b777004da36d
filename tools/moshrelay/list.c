// SPDX-License-Identifier: BSD-2-Clause
/*
 * list.c - moshrelay list: one row a session.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "objects.h"
#include "table.h"

enum { USER, TARGET, STATE, SORT };

static const struct mr_option options[] = {
	[USER] = {"user", "U", "only this user's"},
	[TARGET] = {"target", "CIDR", "only those to targets in this network"},
	[STATE] = {"state", "S", "waiting, active, silent or closing"},
	[SORT] = {"sort", "FIELD", "see below"},
	{0},
};

static const char *const states[] = {"waiting", "active", "silent", "closing", NULL};

static const char *const sort_fields[] = {"id", "owner", "label", "state", "public", "target",
	"opened_at", "last_client_at", "last_target_at", "datagrams", "bytes", "lost", "reordered",
	"roams", NULL};

static const struct mr_column columns[] = {
	{"ID"},
	{"STATE"},
	{"OWNER"},
	{"PUBLIC"},
	{"TARGET"},
	{"OPENED", .right = true},
	{"HEARD", .right = true},
	{"ANSWERED", .right = true},
	{"LOST", .right = true},
	{"LABEL", .flexible = true},
};

static bool is_one_of(const char *const *words, const char *word)
{
	for (; *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

static bool is_network(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	struct in6_addr binary;
	uint64_t prefix;
	bool v4;

	if (length >= sizeof(address))
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	v4 = inet_pton(AF_INET, address, &binary) == 1;
	if (!v4 && inet_pton(AF_INET6, address, &binary) != 1)
		return false;
	return !slash || mr_cli_number(slash + 1, 0, v4 ? 32 : 128, &prefix) == 0;
}

static enum mr_exit check(const struct mr_call *call)
{
	const char *const *values = call->values;

	if (values[TARGET] && !is_network(values[TARGET]))
		return mr_cli_usage(
			"--target %s: it must be a network such as 10.0.0.0/8", values[TARGET]);
	if (values[STATE] && !is_one_of(states, values[STATE]))
		return mr_cli_usage(
			"--state %s: it must be waiting, active, silent or closing", values[STATE]);
	if (values[SORT] && !is_one_of(sort_fields, values[SORT]))
		return mr_cli_usage("--sort %s: there is no such field", values[SORT]);
	return MR_EXIT_DONE;
}

/** What a row is added to. */
struct rows {
	struct mr_table *table;
	int64_t now_ms;
};

static void add_row(const json_t *session, void *context)
{
	static const char *const ages[] = {"opened_at", "last_client_at", "last_target_at"};
	const json_t *label = json_object_get(session, "label");
	const struct rows *rows = context;
	struct mr_table *table = rows->table;
	char text[512];

	mr_table_add(table, mr_text(session, "id"));
	mr_table_add(table, mr_text(session, "state"));
	mr_table_add(table, mr_text(json_object_get(session, "owner"), "name"));
	mr_format_public(text, sizeof(text), json_object_get(session, "public"), ":");
	mr_table_add(table, text);
	mr_format_endpoint(text, sizeof(text), json_object_get(session, "target"));
	mr_table_add(table, text);
	for (size_t i = 0; i < sizeof(ages) / sizeof(ages[0]); i++) {
		mr_format_age(text, sizeof(text), session, ages[i], rows->now_ms);
		mr_table_add(table, text);
	}
	mr_table_addf(table, "%lld/%lld",
		(long long)mr_number(json_object_get(session, "to_target"), "lost"),
		(long long)mr_number(json_object_get(session, "to_client"), "lost"));
	mr_table_add(table, json_string_value(label));
}

static enum mr_exit print_list(const char *text)
{
	mr_cleanup(mr_table_freep) struct mr_table *table =
		mr_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct rows rows = {table, mr_now_ms()};

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	if (mr_objects_each(text, "sessions", add_row, &rows) < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "the daemon's answer makes no sense: no list");
	if (mr_table_print(table) < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print all of it: out of memory");
	return MR_EXIT_DONE;
}

/** As mr_print_json(), of text that need not be read where a program reads it next. */
static void print_text(const char *text, size_t length)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;

	if (isatty(STDOUT_FILENO))
		result = json_loadb(text, length, 0, NULL);
	if (result) {
		mr_print_json(result);
		return;
	}
	fwrite(text, 1, length, stdout);
	putchar('\n');
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *params = json_object();
	mr_cleanup(mr_free_text) char *text = NULL;
	enum mr_exit status;
	size_t length;

	status = check(call);
	if (status)
		return status;
	for (size_t i = 0; options[i].name; i++)
		if (call->values[i] &&
			json_object_set_new(params, options[i].name, json_string(call->values[i])) <
				0)
			return mr_cli_usage("--%s %s: not UTF-8", options[i].name, call->values[i]);
	status = mr_connection_ask_text(
		call, "cannot list the sessions", "list", json_incref(params), &text, &length);
	if (status)
		return status;
	if (!call->json)
		return print_list(text);
	print_text(text, length);
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_list = {
	.name = "list",
	.arguments = "",
	.summary = "one row a session: your own, or all for an administrator",
	.details =
		"OPENED, HEARD and ANSWERED say how long ago it was opened, and when a client\n"
		"and the target were last heard.\n"
		"LOST is what was lost before the relay: from the client, from the target.\n"
		"Fields to sort by: id owner label state public target opened_at last_client_at\n"
		"last_target_at datagrams bytes lost reordered roams",
	.options = options,
	.max_args = 0,
	.run = run,
};
