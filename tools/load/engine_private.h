/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_private.h - between engine.c (phases, traffic, accounts) and engine_client.c (one client's
 * sockets and datagrams).
 */
#ifndef MR_LOAD_ENGINE_PRIVATE_H
#define MR_LOAD_ENGINE_PRIVATE_H

#include <pthread.h>
#include <sys/epoll.h>

#include "engine.h"
#include "wheel.h"

#define SOCKETS 4 /* of a client: the newest, and those it has roamed away from */
#define BATCH   64
#define BURST   32 /* a session's datagrams in a row, in a flood */

#define SECOND_NS UINT64_C(1000000000)

struct client {
	struct mr_flow_client flow;
	const struct mr_engine_endpoint *endpoint;
	int fds[SOCKETS];
	uint8_t newest;
	uint32_t source; /* index of the next address to roam to */
	uint32_t phase;  /* of the profile */
	uint64_t heard_ns;
	uint64_t hopped_ns;
	_Atomic uint64_t next_seq; /* a copy of the flow's for other threads */
};

enum phase { PHASE_BEGIN, PHASE_TRAFFIC, PHASE_END };

struct worker {
	struct mr_engine *engine;
	struct client *clients;
	uint32_t n;
	int epoll_fd;
	int result;       /* of the phase */
	uint32_t asked;   /* queries without answer */
	uint32_t roamer;  /* whose turn it is */
	uint64_t last_ns; /* newest answer */
	struct mr_wheel wheel;
	struct mr_random random;
	struct mr_hist round_trip, roam;
	_Atomic uint64_t sent, answered, roamed;
	pthread_t thread;
	struct mmsghdr in[BATCH], out[BURST];
	struct iovec in_iov[BATCH], out_iov[BURST];
	unsigned char in_buf[BATCH][MR_WIRE_MAX + 1], out_buf[BURST][MR_WIRE_MAX];
};

struct mr_engine {
	struct mr_engine_config config;
	uint32_t run;
	struct client *clients;
	struct worker *workers;
	unsigned n_workers;
	enum phase phase;
	double rate; /* of one worker */
	uint64_t start_ns, stop_ns;
	const atomic_bool *stop;
};

static inline void bump(_Atomic uint64_t *counter, uint64_t by)
{
	/* one writer: no locked instruction needed */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

/** Gives the client a new socket, and so a new transport address. The oldest one is closed. */
int mr_engine_move(struct worker *worker, struct client *client);

/** Sends up to BURST datagrams; those that the kernel refuses are counted as never sent. */
void mr_engine_send(struct worker *worker, struct client *client, enum mr_wire_kind kind,
	unsigned n, size_t size, uint16_t answer, uint64_t now_ns);

/** Receives what is there for any of the worker's clients; waits for it, up to `wait_ns`. */
void mr_engine_poll(struct worker *worker, uint64_t wait_ns);

#endif
