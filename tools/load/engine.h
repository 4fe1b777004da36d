/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine.h - the clients' side: many simulated mosh-clients in a few threads.
 *
 * Owns the clients' sockets and flows. Sessions are opened elsewhere: it is told where to send.
 * A run is: begin (the targets' counts are read), traffic once or more often, end (they are read
 * again), account.
 */
#ifndef MR_LOAD_ENGINE_H
#define MR_LOAD_ENGINE_H

#include <stdatomic.h>
#include <stddef.h>

#include "flow.h"
#include "hist.h"
#include "net.h"
#include "profile.h"

#define MR_ENGINE_THREADS_MAX 64

/** Where one session's client sends, and what is behind it. */
struct mr_engine_endpoint {
	union mr_sockaddr relay;
	uint16_t target_port;
};

struct mr_engine_config {
	const struct mr_engine_endpoint *endpoints; /* one a session; must outlive the engine */
	uint32_t n_sessions;
	const union mr_sockaddr *sources; /* clients' addresses, port 0; sessions take turns */
	uint32_t n_sources;               /* 0: the kernel chooses */
	enum mr_profile profile;
	double roams; /* changes of a client's transport address a second, all sessions together */
	unsigned threads;
};

/** What can be read while traffic runs, and the state of a run so far. */
struct mr_engine_progress {
	uint64_t sent;
	uint64_t answered;
	uint64_t roamed;
};

struct mr_engine;

/** Makes a socket for each session. -EMFILE, -EADDRNOTAVAIL (no more ports) and what bind() says.
 */
int mr_engine_new(const struct mr_engine_config *config, struct mr_engine **ret_engine);

void mr_engine_free(struct mr_engine **engine);

/** Asks each target for its counts, with retries. Returns the number of sessions without answer. */
uint32_t mr_engine_begin(struct mr_engine *engine);
uint32_t mr_engine_end(struct mr_engine *engine);

/**
 * Sends for `seconds`, then waits for the answers that are still on their way. `rate` is for a
 * flood: datagrams a second of all sessions together, 0: as fast as it goes. `tick` (may be NULL)
 * is called once a second from the calling thread. Stops early once `*stop` is set. 0 or -errno.
 */
int mr_engine_traffic(struct mr_engine *engine, double seconds, double rate,
	void (*tick)(const struct mr_engine_progress *progress, void *context), void *context,
	const atomic_bool *stop);

struct mr_engine_progress mr_engine_progress(const struct mr_engine *engine);

/** Sequence number that session `number` uses next; any thread may ask. */
uint64_t mr_engine_next_seq(const struct mr_engine *engine, uint32_t number);

/** Round trips, and from a roam's first datagram to its first answer; both in nanoseconds. */
void mr_engine_latency(
	const struct mr_engine *engine, struct mr_hist *ret_round_trip, struct mr_hist *ret_roam);

/** The account of everything since mr_engine_begin(); call it after mr_engine_end(). */
int mr_engine_account(const struct mr_engine *engine, struct mr_flow_account *ret_account);

#endif
