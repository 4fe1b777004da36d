// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - moshrelay-load: the table of subcommands.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

struct command {
	const char *name;
	mr_load_command_fn *run;
	const char *summary;
};

static const struct command commands[] = {
	{"serve", mr_load_serve, "stand for many targets, each a simulated mosh-server"},
	{"run", mr_load_run, "drive many sessions through a relay and account for every datagram"},
	{"mosh", mr_load_mosh, "run pairs of real mosh through the relay and check every echo"},
	{"storm", mr_load_storm, "open sessions as fast as the daemon can"},
	{"bench", mr_load_bench,
		"measure the relay beside its peers, on three hosts in namespaces"},
};

atomic_bool mr_load_stop;

static void on_signal(int number)
{
	(void)number;
	atomic_store_explicit(&mr_load_stop, true, memory_order_relaxed);
}

void mr_load_catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static enum mr_exit help(void)
{
	printf("Usage: moshrelay-load COMMAND [OPTION]...\n"
	       "Puts load on a moshrelay and measures what becomes of every datagram.\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\n'moshrelay-load COMMAND --help' shows a command's options;\n"
	       "moshrelay-load --version prints the version.\n");
	return mr_cli_finish(MR_EXIT_DONE);
}

int main(int argc, char **argv)
{
	mr_cli_init(argv[0]);
	if (argc < 2)
		return mr_cli_usage("cannot start: a command is missing");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help();
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("moshrelay-load %s\n", MR_VERSION);
		return mr_cli_finish(MR_EXIT_DONE);
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		argv[1] = (char *)mr_cli_program(); /* getopt's errors begin with it */
		return mr_cli_finish(commands[i].run(argc - 1, argv + 1));
	}
	return mr_cli_usage("cannot start: there is no command \"%s\"", argv[1]);
}
