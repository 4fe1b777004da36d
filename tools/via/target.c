// SPDX-License-Identifier: BSD-2-Clause
/*
 * target.c - see target.h.
 */
#include "target.h"

#include <stdio.h>
#include <string.h>

#include "child.h"
#include "lines.h"

#define STATUS_NOT_FOUND 127 /* a shell's: there is no such command */
#define STATUS_SSH       255 /* ssh's own */

static void take(void *context, const char *data, size_t size)
{
	mr_output_feed(context, data, size);
}

/** ssh's own messages, until we have what we want: then it says that the connection is closed. */
static void take_message(void *context, const char *line)
{
	struct mr_output *output = context;
	char printable[MR_LINES_SIZE];

	if (output->state == MR_OUTPUT_CONNECT || !output->show)
		return;
	mr_cli_printable(printable, sizeof(printable), line);
	output->show(output->context, printable);
}

/** Says why there is no MOSH CONNECT. */
static void explain(const struct mr_target *target, const struct mr_output *output, int r,
	int status, char ret_why[MR_TARGET_WHY_SIZE])
{
	if (r < 0)
		snprintf(ret_why, MR_TARGET_WHY_SIZE, "cannot run %s: %s", target->ssh->at[0],
			strerror(-r));
	else if (output->state == MR_OUTPUT_BAD)
		snprintf(ret_why, MR_TARGET_WHY_SIZE, "cannot start mosh-server on %s: %s",
			target->host, output->why);
	else if (output->state == MR_OUTPUT_WAITING)
		snprintf(ret_why, MR_TARGET_WHY_SIZE,
			"cannot run a command on the target %s by ssh: it ended with status %d, "
			"see above what it says",
			target->host, status);
	else if (status == STATUS_NOT_FOUND)
		snprintf(ret_why, MR_TARGET_WHY_SIZE,
			"cannot start mosh-server on %s: it is not there: install mosh on it, or "
			"name its place by --server=PATH",
			target->host);
	else
		snprintf(ret_why, MR_TARGET_WHY_SIZE,
			"cannot start mosh-server on %s: it ended with status %d and no MOSH "
			"CONNECT, see above what it says",
			target->host, status);
}

enum mr_exit mr_target_start(const struct mr_target *target, struct mr_output *output,
	char ret_why[MR_TARGET_WHY_SIZE], bool *ret_no_login)
{
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	mr_cleanup(mr_free_text) char *script = mr_output_script(target->server, target->idle_s);
	struct mr_lines messages = {.take = take_message, .context = output};
	struct mr_child_reader reader = {-1, take, output};
	struct mr_child_reader errors = {-1, mr_lines_feed, &messages};
	struct mr_child child;
	int status = 0, r;

	mr_words_add_list(&ssh, target->ssh->at);
	mr_words_add_all(&ssh, target->host, "--", script, NULL);
	r = mr_child_start(
		ssh.at, NULL, MR_CHILD_NO_INPUT | MR_CHILD_CAPTURE | MR_CHILD_ERRORS, &child);
	if (r == 0)
		r = mr_child_wait(&child, &reader, &errors, NULL, -1, &status);
	mr_output_finish(output);
	if (output->state == MR_OUTPUT_CONNECT && !mr_child_signal())
		return MR_EXIT_DONE;
	explain(target, output, r, status, ret_why);
	*ret_no_login = output->state == MR_OUTPUT_WAITING && status == STATUS_SSH;
	return MR_EXIT_FAILED;
}

const char *mr_target_bound(const struct mr_words *words)
{
	for (size_t i = 0; i + 1 < words->n && strcmp(words->at[i], "--"); i++)
		if (!strcmp(words->at[i], "-i"))
			return words->at[i + 1];
	return NULL;
}
