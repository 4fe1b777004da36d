/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h - a session at the relay: opened and closed over its setup socket, wherever that is.
 *
 * Prints nothing; errors come back as rpc_client.h's.
 */
#ifndef MR_VIA_RELAY_H
#define MR_VIA_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "rpc_client.h"

/* The daemon gives one for each public address and advertised name of a pool. */
#define MR_RELAY_ADDRESSES 32

/** What is asked for. */
struct mr_relay_request {
	const char *address; /* of the target, numeric */
	uint16_t port;       /* of the target, host byte order */
	unsigned idle_s;     /* 0: the relay's default */
	const char *label;   /* or NULL */
	const char *client;  /* where ssh came from, or NULL */
};

/** What is given. Wholly owned: no pointers. */
struct mr_relay_session {
	char id[17];
	uint16_t port; /* the public one, host byte order */
	size_t n_addresses;
	char addresses[MR_RELAY_ADDRESSES][MR_HOST_SIZE]; /* numeric ones and names */
};

/** Asks the relay at `socket` whether it is there for us. */
enum mr_exit mr_relay_check(const char *socket, int timeout_ms, struct mr_rpc_error *ret_error);

/**
 * Opens a session. A target endpoint on which a mosh-server has just started has no other session
 * that is alive: an old one of the same owner and label, which the relay would give again, is
 * closed first.
 */
enum mr_exit mr_relay_open(const char *socket, int timeout_ms,
	const struct mr_relay_request *request, struct mr_relay_session *ret_session,
	struct mr_rpc_error *ret_error);

/** Closes session `id`; one that is gone already counts as closed. */
enum mr_exit mr_relay_close(
	const char *socket, int timeout_ms, const char *id, struct mr_rpc_error *ret_error);

#endif
