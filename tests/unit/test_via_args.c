// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_via_args.c - mosh-via's command lines, ssh's as mosh gives it, shell words, and the address
 * that is dialled.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "args.h"
#include "dial.h"
#include "sshargs.h"
#include "target.h"
#include "words.h"

/* the command line that was parsed last: what was read points into it, as into argv */
static struct mr_words argv;

/** Parses `line`, split into words like a shell's. */
static enum mr_exit parse(const char *line, struct mr_args *ret_args)
{
	bool stop;

	mr_words_free(&argv);
	mr_words_add(&argv, "mosh-via");
	cr_assert_eq(mr_words_split(&argv, line), 0);
	optind = 0;
	return mr_args_parse((int)argv.n, argv.at, ret_args, &stop);
}

static void forget(void)
{
	mr_words_free(&argv);
}

static void expect_words(const char *what, const struct mr_words *words, const char *expected)
{
	mr_cleanup(mr_free_text) char *joined = mr_words_join(words);

	cr_assert_str_eq(joined, expected, "%s: %s", what, joined);
}

static void quiet(void)
{
	unsetenv("MOSH_PREDICTION_DISPLAY");
	cr_assert_not_null(freopen("/dev/null", "w", stderr));
}

TestSuite(via_args, .init = quiet, .fini = forget);

Test(via_args, fill_in_mosh_defaults)
{
	struct mr_args args;

	cr_assert_eq(parse("bastion alice@target", &args), MR_EXIT_DONE);
	cr_assert_not(args.wrapper);
	cr_assert_str_eq(args.bastion, "bastion");
	cr_assert_str_eq(args.target, "alice@target");
	cr_assert_str_eq(args.setup_socket, "/run/moshrelay/setup.sock");
	cr_assert_str_eq(args.client, "mosh-client");
	cr_assert_str_eq(args.server, "mosh-server");
	cr_assert_str_eq(args.predict, "adaptive");
	cr_assert_str_eq(args.bind_server, "ssh");
	cr_assert_eq(args.family, AF_UNSPEC);
	cr_assert_eq(args.idle_s, 0);
	cr_assert(args.ssh_pty && args.init && !args.overwrite && !args.label && !args.port);
	cr_assert_eq(args.command.n, 0);
	expect_words("ssh", &args.ssh, "ssh");
	expect_words("bastion's ssh", &args.ssh_bastion, "ssh");
	mr_args_free(&args);
}

Test(via_args, take_every_option_wherever_it_stands)
{
	static const char *const orders[] = {
		"%s b t", "b %s t", "b t %s", "%s -- b t", "b t %s --"};
	static const char options[] =
		"--setup-socket /s --label l --idle 60 --client c --server 'x s' --predict=never "
		"-o "
		"--family INET6 -p 60001:60010 --bind-server any --ssh='/opt/ssh -F f -p 2222' "
		"--no-ssh-pty --no-init -v";
	char line[512];

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct mr_args args;

		snprintf(line, sizeof(line), orders[i], options);
		cr_assert_eq(parse(line, &args), MR_EXIT_DONE, "%s", line);
		cr_assert_str_eq(args.bastion, "b");
		cr_assert_str_eq(args.target, "t");
		cr_assert_str_eq(args.setup_socket, "/s");
		cr_assert_str_eq(args.label, "l");
		cr_assert_eq(args.idle_s, 60);
		cr_assert_str_eq(args.client, "c");
		cr_assert_str_eq(args.server, "x s");
		cr_assert_str_eq(args.predict, "never");
		cr_assert_str_eq(args.port, "60001:60010");
		cr_assert_str_eq(args.bind_server, "any");
		cr_assert_eq(args.family, AF_INET6);
		cr_assert(args.overwrite && !args.ssh_pty && !args.init);
		cr_assert_eq(args.verbose, 1);
		cr_assert_eq(args.command.n, 0);
		expect_words("ssh", &args.ssh, "/opt/ssh -F f -p 2222");
		expect_words("bastion's ssh", &args.ssh_bastion, "/opt/ssh -F f");
		mr_args_free(&args);
	}
}

