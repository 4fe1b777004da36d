/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.h - what -v shows: each step, on standard error. Never a key: nothing that came from
 * mosh-server goes through here.
 */
#ifndef MR_VIA_SAY_H
#define MR_VIA_SAY_H

#include "args.h"

/** Says it if -v was given. */
void mr_say(const struct mr_args *args, const char *fmt, ...) mr_printf(2, 3);

/** Shows the command that is about to run, if -v was given. */
void mr_say_command(const struct mr_args *args, const struct mr_words *command);

#endif
