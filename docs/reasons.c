// SPDX-License-Identifier: BSD-2-Clause
/*
 * reasons.c - a build step: copies a manual's source from stdin to stdout and puts the list of
 * packet reasons where a line "@REASONS@" stands, so that manual and program can't differ.
 */
#include <stdio.h>
#include <string.h>

#include "reason.h"

static void print_reasons(void)
{
	static const char *const verdicts[] = {
		[MR_VERDICT_PASS] = "pass", [MR_VERDICT_DROP] = "drop", [MR_VERDICT_SEND] = "send"};
	static const struct {
		const char *name, *text;
	} reasons[] = {
#define MR_X(reason, verdict, what) {#reason, what},
		MR_REASONS(MR_X)
#undef MR_X
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		printf("*%s* (%s)\n\t%s\n\n", reasons[i].name,
			verdicts[mr_reason_verdict((enum mr_reason)i)], reasons[i].text);
}

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "@REASONS@\n"))
			fputs(line, stdout);
		else
			print_reasons();
	}
	return fflush(stdout) || ferror(stdin) ? 1 : 0;
}
