/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.c - a burst in stages, each of them over all packets, so that the memory which the next one
 * needs is on its way: parse, look up, decide, rewrite.
 */
#include "relay.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <string.h>

#include "core/quick.h"
#include "core/rewrite.h"
#include "events.h"
#include "keys.h"
#include "next_hop.h"
#include "tables.h"
#include "ways.h"

/*
 * How many packets ahead memory is asked for. Not the whole burst at once: a processor has buffers
 * for some twenty misses, and forgets what is asked for beyond.
 */
#define FRAMES_AHEAD  4
#define RECORDS_AHEAD 4

/* What of a record deciding may touch: its hot lines, all of them in either direction. */
#define HOT_LINES 4

struct found {
	struct mr_session *session; /* NULL: none */
	uint32_t public_slot;
	uint32_t hash; /* MR_SIDE_TARGET: of the key */
	uint8_t side;  /* enum mr_side */
	bool certain;  /* that the record has the key */
};

/* Of one burst: the packets that got past the parser, without gaps. */
struct burst {
	struct mr_worker *w;
	struct mr_tables *t;
	const struct mr_port *port;
	struct mr_ingress ingress;
	uint64_t now;
	uint32_t generation;
	unsigned count;
	uint8_t frame[MR_BURST]; /* index into the frames */
	struct mr_packet packets[MR_BURST];
	const void *lines[MR_BURST]; /* of a table of keys; NULL: no need to look */
	struct found found[MR_BURST];
};

