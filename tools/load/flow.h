/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - what one end of a simulated mosh session remembers and counts. No I/O, no clock.
 *
 * A target moves to a new client address only for the newest authentic datagram, as mosh-server
 * does, and answers only that; older ones are counted and dropped.
 */
#ifndef MR_LOAD_FLOW_H
#define MR_LOAD_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "hist.h"
#include "wire.h"

/** Sequence numbers behind the newest for which "seen before?" can be answered. */
#define MR_FLOW_WINDOW 1024

/** Which sequence numbers have come. All zero: none. */
struct mr_flow_window {
	uint64_t next; /* newest + 1 */
	uint64_t seen[MR_FLOW_WINDOW / 64];
};

enum mr_flow_arrival {
	MR_FLOW_NEWEST,
	MR_FLOW_REORDERED, /* older than the newest, seen for the first time or beyond the window */
	MR_FLOW_DUPLICATED,
};

/** Notes that `seq` has come and says what that means. `seq` < 2^63. */
enum mr_flow_arrival mr_flow_note(struct mr_flow_window *window, uint64_t seq);

/** The target's side of a flow. All zero: not heard of yet. */
struct mr_flow_target {
	struct mr_flow_window window;
	struct mr_wire_counts counts; /* `corrupted` stays 0: no flow can be read off such a one */
	uint64_t next_seq;            /* of the answers */
};

/**
 * Takes in a genuine datagram that came to the target's port `port`; true: it is the newest, so
 * the target moves to its source address and answers it.
 */
bool mr_flow_target_receive(
	struct mr_flow_target *target, const struct mr_wire_head *head, uint16_t port);

/** What the clients' side counts, of one flow or of many. All zero: nothing yet. */
struct mr_flow_client_counts {
	uint64_t sent;
	uint64_t unsent; /* the kernel refused it: ENOBUFS and the like; not in `sent` */
	uint64_t answered;
	uint64_t reordered; /* answers that came after a newer one; in `answered` too */
	uint64_t duplicated;
	uint64_t misdelivered;
	uint64_t corrupted;
};

/** Session as the clients' side sees it. All zero, then `run`, `number` and `port` set. */
struct mr_flow_client {
	uint32_t run;
	uint32_t number;
	uint16_t port; /* the target's */
	bool began;    /* counts before the run are in `before` */
	bool ended;    /* counts after the run are in `after` */
	uint64_t next_seq;
	uint64_t query_seq; /* the oldest query whose answer is still wanted */
	uint64_t roam_seq;  /* first sequence number sent from the newest address; 0: answered */
	uint64_t roam_ns;
	struct mr_flow_window window;
	struct mr_flow_client_counts counts;
	struct mr_wire_counts before, after; /* the target's counts */
};

/** Header of the session's next datagram, which takes up a sequence number. */
struct mr_wire_head mr_flow_client_next(
	struct mr_flow_client *client, enum mr_wire_kind kind, uint16_t answer, uint64_t now_ns);

/** What became of a datagram that a client's socket received. */
enum mr_flow_result {
	MR_FLOW_ANSWER, /* to data */
	MR_FLOW_COUNTS, /* to a query; *ret_counts was filled in */
	MR_FLOW_STRANGE /* duplicated, misdelivered or corrupted; counted */
};

/** Takes in `size` octets that came to the session's socket. */
enum mr_flow_result mr_flow_client_receive(struct mr_flow_client *client, const void *buf,
	size_t size, struct mr_wire_head *ret_head, struct mr_wire_counts *ret_counts);

/** The account of a whole run: every datagram that was sent is in exactly one of the outcomes. */
struct mr_flow_account {
	uint64_t sent;
	uint64_t answered;
	uint64_t lost_to_target;
	uint64_t lost_to_client;
	uint64_t dropped_old; /* reached the target after a newer one, so was not answered */
	uint64_t duplicated;  /* both directions, likewise below */
	uint64_t reordered;
	uint64_t misdelivered;
	uint64_t corrupted;
	uint64_t unsent;
	uint64_t unaccounted_sessions; /* whose target's counts could not be had */
};

/**
 * Adds up the sessions. `clients` need not be in any order; sessions that share a target port share
 * its count of corrupted datagrams, which is added once.
 */
void mr_flow_account_sum(
	const struct mr_flow_client *const *clients, size_t n, struct mr_flow_account *ret_account);

#endif
