// SPDX-License-Identifier: BSD-2-Clause
/*
 * detach.c - moshrelay detach: by the daemon, or where there is none any more, by what it has noted
 * beside its socket. Taking off is moshrelayd's own work in both cases.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attached.h"
#include "connection.h"

extern char **environ;

/** What a daemon left. */
struct left {
	char run_dir[PATH_MAX];
	json_t *note;
};

static void left_clear(struct left *left)
{
	json_decref(left->note);
}

/** Is there a note beside the socket of what a daemon that is gone left attached? */
static bool find_left(const char *socket_path, struct left *ret_left)
{
	char path[PATH_MAX];
	const char *slash = strrchr(socket_path, '/');
	size_t length = slash ? (size_t)(slash - socket_path) : 0;
	json_t *note;

	if (snprintf(path, sizeof(path), "%.*s/" MR_ATTACHED_FILE, slash ? (int)length : 1,
		    slash ? socket_path : ".") >= (int)sizeof(path))
		return false;
	note = json_load_file(path, 0, NULL);
	if (!json_is_string(json_object_get(note, "pin_dir")) ||
		!json_is_string(json_object_get(note, "state_dir"))) {
		json_decref(note);
		return false;
	}
	*strrchr(path, '/') = '\0';
	*ret_left = (struct left){.note = note};
	strcpy(ret_left->run_dir, *path ? path : "/");
	return true;
}

/**
 * A daemon that isn't root's any more writes the note, and root does what stands in it: only in a
 * directory that is the writer's own. (Pins are taken away by name, and from a BPF filesystem
 * alone.)
 */
static bool is_believed(const struct left *left)
{
	const char *state_dir = json_string_value(json_object_get(left->note, "state_dir"));
	char path[PATH_MAX + sizeof(MR_ATTACHED_FILE)];
	struct stat note, state;

	snprintf(path, sizeof(path), "%s/" MR_ATTACHED_FILE, left->run_dir);
	return !lstat(path, &note) && S_ISREG(note.st_mode) && !lstat(state_dir, &state) &&
		S_ISDIR(state.st_mode) && (!note.st_uid || note.st_uid == state.st_uid);
}

/** The daemon that was built or installed with this program, or by its name alone. */
static void find_daemon(char *buf, size_t size)
{
	static const char *const beside[] = {"../sbin/moshrelayd", "../../control/moshrelayd"};
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (length > 0) {
		self[length] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++)
			if (snprintf(buf, size, "%.*s/%s", (int)(slash - self), self, beside[i]) <
					(int)size &&
				!access(buf, X_OK))
				return;
	}
	snprintf(buf, size, "moshrelayd");
}

/** It says itself what fails. */
static enum mr_exit detach_left(const struct left *left)
{
	char daemon[PATH_MAX * 2];
	char *argv[] = {"moshrelayd", "--detach", "-c", "/dev/null", "--run-dir",
		(char *)left->run_dir, "--pin-dir",
		(char *)json_string_value(json_object_get(left->note, "pin_dir")), "--state-dir",
		(char *)json_string_value(json_object_get(left->note, "state_dir")), NULL};
	posix_spawn_file_actions_t actions;
	int status, error;
	pid_t pid;

	if (!is_believed(left))
		return mr_cli_fail(MR_EXIT_FAILED,
			"%s/" MR_ATTACHED_FILE " names a state directory that is not its writer's: "
			"run moshrelayd --detach with the daemon's own options",
			left->run_dir);
	find_daemon(daemon, sizeof(daemon));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&pid, daemon, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot run %s, which takes the dataplane off: %s", daemon,
			strerror(error));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return mr_cli_fail(
				MR_EXIT_FAILED, "cannot wait for %s: %s", daemon, strerror(errno));
	return status ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static bool is_unreachable(const char *socket_path)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;

	return mr_rpc_connect(socket_path, MR_RPC_TIMEOUT_MS, &rpc, &error) == MR_EXIT_UNREACHABLE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	mr_cleanup(left_clear) struct left left = {0};
	enum mr_exit status;

	if (geteuid() == 0 && find_left(call->socket, &left) && is_unreachable(call->socket)) {
		status = detach_left(&left);
		result = json_object();
	} else {
		status = mr_connection_ask(call, "cannot detach", "detach", NULL, &result);
	}
	if (status)
		return status;
	if (call->json)
		mr_print_json(result);
	else
		puts("the dataplane is off the interfaces");
	return MR_EXIT_DONE;
}

const struct mr_command mr_command_detach = {
	.name = "detach",
	.arguments = "",
	.summary = "take the dataplane off the interfaces",
	.details = "Nothing is relayed from then on; the sessions stay in the store.\n"
		   "Where the daemon has ended, root takes off what it has left forwarding.",
	.max_args = 0,
	.run = run,
};