Test(via_args, leave_the_command_its_own_options)
{
	static const struct {
		const char *line, *command;
	} rows[] = {
		{"b t -- ls -l -- -a", "ls -l -- -a"},
		{"b t ls -l --version", "ls -l --version"},
		{"b t -p 60001 tmux a -t x", "tmux a -t x"},
		{"-- b t ls --help", "ls --help"},
		{"b t -- --ssh x", "--ssh x"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_args args;

		cr_assert_eq(parse(rows[i].line, &args), MR_EXIT_DONE, "%s", rows[i].line);
		expect_words(rows[i].line, &args.command, rows[i].command);
		mr_args_free(&args);
	}
}

Test(via_args, refuse_what_makes_no_sense)
{
	static const char *const rows[] = {
		"",
		"b",
		"b ''",
		"'' t",
		"b t --nonsense",
		"b t -x",
		"b t --label",
		"b t -p",
		"b t -p 65536",
		"b t -p -1",
		"b t -p 60001:",
		"b t -p :60001",
		"b t -p 60002:60001",
		"b t -p 0:60001",
		"b t -p 60001:65536",
		"b t -p 60001:60002:60003",
		"b t -p 600000000001",
		"b t --predict=sometimes",
		"b t --family=inet4",
		"b t --idle 0",
		"b t --idle -1",
		"b t --idle 2147483648",
		"b t --idle 1h",
		"b t --setup-socket run/x",
		"b t --ssh='ssh \"'",
		"b t --ssh=",
		"b t --bastion-ssh=",
		"b t --local",
		"--ssh",
		"--ssh b",
		"--ssh b target",
		"--ssh '' -n target -- mosh-server",
		"--ssh b -n -tt target -- 'mosh-server new'", /* nobody asks for MOSH IP */
		"--ssh b --ssh c -n -o ProxyCommand=--fake-proxy t -- x",
		"--ssh b --label",
		"--ssh b --nonsense t -- x",
	};
	struct mr_args args;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(parse(rows[i], &args), MR_EXIT_USAGE, "%s", rows[i]);
		mr_args_free(&args);
	}
}

Test(via_args, keep_the_limits_of_ports_and_seconds)
{
	static const char *const rows[] = {
		"-p 0", "-p 65535", "-p 1:65535", "-p 7:7", "--idle 1", "--idle 2147483647"};
	struct mr_args args;
	char line[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line), "%s b t", rows[i]);
		cr_assert_eq(parse(line, &args), MR_EXIT_DONE, "%s", line);
		mr_args_free(&args);
	}
}

Test(via_args, take_the_prediction_mode_from_the_environment_and_check_it)
{
	struct mr_args args;

	setenv("MOSH_PREDICTION_DISPLAY", "always", 1);
	cr_assert_eq(parse("b t", &args), MR_EXIT_DONE);
	cr_assert_str_eq(args.predict, "always");
	mr_args_free(&args);
	cr_assert_eq(parse("b t -n", &args), MR_EXIT_DONE);
	cr_assert_str_eq(args.predict, "never");
	mr_args_free(&args);
	setenv("MOSH_PREDICTION_DISPLAY", "bogus", 1);
	cr_assert_eq(parse("b t", &args), MR_EXIT_USAGE);
	mr_args_free(&args);
}

/* as /usr/bin/mosh 1.3.2 and 1.4.0 give it */
#define MOSH_PROXY(family) \
	"-S none -o \"ProxyCommand='/usr/bin/mosh' '--family=" family "' --fake-proxy -- %h %p\""
#define MOSH_SERVER "\"mosh-server 'new' '-c' '256' '-s' '-l' 'LANG=C.UTF-8'\""

