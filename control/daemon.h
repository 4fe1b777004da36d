/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.h - the parts of the daemon put together, in the order in which they need each other, and
 * taken apart again.
 */
#ifndef MR_CONTROL_DAEMON_H
#define MR_CONTROL_DAEMON_H

#include "config.h"

struct mr_daemon;

/**
 * Starts everything; sessions are restored and the socket answers when this returns. `config` is
 * taken over, also on failure. `options` must stay where they are: SIGHUP reads the file anew.
 * A failure is logged, and leaves every interface as it was.
 */
int mr_daemon_start(
	const struct mr_options *options, struct mr_config *config, struct mr_daemon **ret_daemon);

/** Serves until SIGTERM, SIGINT or `detach`. */
void mr_daemon_run(struct mr_daemon *daemon);

/** Stops in order and frees; XDP goes on forwarding unless it was to be detached. */
void mr_daemon_stop(struct mr_daemon *daemon);

#endif
