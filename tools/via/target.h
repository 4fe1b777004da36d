/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target.h - mosh-server, started on the target by ssh.
 */
#ifndef MR_VIA_TARGET_H
#define MR_VIA_TARGET_H

#include <stdbool.h>

#include "cli.h"
#include "output.h"
#include "words.h"

/** Of the daemon too: a session that nobody uses is closed after a day. */
#define MR_TARGET_IDLE_S 86400

struct mr_target {
	const char *host;           /* [USER@]HOST as ssh takes it */
	const struct mr_words *ssh; /* ssh's command, options included, up to the host */
	const char *server;         /* command for sh that starts mosh-server, with its arguments */
	unsigned idle_s;            /* how long mosh-server waits for a lost client */
};

/** Room for what mr_target_start() says. */
#define MR_TARGET_WHY_SIZE 512

/**
 * Starts mosh-server. What the target says besides goes line by line to `output->show`; address,
 * port and key are in `output` afterwards. On failure `ret_why` says in words what failed, and
 * `*ret_no_login` whether ssh didn't get as far as running a command. A signal may have ended it:
 * mr_child_signal().
 */
enum mr_exit mr_target_start(const struct mr_target *target, struct mr_output *output,
	char ret_why[MR_TARGET_WHY_SIZE], bool *ret_no_login);

/**
 * The address that `--bind-server=ADDRESS` made mosh-server listen on, out of the `words` of its
 * command (`mosh-server new … -i ADDRESS …`); NULL: the one that ssh reached.
 */
const char *mr_target_bound(const struct mr_words *words);

#endif
