// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * bench.bpf.c - the benchmark's generator, its sink, and the two floors that no relay can beat.
 *
 * The generator runs under BPF_PROG_TEST_RUN with live frames, which are not reset between runs:
 * it writes every octet that somebody on the way may have changed.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bench_shared.h"

#define AF_INET 2

#define DIRECTION (1ULL << 63) /* of a nonce: to the client */

/* reads what was written under other types */
typedef __u16 __attribute__((may_alias)) word16;

struct frame {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
	__be64 nonce;
} __attribute__((packed, aligned(2)));

/* Two cores work at once: what one writes must share no cache line with what the other touches. */
#define OWN_LINES __attribute__((aligned(128)))

/* the loader writes these while nothing runs */
struct {
	unsigned char dmac[ETH_ALEN];
	unsigned char smac[ETH_ALEN];
	__be32 saddr;
	__u32 sessions;
	__u32 payload_sum; /* ones' complement sum of the payload behind the nonce */
} gen OWN_LINES;

struct {
	unsigned char dmac[ETH_ALEN];
	unsigned char smac[ETH_ALEN];
	__u16 port_lo, port_hi;
	__u8 answer;      /* the target's sink answers what it counts */
	__u8 recirculate; /* a sink makes the next datagram of what it has counted */
} out OWN_LINES;

/* datagrams so far: the generator's, the sink's; the loader sets them back */
struct {
	__u64 n;
} gen_count OWN_LINES, sink_count OWN_LINES;

/* loader writes: the client's device, out of which what recirculates is sent */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} client SEC(".maps");

/* loader writes, generator reads */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MR_BENCH_ENDPOINTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mr_bench_endpoint);
} endpoints SEC(".maps");

