// SPDX-License-Identifier: BSD-2-Clause
/*
 * drain.c - moshrelay drain and moshrelay detach: what an administrator does before maintenance.
 */
#include <stdio.h>

#include "connection.h"

enum { OFF };

static const struct mr_option options[] = {
	[OFF] = {"off", NULL, "take new sessions again"},
	{0},
};

/** Takes over `params`. */
static enum mr_exit ask(const struct mr_call *call, const char *what, const char *method,
	json_t *params, const char *done)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	enum mr_exit status;

	status = mr_connection_ask(call, what, method, params, &result);
	if (status)
		return status;
	if (call->json)
		mr_print_json(result);
	else
		puts(done);
	return MR_EXIT_DONE;
}

static enum mr_exit run_drain(const struct mr_call *call)
{
	bool off = call->values[OFF];

	return ask(call, "cannot drain", "drain", json_pack("{s:b}", "draining", !off),
		off ? "new sessions are taken again"
		    : "new sessions are refused until drain --off, or the daemon's next start");
}

static enum mr_exit run_detach(const struct mr_call *call)
{
	return ask(call, "cannot detach", "detach", NULL, "the dataplane is off the interfaces");
}

const struct mr_command mr_command_drain = {
	.name = "drain",
	.arguments = "",
	.summary = "refuse new sessions, keep the rest",
	.options = options,
	.max_args = 0,
	.run = run_drain,
};

const struct mr_command mr_command_detach = {
	.name = "detach",
	.arguments = "",
	.summary = "take the dataplane off the interfaces",
	.details = "Nothing is relayed from then on; the sessions stay in the store.",
	.max_args = 0,
	.run = run_detach,
};
