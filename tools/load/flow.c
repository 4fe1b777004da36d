// SPDX-License-Identifier: BSD-2-Clause
/*
 * flow.c - see flow.h.
 */
#include "flow.h"

#include <string.h>

static bool seen(const struct mr_flow_window *window, uint64_t seq)
{
	return window->seen[seq / 64 % (MR_FLOW_WINDOW / 64)] >> (seq % 64) & 1;
}

static void mark(struct mr_flow_window *window, uint64_t seq)
{
	window->seen[seq / 64 % (MR_FLOW_WINDOW / 64)] |= UINT64_C(1) << (seq % 64);
}

/** Forgets what lies a whole window behind the words that `seq` moves into. */
static void advance(struct mr_flow_window *window, uint64_t seq)
{
	/* next is a number not yet seen; its word is clear from there on unless it starts a new one
	 */
	uint64_t first = (window->next + 63) / 64, last = seq / 64;

	if (last >= first && last - first >= MR_FLOW_WINDOW / 64) {
		memset(window->seen, 0, sizeof(window->seen));
		return;
	}
	for (uint64_t word = first; word <= last; word++)
		window->seen[word % (MR_FLOW_WINDOW / 64)] = 0;
}

enum mr_flow_arrival mr_flow_note(struct mr_flow_window *window, uint64_t seq)
{
	if (seq >= window->next) {
		advance(window, seq);
		mark(window, seq);
		window->next = seq + 1;
		return MR_FLOW_NEWEST;
	}
	/* a word is reused as a whole: the oldest one in the window may be cut short */
	if ((window->next - 1) / 64 - seq / 64 >= MR_FLOW_WINDOW / 64)
		return MR_FLOW_REORDERED;
	if (seen(window, seq))
		return MR_FLOW_DUPLICATED;
	mark(window, seq);
	return MR_FLOW_REORDERED;
}

bool mr_flow_target_receive(
	struct mr_flow_target *target, const struct mr_wire_head *head, uint16_t port)
{
	enum mr_flow_arrival arrival;
	bool data = head->kind == MR_WIRE_DATA;

	if (head->port != port) {
		target->counts.misdelivered++;
		return false;
	}
	arrival = mr_flow_note(&target->window, head->seq);
	if (arrival == MR_FLOW_DUPLICATED) {
		target->counts.duplicated += data;
		return false;
	}
	target->counts.received += data;
	if (arrival == MR_FLOW_REORDERED) {
		target->counts.reordered += data;
		return false;
	}
	return true;
}

struct mr_wire_head mr_flow_client_next(
	struct mr_flow_client *client, enum mr_wire_kind kind, uint16_t answer, uint64_t now_ns)
{
	return (struct mr_wire_head){
		.seq = client->next_seq++,
		.sent_ns = now_ns,
		.run = client->run,
		.flow = client->number,
		.port = client->port,
		.answer = answer,
		.kind = kind,
	};
}

enum mr_flow_result mr_flow_client_receive(struct mr_flow_client *client, const void *buf,
	size_t size, struct mr_wire_head *ret_head, struct mr_wire_counts *ret_counts)
{
	struct mr_flow_client_counts *counts = &client->counts;

	if (mr_wire_open(buf, size, ret_head, ret_counts) != MR_WIRE_GENUINE) {
		counts->corrupted++;
		return MR_FLOW_STRANGE;
	}
	if (!ret_head->to_client || ret_head->run != client->run ||
		ret_head->flow != client->number || ret_head->port != client->port) {
		counts->misdelivered++;
		return MR_FLOW_STRANGE;
	}
	switch (mr_flow_note(&client->window, ret_head->seq)) {
	case MR_FLOW_DUPLICATED:
		counts->duplicated++;
		return MR_FLOW_STRANGE;
	case MR_FLOW_REORDERED:
		counts->reordered += ret_head->kind == MR_WIRE_ANSWER;
		break;
	case MR_FLOW_NEWEST:
		break;
	}
	if (ret_head->kind == MR_WIRE_COUNTS)
		return MR_FLOW_COUNTS;
	counts->answered++;
	return MR_FLOW_ANSWER;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/** A port's corrupted datagrams: the most that any of its sessions saw, less the fewest before. */
struct port_count {
	uint64_t before, after;
};

static uint64_t sum_ports(const struct mr_flow_client *const *clients, size_t n)
{
	static _Thread_local struct port_count ports[65536];
	uint64_t sum = 0;

	for (size_t i = 0; i < 65536; i++)
		ports[i] = (struct port_count){UINT64_MAX, 0};
	for (size_t i = 0; i < n; i++) {
		struct port_count *port = &ports[clients[i]->port];

		if (!clients[i]->ended)
			continue;
		if (clients[i]->before.corrupted < port->before)
			port->before = clients[i]->before.corrupted;
		if (clients[i]->after.corrupted > port->after)
			port->after = clients[i]->after.corrupted;
	}
	for (size_t i = 0; i < 65536; i++)
		sum += less(ports[i].after, ports[i].before);
	return sum;
}

void mr_flow_account_sum(
	const struct mr_flow_client *const *clients, size_t n, struct mr_flow_account *ret_account)
{
	struct mr_flow_account sum = {0};
	uint64_t at_target = 0, misdelivered_at_target = 0, answers = 0, strange = 0;
	uint64_t corrupted_at_target = sum_ports(clients, n);

	for (size_t i = 0; i < n; i++) {
		const struct mr_flow_client *client = clients[i];
		const struct mr_wire_counts *before = &client->before, *after = &client->after;

		sum.sent += client->counts.sent;
		sum.unsent += client->counts.unsent;
		sum.answered += client->counts.answered;
		sum.reordered += client->counts.reordered;
		sum.duplicated += client->counts.duplicated;
		sum.misdelivered += client->counts.misdelivered;
		sum.corrupted += client->counts.corrupted;
		strange += client->counts.misdelivered + client->counts.corrupted;
		if (!client->ended) {
			sum.unaccounted_sessions++;
			sum.lost_to_target += less(client->counts.sent, client->counts.answered);
			continue;
		}
		at_target += after->received - before->received;
		answers += after->answered - before->answered;
		sum.dropped_old += after->reordered - before->reordered;
		sum.duplicated += after->duplicated - before->duplicated;
		misdelivered_at_target += after->misdelivered - before->misdelivered;
		sum.lost_to_target += less(client->counts.sent, after->received - before->received);
		sum.lost_to_client +=
			less(after->answered - before->answered, client->counts.answered);
	}
	/* what arrived in the wrong place or in the wrong shape isn't lost */
	sum.lost_to_target = less(sum.lost_to_target, misdelivered_at_target + corrupted_at_target);
	sum.lost_to_client = less(sum.lost_to_client, strange);
	sum.reordered += sum.dropped_old;
	sum.misdelivered += misdelivered_at_target;
	sum.corrupted += corrupted_at_target;
	*ret_account = sum;
}
