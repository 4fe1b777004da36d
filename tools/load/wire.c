// SPDX-License-Identifier: BSD-2-Clause
/*
 * wire.c - see wire.h. The tag is SipHash-2-4 (libsodium): 64 bits are plenty to find mistakes.
 */
#include "wire.h"

#include <assert.h>
#include <endian.h>
#include <sodium/crypto_shorthash_siphash24.h>
#include <string.h>

#define BODY offsetof(struct mr_wire, sent_ns)

/* Not secrets: they keep genuine, spoofed and corrupted apart, between a harness and itself. */
static const unsigned char genuine_key[crypto_shorthash_siphash24_KEYBYTES] = "moshrelay-load 1";
static const unsigned char spoofed_key[crypto_shorthash_siphash24_KEYBYTES] = "moshrelay-spoof1";

/* The nonce joins the hash as a second round, so that the tag need not be cut out of the input. */
static uint64_t tag_of(const void *buf, size_t size, const unsigned char *key)
{
	unsigned char round[16];
	uint64_t tag;

	memcpy(round, buf, 8);
	crypto_shorthash_siphash24(round + 8, (const unsigned char *)buf + BODY,
		(unsigned long long)(size - BODY), key);
	crypto_shorthash_siphash24((unsigned char *)&tag, round, sizeof(round), key);
	return tag;
}

static void counts_to_wire(struct mr_wire_counts *out, const struct mr_wire_counts *in)
{
	*out = (struct mr_wire_counts){
		.received = htobe64(in->received),
		.reordered = htobe64(in->reordered),
		.duplicated = htobe64(in->duplicated),
		.misdelivered = htobe64(in->misdelivered),
		.corrupted = htobe64(in->corrupted),
		.answered = htobe64(in->answered),
	};
}

void mr_wire_seal(void *buf, size_t size, const struct mr_wire_head *head,
	const struct mr_wire_counts *counts, enum mr_wire_origin origin)
{
	struct mr_wire wire = {
		.nonce = htobe64(head->seq | (head->to_client ? MR_WIRE_TO_CLIENT : 0)),
		.sent_ns = htobe64(head->sent_ns),
		.echo = htobe64(head->echo),
		.run = htobe32(head->run),
		.flow = htobe32(head->flow),
		.port = htobe16(head->port),
		.answer = htobe16(head->answer),
		.kind = (uint8_t)head->kind,
	};
	unsigned char *bytes = buf;
	size_t used = sizeof(wire);

	assert(size >= MR_WIRE_MIN && size <= MR_WIRE_MAX);
	memcpy(bytes, &wire, sizeof(wire));
	if (head->kind == MR_WIRE_COUNTS) {
		struct mr_wire_counts be;

		assert(counts && size >= sizeof(wire) + sizeof(be));
		counts_to_wire(&be, counts);
		memcpy(bytes + used, &be, sizeof(be));
		used += sizeof(be);
	}
	memset(bytes + used, (int)(head->seq & 0xff), size - used);
	wire.tag = tag_of(bytes, size, origin == MR_WIRE_SPOOFED ? spoofed_key : genuine_key);
	memcpy(bytes + offsetof(struct mr_wire, tag), &wire.tag, sizeof(wire.tag));
}

static bool kind_fits(const struct mr_wire *wire, size_t size)
{
	bool to_client = be64toh(wire->nonce) & MR_WIRE_TO_CLIENT;

	switch (wire->kind) {
	case MR_WIRE_DATA:
	case MR_WIRE_QUERY:
		return !to_client;
	case MR_WIRE_ANSWER:
		return to_client;
	case MR_WIRE_COUNTS:
		return to_client && size >= sizeof(*wire) + sizeof(struct mr_wire_counts);
	}
	return false;
}

enum mr_wire_origin mr_wire_open(const void *buf, size_t size, struct mr_wire_head *ret_head,
	struct mr_wire_counts *ret_counts)
{
	enum mr_wire_origin origin = MR_WIRE_GENUINE;
	struct mr_wire wire;

	if (size < MR_WIRE_MIN || size > MR_WIRE_MAX)
		return MR_WIRE_FOREIGN;
	memcpy(&wire, buf, sizeof(wire));
	if (wire.tag != tag_of(buf, size, genuine_key)) {
		if (wire.tag != tag_of(buf, size, spoofed_key))
			return MR_WIRE_FOREIGN;
		origin = MR_WIRE_SPOOFED;
	}
	if (!kind_fits(&wire, size))
		return MR_WIRE_FOREIGN;
	*ret_head = (struct mr_wire_head){
		.seq = be64toh(wire.nonce) & ~MR_WIRE_TO_CLIENT,
		.sent_ns = be64toh(wire.sent_ns),
		.echo = be64toh(wire.echo),
		.run = be32toh(wire.run),
		.flow = be32toh(wire.flow),
		.port = be16toh(wire.port),
		.answer = be16toh(wire.answer),
		.kind = (enum mr_wire_kind)wire.kind,
		.to_client = be64toh(wire.nonce) & MR_WIRE_TO_CLIENT,
	};
	if (wire.kind == MR_WIRE_COUNTS && ret_counts) {
		/* byte swapping is its own inverse */
		struct mr_wire_counts be;

		memcpy(&be, (const unsigned char *)buf + sizeof(wire), sizeof(be));
		counts_to_wire(ret_counts, &be);
	}
	return origin;
}
