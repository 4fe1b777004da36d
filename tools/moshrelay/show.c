// SPDX-License-Identifier: BSD-2-Clause
/*
 * show.c - moshrelay show: one session with its legs.
 */
#include <stdio.h>

#include "connection.h"
#include "format.h"
#include "table.h"

static const struct mr_column fact_columns[] = {{0}, {0}};

static const struct mr_column flow_columns[] = {
	{"DIRECTION"},
	{"DATAGRAMS", .right = true},
	{"BYTES", .right = true},
	{"LOST", .right = true},
	{"REORDERED", .right = true},
};

static const struct mr_column leg_columns[] = {
	{"SLOT", .right = true},
	{"STATE"},
	{"CLIENT"},
	{"SINCE", .right = true},
	{"HEARD", .right = true},
	{"ANSWERED", .right = true},
};

static void add_time(struct mr_table *table, const char *name, const json_t *session,
	const char *key, int64_t now_ms)
{
	char age[32];

	mr_format_age(age, sizeof(age), json_string_value(json_object_get(session, key)), now_ms);
	mr_table_add(table, name);
	if (json_is_string(json_object_get(session, key)))
		mr_table_addf(table, "%s (%s ago)", mr_text(session, key), age);
	else
		mr_table_add(table, "never");
}

static int print_facts(const json_t *session, int64_t now_ms)
{
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(fact_columns, 2);
	const json_t *owner = json_object_get(session, "owner");
	const json_t *upstream = json_object_get(session, "upstream");
	const json_t *ports = json_object_get(upstream, "ports");
	char text[512];

	if (!table)
		return -1;
	mr_table_add(table, "session");
	mr_table_add(table, mr_text(session, "id"));
	mr_table_add(table, "state");
	mr_table_add(table, mr_text(session, "state"));
	mr_table_add(table, "owner");
	mr_table_addf(
		table, "%s (uid %lld)", mr_text(owner, "name"), (long long)mr_number(owner, "uid"));
	mr_table_add(table, "label");
	mr_table_add(table, mr_text(session, "label"));
	mr_table_add(table, "dial");
	mr_format_public(text, sizeof(text), json_object_get(session, "public"), " port ");
	mr_table_add(table, text);
	mr_table_add(table, "target");
	mr_format_endpoint(text, sizeof(text), json_object_get(session, "target"));
	mr_table_add(table, text);
	mr_table_add(table, "reached from");
	mr_table_addf(table, "%s ports %d-%d", mr_text(upstream, "address"),
		(int)json_integer_value(json_array_get(ports, 0)),
		(int)json_integer_value(json_array_get(ports, 1)));
	add_time(table, "opened", session, "opened_at", now_ms);
	add_time(table, "client heard", session, "last_client_at", now_ms);
	add_time(table, "target heard", session, "last_target_at", now_ms);
	mr_format_duration(text, sizeof(text), mr_number(session, "idle_timeout_s"));
	mr_table_add(table, "idle limit");
	mr_table_add(table, text);
	mr_table_add(table, "roams");
	mr_table_addf(table, "%lld", (long long)mr_number(session, "roams"));
	return mr_table_print(table);
}

static int print_flows(const json_t *session)
{
	static const char *const keys[] = {"to_target", "to_client"};
	static const char *const names[] = {"to target", "to client"};
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(flow_columns, 5);

	if (!table)
		return -1;
	for (int i = 0; i < 2; i++) {
		const json_t *flow = json_object_get(session, keys[i]);

		mr_table_add(table, names[i]);
		for (int column = 1; column < 5; column++) {
			static const char *const fields[] = {
				NULL, "datagrams", "bytes", "lost", "reordered"};

			mr_table_addf(table, "%lld", (long long)mr_number(flow, fields[column]));
		}
	}
	putchar('\n');
	return mr_table_print(table);
}

static int print_legs(const json_t *legs, int64_t now_ms)
{
	static const char *const ages[] = {"first_seen_at", "last_client_at", "last_target_at"};
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(leg_columns, 6);
	const json_t *leg;
	char text[128];
	size_t i;

	if (!table)
		return -1;
	json_array_foreach (legs, i, leg) {
		mr_table_addf(table, "%d", (int)mr_number(leg, "slot"));
		mr_table_add(table, mr_text(leg, "state"));
		mr_format_endpoint(text, sizeof(text), leg);
		mr_table_add(table, text);
		for (size_t age = 0; age < sizeof(ages) / sizeof(ages[0]); age++) {
			mr_format_age(text, sizeof(text),
				json_string_value(json_object_get(leg, ages[age])), now_ms);
			mr_table_add(table, text);
		}
	}
	putchar('\n');
	return mr_table_print(table);
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *session = NULL;
	int64_t now_ms = mr_now_ms();
	const json_t *legs;
	char what[64];
	enum mr_exit status;

	snprintf(what, sizeof(what), "cannot show %s", call->args[0]);
	status = mr_connection_ask(call, what, "show", mr_id_params(call->args[0]), &session);
	if (status)
		return status;
	if (call->json) {
		mr_print_json(session);
		return MR_EXIT_DONE;
	}
	legs = json_object_get(session, "legs");
	if (print_facts(session, now_ms) < 0 || print_flows(session) < 0 ||
		(json_array_size(legs) > 0 && print_legs(legs, now_ms) < 0))
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_show = {
	.name = "show",
	.arguments = "ID",
	.summary = "one session with its legs",
	.details =
		"A leg is one address of the client's. SINCE, HEARD and ANSWERED say how long ago\n"
		"it was first seen, last heard from, and last answered by the target.",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
