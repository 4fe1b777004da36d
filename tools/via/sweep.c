// SPDX-License-Identifier: BSD-2-Clause
/*
 * sweep.c - see sweep.h.
 *
 * A laptop that has changed networks has lost its connection to the bastion, and mosh goes on.
 * Then a new connection closes the session, if one can be had without asking; else the relay
 * notices by itself that the target is gone.
 */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "child.h"
#include "relay.h"

/* The bastion answers within a few round trips, or it is not there. */
#define CLOSE_MS 2000

/** Waits for the last holder to go; drops meanwhile what the master says, so that it can say it. */
static void wait_for_end(struct mr_bastion *bastion, int hold)
{
	struct pollfd fds[] = {
		{.fd = hold, .events = POLLIN},
		{.fd = bastion->log_fd, .events = POLLIN},
	};

	while (!fds[0].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			mr_bastion_read_log(bastion);
	}
}

static void sweep(struct mr_bastion *bastion, const char *id, int hold)
{
	struct mr_rpc_error error;

	wait_for_end(bastion, hold);
	if (mr_relay_close(bastion->socket, CLOSE_MS, id, &error) && !error.answered &&
		mr_bastion_reconnect(bastion) == MR_EXIT_DONE)
		mr_relay_close(bastion->socket, CLOSE_MS, id, &error);
	mr_bastion_close(bastion);
}

/** The bastion's files are the other process's now. */
static void disown(struct mr_bastion *bastion)
{
	mr_close_fd(&bastion->log_fd);
	mr_close_fd(&bastion->log_writer);
	mr_free_text(&bastion->control);
	mr_free_text(&bastion->socket);
	mr_free_text(&bastion->log);
	mr_free_text(&bastion->dir);
}

int mr_sweep_start(struct mr_bastion *bastion, const char *id, struct mr_sweep *ret_sweep)
{
	int hold[2] = {-1, -1}, done[2] = {-1, -1}, r = 0;
	pid_t pid = -1;

	if (pipe(hold) == 0 && pipe(done) == 0 && fcntl(done[0], F_SETFD, FD_CLOEXEC) == 0)
		pid = fork();
	if (pid < 0)
		r = -errno;
	if (pid == 0) {
		close(hold[1]);
		close(done[0]);
		if (mr_child_detach() < 0 || fcntl(hold[0], F_SETFD, FD_CLOEXEC) < 0 ||
			fcntl(done[1], F_SETFD, FD_CLOEXEC) < 0)
			_exit(MR_EXIT_FAILED);
		sweep(bastion, id, hold[0]);
		_exit(MR_EXIT_DONE);
	}
	mr_close_fd(&hold[0]);
	mr_close_fd(&done[1]);
	if (r < 0) {
		mr_close_fd(&hold[1]);
		mr_close_fd(&done[0]);
		return r;
	}
	disown(bastion);
	*ret_sweep = (struct mr_sweep){hold[1], done[0]};
	return 0;
}

void mr_sweep_finish(struct mr_sweep *sweep, int timeout_ms)
{
	struct pollfd done = {.fd = sweep->done, .events = POLLIN};

	mr_close_fd(&sweep->hold);
	while (poll(&done, 1, timeout_ms) < 0 && errno == EINTR)
		;
	mr_close_fd(&sweep->done);
}
