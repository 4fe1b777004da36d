/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * quick.h - the datagram that nearly all datagrams are, decided without the session's lock.
 *
 * That is one of an open session's current leg, whose client has been heard of lately and whose
 * next hop is known. It changes counts, times and sequence numbers, and no decision about a leg.
 * Everything else is left to decide.h, which says the same of these.
 *
 * Why no lock is needed:
 * - Where the datagram goes is read between two looks at `version`. All who change it do so under
 *   the lock and make the version odd meanwhile, so what was read is what was there at one moment.
 * - From that moment to the datagram's leaving another CPU may make another leg the current one.
 *   The datagram then goes as if it had come a moment earlier, for its slot is still its client's:
 *   a slot may be taken MR_PROVEN_HOLD_NS after its last use, and a client that has been silent for
 *   half as long isn't served here.
 * - Each direction of a leg is one flow, which a NIC hands to one CPU: what the two directions
 *   write are different fields. Where two CPUs do meet (two interfaces; an old leg beside the
 *   current one) a count may miss a datagram, and a sequence number or time may be one datagram
 *   old. All three are let be late by every rule that reads them.
 *
 * Loads and stores must be seen by other CPUs in the order of the program, as on x86-64. Elsewhere
 * the caller takes the lock: BPF has no barrier cheaper than that before Linux 6.15.
 */
#ifndef MR_CORE_QUICK_H
#define MR_CORE_QUICK_H

#include "decide.h"

/** The client was heard of so lately that its slot can't be anybody else's for a while. */
#define MR_QUICK_SILENCE_NS (MR_PROVEN_HOLD_NS / 2)

/** A datagram as mr_decide_client(). False: ask there, nothing has been changed but `*ret`. */
mr_inline bool mr_quick_client(struct mr_session *s, const struct mr_packet *p, __u32 public_slot,
	__u32 generation, __u64 now, struct mr_route *ret)
{
	__u32 version = mr_read_once(s->version);
	__u32 slot;

	mr_compiler_barrier();
	slot = s->current;
	if (version & 1 || slot >= MR_LEGS || !mr_is_current(s, p, public_slot) ||
		mr_check_datagram(s, p, 0) != MR_REASON_to_target ||
		mr_ns_since(now, s->client_ns) >= MR_QUICK_SILENCE_NS ||
		s->to_target.generation != generation)
		return false;
	mr_route_client(s, slot, public_slot, ret);
	mr_compiler_barrier();
	if (mr_read_once(s->version) != version)
		return false;
	mr_account_current(s, p, now);
	return true;
}

/** A datagram as mr_decide_target(), of a target whose next hop is known. As mr_quick_client(). */
mr_inline bool mr_quick_target(struct mr_session *s, const struct mr_packet *p,
	const struct mr_ingress *in, __u32 generation, __u64 now, struct mr_route *ret)
{
	__u32 version = mr_read_once(s->version);
	__u32 slot = mr_be16_to_cpu(p->dport) & (MR_LEGS - 1);

	mr_compiler_barrier();
	if (version & 1 || slot != s->current || !mr_addr_equal(&s->upstream, &p->dst) ||
		mr_check_datagram(s, p, MR_MOSH_TO_CLIENT) != MR_REASON_to_target ||
		!mr_ingress_ok(s, p, in) || s->to_target.generation != generation ||
		s->to_client.generation != generation)
		return false;
	mr_route_target(s, slot, ret);
	mr_compiler_barrier();
	if (mr_read_once(s->version) != version)
		return false;
	mr_account_target(s, p);
	mr_prove_current(s, now);
	return true;
}

#endif
