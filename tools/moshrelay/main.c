// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - moshrelay, the command line on the bastion: options, help, and the call of a subcommand.
 *
 * What a subcommand does is in its own file; the list of them is in command.h.
 */
#include <assert.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const struct mr_command *const commands[] = {
#define MR_ENTRY(name) &mr_command_##name,
	MR_COMMANDS(MR_ENTRY)
#undef MR_ENTRY
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

enum { OPTION_OF_COMMAND = 256 };

/* understood before the command and behind it */
static const struct option common_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
};

#define N_COMMON (sizeof(common_options) / sizeof(common_options[0]))

static enum mr_exit print_overview(void)
{
	printf("Usage: moshrelay [-s SOCKET] [-j|--json] COMMAND\n\n"
	       "Opens, closes and shows the sessions that this bastion relays for mosh.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-8s %-24s %s\n", commands[i]->name, commands[i]->arguments,
			commands[i]->summary);
	printf("\nOptions:\n"
	       "  -s, --socket SOCKET  the daemon's socket (default %s)\n"
	       "  -j, --json           one JSON document instead of text\n"
	       "  -h, --help           this text; behind a command: about that command\n"
	       "  -V, --version        print the version\n\n"
	       "Exit status: 0 done, 1 failed, 2 usage, 3 denied, 4 no such session,\n"
	       "5 daemon not reachable, 6 a limit is reached.\n",
		MR_DEFAULT_SOCKET);
	return mr_cli_finish(MR_EXIT_DONE);
}

static enum mr_exit print_help(const struct mr_command *command)
{
	printf("Usage: moshrelay [-s SOCKET] [-j|--json] %s%s%s%s\n\n", command->name,
		command->options ? " [OPTIONS]" : "", *command->arguments ? " " : "",
		command->arguments);
	printf("%s\n", command->summary);
	if (command->details)
		printf("%s\n", command->details);
	for (const struct mr_option *o = command->options; o && o->name; o++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s%s%s", o->name, o->argument ? " " : "",
			o->argument ? o->argument : "");
		printf("%s  %-20s %s\n", o == command->options ? "\nOptions:\n" : "", text,
			o->help);
	}
	return mr_cli_finish(MR_EXIT_DONE);
}

static enum mr_exit print_version(void)
{
	printf("moshrelay %s\n", MR_VERSION);
	return mr_cli_finish(MR_EXIT_DONE);
}

static const struct mr_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/** Tells what getopt_long() refused; `word` is where it stands. */
static enum mr_exit refuse_option(int result, const char *word)
{
	if (result == ':')
		return mr_cli_usage("option %s: its argument is missing", word);
	if (optopt && !(word[0] == '-' && word[1] == '-'))
		return mr_cli_usage("option -%c: there is no such option", optopt);
	return mr_cli_usage(
		"option %s: there is no such option, it could be several, or it takes no argument",
		word);
}

/**
 * Parses options from argv[optind] on: the common ones and those of `call->command`, if that is
 * set. Returns whether to stop here, with `*ret_status`.
 */
static bool parse_options(int argc, char **argv, struct mr_call *call, enum mr_exit *ret_status)
{
	struct option options[N_COMMON + MR_OPTIONS_MAX + 1] = {0};
	const struct mr_option *own = call->command ? call->command->options : NULL;
	size_t n = N_COMMON;
	int result;

	memcpy(options, common_options, sizeof(common_options));
	for (size_t i = 0; own && own[i].name; i++, n++) {
		assert(i < MR_OPTIONS_MAX);
		options[n] = (struct option){own[i].name,
			own[i].argument ? required_argument : no_argument, NULL,
			OPTION_OF_COMMAND + (int)i};
	}
	opterr = 0;
	while ((result = getopt_long(
			argc, argv, call->command ? ":s:jhV" : "+:s:jhV", options, NULL)) != -1) {
		switch (result) {
		case 's':
			call->socket = optarg;
			break;
		case 'j':
			call->json = true;
			break;
		case 'h':
			*ret_status = call->command ? print_help(call->command) : print_overview();
			return true;
		case 'V':
			*ret_status = print_version();
			return true;
		case ':':
		case '?':
			*ret_status = refuse_option(result, argv[optind - 1]);
			return true;
		default:
			call->values[result - OPTION_OF_COMMAND] = optarg ? optarg : "";
		}
	}
	return false;
}

static enum mr_exit run_command(int argc, char **argv, struct mr_call *call)
{
	const struct mr_command *command = call->command;
	enum mr_exit status;

	if (command->raw) {
		if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
			return print_help(command);
		optind = 1;
	} else {
		optind = 0; /* glibc: start over, with another set of options */
		if (parse_options(argc, argv, call, &status))
			return status;
	}
	call->args = argv + optind;
	call->n_args = argc - optind;
	if (call->n_args < command->min_args)
		return mr_cli_usage("%s: an argument is missing: it wants %s", command->name,
			command->arguments);
	if (command->max_args >= 0 && call->n_args > command->max_args)
		return mr_cli_usage("%s: one argument too many: %s", command->name,
			call->args[command->max_args]);
	return mr_cli_finish(command->run(call));
}

int main(int argc, char **argv)
{
	struct mr_call call = {.socket = MR_DEFAULT_SOCKET};
	enum mr_exit status;

	setlocale(LC_CTYPE, "");
	mr_cli_init("moshrelay");
	if (parse_options(argc, argv, &call, &status))
		return status;
	if (optind >= argc)
		return mr_cli_usage("no command given");
	call.command = find_command(argv[optind]);
	if (!call.command)
		return mr_cli_usage("%s: there is no such command", argv[optind]);
	return run_command(argc - optind, argv + optind, &call);
}
