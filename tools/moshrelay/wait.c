// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - see wait.h.
 *
 * Each round sets its watch first and tries then, so that nothing that happens in between is
 * missed. Where the run directory doesn't exist yet, the nearest parent that does is watched.
 */
#include "wait.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cli.h"

/* A socket is in its directory from bind() on, but listen() makes no event: look again this soon.
 */
#define LISTEN_MS 20

/** Watches the directory of `path`, or the nearest one above it that is there. */
static int watch_directory(int inotify_fd, const char *path)
{
	const uint32_t mask =
		IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
	char copy[PATH_MAX];
	char *directory = copy;

	if (strlen(path) >= sizeof(copy))
		return -ENAMETOOLONG;
	strcpy(copy, path);
	for (;;) {
		directory = dirname(directory);
		if (inotify_add_watch(inotify_fd, directory, mask) >= 0)
			return 0;
		if (errno != ENOENT || !strcmp(directory, "/") || !strcmp(directory, "."))
			return -errno;
	}
}

static enum mr_exit ask_status(
	const char *path, int timeout_ms, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	enum mr_exit status;

	status = mr_rpc_connect(path, timeout_ms, &rpc, ret_error);
	return status ? status : mr_rpc_call(rpc, "status", NULL, ret_result, ret_error);
}

enum mr_exit mr_wait_status(
	const char *path, int timeout_ms, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	int64_t deadline = mr_cli_clock_ms() + timeout_ms, left = timeout_ms;
	enum mr_exit status;

	for (;;) {
		mr_cleanup(mr_close_fd) int inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		struct pollfd poll_fd = {.fd = inotify_fd, .events = POLLIN};
		bool watched = inotify_fd >= 0 && watch_directory(inotify_fd, path) == 0;

		status = ask_status(path, left > 0 ? (int)left : 1, ret_result, ret_error);
		left = deadline - mr_cli_clock_ms();
		if (status != MR_EXIT_UNREACHABLE || left <= 0)
			return status;
		/* a socket that refuses is a dead daemon's, or one that will listen in a moment */
		if ((!watched || access(path, F_OK) == 0) && left > LISTEN_MS)
			poll(&poll_fd, 1, LISTEN_MS);
		else
			poll(&poll_fd, 1, (int)left);
		left = deadline - mr_cli_clock_ms();
	}
}
