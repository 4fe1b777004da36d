// SPDX-License-Identifier: BSD-2-Clause
/*
 * fuzz_core.c - the core on the host, fed with mutated packets: fuzz_core SEED COUNT FILE...
 *
 * Takes rows of the packet vectors, changes their packets, and runs streams of them through one
 * session each. Memory errors are the sanitizers'; what is checked here is what must be true of any
 * packet. A failure prints the seed and the number that make it again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "host.h"
#include "leg.h"
#include "mutate.h"

#define STREAM 16 /* packets through one session */

struct fuzz {
	struct mr_random random;
	const struct mr_vec_file *file;
	struct mr_vec row; /* the packet that is being tried, as a row */
	uint64_t seed, number;
	uint64_t counts[MR_REASON_COUNT];
};

static bool complain(const struct fuzz *fuzz, const char *what)
{
	printf("seed %" PRIu64 ", packet %" PRIu64 ", from \"%s\": %s\n", fuzz->seed, fuzz->number,
		fuzz->row.what, what);
	for (size_t i = 0; i < fuzz->row.in_len; i++)
		printf("%02x", fuzz->row.in[i]);
	printf("\n");
	return false;
}

/** Sum over `len` octets that may be an odd number. */
static uint64_t sum_octets(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		uint8_t pair[2] = {at[i], i + 1 < len ? at[i + 1] : 0};

		memcpy(&word, pair, sizeof(word));
		sum += word;
	}
	return sum;
}

/** What is in an IP packet that leaves or that was relayed. */
struct datagram {
	const uint8_t *ip, *udp;
	size_t ip_len;
	bool v4;
};

static struct datagram find_datagram(const uint8_t *frame)
{
	size_t at = frame[12] == 0x81 ? MR_ETH_LEN + MR_VLAN_LEN : MR_ETH_LEN;
	const uint8_t *ip = frame + at;
	bool v4 = ip[0] >> 4 == 4;

	return (struct datagram){ip, ip + (v4 ? MR_IPV4_LEN : MR_IPV6_LEN),
		v4 ? (size_t)(ip[2] << 8 | ip[3]) : MR_IPV6_LEN + (size_t)(ip[4] << 8 | ip[5]), v4};
}

/** How wrong the UDP checksum is: 0 to 0xfffe, modulo 0xffff. */
static uint32_t checksum_error(const struct datagram *d)
{
	size_t udp_len = d->ip_len - (size_t)(d->udp - d->ip);
	uint64_t sum = d->v4 ? sum_octets(d->ip + 12, 8) : sum_octets(d->ip + 8, 32);

	sum += mr_cpu_to_be16((uint16_t)udp_len) + mr_cpu_to_be16(MR_PROTO_UDP);
	return mr_csum_fold(sum + sum_octets(d->udp, udp_len)) % 0xffff;
}

/** What must be true of a packet that was sent on. */
static bool check_sent(const struct fuzz *fuzz, const struct mr_vec_result *result)
{
	struct datagram in = find_datagram(fuzz->row.in), out = find_datagram(result->frame);
	size_t payload = in.ip_len - (size_t)(in.udp - in.ip) - MR_UDP_LEN;
	bool summed = in.udp[6] || in.udp[7];

	if (out.ip + out.ip_len != result->frame + result->len)
		return complain(fuzz, "its lengths are not those of its frame");
	if (out.v4 && !mr_csum_ipv4_ok((const void *)out.ip))
		return complain(fuzz, "its IPv4 header checksum is wrong");
	if (memcmp(in.udp + MR_UDP_LEN, out.udp + MR_UDP_LEN, payload))
		return complain(fuzz, "its payload is another");
	if (!out.udp[6] && !out.udp[7] && (summed || !out.v4))
		return complain(fuzz, "it has lost its UDP checksum");
	if (summed && checksum_error(&in) != checksum_error(&out))
		return complain(fuzz, "its UDP checksum is wrong in another way than before");
	if (!summed && !out.v4 && checksum_error(&out))
		return complain(fuzz, "its UDP checksum was computed wrongly");
	return true;
}

