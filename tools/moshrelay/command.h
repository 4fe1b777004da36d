/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h - what a subcommand is, and the list of them.
 *
 * To add one: a line in MR_COMMANDS, a file that defines `mr_command_NAME`, and its name in
 * meson.build. Options are declared here and parsed, checked for arity and explained by main.c.
 */
#ifndef MR_MOSHRELAY_COMMAND_H
#define MR_MOSHRELAY_COMMAND_H

#include <stdbool.h>

#include "cli.h"

/* In the order in which --help shows them. */
#define MR_COMMANDS(X) \
	X(open)        \
	X(close)       \
	X(list)        \
	X(show)        \
	X(top)         \
	X(watch)       \
	X(stats)       \
	X(status)      \
	X(doctor)      \
	X(policy)      \
	X(drain)       \
	X(detach)      \
	X(hop)

#define MR_OPTIONS_MAX 8

/** One option of a subcommand; a table of them ends with a NULL name. */
struct mr_option {
	const char *name;     /* without the dashes */
	const char *argument; /* what --help calls its argument; NULL: a flag */
	const char *help;
};

/** A subcommand as the user called it. */
struct mr_call {
	const struct mr_command *command;
	const char *socket;
	bool json;
	/* by position in the command's table of options: argument, "" for a flag, NULL: not given
	 */
	const char *values[MR_OPTIONS_MAX];
	char **args; /* what is left, NULL behind the last */
	int n_args;
};

struct mr_command {
	const char *name;
	const char *arguments;           /* for the usage line, without options */
	const char *summary;             /* one line, for the overview */
	const char *details;             /* more lines for its own --help, or NULL */
	const struct mr_option *options; /* NULL: none */
	int min_args, max_args;          /* max_args -1: any number */
	/* everything behind the name comes through in `args` untouched, --help excepted */
	bool raw;
	enum mr_exit (*run)(const struct mr_call *call);
};

#define MR_DECLARE(name) extern const struct mr_command mr_command_##name;
MR_COMMANDS(MR_DECLARE)
#undef MR_DECLARE

#endif
