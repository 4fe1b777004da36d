/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox.h - gives up what the daemon doesn't need: root, capabilities, system calls, and the ways
 * to new ones.
 *
 * User and capabilities belong to threads. So both are given up before there is a second thread:
 * what only the start needs stays until it is over, as capabilities. Threads that need none give
 * theirs up by themselves.
 */
#ifndef MR_CONTROL_SANDBOX_H
#define MR_CONTROL_SANDBOX_H

#include "backend.h"
#include "config.h"
#include "monitor.h"
#include "user.h"

/** What has been given up, and what not. */
struct mr_sandbox {
	struct mr_user user;    /* as whom the daemon runs */
	struct mr_why user_why; /* why it is still root though it is not to be; "" */
	bool filtered;
	struct mr_why filter_why; /* why system calls are not filtered though they are to be; "" */
	struct mr_monitor *monitor; /* NULL: the daemon may do by itself what that is for */
	int pin_fd;                 /* of the directory of pins, -1: not needed */
	char pin_path[32];          /* the way there by that descriptor, "": by its name */
};

/** Before mr_sandbox_enter(), for those who close it in any case. */
void mr_sandbox_init(struct mr_sandbox *sandbox);

/**
 * Before the first thread, and when the directories are there: hands them over and becomes the
 * configured user; keeps the capabilities that starting the configured dataplane can take (AUTO:
 * any of them), of what the process has. No program that it runs can gain more from here on.
 * Where there is no such user, or it can't reach the directories, the daemon stays root, and
 * `user_why` says so. `config_file` must stay. 0 or -errno, in words.
 */
int mr_sandbox_enter(struct mr_sandbox *sandbox, const struct mr_config *config,
	const char *config_file, struct mr_why *ret_why);

/** After the start: keeps the capabilities that this dataplane takes. 0 or -errno, in words. */
int mr_sandbox_tighten(enum mr_dataplane dataplane, struct mr_why *ret_why);

/**
 * Then, when nearly all threads are there: filters the system calls of all of them, if the
 * configuration says so. Where that can't be, the daemon goes on, and `filter_why` says so.
 */
void mr_sandbox_filter(
	struct mr_sandbox *sandbox, const struct mr_config *config, enum mr_dataplane dataplane);

/** Removes the directory of pins if it is empty: no dataplane that has pins runs. */
void mr_sandbox_remove_pin_dir(const struct mr_sandbox *sandbox, const struct mr_config *config);

/** Gives up all capabilities of the calling thread. Failing it has no more than it had. */
void mr_sandbox_thread(void);

/** Ends the monitor. */
void mr_sandbox_close(struct mr_sandbox *sandbox);

#endif
