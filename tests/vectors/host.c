// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - see host.h.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

#include "quick.h"
#include "rewrite.h"

struct run {
	const struct mr_vec_file *file;
	const struct mr_vec *row;
	struct mr_session *session;
	struct mr_packet packet;
	struct mr_route route;
	struct mr_vec_result *result;
};

static bool key_equal(const struct mr_key *a, const struct mr_key *b)
{
	return mr_addr_equal(&a->addr, &b->addr) && a->port == b->port && a->block == b->block;
}

/** Which side of the session the packet comes from; -1: neither. */
static int find_side(const struct run *run, uint32_t *ret_public_slot)
{
	const struct mr_packet *p = &run->packet;
	struct mr_key client = mr_key_public(&p->dst, p->dport), key;
	struct mr_key target = mr_key_target(&p->src, p->sport, mr_be16_to_cpu(p->dport));

	key = mr_vec_target_key(run->row);
	if (key_equal(&target, &key))
		return MR_SIDE_TARGET;
	for (size_t slot = 0; slot < run->file->n_addresses; slot++) {
		key = mr_vec_public_key(run->file, run->row, slot);
		if (!key_equal(&client, &key))
			continue;
		*ret_public_slot = (uint32_t)slot;
		return MR_SIDE_CLIENT;
	}
	return -1;
}

static struct mr_ingress ingress(const struct run *run)
{
	struct mr_ingress in = {.ifindex = run->row->ingress};

	for (size_t i = 0; i < run->file->n_links; i++) {
		const struct mr_link *link = &run->file->links[i].link;

		if (run->file->links[i].ifindex != run->row->ingress)
			continue;
		in.ifindex = link->ifindex;
		in.vlan_stripped = link->flags & MR_LINK_VLAN_STRIPPED;
	}
	return in;
}

/** What is decided without the lock must be what is decided under it. */
static bool quick_agrees(const struct run *run, const struct mr_session *before, int side,
	uint32_t public_slot, const struct mr_ingress *in)
{
	const struct mr_packet *p = &run->packet;
	uint32_t generation = run->file->generation;
	uint64_t now = run->row->clock_ns;
	struct mr_session session = *before;
	struct mr_route route = {0};
	bool quick = side == MR_SIDE_CLIENT
		? mr_quick_client(&session, p, public_slot, generation, now, &route)
		: mr_quick_target(&session, p, in, generation, now, &route);

	if (!quick)
		return !memcmp(&session, before, sizeof(session));
	return !memcmp(&session, run->session, sizeof(session)) &&
		!memcmp(&route, &run->route, sizeof(route));
}

/** What the short way of parsing takes, the long way must take, and find the same in it. */
static bool plain_agrees(const uint8_t *frame, size_t len)
{
	struct mr_packet plain, any = {0};

	if (!mr_parse_plain(frame, frame + len, (uint32_t)len, &plain))
		return true;
	return mr_parse_any(frame, frame + len, (uint32_t)len, &any) == MR_PARSED &&
		!memcmp(&plain, &any, sizeof(any));
}

static enum mr_reason decide(struct run *run)
{
	const struct mr_session before = *run->session;
	struct mr_packet *p = &run->packet;
	uint64_t now = run->row->clock_ns;
	struct mr_ingress in = ingress(run);
	uint32_t public_slot = 0;
	enum mr_reason reason;
	int side = find_side(run, &public_slot);

	if (p->kind == MR_PACKET_ICMP)
		return side == MR_SIDE_TARGET ? mr_decide_icmp(run->session, p)
					      : MR_REASON_not_for_us;
	if (side < 0)
		return MR_REASON_no_session;
	if (side == MR_SIDE_CLIENT)
		reason = mr_decide_client(run->session, p, public_slot, now, &run->route);
	else
		reason = mr_decide_target(run->session, p, &in, now, &run->route);
	if (!quick_agrees(run, &before, side, public_slot, &in))
		return MR_REASON_internal;
	if (reason == MR_REASON_to_client)
		run->route.src = run->file->addresses[run->route.public_slot];
	return reason;
}

/** What is changed where it lies must be what is written anew. */
static bool rewrite_agrees(const struct run *run)
{
	static uint8_t frame[MR_VEC_FRAME_MAX];
	uint32_t len = (uint32_t)run->row->in_len;

	if (!mr_rewrite_is_plain(&run->packet, &run->route, len))
		return true;
	memcpy(frame, run->row->in, len);
	return mr_rewrite_plain(frame, frame + len, &run->packet, &run->route) &&
		run->result->len == len && !memcmp(frame, run->result->frame, len);
}

static enum mr_reason send_on(struct run *run)
{
	const struct mr_packet *p = &run->packet;
	struct mr_route *r = &run->route;
	const uint8_t *payload = run->row->in + p->header_len;
	uint32_t header_len;

	if (r->nh.generation != run->file->generation) {
		r->nh = run->file->lookup;
		mr_remember_next_hop(run->session, r);
	}
	if (mr_rewrite_check(p, r) != MR_REASON_to_target)
		return mr_rewrite_check(p, r);
	header_len = mr_rewrite_len(r);
	run->result->len = header_len + p->payload_len;
	run->result->egress = r->nh.ifindex;
	memcpy(run->result->frame + header_len, payload, p->payload_len);
	if (!mr_rewrite(run->result->frame, run->result->frame + run->result->len, p, r,
		    mr_rewrite_needs_sum(p, r) ? mr_vec_sum(payload, p->payload_len) : 0) ||
		!rewrite_agrees(run))
		return MR_REASON_internal;
	return MR_REASON_to_target;
}

void mr_host_run(const struct mr_vec_file *file, const struct mr_vec *row,
	struct mr_session *session, struct mr_vec_result *ret_result)
{
	struct run run = {.file = file, .row = row, .session = session, .result = ret_result};
	/* a copy of just the frame's size: reading beyond its end is then the sanitizer's */
	uint8_t *frame = malloc(row->in_len ? row->in_len : 1);
	enum mr_reason reason;

	*ret_result = (struct mr_vec_result){
		.reason = MR_REASON_internal, .len = row->in_len, .no_events = true};
	if (!frame)
		return;
	memcpy(frame, row->in, row->in_len);
	memcpy(ret_result->frame, row->in, row->in_len);
	reason = mr_parse(frame, frame + row->in_len, (uint32_t)row->in_len, &run.packet);
	if (!plain_agrees(frame, row->in_len))
		reason = MR_REASON_internal;
	if (reason == MR_PARSED)
		reason = decide(&run);
	if (mr_reason_verdict(reason) == MR_VERDICT_SEND) {
		enum mr_reason sent = send_on(&run);

		if (sent != MR_REASON_to_target)
			reason = sent;
	}
	ret_result->reason = reason;
	free(frame);
}
