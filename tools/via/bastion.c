// SPDX-License-Identifier: BSD-2-Clause
/*
 * bastion.c - see bastion.h.
 *
 * The master asks its questions on the terminal and goes to the background when it is through. The
 * user's own configuration of the bastion leads there (jumps, aliases, identities); what it wants
 * to happen after that (forwardings, commands, a shared connection) is switched off. Whatever then
 * uses the connection reads no configuration at all and can't make a connection of its own.
 */
#include "bastion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "child.h"
#include "dial.h"
#include "say.h"

/* ssh binds a control socket under its name, a dot and 16 letters, and renames it */
#define PATH_ROOM \
	(sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof("/control.9.0123456789abcdef"))

#define QUIET_CONNECT_S "5"
#define QUIET_MS        8000
#define LOCAL_MS        30000 /* for a request to the master, which is on this machine */

/** Whether a path below `dir` can stand in ssh's options, which expand %, and in a socket's name.
 */
static bool is_plain(const char *dir)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789/._+,-";

	return dir && dir[0] == '/' && !dir[strspn(dir, plain)] &&
		strlen(dir) + sizeof("/mosh-via.XXXXXX") <= PATH_ROOM;
}

static int make_dir(char **ret_dir)
{
	const char *const parents[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};
	int error = ENOENT;

	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		char *dir;

		if (!is_plain(parents[i]))
			continue;
		dir = mr_format("%s/mosh-via.XXXXXX", parents[i]);
		if (mkdtemp(dir)) { /* mode 0700 */
			*ret_dir = dir;
			return 0;
		}
		error = errno;
		free(dir);
	}
	return -error;
}

/** Opens the FIFO for both ends: it then has a reader before ssh writes, and never ends. */
static int open_log(struct mr_bastion *bastion)
{
	bastion->log = mr_format("%s/log", bastion->dir);
	if (mkfifo(bastion->log, 0600) < 0)
		return -errno;
	bastion->log_fd = open(bastion->log, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (bastion->log_fd < 0)
		return -errno;
	bastion->log_writer = open(bastion->log, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return bastion->log_writer < 0 ? -errno : 0;
}

static void name_sockets(struct mr_bastion *bastion)
{
	free(bastion->control);
	free(bastion->socket);
	bastion->control = mr_format("%s/control.%u", bastion->dir, bastion->attempt);
	bastion->socket = mr_format("%s/setup.%u", bastion->dir, bastion->attempt);
}

static void take_log_line(void *context, const char *line)
{
	struct mr_bastion *bastion = context;
	const char *failed;

	if (!strncmp(line, "Authenticated to ", 17)) {
		if (mr_dial_reached(line, bastion->reached) == 0)
			mr_say(bastion->args, "reached the bastion at %s", bastion->reached);
		else
			mr_say(bastion->args, "reached the bastion through a proxy");
	} else if ((failed = strstr(line, ": open failed: "))) {
		snprintf(bastion->refused, sizeof(bastion->refused), "%s", failed + 15);
		mr_say(bastion->args, "%s", line);
	} else if (!strncmp(line, "debug", 5)) {
		mr_say(bastion->args, "%s", line);
	} else {
		mr_cli_error("%s", line);
	}
}

static struct mr_child_reader log_reader(struct mr_bastion *bastion)
{
	return (struct mr_child_reader){bastion->log_fd, mr_lines_feed, &bastion->lines};
}

void mr_bastion_read_log(struct mr_bastion *bastion)
{
	struct mr_child_reader reader = log_reader(bastion);

	if (bastion->log_fd >= 0)
		mr_child_read(&reader);
}

static int start_master(struct mr_bastion *bastion, bool quietly, int *ret_status)
{
	const struct mr_args *args = bastion->args;
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	struct mr_child_reader reader = log_reader(bastion);
	struct mr_child child;
	int r;

	mr_words_add_list(&ssh, args->ssh_bastion.at);
	mr_words_add_all(&ssh, "-f", "-N", "-T", "-M", "-S", bastion->control, "-E", bastion->log,
		"-o", "LogLevel=VERBOSE", "-o", "ControlPersist=no", "-o",
		"ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o",
		"RemoteCommand=none", "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o",
		"ServerAliveInterval=15", "-o", "ServerAliveCountMax=3", NULL);
	if (args->family)
		mr_words_add(&ssh, args->family == AF_INET ? "-4" : "-6");
	if (quietly)
		mr_words_add_all(
			&ssh, "-o", "BatchMode=yes", "-o", "ConnectTimeout=" QUIET_CONNECT_S, NULL);
	mr_words_add_all(&ssh, "--", args->bastion, NULL);
	mr_say_command(args, &ssh);
	r = mr_child_start(ssh.at, NULL, MR_CHILD_NO_INPUT, &child);
	if (r < 0)
		return r;
	return mr_child_wait(&child, NULL, NULL, &reader, quietly ? QUIET_MS : -1, ret_status);
}

/** ssh's words for a request to the master, up to the destination, which is never looked up. */
static void add_master_client(const struct mr_bastion *bastion, struct mr_words *ssh)
{
	mr_words_add_all(ssh, bastion->args->ssh_bastion.at[0], "-F", "none", "-S",
		bastion->control, "-o", "ProxyCommand=false", NULL);
}

static int forward_socket(struct mr_bastion *bastion, int *ret_status)
{
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};

	add_master_client(bastion, &ssh);
	mr_words_add_all(&ssh, "-O", "forward", "-L", NULL);
	mr_words_addf(&ssh, "%s:%s", bastion->socket, bastion->args->setup_socket);
	mr_words_add(&ssh, "bastion");
	mr_say_command(bastion->args, &ssh);
	return mr_child_run(ssh.at, MR_CHILD_NO_INPUT, LOCAL_MS, ret_status);
}

static enum mr_exit connect_once(struct mr_bastion *bastion, bool quietly)
{
	const char *name = bastion->args->bastion;
	int status = 0, r;

	name_sockets(bastion);
	r = start_master(bastion, quietly, &status);
	if (mr_child_signal() || (quietly && (r || status)))
		return MR_EXIT_FAILED;
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot run %s: %s",
			bastion->args->ssh_bastion.at[0], strerror(-r));
	if (status)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot log in to the bastion %s: try `ssh -N %s`, it must work first",
			name, name);
	r = forward_socket(bastion, &status);
	if (mr_child_signal() || (quietly && (r || status)))
		return MR_EXIT_FAILED;
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot forward the relay's socket %s from %s: %s",
			bastion->args->setup_socket, name, strerror(-r));
	if (status)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot forward the relay's socket %s from %s: OpenSSH 7.6 or later is "
			"needed",
			bastion->args->setup_socket, name);
	return MR_EXIT_DONE;
}

