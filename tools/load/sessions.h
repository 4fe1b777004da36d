/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions.h - opens and closes the relay's sessions over its setup socket, many at a time.
 */
#ifndef MR_LOAD_SESSIONS_H
#define MR_LOAD_SESSIONS_H

#include <stdint.h>

#include "cli.h"
#include "engine.h"
#include "hist.h"
#include "net.h"
#include "rpc_client.h"

#define MR_SESSION_ID_SIZE 17

/** Sessions that are open, and where their clients send. */
struct mr_sessions {
	uint32_t n;
	struct mr_engine_endpoint *endpoints;
	char (*ids)[MR_SESSION_ID_SIZE];
};

void mr_sessions_free(struct mr_sessions *sessions);

/**
 * Opens `n` sessions to the ports of `ports` at `target` in turn, pipelined over one connection,
 * each with a label of its own that begins with `label`. `*latency` gets the time of each request.
 * Of a failure, what was opened until then is in `*ret_sessions` and can be closed.
 */
enum mr_exit mr_sessions_open(struct mr_rpc *rpc, const union mr_sockaddr *target,
	struct mr_port_range ports, uint32_t n, const char *label, struct mr_hist *latency,
	struct mr_sessions *ret_sessions, struct mr_rpc_error *ret_error);

/** Room for `n` sessions to be opened one by one. -ENOMEM. */
int mr_sessions_room(uint32_t n, struct mr_sessions *ret_sessions);

/** Opens one more session, number `number` of its label, and waits for it. There must be room. */
enum mr_exit mr_sessions_open_one(struct mr_rpc *rpc, const union mr_sockaddr *target,
	struct mr_port_range ports, uint32_t number, const char *label,
	struct mr_sessions *sessions, struct mr_rpc_error *ret_error);

/** Closes them all; sessions that are gone already are no error. */
enum mr_exit mr_sessions_close(
	struct mr_rpc *rpc, const struct mr_sessions *sessions, struct mr_rpc_error *ret_error);

/**
 * No relay to ask: session number i is at port `ports.lo` + i of `relay`, which leads to the same
 * position of `target_ports`; after the last one, the first one's turn comes again. -ENOMEM.
 */
int mr_sessions_fixed(const union mr_sockaddr *relay, struct mr_port_range ports,
	struct mr_port_range target_ports, uint32_t n, struct mr_sessions *ret_sessions);

#endif
