/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * setup.h - everything up to the moment at which mosh-client can start.
 */
#ifndef MR_VIA_SETUP_H
#define MR_VIA_SETUP_H

#include "bastion.h"
#include "output.h"
#include "relay.h"

struct mr_setup {
	struct mr_bastion bastion;
	struct mr_output output; /* the caller sets `show`; holds the key */
	struct mr_relay_session session;
	char dial[INET6_ADDRSTRLEN]; /* for mosh-client, with session.port */
};

/**
 * Connects to the bastion, starts mosh-server on the target by `server` (a command for sh), opens a
 * session at the relay. `bound` is the target address that the server was told to bind, or NULL.
 * Errors are printed; mr_setup_free() cleans up after success and failure.
 */
enum mr_exit mr_setup_run(
	const struct mr_args *args, const char *server, const char *bound, struct mr_setup *setup);

/** Ends the connection to the bastion, if it is still ours, and forgets the key. */
void mr_setup_free(struct mr_setup *setup);

#endif
