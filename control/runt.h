/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runt.h - finds out without a key that a silent target is gone: a runt from the session's own
 * upstream port, which a live mosh-server ignores and a dead one's host calls unreachable.
 *
 * An ICMP error is anybody's to forge. Each runt therefore carries a random cookie, and only an
 * error that quotes the newest one counts. Who is probed when is decided here, sent by the reaper's
 * clock, and acted on by whoever is told that the target is gone.
 */
#ifndef MR_CONTROL_RUNT_H
#define MR_CONTROL_RUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "clock.h"

/** Octets of payload, all of it the cookie. Under 24 octets nothing can be a datagram of mosh. */
#define MR_RUNT_LEN 8

#define MR_RUNT_SILENCE_NS  (60 * MR_SECOND)  /* the target's, before it is asked at all */
#define MR_RUNT_INTERVAL_NS (60 * MR_SECOND)  /* between runts at first ... */
#define MR_RUNT_LONGEST_NS  (600 * MR_SECOND) /* ... and after hours of silence */
#define MR_RUNT_URGENT_NS   (10 * MR_SECOND)  /* once one was answered */
#define MR_RUNT_HITS        3                 /* answers that it takes, */
#define MR_RUNT_SPAN_NS     (30 * MR_SECOND)  /* over so long at least */

/** What is remembered of one session. Zero-initialized: nothing. Times: monotonic. */
struct mr_runt_state {
	uint64_t cookie;      /* of the newest runt, 0: none, or answered already */
	int64_t sent_ns;      /* when that was, 0: never */
	int64_t first_hit_ns; /* the first answer in a row */
	uint8_t hits;         /* answers in a row, without a word from the target in between */
};

/** Is it time to send one? `target_ns`: the target's last datagram; INT64_MIN: never, no. */
bool mr_runt_is_due(const struct mr_runt_state *state, int64_t target_ns, int64_t now);

/** One is being sent. Returns the cookie that it shall carry, as it lies in memory. */
uint64_t mr_runt_begin(struct mr_runt_state *state, int64_t now);

/** What an ICMP "port unreachable" meant. */
enum mr_runt_answer {
	MR_RUNT_FORGED, /* doesn't quote the newest runt: it says nothing */
	MR_RUNT_HIT,
	MR_RUNT_GONE, /* enough of them for long enough */
};

/**
 * Such an error has quoted `payload`. A word from the target since the first answer starts the
 * count anew.
 */
enum mr_runt_answer mr_runt_judge(struct mr_runt_state *state, const uint8_t payload[MR_RUNT_LEN],
	int64_t target_ns, int64_t now);

/** Raw sockets, one a family. */
struct mr_runt;

/** Needs CAP_NET_RAW, for the call only. A kernel without IPv6 is no error. */
int mr_runt_open(struct mr_runt **ret_runt, struct mr_why *ret_why);

/** NULL is allowed. */
void mr_runt_close(struct mr_runt *runt);

/**
 * Sends a runt; both addresses are of one family (else -EINVAL), ports in host byte order. -errno
 * of the send. IPv6 refuses an `upstream` that is not an own address any more; IPv4 sends it all
 * the same, and the answer goes astray.
 */
int mr_runt_send(struct mr_runt *runt, const struct mr_addr *upstream, uint16_t upstream_port,
	const struct mr_addr *target, uint16_t target_port, uint64_t cookie);

#endif
