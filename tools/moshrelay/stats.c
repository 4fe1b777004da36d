// SPDX-License-Identifier: BSD-2-Clause
/*
 * stats.c - moshrelay stats: how many packets ended for which reason.
 */
#include <stdio.h>

#include "connection.h"
#include "format.h"
#include "table.h"

enum { ALL };

static const struct mr_option options[] = {
	[ALL] = {"all", NULL, "reasons that no packet has had, too"},
	{0},
};

static const struct mr_column columns[] = {{"REASON"}, {"PACKETS", .right = true}};

static enum mr_exit print_stats(const json_t *result, bool all)
{
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(columns, 2);
	json_t *reasons = json_object_get(result, "reasons"), *count;
	const char *name;

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	printf("sessions %lld\n\n", (long long)mr_number(result, "sessions"));
	json_object_foreach (reasons, name, count) {
		if (!all && json_integer_value(count) == 0)
			continue;
		mr_table_add(table, name);
		mr_table_addf(table, "%lld", (long long)json_integer_value(count));
	}
	return mr_table_print(table) < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	enum mr_exit status;

	status = mr_connection_ask(call, "cannot read the statistics", "stats", NULL, &result);
	if (status)
		return status;
	if (!call->json)
		return print_stats(result, call->values[ALL]);
	mr_print_json(result);
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_stats = {
	.name = "stats",
	.arguments = "",
	.summary = "totals and every reason's count",
	.details = "What a reason means is in moshrelay(1), section REASONS.",
	.options = options,
	.max_args = 0,
	.run = run,
};
