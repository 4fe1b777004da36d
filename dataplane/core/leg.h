/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * leg.h - the leg slots of one session: finding, claiming, proving; all under the session's lock.
 *
 * The rules and why they are as they are: docs/architecture.md, "Legs". In one sentence: a stranger
 * may take a slot that nobody needs, and only the target's answer makes a leg the current one.
 */
#ifndef MR_CORE_LEG_H
#define MR_CORE_LEG_H

#include "nanoseconds.h"
#include "parse.h"

/* How far a sequence number may run ahead of the proven one: this many, and one a millisecond. */
#define MR_SEQ_AHEAD       1024
#define MR_SEQ_NS_PER_STEP MR_NS_PER_MS
/* How far behind, at the most: what one forged number can have run ahead in a heartbeat's 3 s. */
#define MR_SEQ_BEHIND (MR_SEQ_AHEAD + 3 * MR_NS_PER_S / MR_SEQ_NS_PER_STEP)

/* When a slot may be taken. */
#define MR_RTT_DEFAULT_US  100000
#define MR_RTT_MIN_US      10000
#define MR_RTT_MAX_US      1000000
#define MR_PROVEN_HOLD_NS  (10 * MR_NS_PER_S)
#define MR_CURRENT_HOLD_NS (60 * MR_NS_PER_S)

/* Slots below this are for plausible sources only, and slot 0 for the hinted address if there is
 * one. */
#define MR_PLAUSIBLE_SLOTS 8

/**
 * The slot number, made unknown to the kernel's verifier by a trip through the record. It would
 * follow each of the sixteen values, and how each came about, through everything that uses them,
 * and run out of patience; what comes out of a map it has to take as it is.
 */
mr_inline __u32 mr_slot_forget(struct mr_session *s, __u64 slot)
{
	volatile __u8 *scratch = &s->scratch;

	*scratch = (__u8)slot;
	return *scratch;
}

/** Zero if this is the leg of a packet's source that came to this public address. */
mr_inline __u64 mr_leg_differs(
	const struct mr_leg *leg, const struct mr_packet *p, __u32 public_slot)
{
	return (leg->addr.w[0] ^ p->src.w[0]) | (leg->addr.w[1] ^ p->src.w[1]) |
		(leg->addr.w[2] ^ p->src.w[2]) | (leg->addr.w[3] ^ p->src.w[3]) |
		(__u32)(leg->port ^ p->sport) | (leg->public_slot ^ public_slot);
}

/** True if a packet that came to this public address is of the current leg, should there be one. */
mr_inline bool mr_is_current(
	const struct mr_session *s, const struct mr_packet *p, __u32 public_slot)
{
	return s->client_port == p->sport && s->client_public == public_slot &&
		mr_addr_equal(&s->client, &p->src);
}

/**
 * The leg of a packet's source, or MR_LEGS. The public address is part of what a leg is, so that a
 * forger can't make a client be answered from another address than it sends to.
 */
mr_inline __u32 mr_leg_find(struct mr_session *s, const struct mr_packet *p, __u32 public_slot)
{
	__u64 found = MR_LEGS;

	if (mr_likely(s->current < MR_LEGS && mr_is_current(s, p, public_slot)))
		return s->current;
	for (__u32 i = 0; i < MR_LEGS; i++) {
		const struct mr_leg *leg = &s->legs[i];
		__u64 differs = mr_leg_differs(leg, p, public_slot);

		/* differs == 0 and state > MR_LEG_EMPTY */
		found = mr_select(mr_mask_less(differs, 1) & mr_mask_less(MR_LEG_EMPTY, leg->state),
			i, found);
	}
	return mr_slot_forget(s, found);
}

/**
 * True if mosh can have come to this sequence number since the last proven one.
 *
 * The proven number is the newest that was there when the target answered, and a datagram forged
 * from the client's own address and port may have put it ahead of the client's. So the client's
 * last datagram counts as well: what comes after it is plausible, though behind the proven number.
 */
mr_inline bool mr_seq_plausible(const struct mr_session *s, __u64 seq, __u64 now)
{
	__u64 ahead;

	if (!s->proven_seq)
		return true;
	if (seq < s->proven_seq)
		return seq >= s->client_last && s->proven_seq - seq <= MR_SEQ_BEHIND;
	ahead = seq - (s->proven_seq - 1);
	if (ahead <= MR_SEQ_AHEAD)
		return true;
	/* multiplied, because dividing takes longer; what would overflow is too far anyway */
	ahead -= MR_SEQ_AHEAD;
	return ahead < 1ULL << 43 && ahead * MR_SEQ_NS_PER_STEP <= mr_ns_since(now, s->proven_ns);
}

/** How long an unproven leg keeps its slot: twice the session's round trip to its target. */
mr_inline __u64 mr_unproven_hold_ns(const struct mr_session *s)
{
	__u64 rtt_us = s->rtt_us ? s->rtt_us : MR_RTT_DEFAULT_US;

	rtt_us = mr_max(rtt_us, MR_RTT_MIN_US);
	rtt_us = mr_min(rtt_us, MR_RTT_MAX_US);
	return 2 * rtt_us * MR_NS_PER_US;
}

/* Below every stamp that can't be taken, above every one that can: 2^62 ns are 146 years. */
#define MR_STAMP_NEVER (1ULL << 62)

