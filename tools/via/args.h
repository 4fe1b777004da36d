/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * args.h - mosh-via's command line: our options, mosh's options, and ssh's where mosh calls us.
 *
 * Only reads and checks; does nothing.
 */
#ifndef MR_VIA_ARGS_H
#define MR_VIA_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "words.h"

struct mr_args {
	bool wrapper; /* mosh called us in place of ssh (--ssh BASTION) */
	const char *bastion;
	const char *target; /* [USER@]HOST; points into argv, as all strings here */

	/* ours */
	const char *setup_socket;
	const char *label; /* or NULL */
	unsigned idle_s;   /* 0: not given */
	int verbose;
	const char *bastion_ssh; /* or NULL: as the target's ssh, see mr_args_parse() */

	/* mosh's, if not called by mosh */
	const char *client, *server, *predict;
	const char *port;        /* or NULL */
	const char *bind_server; /* "ssh", "any" or an address */
	bool overwrite, ssh_pty, init;

	int family;              /* AF_INET, AF_INET6, AF_UNSPEC: towards the bastion */
	struct mr_words command; /* to run instead of a shell; if called by mosh: how to start
				    mosh-server */

	struct mr_words ssh;         /* ssh's command for the target, options included */
	struct mr_words ssh_bastion; /* the same for the bastion */
};

/**
 * Reads the command line. MR_EXIT_DONE with `*ret_stop`: --help or --version was answered.
 * Errors are printed here. mr_args_free() frees, after failures too.
 */
enum mr_exit mr_args_parse(int argc, char **argv, struct mr_args *ret_args, bool *ret_stop);

void mr_args_free(struct mr_args *args);

#endif
