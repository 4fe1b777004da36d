/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.h - the contestants of the benchmark: everything that could carry mosh through a bastion.
 *
 * Each knows how to set itself up in a topology of its own and where datagrams must be sent. None
 * of them measures anything.
 */
#ifndef MR_LOAD_PEERS_H
#define MR_LOAD_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "generator.h"
#include "topology.h"

#define MR_PEER_PROCESSES_MAX 4

/**
 * Ports of the targets that sessions lead to. Each has room for 283, so from MR_PEER_MANY sessions
 * on they lead to ports of their own behind these.
 */
#define MR_PEER_TARGET_LO      60001
#define MR_PEER_TARGET_HI      60900
#define MR_PEER_TARGET_LO_MANY 60901
#define MR_PEER_TARGET_HI_MANY 64900
#define MR_PEER_MANY           200000

struct mr_peer;

/** A peer in its topology. */
struct mr_contestant {
	const struct mr_peer *peer;
	struct mr_topology topology;
	struct mr_generator *generator;
	int cpu;            /* the relay's core */
	char dir[64];       /* a private directory for its files */
	const char *daemon; /* path of moshrelayd */
	uint32_t sessions;  /* it should be able to carry */
	pid_t pids[MR_PEER_PROCESSES_MAX];
	unsigned n_pids;
	char state[64]; /* what the relay says that it runs as, for its own rows; else "" */
	double opens_per_second; /* its own relay: how fast the sessions were opened */
	uint64_t next_seq;
	struct mr_bench_endpoint *endpoints; /* where datagrams are sent to */
	uint32_t n_endpoints;
};

struct mr_peer {
	const char *name;            /* as options and JSON spell it */
	const char *title;           /* for people */
	const char *const *programs; /* that it needs, NULL-terminated; may be NULL */
	bool in_kernel;              /* no program touches a datagram */
	bool raw_frames;             /* what it delivers are the generator's frames: native XDP */
	bool own;                    /* this project's relay: many sessions are tried, too */
	bool turns_back;             /* sends everything back to the client: no relay, a floor */
	bool one_client;             /* serves the first client that it hears of, and no other */
	bool merges;                 /* datagrams that come faster than it takes them */
	const char *argument;        /* of start() */
	/**
	 * Sets it up; leaves at least one endpoint. On failure mr_contestant_free() cleans up.
	 * -ENOENT: something that it needs is missing, as `*ret_why` says.
	 */
	int (*start)(struct mr_contestant *contestant, struct mr_proc_why *ret_why);
};

extern const struct mr_peer mr_peers[];
extern const unsigned mr_n_peers;

/** Makes the topology, attaches the sinks and starts the peer. */
int mr_contestant_start(
	struct mr_contestant *contestant, unsigned number, struct mr_proc_why *ret_why);

void mr_contestant_free(struct mr_contestant *contestant);

/** Is this peer's program still running? A peer without a program always is. */
bool mr_contestant_alive(const struct mr_contestant *contestant);

/** Starts its programs again, so that it knows no client. */
int mr_contestant_renew(struct mr_contestant *contestant);

/** Starts one of its programs in the bastion, on the relay's core; its output goes to a log. */
int mr_contestant_spawn(struct mr_contestant *contestant, char *const argv[]);

/** Sends everything to one address and port. */
int mr_contestant_aim(struct mr_contestant *contestant, const char *address, uint16_t port);

/** This project's own relay (peer_relay.c); the argument is its --dataplane. */
int mr_peer_relay_start(struct mr_contestant *contestant, struct mr_proc_why *ret_why);

/** Datagrams since its start that found no open session: a figure that holds such measures nothing.
 */
int mr_peer_relay_strays(struct mr_contestant *contestant, uint64_t *ret_strays);

/** What its program said last. */
void mr_contestant_last_words(const struct mr_contestant *contestant, struct mr_proc_why *ret_why);

/** Starts its daemon, which has ended, again and doesn't wait for it. */
int mr_peer_relay_restart(struct mr_contestant *contestant);

/** Takes out of the kernel what its daemon, which has ended, left there, as a reboot would. */
int mr_peer_relay_empty(struct mr_contestant *contestant);

#endif
