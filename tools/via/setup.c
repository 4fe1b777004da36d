// SPDX-License-Identifier: BSD-2-Clause
/*
 * setup.c - see setup.h.
 *
 * The relay is asked before the target is: who may not use it needn't type the target's password.
 */
#include "setup.h"

#include <string.h>

#include "child.h"
#include "dial.h"
#include "say.h"
#include "target.h"

#define RPC_MS 20000

static enum mr_exit explain_relay(
	const struct mr_args *args, enum mr_exit status, const struct mr_rpc_error *error)
{
	if (error->answered)
		return mr_cli_fail(
			status, "the relay on %s refuses: %s", args->bastion, error->message);
	if (status != MR_EXIT_UNREACHABLE)
		return mr_cli_fail(status, "the relay on %s: %s", args->bastion, error->message);
	return mr_cli_fail(status,
		"cannot reach the relay on %s: nobody answers at its %s: start moshrelayd there, "
		"or "
		"let its sshd forward that socket: AllowStreamLocalForwarding yes, "
		"AllowTcpForwarding yes, and where PermitOpen is set, PermitOpen [%s]:* as well",
		args->bastion, args->setup_socket, args->setup_socket);
}

static enum mr_exit check_relay(struct mr_setup *setup)
{
	const struct mr_args *args = setup->bastion.args;
	struct mr_rpc_error error;
	enum mr_exit status = mr_relay_check(setup->bastion.socket, RPC_MS, &error);

	mr_bastion_read_log(&setup->bastion);
	setup->bastion.refused[0] = '\0';
	return status ? explain_relay(args, status, &error) : MR_EXIT_DONE;
}

/** The target's ssh, up to the host. What is first on ssh's command line wins. */
static void build_ssh(const struct mr_setup *setup, struct mr_words *ssh)
{
	const struct mr_args *args = setup->bastion.args;
	mr_cleanup(mr_free_text) char *proxy = mr_bastion_proxy_command(&setup->bastion);

	mr_words_add(ssh, args->ssh.at[0]);
	mr_words_add_all(ssh, "-S", "none", "-o", NULL);
	mr_words_addf(ssh, "ProxyCommand=%s", proxy);
	mr_words_add_all(ssh, "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", NULL);
	if (!args->wrapper)
		mr_words_add_all(ssh, "-n", args->ssh_pty ? "-tt" : "-T", NULL);
	mr_words_add_list(ssh, args->ssh.at + 1);
}

static enum mr_exit explain_target(struct mr_setup *setup, const char *why, bool no_login)
{
	const struct mr_args *args = setup->bastion.args;
	const char *refused = setup->bastion.refused;

	if (mr_child_signal())
		return MR_EXIT_FAILED;
	mr_bastion_read_log(&setup->bastion);
	if (!no_login || !*refused)
		return mr_cli_fail(MR_EXIT_FAILED, "%s", why);
	if (strstr(refused, "prohibited"))
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot reach the target %s: the sshd of %s forbids it: AllowTcpForwarding "
			"must be yes, and where PermitOpen is set, it must name the target's ssh "
			"port",
			args->target, args->bastion);
	return mr_cli_fail(MR_EXIT_FAILED, "cannot reach the target %s from %s: %s", args->target,
		args->bastion, refused);
}

static enum mr_exit start_target(struct mr_setup *setup, const char *server)
{
	const struct mr_args *args = setup->bastion.args;
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	struct mr_target target = {.host = args->target, .ssh = &ssh, .server = server};
	char why[MR_TARGET_WHY_SIZE];
	enum mr_exit status;
	bool no_login;

	build_ssh(setup, &ssh);
	target.idle_s = args->idle_s ? args->idle_s : MR_TARGET_IDLE_S;
	mr_say_command(args, &ssh);
	mr_say(args, "on %s: %s", args->target, server);
	status = mr_target_start(&target, &setup->output, why, &no_login);
	return status ? explain_target(setup, why, no_login) : MR_EXIT_DONE;
}

static enum mr_exit open_session(struct mr_setup *setup, const char *bound)
{
	const struct mr_args *args = setup->bastion.args;
	struct mr_relay_request request = {
		.address = bound ? bound : setup->output.address,
		.port = setup->output.port,
		.idle_s = args->idle_s,
		.label = args->label,
	};
	struct mr_rpc_error error;
	enum mr_exit status;

	mr_say(args, "mosh-server listens at %s port %u", request.address, request.port);
	status = mr_relay_open(setup->bastion.socket, RPC_MS, &request, &setup->session, &error);
	if (status)
		return explain_relay(args, status, &error);
	mr_say(args, "the relay's session is %s, public port %u", setup->session.id,
		setup->session.port);
	return MR_EXIT_DONE;
}

/** Nobody will use the session. */
static void give_back(struct mr_setup *setup)
{
	struct mr_rpc_error error;

	mr_relay_close(setup->bastion.socket, RPC_MS, setup->session.id, &error);
}

static enum mr_exit choose_address(struct mr_setup *setup)
{
	const struct mr_args *args = setup->bastion.args;
	const char *addresses[MR_RELAY_ADDRESSES];
	const char *reached = *setup->bastion.reached ? setup->bastion.reached : NULL;

	for (size_t i = 0; i < setup->session.n_addresses; i++)
		addresses[i] = setup->session.addresses[i];
	if (mr_dial_choose(addresses, setup->session.n_addresses, reached, args->family,
		    setup->dial) == 0) {
		mr_say(args, "mosh-client dials %s port %u", setup->dial, setup->session.port);
		return MR_EXIT_DONE;
	}
	give_back(setup);
	return mr_cli_fail(MR_EXIT_FAILED,
		"the relay on %s has no address that can be dialled from here, only %s%s: %s",
		args->bastion, addresses[0], setup->session.n_addresses > 1 ? " and others" : "",
		args->family ? "try without -4 or -6" : "that name is not known here");
}

enum mr_exit mr_setup_run(
	const struct mr_args *args, const char *server, const char *bound, struct mr_setup *setup)
{
	enum mr_exit status = mr_bastion_connect(args, false, &setup->bastion);

	if (!status)
		status = check_relay(setup);
	if (!status && !mr_child_signal())
		status = start_target(setup, server);
	if (!status && !mr_child_signal())
		status = open_session(setup, bound);
	if (!status)
		status = choose_address(setup);
	if (!status && mr_child_signal())
		give_back(setup);
	return mr_child_signal() ? MR_EXIT_FAILED : status;
}

void mr_setup_free(struct mr_setup *setup)
{
	mr_output_wipe(&setup->output);
	mr_bastion_close(&setup->bastion);
}
