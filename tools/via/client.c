// SPDX-License-Identifier: BSD-2-Clause
/*
 * client.c - see client.h.
 */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"

extern char **environ;

static enum mr_exit explain_start(const struct mr_args *args, int r)
{
	return mr_cli_fail(MR_EXIT_FAILED,
		"cannot run %s: %s: install mosh on this machine, or name its place by "
		"--client=PATH",
		args->client, strerror(-r));
}

struct count {
	char text[16];
	size_t used;
};

static void take_count(void *context, const char *data, size_t size)
{
	struct count *count = context;

	for (size_t i = 0; i < size && count->used + 1 < sizeof(count->text); i++)
		count->text[count->used++] = data[i];
}

enum mr_exit mr_client_colors(const struct mr_args *args, unsigned *ret_colors)
{
	char *argv[] = {(char *)args->client, "-c", NULL};
	struct count count = {0};
	struct mr_child_reader reader = {-1, take_count, &count};
	struct mr_child child;
	uint64_t colors;
	int status, r;

	r = mr_child_start(argv, NULL, MR_CHILD_CAPTURE, &child);
	if (r < 0)
		return explain_start(args, r);
	r = mr_child_wait(&child, &reader, NULL, NULL, -1, &status);
	if (r < 0 || status)
		return mr_cli_fail(MR_EXIT_FAILED,
			"%s -c ended with status %d: is it mosh's, and TERM set?", args->client,
			status);
	count.text[strcspn(count.text, "\r\n")] = '\0';
	*ret_colors = mr_cli_number(count.text, 0, 1u << 24, &colors) < 0 ? 0 : (unsigned)colors;
	return MR_EXIT_DONE;
}

static void add_locale(struct mr_words *words)
{
	static const char *const names[] = {"LANG", "LANGUAGE", "LC_CTYPE", "LC_NUMERIC", "LC_TIME",
		"LC_COLLATE", "LC_MONETARY", "LC_MESSAGES", "LC_PAPER", "LC_NAME", "LC_ADDRESS",
		"LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION", "LC_ALL"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (!value)
			continue;
		mr_words_add(words, "-l");
		mr_words_addf(words, "%s=%s", names[i], value);
	}
}

char *mr_client_server_command(const struct mr_args *args, unsigned colors)
{
	mr_cleanup(mr_words_free) struct mr_words words = {0};
	mr_cleanup(mr_free_text) char *quoted = NULL;

	mr_words_add_all(&words, "new", "-c", NULL);
	mr_words_addf(&words, "%u", colors);
	if (!strcmp(args->bind_server, "ssh"))
		mr_words_add(&words, "-s");
	else if (strcmp(args->bind_server, "any"))
		mr_words_add_all(&words, "-i", args->bind_server, NULL);
	if (args->port)
		mr_words_add_all(&words, "-p", args->port, NULL);
	add_locale(&words);
	if (args->command.n) {
		mr_words_add(&words, "--");
		mr_words_add_list(&words, args->command.at);
	}
	quoted = mr_words_quote(&words);
	return mr_format("%s %s", args->server, quoted);
}

/** Our environment, with what tells mosh-client how to behave in place of what it said before. */
static void build_environment(
	const struct mr_args *args, const char *key, struct mr_words *environment)
{
	static const char *const ours[] = {"MOSH_KEY=", "MOSH_PREDICTION_DISPLAY=",
		"MOSH_PREDICTION_OVERWRITE=", "MOSH_NO_TERM_INIT="};
	const char *overwrite = getenv("MOSH_PREDICTION_OVERWRITE");
	const char *no_init = getenv("MOSH_NO_TERM_INIT");

	for (char **entry = environ; *entry; entry++) {
		bool kept = true;

		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			kept = kept && strncmp(*entry, ours[i], strlen(ours[i]));
		if (kept)
			mr_words_add(environment, *entry);
	}
	mr_words_addf(environment, "MOSH_KEY=%s", key);
	mr_words_addf(environment, "MOSH_PREDICTION_DISPLAY=%s", args->predict);
	if (args->overwrite || overwrite)
		mr_words_addf(environment, "MOSH_PREDICTION_OVERWRITE=%s",
			args->overwrite ? "yes" : overwrite);
	if (!args->init || no_init)
		mr_words_addf(environment, "MOSH_NO_TERM_INIT=%s", args->init ? no_init : "1");
}

static void wipe_words(struct mr_words *words)
{
	for (size_t i = 0; i < words->n; i++)
		for (volatile char *c = words->at[i]; *c; c++)
			*c = 'x';
	mr_words_free(words);
}

enum mr_exit mr_client_run(const struct mr_args *args, struct mr_setup *setup)
{
	mr_cleanup(wipe_words) struct mr_words environment = {0};
	char port[8];
	char *argv[] = {(char *)args->client, setup->dial, port, NULL};
	struct mr_child child;
	int status, r;

	snprintf(port, sizeof(port), "%u", setup->session.port);
	build_environment(args, setup->output.key, &environment);
	r = mr_child_start(argv, environment.at, 0, &child);
	mr_output_wipe(&setup->output);
	if (r < 0)
		return explain_start(args, r);
	mr_child_wait(&child, NULL, NULL, NULL, -1, &status);
	return (enum mr_exit)status;
}