/**
 * When a slot that isn't the current leg's was last good for something, with the slot's number in
 * the low bits so that the smallest is the one to take; MR_STAMP_NEVER or more if it can't be taken
 * yet. An empty slot's is its number: it was never good for anything.
 */
mr_inline __u64 mr_leg_stamp(const struct mr_leg *leg, __u32 slot, __u64 now, __u64 unproven_hold)
{
	__u64 unproven = mr_mask_less(leg->state, MR_LEG_PROVEN);
	__u64 used = mr_mask_less(MR_LEG_EMPTY, leg->state);
	__u64 last = mr_select(
		mr_mask_less(leg->client_ns, leg->target_ns), leg->target_ns, leg->client_ns);
	__u64 stamp = mr_select(unproven, leg->claimed_ns, last) & used;
	/* "older than" for unproven legs, "unused for" for proven ones: hence the one more */
	__u64 hold = mr_select(unproven, unproven_hold + 1, MR_PROVEN_HOLD_NS) & used;
	__u64 held = mr_mask_less(now, stamp + hold);

	return (stamp & ~(__u64)(MR_LEGS - 1)) | slot | (held & MR_STAMP_NEVER);
}

/** The slots that this source may ask for at all, a bit each. */
mr_inline __u32 mr_leg_allowed(
	const struct mr_session *s, const struct mr_packet *p, bool plausible)
{
	__u32 slots = (1U << MR_LEGS) - 1;

	if (!plausible)
		slots &= ~((1U << MR_PLAUSIBLE_SLOTS) - 1);
	if (s->flags & MR_SESSION_HINT)
		slots = mr_addr_equal(&s->hint, &p->src) ? slots | 1 : slots & ~1U;
	return slots;
}

/** The slot that an unknown source may take, or MR_LEGS. */
mr_inline __u32 mr_leg_choose(struct mr_session *s, const struct mr_packet *p, __u64 seq, __u64 now)
{
	__u64 allowed = mr_leg_allowed(s, p, mr_seq_plausible(s, seq, now));
	__u64 hold = mr_unproven_hold_ns(s), best = MR_STAMP_NEVER;
	__u64 last = mr_max(s->client_ns, s->target_ns);

	/* The current leg's times are in the hot lines, and it is held for longest. */
	if (s->current < MR_LEGS) {
		if (allowed & 1U << s->current && mr_ns_since(now, last) >= MR_CURRENT_HOLD_NS)
			best = (last & ~(__u64)(MR_LEGS - 1)) | s->current;
		allowed &= ~(1U << s->current);
	}
	for (__u32 i = 0; i < MR_LEGS; i++) {
		__u64 stamp = mr_leg_stamp(&s->legs[i], i, now, hold);

		stamp |= (~allowed >> i & 1) * MR_STAMP_NEVER;
		best = mr_select(mr_mask_less(stamp, best), stamp, best);
	}
	return mr_slot_forget(s, best < MR_STAMP_NEVER ? best & (MR_LEGS - 1) : MR_LEGS);
}

/** Puts the source of a packet into a slot that mr_leg_choose() gave. */
mr_inline void mr_leg_claim(
	struct mr_session *s, __u32 slot, const struct mr_packet *p, __u32 public_slot, __u64 now)
{
	struct mr_leg *leg = &s->legs[slot & (MR_LEGS - 1)];

	if (slot == s->current) {
		mr_session_change(s);
		s->current = MR_NO_SLOT;
		s->client_ns = 0;
		s->target_ns = 0;
		mr_session_changed(s);
	}
	leg->addr = p->src;
	leg->port = p->sport;
	leg->state = MR_LEG_UNPROVEN;
	leg->public_slot = (__u8)public_slot;
	leg->datagrams = 0;
	leg->claimed_ns = now;
	leg->client_ns = now;
	leg->target_ns = 0;
	leg->next_seq = 0;
	s->claims++;
}

/** Puts what the hot lines know of the current leg back into its slot. */
mr_inline void mr_leg_retire_current(struct mr_session *s)
{
	struct mr_leg *leg;

	if (s->current >= MR_LEGS)
		return;
	leg = &s->legs[s->current & (MR_LEGS - 1)];
	leg->client_ns = s->client_ns;
	leg->target_ns = s->target_ns;
	leg->next_seq = s->client_seq;
	leg->datagrams = 0;
}

/** Makes a leg the current one; its next hop has to be found anew. */
mr_inline void mr_leg_make_current(struct mr_session *s, __u32 slot, __u64 now)
{
	struct mr_leg *leg = &s->legs[slot & (MR_LEGS - 1)];

	mr_leg_retire_current(s);
	/* What ran ahead of the old leg and didn't come by the new one is lost on the way here. */
	if (leg->next_seq > s->client_seq) {
		__u64 missing = leg->next_seq - s->client_seq;

		if (s->client_seq && missing > leg->datagrams)
			s->from_client.lost += missing - leg->datagrams;
		s->client_seq = leg->next_seq;
	}
	if (s->proven_ns)
		s->roams++;
	mr_session_change(s);
	s->current = (__u8)slot;
	s->client = leg->addr;
	s->client_port = leg->port;
	s->client_public = leg->public_slot;
	s->client_last = leg->next_seq;
	s->client_ns = leg->client_ns;
	s->target_ns = now;
	s->to_client.generation = 0;
	mr_session_changed(s);
}

#endif
