// SPDX-License-Identifier: BSD-2-Clause
/*
 * hop.c - moshrelay hop: mosh's server command on the bastion, for laptops without mosh-via.
 *
 * Starts mosh-server on the target by ssh from here, opens a session for it, and says MOSH CONNECT
 * with the session's public port. Nobody can answer a question on the way: mosh gives its ssh no
 * input. Here, and only here, the bastion gets to see the key.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "connection.h"
#include "output.h"
#include "relay.h"
#include "target.h"
#include "words.h"

struct hop {
	const char *target, *server, *label, *ssh;
	unsigned idle_s; /* 0: not given */
	char **rest;     /* mosh-server's arguments */
};

static const struct option options[] = {
	{"label", required_argument, NULL, 'l'},
	{"idle", required_argument, NULL, 'i'},
	{"server", required_argument, NULL, 's'},
	{"ssh", required_argument, NULL, 'S'},
	{0},
};

static enum mr_exit take_option(int option, char *const *args, struct hop *hop)
{
	uint64_t idle;

	switch (option) {
	case 'l':
		hop->label = optarg;
		return MR_EXIT_DONE;
	case 'i':
		if (mr_cli_number(optarg, 1, INT32_MAX, &idle) < 0)
			return mr_cli_usage("--idle %s: it must be a number of seconds", optarg);
		hop->idle_s = (unsigned)idle;
		return MR_EXIT_DONE;
	case 's':
		hop->server = optarg;
		return MR_EXIT_DONE;
	case 'S':
		hop->ssh = optarg;
		return MR_EXIT_DONE;
	default:
		return mr_cli_usage("hop: option %s: there is no such option, or its argument is "
				    "missing",
			args[optind - 1]);
	}
}

static enum mr_exit parse(const struct mr_call *call, struct hop *ret_hop)
{
	struct hop hop = {.server = "mosh-server", .ssh = "ssh"};
	char **args = call->args - 1; /* getopt's argv[0] is the command's name */
	enum mr_exit status;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(call->n_args + 1, args, "+:", options, NULL)) != -1) {
		status = take_option(option, args, &hop);
		if (status)
			return status;
	}
	hop.target = args[optind];
	if (!hop.target || !*hop.target || hop.target[0] == '-')
		return mr_cli_usage("hop: [USER@]TARGET is missing");
	hop.rest = args + optind + 1;
	if (!*hop.rest || strcmp(*hop.rest, "new"))
		return mr_cli_usage("hop: mosh calls this on the bastion: "
				    "mosh --server=\"moshrelay hop %s\" BASTION",
			hop.target);
	*ret_hop = hop;
	return MR_EXIT_DONE;
}

static void show_line(void *context, const char *line)
{
	(void)context;
	printf("%s\n", line);
	fflush(stdout);
}

/** Starts mosh-server on the target; its output has the key. */
static enum mr_exit start(
	const struct hop *hop, const struct mr_words *rest, struct mr_output *output)
{
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	mr_cleanup(mr_free_text) char *arguments = mr_words_quote(rest);
	mr_cleanup(mr_free_text) char *server = mr_format("%s %s", hop->server, arguments);
	struct mr_target target = {.host = hop->target,
		.ssh = &ssh,
		.server = server,
		.idle_s = hop->idle_s ? hop->idle_s : MR_TARGET_IDLE_S};
	char why[MR_TARGET_WHY_SIZE];
	bool no_login;

	if (mr_words_split(&ssh, hop->ssh) < 0 || !ssh.n)
		return mr_cli_usage("--ssh %s: it is empty, or a quote is missing", hop->ssh);
	mr_words_add_all(&ssh, "-n", "-tt", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes",
		"-o", "RemoteCommand=none", NULL);
	if (!mr_target_start(&target, output, why, &no_login))
		return MR_EXIT_DONE;
	if (!no_login)
		return mr_cli_fail(MR_EXIT_FAILED, "%s", why);
	return mr_cli_fail(MR_EXIT_FAILED,
		"cannot log in to the target %s from here: `ssh %s` on the bastion must work "
		"without a question (by a key, or `ForwardAgent yes` on your machine)",
		hop->target, hop->target);
}

static enum mr_exit open_session(const struct mr_call *call, const struct hop *hop,
	const struct mr_output *output, const char *bound, struct mr_relay_session *ret_session)
{
	struct mr_relay_request request = {
		.address = bound ? bound : output->address,
		.port = output->port,
		.idle_s = hop->idle_s,
		.label = hop->label,
	};
	const char *ssh_client = getenv("SSH_CLIENT");
	char client[INET6_ADDRSTRLEN] = "";
	struct in6_addr any;
	struct mr_rpc_error error;
	enum mr_exit status;

	if (ssh_client && strcspn(ssh_client, " ") < sizeof(client))
		snprintf(client, strcspn(ssh_client, " ") + 1, "%s", ssh_client);
	if (inet_pton(AF_INET, client, &any) == 1 || inet_pton(AF_INET6, client, &any) == 1)
		request.client = client;
	status = mr_relay_open(call->socket, MR_RPC_TIMEOUT_MS, &request, ret_session, &error);
	return status ? mr_cli_fail(status, "%s", error.message) : MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_words_free) struct mr_words rest = {0};
	mr_cleanup(mr_output_wipe) struct mr_output output = {.show = show_line};
	struct mr_relay_session session;
	struct mr_rpc_error error;
	struct hop hop = {0};
	enum mr_exit status = parse(call, &hop);

	if (status)
		return status;
	if (mr_child_init() < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: no more files can be opened");
	/* who may not use the relay needn't start anything */
	status = mr_relay_check(call->socket, MR_RPC_TIMEOUT_MS, &error);
	if (status)
		return mr_cli_fail(status, "%s", error.message);
	mr_words_add_list(&rest, hop.rest);
	status = start(&hop, &rest, &output);
	if (!status)
		status = open_session(call, &hop, &output, mr_target_bound(&rest), &session);
	if (!status)
		printf("\nMOSH CONNECT %u %s\n", session.port, output.key);
	return status;
}

const struct mr_command mr_command_hop = {
	.name = "hop",
	.arguments = "[USER@]TARGET",
	.summary = "for mosh: mosh --server=\"moshrelay hop TARGET\" BASTION",
	.details =
		"Starts mosh-server on TARGET by ssh from the bastion and opens a session for "
		"it.\nThe login to TARGET must work without a question, and the bastion sees the "
		"session's key:\nuse mosh-via where that matters.\n\n"
		"Options, before TARGET:\n"
		"  --label TEXT         a name for the session\n"
		"  --idle SECONDS       close it after this long without a datagram (default 1 "
		"day)\n"
		"  --server COMMAND     mosh-server on TARGET (default mosh-server)\n"
		"  --ssh COMMAND        ssh and its options (default ssh)",
	.min_args = 1,
	.max_args = -1,
	.raw = true,
	.run = run,
};
