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
	[SORT] = {"sort", "FIELD", "by this field"},
	{0},
};

static const char *const states[] = {"waiting", "active", "silent", "closing", NULL};

#define SORT_TIMES  "opened_at last_client_at last_target_at"
#define SORT_FIELDS "id owner label state public target datagrams bytes lost reordered roams"

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
		return mr_cli_usage(
			"--sort %s: it must be one of " SORT_FIELDS " " SORT_TIMES, values[SORT]);
	return MR_EXIT_DONE;
}

/* What is shown of a session, in the order in which the daemon writes it. */
enum {
	ID,
	OWNER,
	LABEL,
	SESSION_STATE,
	ADDRESSES,
	PORT,
	TARGET_ADDRESS,
	TARGET_PORT,
	OPENED,
	HEARD,
	ANSWERED,
	LOST_TO_TARGET,
	LOST_TO_CLIENT,
	N_MEMBERS,
};

static const struct mr_member members[] = {
	[ID] = {NULL, "id"},
	[OWNER] = {"owner", "name"},
	[LABEL] = {NULL, "label"},
	[SESSION_STATE] = {NULL, "state"},
	[ADDRESSES] = {"public", "addresses"},
	[PORT] = {"public", "port"},
	[TARGET_ADDRESS] = {"target", "address"},
	[TARGET_PORT] = {"target", "port"},
	[OPENED] = {NULL, "opened_at"},
	[HEARD] = {NULL, "last_client_at"},
	[ANSWERED] = {NULL, "last_target_at"},
	[LOST_TO_TARGET] = {"to_target", "lost"},
	[LOST_TO_CLIENT] = {"to_client", "lost"},
};

/** What a row is added to. */
struct rows {
	struct mr_table *table;
	int64_t now_ms;
	struct mr_value
		dialled; /* the last row's addresses, and as text: most rows have the same */
	char addresses[512];
};

static const char *addresses(struct rows *rows, const struct mr_value *value)
{
	mr_cleanup(mr_json_decrefp) json_t *array = NULL;

	if (value->text && value->length == rows->dialled.length &&
		!memcmp(value->text, rows->dialled.text, value->length))
		return rows->addresses;
	if (value->text)
		array = json_loadb(value->text, value->length, 0, NULL);
	mr_format_addresses(rows->addresses, sizeof(rows->addresses), array);
	rows->dialled = *value;
	return rows->addresses;
}

/* How an address, or several, and their port can't be taken for something else. */
static const char *public_format(const char *text)
{
	if (strchr(text, ' '))
		return "%s port %u";
	return strchr(text, ':') ? "[%s]:%u" : "%s:%u";
}

static void add_row(const struct mr_value *values, void *context)
{
	struct rows *rows = context;
	struct mr_table *table = rows->table;
	char text[1024], age[32];

	mr_table_add(table, mr_value_text(&values[ID], text, sizeof(text), "-"));
	mr_table_add(table, mr_value_text(&values[SESSION_STATE], text, sizeof(text), "-"));
	mr_table_add(table, mr_value_text(&values[OWNER], text, sizeof(text), "-"));
	mr_table_addf(table, public_format(addresses(rows, &values[ADDRESSES])), rows->addresses,
		(unsigned)mr_value_number(&values[PORT]));
	mr_value_text(&values[TARGET_ADDRESS], text, sizeof(text), "-");
	mr_table_addf(table, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text,
		(unsigned)mr_value_number(&values[TARGET_PORT]));
	for (size_t i = OPENED; i <= ANSWERED; i++) {
		mr_value_text(&values[i], text, sizeof(text), "");
		mr_format_age(age, sizeof(age), text, rows->now_ms);
		mr_table_add(table, age);
	}
	mr_table_addf(table, "%lld/%lld", (long long)mr_value_number(&values[LOST_TO_TARGET]),
		(long long)mr_value_number(&values[LOST_TO_CLIENT]));
	mr_table_add(table, mr_value_text(&values[LABEL], text, sizeof(text), ""));
}

static enum mr_exit print_list(const char *text)
{
	mr_cleanup(mr_table_freep) struct mr_table *table =
		mr_table_new(columns, sizeof(columns) / sizeof(columns[0]));
	struct rows rows = {.table = table, .now_ms = mr_now_ms()};

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	if (mr_objects_each(text, "sessions", members, N_MEMBERS, add_row, &rows) < 0)
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
	.details = "OPENED, HEARD and ANSWERED say how long ago it was opened, and when a client\n"
		   "and the target were last heard.\n"
		   "LOST is what was lost before the relay: from the client, from the target.\n"
		   "FIELD is one of " SORT_FIELDS "\n" SORT_TIMES,
	.options = options,
	.max_args = 0,
	.run = run,
};
