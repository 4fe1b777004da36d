/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * cost.bpf.c - writes one fresh datagram after another and gives it to the program under test.
 *
 * BPF_PROG_TEST_RUN with a repeat count hands each run what the run before left of the frame. Here
 * the headers are written anew each time, for one session after another, so that a program that
 * changes them can be run as often as it takes. What that costs is measured with `nothing`.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "cost.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, COST_PROGRAMS);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COST_SESSIONS);
	__type(key, __u32);
	__type(value, struct cost_ports);
} ports SEC(".maps");

struct cost_stream stream;

SEC("xdp.frags")
int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_DROP;
}

SEC("xdp.frags")
int next_frame(struct xdp_md *ctx)
{
	struct cost_frame *frame = (void *)(long)ctx->data;
	const struct cost_ports *its;
	__u32 at = stream.at;
	__be64 nonce = bpf_cpu_to_be64((__u64)stream.to_client << 63 | stream.seq);

	its = bpf_map_lookup_elem(&ports, &at);
	if (!its || (void *)(frame + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	*frame = stream.frame;
	frame->sport = its->sport;
	frame->dport = its->dport;
	__builtin_memcpy(frame->nonce, &nonce, sizeof(nonce));
	if (++at >= stream.sessions) {
		at = 0;
		stream.seq++;
	}
	stream.at = at;
	bpf_tail_call(ctx, &programs, stream.program);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
