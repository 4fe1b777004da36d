// SPDX-License-Identifier: BSD-2-Clause
/*
 * say.c - see say.h.
 */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mr_say(const struct mr_args *args, const char *fmt, ...)
{
	char text[1024];
	va_list list;

	if (!args->verbose)
		return;
	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	mr_cli_error("%s", text);
}

void mr_say_command(const struct mr_args *args, const struct mr_words *command)
{
	mr_cleanup(mr_free_text) char *text = NULL;

	if (!args->verbose)
		return;
	text = mr_words_quote(command);
	mr_say(args, "running %s", text);
}