Test(via_args, take_out_of_moshs_call_what_is_for_its_own_proxy)
{
	static const struct {
		const char *line, *target, *ssh, *ssh_bastion;
		int family;
	} rows[] = {
		{"--ssh b -n -tt " MOSH_PROXY("prefer-inet") " t -- " MOSH_SERVER, "t",
			"ssh -n -tt", "ssh", AF_UNSPEC},
		{"--ssh b -n " MOSH_PROXY("inet") " me@t -- " MOSH_SERVER, "me@t", "ssh -n", "ssh",
			AF_INET},
		{"--ssh b -n -tt " MOSH_PROXY("inet6") " t -- " MOSH_SERVER, "t", "ssh -n -tt",
			"ssh", AF_INET6},
		{"--ssh b -F f -p 2222 -vl me -o Port=3 -n -tt " MOSH_PROXY(
			 "all") " t -- " MOSH_SERVER,
			"t", "ssh -F f -p 2222 -vl me -o Port=3 -n -tt", "ssh -F f -v", AF_UNSPEC},
		{"--ssh b -i -S -n " MOSH_PROXY("all") " t -- " MOSH_SERVER, "t", "ssh -i -S -n",
			"ssh", AF_UNSPEC},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_args args;

		cr_assert_eq(parse(rows[i].line, &args), MR_EXIT_DONE, "%s", rows[i].line);
		cr_assert(args.wrapper);
		cr_assert_str_eq(args.bastion, "b");
		cr_assert_str_eq(args.target, rows[i].target);
		cr_assert_eq(args.family, rows[i].family, "row %zu", i);
		expect_words("ssh", &args.ssh, rows[i].ssh);
		expect_words("bastion's ssh", &args.ssh_bastion, rows[i].ssh_bastion);
		expect_words("command", &args.command,
			"mosh-server 'new' '-c' '256' '-s' '-l' 'LANG=C.UTF-8'");
		mr_args_free(&args);
	}
}

Test(via_args, take_ours_before_and_behind_the_bastion)
{
	static const char *const rows[] = {
		"--label l --idle 9 --setup-socket=/s --ssh b -n " MOSH_PROXY("all") " t -- x",
		"--ssh b --label l --idle 9 --setup-socket=/s -n " MOSH_PROXY("all") " t -- x",
		"--label=l --ssh b -n --idle=9 " MOSH_PROXY("all") " --setup-socket /s t -- x",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_args args;

		cr_assert_eq(parse(rows[i], &args), MR_EXIT_DONE, "%s", rows[i]);
		cr_assert_str_eq(args.bastion, "b");
		cr_assert_str_eq(args.target, "t");
		cr_assert_str_eq(args.label, "l");
		cr_assert_str_eq(args.setup_socket, "/s");
		cr_assert_eq(args.idle_s, 9);
		expect_words("ssh", &args.ssh, "ssh -n");
		expect_words("command", &args.command, "x");
		mr_args_free(&args);
	}
}

Test(via_args, serve_mosh_when_it_asks_the_target_for_its_address)
{
	struct mr_args args;

	cr_assert_eq(
		parse("--ssh b -n -tt -6 t -- \"sh -c '[ -n \\\"\\$SSH_CONNECTION\\\" ] && printf "
		      "\\\"\\nMOSH SSH_CONNECTION %s\\n\\\"' ; mosh-server 'new'\"",
			&args),
		MR_EXIT_DONE);
	cr_assert_eq(args.family, AF_INET6);
	expect_words("ssh", &args.ssh, "ssh -n -tt");
	mr_args_free(&args);
}

