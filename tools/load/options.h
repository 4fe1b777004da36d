/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - options of the subcommands: declared in a table, which is read from the command line
 * and told by --help alike.
 */
#ifndef MR_LOAD_OPTIONS_H
#define MR_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"

/** What an option's value is written to. */
enum mr_option_kind {
	MR_OPTION_FLAG,    /* bool; takes no argument */
	MR_OPTION_TEXT,    /* const char *: the argument itself */
	MR_OPTION_COUNT,   /* uint32_t, from lo to hi */
	MR_OPTION_REAL,    /* double, from lo to hi */
	MR_OPTION_ADDRESS, /* union mr_sockaddr */
	MR_OPTION_PORTS,   /* struct mr_port_range */
	MR_OPTION_OTHER,   /* what `read` makes of it: 0 or -errno */
};

struct mr_option {
	const char *name;
	enum mr_option_kind kind;
	void *value;
	const char *argument; /* as --help names it; NULL for a flag */
	const char *help;
	double lo, hi;
	int (*read)(const char *text, void *value);
	const char *expected; /* of what `read` refuses: what it must be */
};

#define MR_OPTIONS_MAX 24

struct mr_options {
	const char *command; /* the subcommand's name */
	const char *needs;   /* what stands behind it in the usage line */
	const char *summary; /* ends in a newline */
	const char *footer;  /* behind the options; NULL: nothing */
	const struct mr_option *table;
	unsigned n; /* at most MR_OPTIONS_MAX */
};

/**
 * Reads the command line; values of options that aren't given are left as they are. False: go no
 * further, `*ret_status` says how to end (--help was asked for, or an error has been told).
 */
bool mr_options_read(
	const struct mr_options *options, int argc, char **argv, enum mr_exit *ret_status);

#endif
