// SPDX-License-Identifier: BSD-2-Clause
/*
 * policy.c - moshrelay policy: would this user be let to this target, and by which rule.
 */
#include <stdio.h>

#include "connection.h"
#include "format.h"
#include "resolve.h"

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	char target[MR_ENDPOINT_SIZE], printable[512];
	bool allowed;
	enum mr_exit status;

	if (!*call->args[0])
		return mr_cli_usage("policy: the user's name is empty");
	status = mr_resolve_endpoint(call->args[1], target, sizeof(target));
	if (status)
		return status;
	status = mr_connection_ask(call, "cannot read the policy", "policy",
		json_pack("{s:s, s:s}", "user", call->args[0], "target", target), &result);
	if (status)
		return status;
	allowed = json_is_true(json_object_get(result, "allowed"));
	if (call->json) {
		mr_print_json(result);
	} else {
		mr_cli_printable(printable, sizeof(printable), mr_text(result, "why"));
		printf("%s: %s\n", allowed ? "allowed" : "denied", printable);
	}
	return allowed ? MR_EXIT_DONE : MR_EXIT_DENIED;
}

const struct mr_command mr_command_policy = {
	.name = "policy",
	.arguments = "USER TARGET",
	.summary = "would this user be let to this target, and by which rule",
	.details = "TARGET is HOST:PORT. Exit status 0: allowed, 3: denied.",
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