static __always_inline __u32 add_words(
	__u32 sum, const struct frame *frame, __u32 offset, __u32 words)
{
	const word16 *word = (const void *)frame + offset;

#pragma unroll
	for (__u32 i = 0; i < words; i++)
		sum += word[i];
	return sum;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

static __always_inline struct frame *frame_of(void *data, void *data_end)
{
	struct frame *frame = data;

	if ((void *)&frame->nonce > data_end)
		return 0;
	if (frame->eth.h_proto != bpf_htons(ETH_P_IP) || frame->ip.protocol != IPPROTO_UDP ||
		*(__u8 *)&frame->ip != 0x45)
		return 0;
	return frame;
}

/** Makes the next datagram of the frame, whatever it was before. */
static __always_inline bool write_next(struct frame *frame)
{
	struct mr_bench_endpoint *endpoint;
	__u64 number = gen_count.n;
	__u32 index, sum;

	if (gen.sessions == 0)
		return false;
	/* generator and sinks share a core, where none interrupts another: no atomic needed */
	gen_count.n = number + 1;
	index = (__u32)(number % gen.sessions);
	endpoint = bpf_map_lookup_elem(&endpoints, &index);
	if (!endpoint)
		return false;
	__builtin_memcpy(frame->eth.h_dest, gen.dmac, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, gen.smac, ETH_ALEN);
	frame->eth.h_proto = bpf_htons(ETH_P_IP);
	frame->nonce = bpf_cpu_to_be64(number / gen.sessions);
	*(word16 *)&frame->ip = bpf_htons(0x4500);
	frame->ip.tot_len = bpf_htons(MR_BENCH_FRAME - ETH_HLEN);
	frame->ip.id = 0;
	frame->ip.frag_off = bpf_htons(0x4000);
	frame->ip.ttl = 64;
	frame->ip.protocol = IPPROTO_UDP;
	frame->ip.check = 0;
	frame->ip.saddr = gen.saddr;
	frame->ip.daddr = endpoint->daddr;
	frame->ip.check =
		fold(add_words(0, frame, offsetof(struct frame, ip), sizeof(frame->ip) / 2));
	frame->udp.source = endpoint->sport;
	frame->udp.dest = endpoint->dport;
	frame->udp.len = bpf_htons(sizeof(frame->udp) + MR_BENCH_PAYLOAD);
	frame->udp.check = 0;
	sum = gen.payload_sum + bpf_htons(IPPROTO_UDP) + frame->udp.len;
	sum = add_words(sum, frame, offsetof(struct frame, ip.saddr), 4);
	sum = add_words(sum, frame, offsetof(struct frame, udp),
		(sizeof(frame->udp) + sizeof(frame->nonce)) / 2);
	frame->udp.check = fold(sum);
	if (frame->udp.check == 0)
		frame->udp.check = 0xffff;
	return true;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct frame *frame = (void *)(long)ctx->data;

	if ((void *)(frame + 1) > (void *)(long)ctx->data_end || !write_next(frame))
		return XDP_ABORTED;
	return XDP_TX;
}

enum sink_verdict { SINK_PASS, SINK_FREE, SINK_ANSWER, SINK_RECIRCULATE };

/** Turns the datagram around: addresses and ports change places, the direction bit is set. */
static __always_inline void turn_around(struct frame *frame)
{
	unsigned char mac[ETH_ALEN];
	__be32 addr = frame->ip.saddr;
	__be16 port = frame->udp.source;
	__u32 sum;

	__builtin_memcpy(mac, frame->eth.h_dest, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_dest, frame->eth.h_source, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, mac, ETH_ALEN);
	frame->ip.saddr = frame->ip.daddr;
	frame->ip.daddr = addr;
	frame->udp.source = frame->udp.dest;
	frame->udp.dest = port;
	frame->nonce |= bpf_cpu_to_be64(DIRECTION);
	/* only the bit changes the sum (RFC 1624, 3); it was not set */
	sum = (__u16)~frame->udp.check + (__u32)bpf_htons(0x8000);
	frame->udp.check = fold(sum);
	if (frame->udp.check == 0)
		frame->udp.check = 0xffff;
}

/** Counts what a mosh-server at the target would get. */
static __always_inline enum sink_verdict sink_takes(struct frame *frame, void *data_end)
{
	__u16 port = bpf_ntohs(frame->udp.dest);

	if (out.port_hi == 0)
		return SINK_PASS;
	/* the relay's probe is too short for mosh-server, which is silent about it */
	if ((void *)(frame + 1) > data_end)
		return port < out.port_lo || port > out.port_hi ? SINK_PASS : SINK_FREE;
	if (frame->nonce & bpf_cpu_to_be64(DIRECTION))
		return SINK_FREE; /* an answer that has reached the client */
	if (port < out.port_lo || port > out.port_hi)
		return SINK_PASS;
	/* what is not whole, a mosh-server would throw away without a word */
	if (frame->udp.len != bpf_htons(sizeof(frame->udp) + MR_BENCH_PAYLOAD))
		return SINK_FREE;
	sink_count.n++;
	if (out.recirculate)
		return write_next(frame) ? SINK_RECIRCULATE : SINK_FREE;
	if (!out.answer)
		return SINK_FREE;
	turn_around(frame);
	return SINK_ANSWER;
}

/**
 * Frees what it has counted at once. What the kernel's forwarding sends has the headroom that it
 * came with, so veth runs XDP on it without a copy; for the rest it copies, on the target's core.
 */
SEC("xdp")
int sink(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	struct frame *frame = frame_of((void *)(long)ctx->data, data_end);

	switch (frame ? sink_takes(frame, data_end) : SINK_PASS) {
	case SINK_FREE:
		return XDP_DROP;
	case SINK_ANSWER:
		/* XDP_TX would wake the other end only if that has a program (veth, seen on 6.18)
		 */
		return (int)bpf_redirect(ctx->ingress_ifindex, 0);
	case SINK_RECIRCULATE:
		return (int)bpf_redirect_map(&client, 0, 0);
	default:
		return XDP_PASS;
	}
}

/** Floor: nothing but the kernel's own look-up and a redirect; what any XDP router must do. */
SEC("xdp")
int floor_fib(struct xdp_md *ctx)
{
	struct frame *frame = frame_of((void *)(long)ctx->data, (void *)(long)ctx->data_end);
	struct bpf_fib_lookup fib = {.family = AF_INET, .l4_protocol = IPPROTO_UDP};
	__u32 sum;

	if (!frame || frame->ip.ttl <= 1)
		return XDP_PASS;
	fib.tot_len = bpf_ntohs(frame->ip.tot_len);
	fib.ifindex = ctx->ingress_ifindex;
	fib.tos = frame->ip.tos;
	fib.ipv4_src = frame->ip.saddr;
	fib.ipv4_dst = frame->ip.daddr;
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return XDP_PASS;
	frame->ip.ttl--;
	sum = (__u32)frame->ip.check + bpf_htons(0x0100);
	frame->ip.check = (__u16)(sum + (sum >= 0xffff));
	__builtin_memcpy(frame->eth.h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, fib.smac, ETH_ALEN);
	return (int)bpf_redirect(fib.ifindex, 0);
}

/** Floor: new link addresses and out again where it came from; the least that a reply costs. */
SEC("xdp")
int floor_tx(struct xdp_md *ctx)
{
	struct frame *frame = frame_of((void *)(long)ctx->data, (void *)(long)ctx->data_end);

	if (!frame)
		return XDP_PASS;
	__builtin_memcpy(frame->eth.h_dest, out.dmac, ETH_ALEN);
	__builtin_memcpy(frame->eth.h_source, out.smac, ETH_ALEN);
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
