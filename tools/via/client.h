/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - mosh-client on this machine, and the command by which mosh(1) starts its server.
 */
#ifndef MR_VIA_CLIENT_H
#define MR_VIA_CLIENT_H

#include "setup.h"

/** How many colours the terminal has, by mosh-client's own count. Errors are printed. */
enum mr_exit mr_client_colors(const struct mr_args *args, unsigned *ret_colors);

/** The command for sh that starts mosh-server, with its arguments. To free. */
char *mr_client_server_command(const struct mr_args *args, unsigned colors);

/**
 * Runs mosh-client to the end, with the key in its environment alone; `setup` forgets it. Returns
 * mosh-client's exit status.
 */
enum mr_exit mr_client_run(const struct mr_args *args, struct mr_setup *setup);

#endif