/** What must be true of a session whatever came. */
static bool check_session(const struct fuzz *fuzz, const struct mr_session *before,
	const struct mr_session *after, enum mr_reason reason)
{
	bool used = reason == MR_REASON_to_target || reason == MR_REASON_to_client ||
		reason == MR_REASON_too_big;

	for (unsigned i = 0; i < MR_LEGS; i++)
		for (unsigned j = 0; j < i; j++)
			if (after->legs[i].state && after->legs[j].state &&
				after->legs[i].port == after->legs[j].port &&
				after->legs[i].public_slot == after->legs[j].public_slot &&
				mr_addr_equal(&after->legs[i].addr, &after->legs[j].addr))
				return complain(fuzz, "two slots hold one client");
	if (after->current != MR_NO_SLOT &&
		(after->current >= MR_LEGS || after->legs[after->current].state != MR_LEG_PROVEN))
		return complain(fuzz, "the current leg is none");
	if (!used && memcmp(before, after, sizeof(*before)))
		/* looking for a leg leaves its number in the scratch octet */
		if (reason != MR_REASON_no_slot)
			return complain(fuzz, "a packet that was not used changed the session");
	if (memcmp(&before->target, &after->target, sizeof(before->target)) ||
		before->upstream_base != after->upstream_base || before->id != after->id)
		return complain(fuzz, "the session is another");
	return true;
}

static bool run_packet(struct fuzz *fuzz, struct mr_session *session)
{
	struct mr_session before = *session;
	static struct mr_vec_result result;

	mr_host_run(fuzz->file, &fuzz->row, session, &result);
	if (result.reason >= MR_REASON_COUNT || result.reason == MR_REASON_internal)
		return complain(fuzz, "a reason that there should never be");
	fuzz->counts[result.reason]++;
	if (mr_reason_verdict(result.reason) == MR_VERDICT_SEND && !check_sent(fuzz, &result))
		return false;
	return check_session(fuzz, &before, session, result.reason);
}

/** A row's session, then a stream of its packet and others', changed or not, as time goes on. */
static bool run_stream(struct fuzz *fuzz)
{
	const struct mr_vec_file *file = fuzz->file;
	const struct mr_vec *start =
		&file->rows[mr_random_below(&fuzz->random, (uint32_t)file->n_rows)];
	struct mr_session session = start->before;
	uint64_t now = start->clock_ns;

	for (int i = 0; i < STREAM; i++, fuzz->number++) {
		const struct mr_vec *
			row = start,
		       *other = &file->rows[mr_random_below(&fuzz->random, (uint32_t)file->n_rows)];

		if (mr_random_below(&fuzz->random, 4) == 0)
			row = &file->rows[mr_random_below(&fuzz->random, (uint32_t)file->n_rows)];
		fuzz->row = *row;
		fuzz->row.before = start->before; /* its keys */
		fuzz->row.clock_ns = now;
		if (mr_random_below(&fuzz->random, 4))
			fuzz->row.in_len = mr_mutate(&fuzz->random, fuzz->row.in, row->in_len,
				MR_VEC_FRAME_MAX - MR_IPV6_LEN, other->in, other->in_len);
		if (!run_packet(fuzz, &session))
			return false;
		now += mr_random_next(&fuzz->random) >> (20 + mr_random_below(&fuzz->random, 44));
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct fuzz fuzz;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	char why[MR_VEC_WHY];
	unsigned reached = 0;

	if (argc < 4 || count == 0) {
		fprintf(stderr, "usage: fuzz_core SEED COUNT FILE...\n");
		return 2;
	}
	fuzz.seed = fuzz.random.state = strtoull(argv[1], NULL, 10);
	for (int i = 3; i < argc; i++) {
		struct mr_vec_file file;

		if (mr_vec_load(argv[i], &file, why) < 0) {
			fprintf(stderr, "fuzz_core: cannot load %s: %s\n", argv[i], why);
			return 1;
		}
		fuzz.file = &file;
		fuzz.number = 0;
		while (fuzz.number < count / (uint64_t)(argc - 3))
			if (!run_stream(&fuzz))
				return 1;
		mr_vec_free(&file);
	}
	for (int i = 0; i < MR_REASON_COUNT; i++) {
		printf("%-16s %" PRIu64 "\n", mr_vec_reason_name((enum mr_reason)i),
			fuzz.counts[i]);
		reached += fuzz.counts[i] > 0;
	}
	printf("%u reasons reached\n", reached);
	/* a fuzzer that no longer gets past the parser finds nothing */
	return fuzz.counts[MR_REASON_to_target] && fuzz.counts[MR_REASON_to_client] ? 0 : 1;
}
