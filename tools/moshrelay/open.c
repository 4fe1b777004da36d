// SPDX-License-Identifier: BSD-2-Clause
/*
 * open.c - moshrelay open: opens a session and says what to dial.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "format.h"
#include "resolve.h"
#include "table.h"

#define IDLE_MAX 31536000 /* a year; the daemon's policy may say less */

enum { IDLE, LABEL, CLIENT };

static const struct mr_option options[] = {
	[IDLE] = {"idle", "SECONDS", "close it after this long without a datagram (default 1 day)"},
	[LABEL] = {"label", "TEXT", "a name for it; another label makes another session"},
	[CLIENT] = {"client", "ADDRESS",
		"where SSH came from, keeps a leg for it (default from SSH_CLIENT)"},
	{0},
};

static bool is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/** Adds where SSH came from: --client, which must be good, or SSH_CLIENT, which may be anything. */
static enum mr_exit add_client(json_t *params, const char *given)
{
	const char *ssh_client = getenv("SSH_CLIENT");
	char first[INET6_ADDRSTRLEN];

	if (given) {
		if (!is_address(given))
			return mr_cli_usage("--client %s: not an address", given);
		json_object_set_new(params, "client", json_string(given));
	} else if (ssh_client && sscanf(ssh_client, "%45s", first) == 1 && is_address(first)) {
		json_object_set_new(params, "client", json_string(first));
	}
	return MR_EXIT_DONE;
}

static enum mr_exit make_params(const struct mr_call *call, json_t *params)
{
	const char *idle = call->values[IDLE], *label = call->values[LABEL];
	char target[MR_ENDPOINT_SIZE];
	uint64_t seconds;
	enum mr_exit status;

	if (idle) {
		if (mr_cli_number(idle, 1, IDLE_MAX, &seconds) < 0)
			return mr_cli_usage(
				"--idle %s: it must be a number of seconds from 1 to %d", idle,
				IDLE_MAX);
		json_object_set_new(params, "idle", json_integer((json_int_t)seconds));
	}
	if (label && json_object_set_new(params, "label", json_string(label)) < 0)
		return mr_cli_usage("--label %s: not UTF-8", label);
	status = add_client(params, call->values[CLIENT]);
	if (!status)
		status = mr_resolve_endpoint(call->args[0], target, sizeof(target));
	if (!status)
		json_object_set_new(params, "target", json_string(target));
	return status;
}

static enum mr_exit print_session(const json_t *session)
{
	static const struct mr_column columns[] = {{0}, {0}};
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(columns, 2);
	const json_t *public = json_object_get(session, "public");
	const json_t *upstream = json_object_get(session, "upstream");
	const json_t *ports = json_object_get(upstream, "ports");
	char text[512];

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	mr_table_add(table, "session");
	mr_table_addf(table, "%s, %s", mr_text(session, "id"), mr_text(session, "state"));
	if (json_is_string(json_object_get(session, "label"))) {
		mr_table_add(table, "label");
		mr_table_add(table, mr_text(session, "label"));
	}
	mr_table_add(table, "target");
	mr_format_endpoint(text, sizeof(text), json_object_get(session, "target"));
	mr_table_addf(table, "%s, reached from %s ports %d-%d", text, mr_text(upstream, "address"),
		(int)json_integer_value(json_array_get(ports, 0)),
		(int)json_integer_value(json_array_get(ports, 1)));
	mr_table_add(table, "dial");
	mr_format_public(text, sizeof(text), public, " port ");
	mr_table_add(table, text);
	mr_table_add(table, "connect");
	mr_table_addf(table, "MOSH_KEY=KEY mosh-client %s %d",
		json_string_value(json_array_get(json_object_get(public, "addresses"), 0)),
		(int)mr_number(public, "port"));
	return mr_table_print(table) < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *session = NULL;
	mr_cleanup(mr_json_decrefp) json_t *params = json_object();
	char what[MR_HOST_SIZE + 64];
	enum mr_exit status;

	status = make_params(call, params);
	if (status)
		return status;
	snprintf(what, sizeof(what), "cannot open a session to %s", call->args[0]);
	status = mr_connection_ask(call, what, "open", json_incref(params), &session);
	if (status)
		return status;
	if (call->json)
		mr_print_json(session);
	else
		status = print_session(session);
	return status;
}

const struct mr_command mr_command_open = {
	.name = "open",
	.arguments = "HOST:PORT",
	.summary = "open a session and print what to dial",
	.details = "HOST:PORT is where mosh-server listens; [ADDRESS]:PORT for IPv6.\n"
		   "The same owner, target and label again give the same session.",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