/* The core reads the tag in the frame; a port that took it off has to give it back. */
static void put_tag_back(struct rte_mbuf **frame)
{
	if (unlikely((*frame)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		rte_vlan_insert(frame);
}

/*
 * Where to look for a packet's session. The two key spaces may overlap in ports (on different
 * addresses), so the side is only a guess, and the same one as in XDP.
 */
static inline void guess_side(const struct mr_tables *t, const struct mr_packet *p,
	struct found *ret, const void **ret_line)
{
	uint16_t port = mr_be16_to_cpu(p->dport);

	if (port < t->upstream_lo) {
		int slot = mr_keys_address(t, &p->dst);

		ret->side = MR_SIDE_CLIENT;
		ret->public_slot = (uint32_t)slot;
		*ret_line = slot < 0 ? NULL : mr_keys_port(t, (uint32_t)slot, port);
	} else {
		struct mr_key key = mr_keys_of_target(p);

		ret->side = MR_SIDE_TARGET;
		ret->hash = mr_key_hash(t->hash_seed, &key);
		*ret_line = mr_keys_bucket(t, ret->hash, 0);
	}
	rte_prefetch0(*ret_line);
}

static void parse(struct burst *b, struct rte_mbuf **frames, uint16_t count, struct mr_relayed *ret)
{
	for (uint16_t i = 0; i < count && i < FRAMES_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
	for (uint16_t i = 0; i < count; i++) {
		unsigned n = b->count;
		struct mr_packet *p = &b->packets[n];
		const uint8_t *data;
		int reason;

		if (i + FRAMES_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(frames[i + FRAMES_AHEAD], void *));
		put_tag_back(&frames[i]);
		data = rte_pktmbuf_mtod(frames[i], const uint8_t *);
		ret[i].len = frames[i]->pkt_len;
		reason = (int)mr_parse(data, data + frames[i]->data_len, frames[i]->pkt_len, p);
		if (unlikely(reason != (int)MR_PARSED)) {
			ret[i].reason = (uint8_t)reason;
			continue;
		}
		guess_side(b->t, p, &b->found[n], &b->lines[n]);
		b->frame[n] = (uint8_t)i;
		b->count = n + 1;
	}
}

/* The record that the first line of a table leads to, and what of it will be needed. */
static inline void follow_line(struct burst *b, unsigned i)
{
	struct found *f = &b->found[i];
	bool client = f->side == MR_SIDE_CLIENT;
	uint32_t entry = 0;
	const char *hot;

	if (client && b->lines[i])
		entry = __atomic_load_n((const uint32_t *)b->lines[i], __ATOMIC_ACQUIRE);
	else if (!client)
		entry = mr_keys_target_hint(b->lines[i], f->hash);
	f->certain = client && entry;
	f->session = entry ? &b->t->sessions[entry - 1] : NULL;
	if (!entry)
		return;
	hot = (const char *)&f->session->lock;
	for (unsigned line = 0; line < HOT_LINES; line++)
		rte_prefetch0(hot + line * RTE_CACHE_LINE_SIZE);
}

/* The whole search, the side that was guessed first; false if there is no session. */
static bool search(const struct mr_tables *t, const struct mr_packet *p, struct found *f)
{
	enum mr_side guess = f->side;
	uint32_t entry = 0;

	for (unsigned i = 0; i < 2 && !entry; i++) {
		f->side = (uint8_t)(i ? !guess : guess);
		entry = f->side == MR_SIDE_CLIENT ? mr_keys_find_client(t, p, &f->public_slot)
						  : mr_keys_find_target(t, p);
	}
	f->session = entry ? &t->sessions[entry - 1] : NULL;
	return entry;
}

/* Makes a hint an answer. */
static bool found_session(const struct mr_tables *t, const struct mr_packet *p, struct found *f)
{
	struct mr_key key;

	if (f->certain)
		return true;
	key = mr_keys_of_target(p);
	if (likely(f->session && mr_session_has_key(f->session, &key)))
		return true;
	return search(t, p, f);
}

/* A bond's member stands for the bond; the interface may take tags off. */
static void learn_ingress(struct burst *b)
{
	const struct mr_link *link = mr_tables_link(b->t, b->port->ifindex);

	b->ingress = (struct mr_ingress){
		.ifindex = link ? link->ifindex : b->port->ifindex,
		.vlan_stripped = link && link->flags & MR_LINK_VLAN_STRIPPED,
	};
}

/* The target may be reached by more ways than the cached one; asked only when it matters. */
static struct mr_ingress learn_way(
	const struct burst *b, const struct mr_session *s, const struct mr_packet *p)
{
	struct mr_ingress in = b->ingress;

	if (in.ifindex != s->to_target.ifindex ||
		(p->vlan_tci & MR_VLAN_VID_MASK) != s->to_target.vlan)
		in.other_way = mr_ways_know(b->t, s, p, &in);
	return in;
}

static int decide(
	struct burst *b, const struct mr_packet *p, const struct found *f, struct mr_route *ret)
{
	struct mr_session *s = f->session;
	struct mr_ingress ingress;
	int reason;

	if (f->side == MR_SIDE_CLIENT) {
		mr_session_lock(s);
		reason = (int)mr_decide_client(s, p, f->public_slot, b->now, ret);
		mr_session_unlock(s);
		return reason;
	}
	mr_next_hop_of_target(b->w, b->now, s);
	ingress = learn_way(b, s, p);
	mr_session_lock(s);
	reason = (int)mr_decide_target(s, p, &ingress, b->now, ret);
	mr_session_unlock(s);
	if (reason == MR_REASON_to_client)
		ret->src = b->t->addresses[ret->public_slot % MR_PUBLIC_MAX];
	return reason;
}

/* Not rte_raw_cksum_mbuf(): it loses a carry after a segment of odd length (seen in 22.11). */
static bool payload_sum(const struct rte_mbuf *frame, const struct mr_packet *p, uint64_t *ret)
{
	uint32_t skip = p->header_len, left = p->payload_len, done = 0;
	uint64_t sum = 0;

	for (const struct rte_mbuf *m = frame; m && left; m = m->next) {
		uint32_t from = mr_min(skip, m->data_len), n = mr_min(left, m->data_len - from);
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, void *, from), n);

		sum += done & 1 ? rte_bswap16(part) : part;
		skip -= from;
		left -= n;
		done += n;
	}
	*ret = sum;
	return !left;
}

/* The port says that the checksum is unfinished, and that the datagram is what was sent. */
static bool is_unfinished(const struct rte_mbuf *frame)
{
	return (frame->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

/*
 * Unfinished: only the sum of the pseudo-header, as the kernel leaves it for a NIC. net_af_packet
 * doesn't say so of a local sender's datagram. One datagram in 65,536 has that value by right; it
 * is told from the others by being right. Any other value stays as it is, right or wrong.
 */
static void finish_checksum(const struct rte_mbuf *frame, struct mr_packet *p)
{
	__be16 len = mr_cpu_to_be16((__u16)(MR_UDP_LEN + p->payload_len));
	uint64_t sum =
		mr_csum_addr(&p->src) + mr_csum_addr(&p->dst) + len + mr_cpu_to_be16(MR_PROTO_UDP);
	uint64_t payload;

	if (likely(p->udp_csum != mr_csum_fold(sum)) || !payload_sum(frame, p, &payload))
		return;
	sum += payload + p->sport + p->dport + len;
	if (mr_csum_fold(sum + p->udp_csum) != 0xffff)
		p->udp_csum = mr_csum_udp_wire((__u16)~mr_csum_fold(sum));
}

/* Cuts what lies behind the IP packet, over as many segments as it takes. */
static void cut_padding(struct rte_mbuf *frame, uint32_t len)
{
	struct rte_mbuf *m = frame;
	uint32_t left = len;

	for (; left > m->data_len; m = m->next)
		left -= m->data_len;
	m->data_len = (uint16_t)left;
	frame->pkt_len = len;
	for (struct rte_mbuf *rest = m->next; rest;) {
		struct rte_mbuf *next = rest->next;

		rest->next = NULL;
		rte_pktmbuf_free_seg(rest);
		frame->nb_segs--;
		rest = next;
	}
	m->next = NULL;
}

/* Moves the frame's start, to where longer or shorter headers begin. */
static int move_start(struct rte_mbuf *frame, int grow)
{
	if (grow > 0 && !rte_pktmbuf_prepend(frame, (uint16_t)grow))
		return MR_REASON_no_headroom;
	if (grow < 0 && !rte_pktmbuf_adj(frame, (uint16_t)-grow))
		return MR_REASON_internal;
	return MR_REASON_to_target;
}

/* From here on the packet changes: what fails drops it. */
static int rewrite(struct rte_mbuf *frame, const struct mr_packet *p, const struct mr_route *r)
{
	int grow = (int)mr_rewrite_len(r) - p->header_len, reason;
	uint64_t sum = 0;
	uint8_t *data;

	if (unlikely(mr_rewrite_needs_sum(p, r)) && !payload_sum(frame, p, &sum))
		return MR_REASON_no_checksum;
	if (unlikely(frame->pkt_len > p->frame_len))
		cut_padding(frame, p->frame_len);
	if (unlikely(grow)) {
		reason = move_start(frame, grow);
		if (reason != MR_REASON_to_target)
			return reason;
	}
	data = rte_pktmbuf_mtod(frame, uint8_t *);
	if (!mr_rewrite(data, data + frame->data_len, p, r, sum))
		return MR_REASON_internal;
	/* nothing of what the port said of the frame as it came in is true any more */
	frame->ol_flags = 0;
	return MR_REASON_to_target;
}

static uint32_t index_of(const struct burst *b, const struct found *f)
{
	return (uint32_t)(f->session - b->t->sessions);
}

static int report_icmp(struct burst *b, const struct mr_packet *p, const struct found *f)
{
	struct mr_session *s = f->session;
	struct mr_event event = {
		.time_ns = b->now,
		.session_id = s->id,
		.index = index_of(b, f),
		.kind = MR_EVENT_ICMP,
		.slot = (__u8)(mr_be16_to_cpu(p->dport) & (MR_LEGS - 1)),
		.addr = p->icmp_from,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.ifindex = b->port->ifindex,
		.detail = p->icmp_mtu,
	};
	__be64 payload = mr_cpu_to_be64(p->nonce);
	int reason;

	if (f->side != MR_SIDE_TARGET)
		return MR_REASON_not_for_us;
	memcpy(event.payload, &payload, sizeof(event.payload));
	mr_session_lock(s);
	reason = (int)mr_decide_icmp(s, p);
	mr_session_unlock(s);
	if (reason == MR_REASON_icmp_hint)
		mr_events_notify(b->w, &event);
	return reason;
}

static int report_too_big(
	struct burst *b, const struct mr_packet *p, const struct found *f, const struct mr_route *r)
{
	struct mr_event event = {
		.time_ns = b->now,
		.session_id = f->session->id,
		.index = index_of(b, f),
		.kind = MR_EVENT_TOO_BIG,
		.slot = r->slot,
		.addr = r->dst,
		.port = r->dport,
		.ifindex = r->nh.ifindex,
		.detail = mr_rewrite_ip_len(p, r),
	};

	mr_events_notify(b->w, &event);
	return MR_REASON_too_big;
}

/* What happened to a leg: route->events, oldest news first. */
static void report_leg(struct burst *b, const struct mr_packet *p, const struct found *f,
	const struct mr_route *route)
{
	bool from_client = route->side == MR_SIDE_CLIENT;
	struct mr_event event = {
		.time_ns = b->now,
		.session_id = f->session->id,
		.index = index_of(b, f),
		.slot = route->slot,
		.addr = from_client ? p->src : route->dst,
		.port = from_client ? p->sport : route->dport,
	};

	for (unsigned kind = MR_EVENT_LEG; kind <= MR_EVENT_ROAMED; kind++) {
		if (!(route->events & (1 << kind)))
			continue;
		event.kind = (__u16)kind;
		mr_events_notify(b->w, &event);
	}
}

/* Sends a datagram on that has been decided on. */
static __rte_noinline int send_on(struct burst *b, struct rte_mbuf *frame, struct mr_packet *p,
	const struct found *f, struct mr_route r, int forward)
{
	int reason;

	if (mr_rewrite_check(p, &r) != MR_REASON_to_target)
		return report_too_big(b, p, f, &r);
	if (b->port->kernel_sees || is_unfinished(frame))
		finish_checksum(frame, p);
	reason = rewrite(frame, p, &r);
	return reason == MR_REASON_to_target ? forward : reason;
}

/* As send_on(), what nearly every datagram needs; false: nothing has been done. */
static inline bool send_plain_on(const struct burst *b, struct rte_mbuf *frame,
	const struct mr_packet *p, const struct mr_route *r)
{
	uint8_t *data = rte_pktmbuf_mtod(frame, uint8_t *);

	if (b->port->kernel_sees || is_unfinished(frame) ||
		!mr_rewrite_is_plain(p, r, frame->pkt_len))
		return false;
	frame->ol_flags = 0;
	return mr_rewrite_plain(data, data + frame->data_len, p, r);
}

/* Under the lock, with all that it may bring: legs, next hops, news of them. */
static __rte_noinline int relay_slowly(struct burst *b, struct rte_mbuf *frame, struct mr_packet *p,
	const struct found *f, uint32_t *ret_ifindex)
{
	struct mr_route route;
	int forward, reason;

	if (p->kind == MR_PACKET_ICMP)
		return report_icmp(b, p, f);
	forward = decide(b, p, f, &route);
	if (mr_reason_verdict((enum mr_reason)forward) != MR_VERDICT_SEND)
		return forward;
	if (route.events)
		report_leg(b, p, f, &route);
	reason = mr_next_hop_renew(b->w, b->now, f->session, &route);
	if (reason != MR_REASON_to_target)
		return reason;
	*ret_ifindex = route.nh.ifindex;
	return send_on(b, frame, p, f, route, forward);
}

/* A packet that leads to a session: without the lock if it can be. */
static inline int relay(struct burst *b, struct rte_mbuf *frame, struct mr_packet *p,
	const struct found *f, uint32_t *ret_ifindex)
{
	struct mr_session *s = f->session;
	struct mr_route route; /* its address is never taken: it is in registers */
	int forward;

	if (unlikely(!b->t->quick || p->kind != MR_PACKET_UDP))
		return relay_slowly(b, frame, p, f, ret_ifindex);
	if (f->side == MR_SIDE_CLIENT) {
		if (!mr_quick_client(s, p, f->public_slot, b->generation, b->now, &route))
			return relay_slowly(b, frame, p, f, ret_ifindex);
		forward = MR_REASON_to_target;
	} else {
		if (!mr_quick_target(s, p, &b->ingress, b->generation, b->now, &route))
			return relay_slowly(b, frame, p, f, ret_ifindex);
		route.src = b->t->addresses[route.public_slot % MR_PUBLIC_MAX];
		forward = MR_REASON_to_client;
	}
	*ret_ifindex = route.nh.ifindex;
	if (likely(send_plain_on(b, frame, p, &route)))
		return forward;
	return send_on(b, frame, p, f, route, forward);
}

void mr_relay_burst(struct mr_worker *w, const struct mr_port *port, struct rte_mbuf **frames,
	uint16_t count, uint64_t now, struct mr_relayed *ret)
{
	struct burst b;

	b.w = w;
	b.t = &w->backend->tables;
	b.port = port;
	b.now = now;
	b.generation = mr_tables_generation(b.t);
	b.count = 0;
	parse(&b, frames, count, ret);
	if (!b.count)
		return;
	learn_ingress(&b);
	for (unsigned i = 0; i < b.count && i < RECORDS_AHEAD; i++)
		follow_line(&b, i);
	for (unsigned i = 0; i < b.count; i++) {
		struct mr_relayed *r = &ret[b.frame[i]];
		struct mr_packet *p = &b.packets[i];
		struct found *f = &b.found[i];

		if (i + RECORDS_AHEAD < b.count)
			follow_line(&b, i + RECORDS_AHEAD);
		if (found_session(b.t, p, f))
			r->reason = (uint8_t)relay(&b, frames[b.frame[i]], p, f, &r->ifindex);
		else
			r->reason = p->kind == MR_PACKET_ICMP ? MR_REASON_not_for_us
							      : MR_REASON_no_session;
	}
}