Test(via_words, split_like_a_shell)
{
	static const struct {
		const char *text, *quoted; /* NULL: a quote is open */
	} rows[] = {
		{"", ""},
		{"  \t\n ", ""},
		{"ssh -p 22", "'ssh' '-p' '22'"},
		{" 'a b'\"c d\"e\\ f ", "'a bc de f'"},
		{"''", "''"},
		{"a '' \"\" b", "'a' '' '' 'b'"},
		{"\"a\\\"b\\\\c\\d\"", "'a\"b'\\\\'c'\\\\'d'"},
		{"'a\\b'", "'a'\\\\'b'"},
		{"it\\'s", "'it'\\''s'"},
		{"trailing\\", "'trailing'\\\\''"},
		{"'", NULL},
		{"a \"b", NULL},
		{"a \"b\\\"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mr_cleanup(mr_words_free) struct mr_words words = {0};
		mr_cleanup(mr_free_text) char *quoted = NULL;

		cr_assert_eq(mr_words_split(&words, rows[i].text), rows[i].quoted ? 0 : -EINVAL,
			"row %zu", i);
		quoted = mr_words_quote(&words);
		cr_assert_str_eq(
			quoted, rows[i].quoted ? rows[i].quoted : "", "row %zu: %s", i, quoted);
	}
}

Test(via_words, quoted_come_back_the_same_by_us_and_by_sh)
{
	mr_cleanup(mr_words_free) struct mr_words words = {0}, again = {0};
	mr_cleanup(mr_free_text) char *quoted = NULL, *command = NULL;
	char text[512] = "";
	FILE *pipe;

	mr_words_add_all(&words, "", " ", "a'b", "\\", "$HOME", "`id`", "*", "\"", "a\nb", "\\'",
		"!x", "~", "-n", NULL);
	quoted = mr_words_quote(&words);
	cr_assert_eq(mr_words_split(&again, quoted), 0);
	cr_assert_eq(again.n, words.n);
	for (size_t i = 0; i < words.n; i++)
		cr_assert_str_eq(again.at[i], words.at[i]);
	command = mr_format("printf '<%%s>' %s", quoted);
	pipe = popen(command, "r");
	cr_assert(fread(text, 1, sizeof(text) - 1, pipe) > 0);
	pclose(pipe);
	cr_assert_str_eq(text, "<>< ><a'b><\\><$HOME><`id`><*><\"><a\nb><\\'><!x><~><-n>");
}

Test(via_target, finds_the_address_that_the_server_is_told_to_bind)
{
	static const struct {
		const char *command, *bound; /* NULL: none */
	} rows[] = {
		{"mosh-server 'new' '-c' '256' '-s'", NULL},
		{"mosh-server 'new' '-c' '256' '-i' '10.2.0.3' '-p' '60001'", "10.2.0.3"},
		{"mosh-server 'new' '-c' '256' '-s' '--' 'grep' '-i' '10.2.0.3'", NULL},
		{"mosh-server 'new' '-i'", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		mr_cleanup(mr_words_free) struct mr_words words = {0};
		const char *bound;

		mr_words_split(&words, rows[i].command);
		bound = mr_target_bound(&words);
		if (rows[i].bound)
			cr_assert_str_eq(bound, rows[i].bound);
		else
			cr_assert_null(bound, "row %zu", i);
	}
}

Test(via_dial, reads_where_ssh_reached_the_bastion)
{
	static const struct {
		const char *line, *address; /* NULL: not in there */
	} rows[] = {
		/* OpenSSH 9 and 6 */
		{"Authenticated to bastion ([203.0.113.7]:22) using \"publickey\".", "203.0.113.7"},
		{"Authenticated to bastion ([2001:db8::7]:2222).", "2001:db8::7"},
		{"Authenticated to bastion (via proxy) using \"publickey\".", NULL},
		{"Authenticated to x ([not an address]:22).", NULL},
		{"Authenticated to x ([203.0.113.7", NULL},
		{"Authenticated to x ([]:22)", NULL},
		{"Authenticated to x", NULL},
		{"Authenticated with partial success.", NULL},
		{"channel 1 ([203.0.113.7]:22)", NULL},
		{"", NULL},
	};
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(address, "untouched");
		cr_assert_eq(mr_dial_reached(rows[i].line, address), rows[i].address ? 0 : -ENOENT,
			"row %zu", i);
		cr_assert_str_eq(address, rows[i].address ? rows[i].address : "untouched");
	}
}

Test(via_dial, chooses_by_its_rule)
{
	static const struct {
		const char *addresses[3], *reached;
		int family;
		const char *dialled; /* NULL: none */
	} rows[] = {
		/* where ssh went, if the relay is there */
		{{"203.0.113.7", "203.0.113.8"}, "203.0.113.8", AF_UNSPEC, "203.0.113.8"},
		{{"203.0.113.7", "2001:DB8:0::7"}, "2001:db8::7", AF_UNSPEC, "2001:db8::7"},
		{{"10.0.0.5"}, "10.0.0.5", AF_UNSPEC, "10.0.0.5"},
		/* elsewhere: the same family first */
		{{"203.0.113.7", "2001:db8::7"}, "2001:db8::9", AF_UNSPEC, "2001:db8::7"},
		{{"203.0.113.7", "203.0.113.8"}, "198.51.100.1", AF_UNSPEC, "203.0.113.7"},
		{{"2001:db8::7"}, "198.51.100.1", AF_UNSPEC, "2001:db8::7"},
		/* what is advertised goes before that */
		{{"198.51.100.80"}, "203.0.113.7", AF_UNSPEC, "198.51.100.80"},
		{{"10.0.0.5", "localhost"}, "198.51.100.1", AF_INET, "127.0.0.1"},
		/* a NAT that nobody has told the relay about */
		{{"10.0.0.5"}, "198.51.100.1", AF_UNSPEC, "198.51.100.1"},
		{{"172.16.0.1"}, "198.51.100.1", AF_UNSPEC, "198.51.100.1"},
		{{"172.31.255.255"}, "198.51.100.1", AF_UNSPEC, "198.51.100.1"},
		{{"172.32.0.1"}, "198.51.100.1", AF_UNSPEC, "172.32.0.1"},
		{{"192.168.1.1"}, "198.51.100.1", AF_UNSPEC, "198.51.100.1"},
		{{"100.64.0.1"}, "198.51.100.1", AF_UNSPEC, "198.51.100.1"},
		{{"100.128.0.1"}, "198.51.100.1", AF_UNSPEC, "100.128.0.1"},
		{{"fd00::5"}, "2001:db8::1", AF_UNSPEC, "2001:db8::1"},
		/* but a private way in leads to private addresses */
		{{"10.0.0.5"}, "10.0.0.9", AF_UNSPEC, "10.0.0.5"},
		{{"203.0.113.7"}, "10.0.0.9", AF_UNSPEC, "203.0.113.7"},
		/* -4 and -6 */
		{{"203.0.113.7", "2001:db8::7"}, "203.0.113.7", AF_INET6, "2001:db8::7"},
		{{"203.0.113.7"}, "203.0.113.7", AF_INET6, NULL},
		{{"2001:db8::7"}, NULL, AF_INET, NULL},
		/* through a proxy: nobody knows, so the one with a route; else the first */
		{{"127.0.0.9", "203.0.113.8"}, NULL, AF_UNSPEC, "127.0.0.9"},
		{{"2001:db8::7"}, NULL, AF_UNSPEC, "2001:db8::7"},
		/* nothing of use */
		{{"no such name.invalid"}, NULL, AF_UNSPEC, NULL},
		{{NULL}, "203.0.113.7", AF_UNSPEC, NULL},
	};
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = 0;

		while (n < 3 && rows[i].addresses[n])
			n++;
		strcpy(address, "untouched");
		cr_assert_eq(mr_dial_choose(rows[i].addresses, n, rows[i].reached, rows[i].family,
				     address),
			rows[i].dialled ? 0 : -ENOENT, "row %zu", i);
		cr_assert_str_eq(address, rows[i].dialled ? rows[i].dialled : "untouched",
			"row %zu: %s", i, address);
	}
}
