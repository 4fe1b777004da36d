// SPDX-License-Identifier: BSD-2-Clause
/*
 * drain.c - moshrelay drain: what an administrator does before maintenance.
 */
#include <stdio.h>

#include "connection.h"

enum { OFF };

static const struct mr_option options[] = {
	[OFF] = {"off", NULL, "take new sessions again"},
	{0},
};

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	bool off = call->values[OFF];
	enum mr_exit status = mr_connection_ask(
		call, "cannot drain", "drain", json_pack("{s:b}", "draining", !off), &result);

	if (status)
		return status;
	if (call->json)
		mr_print_json(result);
	else
		puts(off ? "new sessions are taken again"
			 : "new sessions are refused until drain --off, or the daemon's next "
			   "start");
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_drain = {
	.name = "drain",
	.arguments = "",
	.summary = "refuse new sessions, keep the rest",
	.options = options,
	.max_args = 0,
	.run = run,
};
