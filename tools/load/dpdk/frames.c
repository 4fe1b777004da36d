// SPDX-License-Identifier: BSD-2-Clause
/*
 * frames.c - see frames.h.
 */
#include "frames.h"

#include <string.h>

#include "bench_shared.h"
#include "core/csum.h"

#define NONCE_LEN 8

/* Blocks of upstream ports that there are. */
#define BLOCKS ((65536 - MR_BED_UPSTREAM_LO) / MR_LEGS)

static const uint8_t filler[MR_BENCH_PAYLOAD - NONCE_LEN] =
	"stands for what mosh has encrypted and for its tag";

struct frame {
	struct mr_eth eth;
	struct mr_ipv4 ip;
	struct mr_udp udp;
	struct mr_nonce nonce;
	uint8_t filler[sizeof(filler)];
} __attribute__((packed));

_Static_assert(sizeof(struct frame) == MR_BENCH_FRAME, "layout");

struct mr_bed_session mr_bed_session(uint32_t index)
{
	return (struct mr_bed_session){
		.client = MR_BED_CLIENTS + index,
		.public = MR_BED_PUBLICS + index / MR_BED_PER_ADDRESS,
		.upstream = MR_BED_UPSTREAM,
		.target = MR_BED_TARGETS + index,
		.client_port = (uint16_t)(40000 + index % 20000),
		.public_port = (uint16_t)(MR_BED_PUBLIC_LO + index % MR_BED_PER_ADDRESS),
		.upstream_port = (uint16_t)(MR_BED_UPSTREAM_LO + index % BLOCKS * MR_LEGS),
		.target_port = 60001,
	};
}

uint64_t mr_bed_payload_sum(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(filler); i += 2) {
		uint16_t word;

		memcpy(&word, filler + i, sizeof(word));
		sum += word;
	}
	return sum;
}

/*
 * Sessions in an order without order, as people type: steps of about the golden section, made to
 * miss no session by having no divisor in common with their number.
 */
static uint32_t step_of(uint32_t count)
{
	uint32_t step = (uint32_t)((uint64_t)count * 618 / 1000) | 1;

	for (;; step += 2) {
		uint32_t a = count, b = step;

		while (b) {
			uint32_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return step;
	}
}

/* Addresses and ports of a datagram. */
struct ends {
	__be32 src, dst;
	__be16 sport, dport;
};

static struct ends ends_of(uint32_t index, bool from_client, enum mr_bed_route route)
{
	const struct mr_bed_session s = mr_bed_session(index);
	bool routed = route == MR_BED_ROUTED;
	struct ends client = {mr_cpu_to_be32(s.client),
		mr_cpu_to_be32(routed ? s.target : s.public), mr_cpu_to_be16(s.client_port),
		mr_cpu_to_be16(routed ? s.target_port : s.public_port)};
	struct ends target = {mr_cpu_to_be32(s.target),
		mr_cpu_to_be32(routed ? s.client : s.upstream), mr_cpu_to_be16(s.target_port),
		mr_cpu_to_be16(routed ? s.client_port : s.upstream_port)};

	return from_client ? client : target;
}

static void write_frame(struct frame *f, const struct ends *e, uint64_t nonce, uint64_t payload_sum)
{
	const __be16 udp_len = mr_cpu_to_be16(MR_UDP_LEN + MR_BENCH_PAYLOAD);
	const __be16 ip_len = mr_cpu_to_be16(MR_IPV4_LEN + MR_UDP_LEN + MR_BENCH_PAYLOAD);
	uint64_t sum = (uint64_t)e->src + e->dst;

	f->eth = (struct mr_eth){{0x02, 0x02020000, 0x02020202}, mr_cpu_to_be16(MR_ETH_IPV4)};
	f->ip = (struct mr_ipv4){
		.version_ihl = 0x45,
		.len = ip_len,
		.frag = mr_cpu_to_be16(MR_IPV4_DF),
		.ttl = 64,
		.proto = MR_PROTO_UDP,
		.csum = (__u16)~mr_csum_fold(sum + mr_cpu_to_be16(0x4500) + ip_len +
			mr_cpu_to_be16(MR_IPV4_DF) + mr_cpu_to_be16(64 << 8 | MR_PROTO_UDP)),
		.src = e->src,
		.dst = e->dst,
	};
	f->nonce = (struct mr_nonce){
		mr_cpu_to_be32((__u32)(nonce >> 32)), mr_cpu_to_be32((__u32)nonce)};
	sum += (uint64_t)e->sport + e->dport + udp_len + udp_len + mr_cpu_to_be16(MR_PROTO_UDP) +
		f->nonce.high + f->nonce.low + payload_sum;
	f->udp = (struct mr_udp){
		e->sport, e->dport, udp_len, mr_csum_udp_wire((__u16)~mr_csum_fold(sum))};
	memcpy(f->filler, filler, sizeof(filler));
}

void mr_bed_fill(
	struct mr_bed *bed, unsigned port, struct mr_bed_turn *turn, enum mr_bed_route route)
{
	uint32_t step = step_of(turn->count);
	uint64_t at = turn->next[port] % turn->count, pass = turn->next[port] / turn->count;
	/* the two directions are far from each other, so that neither warms the other's caches */
	uint64_t position = (at + (port ? turn->count / 2 : 0)) % turn->count * step % turn->count;

	for (unsigned i = 0; i < MR_BED_FRAMES; i++) {
		struct rte_mbuf *m = bed->frames[port][i];
		uint32_t index = turn->first + (uint32_t)position;
		struct ends ends = ends_of(index, !port, route);
		uint64_t nonce = turn->base + pass;

		m->data_off = RTE_PKTMBUF_HEADROOM;
		m->data_len = MR_BENCH_FRAME;
		m->pkt_len = MR_BENCH_FRAME;
		write_frame(rte_pktmbuf_mtod(m, struct frame *), &ends,
			nonce | (port ? MR_MOSH_TO_CLIENT : 0), bed->payload_sum);
		position += step;
		if (position >= turn->count)
			position -= turn->count;
		if (++at == turn->count) {
			at = 0;
			pass++;
		}
	}
	turn->next[port] += MR_BED_FRAMES;
	rte_ring_enqueue_bulk(bed->in[port], (void **)bed->frames[port], MR_BED_FRAMES, NULL);
}

bool mr_bed_take(struct mr_bed *bed, unsigned port)
{
	return rte_ring_dequeue_bulk(
		bed->out[port], (void **)bed->frames[!port], MR_BED_FRAMES, NULL);
}

bool mr_bed_drain(struct mr_bed *bed)
{
	return mr_bed_take(bed, 0) & mr_bed_take(bed, 1);
}
