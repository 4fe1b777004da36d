// SPDX-License-Identifier: BSD-2-Clause
/*
 * options.c - see options.h.
 */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static int read_real(const struct mr_option *option, const char *text)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (errno || end == text || *end || !(value >= option->lo && value <= option->hi))
		return -EINVAL;
	*(double *)option->value = value;
	return 0;
}

static int read_count(const struct mr_option *option, const char *text)
{
	uint64_t value;
	int r = mr_cli_number(text, (uint64_t)option->lo, (uint64_t)option->hi, &value);

	if (r == 0)
		*(uint32_t *)option->value = (uint32_t)value;
	return r;
}

static int read_one(const struct mr_option *option, const char *text)
{
	switch (option->kind) {
	case MR_OPTION_FLAG:
		*(bool *)option->value = true;
		return 0;
	case MR_OPTION_TEXT:
		*(const char **)option->value = text;
		return 0;
	case MR_OPTION_COUNT:
		return read_count(option, text);
	case MR_OPTION_REAL:
		return read_real(option, text);
	case MR_OPTION_ADDRESS:
		return mr_sockaddr_parse(text, option->value);
	case MR_OPTION_PORTS:
		return mr_port_range_parse(text, option->value);
	case MR_OPTION_OTHER:
		return option->read(text, option->value);
	}
	return -EINVAL;
}

/** How wide "--name ARGUMENT" is. */
static int width_of(const struct mr_option *option)
{
	return (int)(strlen(option->name) + (option->argument ? strlen(option->argument) + 1 : 0));
}

/** Help of several lines is indented as the first one is. */
static void print_option(const struct mr_option *option, int width)
{
	printf("  --%s %s%*s  ", option->name, option->argument ? option->argument : "",
		width - width_of(option) + (option->argument != NULL), "");
	for (const char *at = option->help; *at; at++) {
		putchar(*at);
		if (*at == '\n')
			printf("%*s", width + 7, "");
	}
	putchar('\n');
}

static void print_help(const struct mr_options *options)
{
	int width = 0;

	printf("Usage: moshrelay-load %s%s [OPTION]...\n%s\n", options->command, options->needs,
		options->summary);
	for (unsigned i = 0; i < options->n; i++) {
		if (width_of(&options->table[i]) > width)
			width = width_of(&options->table[i]);
	}
	for (unsigned i = 0; i < options->n; i++)
		print_option(&options->table[i], width);
	if (options->footer)
		printf("\n%s", options->footer);
}

/** Wrong values are told in full: what may stand there is what --help says. */
static enum mr_exit refuse(const struct mr_option *option, const char *text)
{
	if (option->kind == MR_OPTION_COUNT || option->kind == MR_OPTION_REAL)
		return mr_cli_usage("cannot use --%s %s: it must be a number from %g to %.10g",
			option->name, text, option->lo, option->hi);
	if (option->kind == MR_OPTION_ADDRESS)
		return mr_cli_usage(
			"cannot use --%s %s: it must be a numeric address", option->name, text);
	if (option->kind == MR_OPTION_PORTS)
		return mr_cli_usage(
			"cannot use --%s %s: it must be LO-HI or one port", option->name, text);
	return mr_cli_usage(
		"cannot use --%s %s: it must be %s", option->name, text, option->expected);
}

bool mr_options_read(
	const struct mr_options *options, int argc, char **argv, enum mr_exit *ret_status)
{
	struct option names[MR_OPTIONS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
	int found, index = 0;

	assert(options->n <= MR_OPTIONS_MAX);
	for (unsigned i = 0; i < options->n; i++)
		names[i + 1] = (struct option){options->table[i].name,
			options->table[i].argument ? required_argument : no_argument, NULL, 0};
	while ((found = getopt_long(argc, argv, "", names, &index)) != -1) {
		const struct mr_option *option = &options->table[index - 1];

		if (found == 0 && read_one(option, optarg) == 0)
			continue;
		if (found == 'h')
			print_help(options);
		*ret_status = found == 'h' ? MR_EXIT_DONE
			: found == '?'     ? MR_EXIT_USAGE /* getopt has said why */
					   : refuse(option, optarg);
		return false;
	}
	if (optind < argc) {
		*ret_status = mr_cli_usage(
			"cannot %s: \"%s\" is no option", options->command, argv[optind]);
		return false;
	}
	return true;
}
