/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the datagrams that the harness sends: mosh's shape outside, what accounting needs
 * inside.
 *
 * The first 8 octets are mosh's nonce: direction bit and sequence number. A keyed tag over all the
 * rest stands for mosh's AEAD: it tells a datagram of this harness from a spoofed, a corrupted and
 * a foreign one. Owns the layout and the tag, no sockets and no counts.
 */
#ifndef MR_LOAD_WIRE_H
#define MR_LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Largest payload: mosh's largest IPv6 datagram, 1280 octets of IP. */
#define MR_WIRE_MAX 1232

/** Smallest payload of the harness: the header alone. Mosh's own smallest is 24. */
#define MR_WIRE_MIN sizeof(struct mr_wire)

#define MR_WIRE_TO_CLIENT (UINT64_C(1) << 63)

enum mr_wire_kind {
	MR_WIRE_DATA = 1, /* client: counted, answered */
	MR_WIRE_QUERY,    /* client: not counted, answered with the target's counts */
	MR_WIRE_ANSWER,   /* target */
	MR_WIRE_COUNTS,   /* target: an answer to a query, mr_wire_counts follows the header */
};

/** On the wire; all numbers big-endian. */
struct mr_wire {
	uint64_t nonce;
	uint64_t tag;     /* over everything but itself */
	uint64_t sent_ns; /* the client's clock; an answer brings it back */
	uint64_t echo;    /* an answer: the sequence number that it answers */
	uint32_t run;     /* chosen at random by the client's side, the same in all its flows */
	uint32_t flow;    /* number of the session within the run */
	uint16_t port;    /* the target's port that the client means */
	uint16_t answer;  /* octets that the answer shall have */
	uint8_t kind;     /* enum mr_wire_kind */
	uint8_t pad[3];
};

/** What a target counted of one flow; on the wire all numbers big-endian, in memory host order. */
struct mr_wire_counts {
	uint64_t received;     /* data, each sequence number once */
	uint64_t reordered;    /* of these: older than one that came before; not answered */
	uint64_t duplicated;   /* data that had come before */
	uint64_t misdelivered; /* authentic, but at another port than the client meant */
	uint64_t corrupted;    /* wrong tag: of the port, whichever flow it was */
	uint64_t answered;
};

_Static_assert(sizeof(struct mr_wire) == 48, "no hidden padding");
_Static_assert(sizeof(struct mr_wire_counts) == 48, "no hidden padding");

/** A datagram's header in host byte order, without nonce and tag taken apart. */
struct mr_wire_head {
	uint64_t seq;
	uint64_t sent_ns;
	uint64_t echo;
	uint32_t run;
	uint32_t flow;
	uint16_t port;
	uint16_t answer;
	enum mr_wire_kind kind;
	bool to_client;
};

enum mr_wire_origin {
	MR_WIRE_GENUINE,
	MR_WIRE_SPOOFED, /* made by the harness with the spoofer's key */
	MR_WIRE_FOREIGN, /* neither: corrupted on the way, or somebody else's */
};

/**
 * Writes a sealed datagram of `size` octets into `buf`: the header, `counts` if the kind is COUNTS,
 * and a fill that follows from the sequence number. `size` is MR_WIRE_MIN..MR_WIRE_MAX, and for
 * COUNTS at least MR_WIRE_MIN + 48. `origin` chooses the key: GENUINE or SPOOFED.
 */
void mr_wire_seal(void *buf, size_t size, const struct mr_wire_head *head,
	const struct mr_wire_counts *counts, enum mr_wire_origin origin);

/**
 * Says whose datagram this is. Fills `*ret_head`, and `*ret_counts` where the kind has them, for
 * anything but FOREIGN. `ret_counts` may be NULL.
 */
enum mr_wire_origin mr_wire_open(const void *buf, size_t size, struct mr_wire_head *ret_head,
	struct mr_wire_counts *ret_counts);

#endif
