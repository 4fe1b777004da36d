/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user.h - the user that the daemon runs as once it is set up, and what has to belong to it.
 *
 * The directories of run, state and pins are the daemon's alone. Whoever it runs as owns them: a
 * start as another user, or as root, takes over what an earlier one left. Switching to the user is
 * sandbox.c's.
 */
#ifndef MR_CONTROL_USER_H
#define MR_CONTROL_USER_H

#include <sys/types.h>

#include "config.h"

#define MR_USER_NAME_SIZE 64

struct mr_user {
	char name[MR_USER_NAME_SIZE];
	uid_t uid;
	gid_t gid; /* its first group */
};

/**
 * Looks a user up by name. -ENOENT: there is none. Loads the libraries that the host's user
 * database needs, on the caller's thread.
 */
int mr_user_find(const char *name, struct mr_user *ret_user);

/** Whose process this is. A uid without a name gets its number. */
void mr_user_current(struct mr_user *ret_user);

/**
 * Gives run and state directory, with the daemon's files in them, to a user. A directory that holds
 * other directories is not the daemon's alone and stays as it is, and so does a file with a second
 * name elsewhere: who could write here before must not come by what isn't his. Nor is a directory
 * left shut to its owner. Takes root. Says nothing of failures: mr_user_reaches() finds out whether
 * it is enough.
 */
void mr_user_hand_over(const struct mr_user *user, const struct mr_config *config);

/**
 * Makes the directory of pins, where there is none and it lies on a BPF file system, and gives it
 * to the user with all that is in it; not if it holds other directories, as /sys/fs/bpf itself
 * does. \return a descriptor (O_PATH) of it: systemd mounts /sys/fs/bpf for root alone, and nobody
 * else gets there by its name. -errno: there is none.
 */
int mr_user_hand_over_pins(const struct mr_user *user, const char *pin_dir);

/**
 * Would the user be able to work in run and state directory, and to tell who started the daemon
 * ($NOTIFY_SOCKET)? -EACCES: not, and `ret_why` names what it can't get at. Asks a child process
 * that becomes the user: only before there is a second thread.
 */
int mr_user_reaches(
	const struct mr_user *user, const struct mr_config *config, struct mr_why *ret_why);

#endif
