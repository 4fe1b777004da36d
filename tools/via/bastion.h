/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bastion.h - the one ssh connection to the bastion, and what goes through it.
 *
 * Owns the private directory with the connection's control socket and the forwarded setup socket.
 * Knows nothing of targets or sessions.
 */
#ifndef MR_VIA_BASTION_H
#define MR_VIA_BASTION_H

#include <netinet/in.h>
#include <stdbool.h>

#include "args.h"
#include "lines.h"

struct mr_bastion {
	const struct mr_args *args;
	char *dir;     /* mode 0700, ours; NULL: nothing is open */
	char *control; /* the master's control socket */
	char *socket;  /* leads to the relay's setup socket */
	char *log;     /* a FIFO: what the master has to say */
	int log_fd, log_writer;
	unsigned attempt;
	struct mr_lines lines;          /* of the log */
	char reached[INET6_ADDRSTRLEN]; /* "": not known, it went through a proxy */
	char refused[128]; /* "": nothing; else what became of the last stream that failed */
};

/**
 * Connects, asking for what ssh must be told, and forwards the setup socket. Errors are printed.
 * With `quietly` nothing is asked or printed, and ssh gets few seconds.
 */
enum mr_exit mr_bastion_connect(
	const struct mr_args *args, bool quietly, struct mr_bastion *ret_bastion);

/**
 * Replaces a connection that may be dead by a new one, as quietly as can be. `bastion` stays valid
 * whatever comes of it.
 */
enum mr_exit mr_bastion_reconnect(struct mr_bastion *bastion);

/** The command by which the target's ssh gets its bytes through, for its ProxyCommand. To free. */
char *mr_bastion_proxy_command(const struct mr_bastion *bastion);

/**
 * Shows what the master has said, as far as it is for the user, and notes what it could not let
 * through. Called now and then, it keeps the master from waiting for a reader.
 */
void mr_bastion_read_log(struct mr_bastion *bastion);

/** Ends the connection and removes the directory. Cleanup for a `struct mr_bastion`. */
void mr_bastion_close(struct mr_bastion *bastion);

#endif
