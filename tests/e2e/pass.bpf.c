// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * pass.bpf.c - an XDP program that passes everything: for the far end of a veth (bed.sh says why).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char passes_license[] SEC("license") = "Dual BSD/GPL";
