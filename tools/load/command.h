/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h - the subcommands of moshrelay-load; main.c has the table.
 */
#ifndef MR_LOAD_COMMAND_H
#define MR_LOAD_COMMAND_H

#include <stdatomic.h>

#include "cli.h"

/** argv[0] is the program's name, options begin at argv[1]. */
typedef enum mr_exit mr_load_command_fn(int argc, char **argv);

mr_load_command_fn mr_load_serve;
mr_load_command_fn mr_load_run;
mr_load_command_fn mr_load_bench;
mr_load_command_fn mr_load_storm;
mr_load_command_fn mr_load_mosh;

/** Set by SIGINT and SIGTERM after mr_load_catch_signals(): finish in order, close what was opened.
 */
extern atomic_bool mr_load_stop;

void mr_load_catch_signals(void);

#endif