enum mr_exit mr_bastion_connect(
	const struct mr_args *args, bool quietly, struct mr_bastion *ret_bastion)
{
	struct mr_bastion *bastion = ret_bastion;
	int r;

	*bastion = (struct mr_bastion){.args = args,
		.log_fd = -1,
		.log_writer = -1,
		.lines = {.take = take_log_line, .context = bastion}};
	r = make_dir(&bastion->dir);
	if (r == 0)
		r = open_log(bastion);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot make a private directory: %s: set TMPDIR to one with a short name",
			strerror(-r));
	return connect_once(bastion, quietly);
}

/** Tells the master to leave, if it is there, and removes what it may have left. */
static void stop_master(struct mr_bastion *bastion)
{
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	int status;

	if (!bastion->control)
		return;
	add_master_client(bastion, &ssh);
	mr_words_add_all(&ssh, "-O", "exit", "bastion", NULL);
	if (access(bastion->control, F_OK) == 0)
		mr_child_run(ssh.at, MR_CHILD_NO_INPUT | MR_CHILD_NO_OUTPUT | MR_CHILD_DEAF,
			LOCAL_MS, &status);
	unlink(bastion->control);
	unlink(bastion->socket);
}

enum mr_exit mr_bastion_reconnect(struct mr_bastion *bastion)
{
	stop_master(bastion);
	bastion->attempt++;
	return connect_once(bastion, true);
}

char *mr_bastion_proxy_command(const struct mr_bastion *bastion)
{
	mr_cleanup(mr_words_free) struct mr_words ssh = {0};
	mr_cleanup(mr_free_text) char *quoted = NULL;

	add_master_client(bastion, &ssh);
	quoted = mr_words_quote(&ssh);
	return mr_format("%s -W '[%%h]:%%p' bastion", quoted);
}

void mr_bastion_close(struct mr_bastion *bastion)
{
	stop_master(bastion);
	mr_close_fd(&bastion->log_fd);
	mr_close_fd(&bastion->log_writer);
	if (bastion->log)
		unlink(bastion->log);
	if (bastion->dir)
		rmdir(bastion->dir);
	mr_free_text(&bastion->control);
	mr_free_text(&bastion->socket);
	mr_free_text(&bastion->log);
	mr_free_text(&bastion->dir);
}
