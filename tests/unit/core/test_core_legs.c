// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_core_legs.c - what must hold of the legs whatever comes: floods, roams, silence.
 *
 * The single rules are in tests/vectors; here are the promises of the design that follow from them.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decide.h"

#define START (1000 * MR_NS_PER_S)

static struct mr_session session;
static uint64_t now;

static void set_up(void)
{
	session = (struct mr_session){
		.flags = MR_SESSION_OPEN,
		.current = MR_NO_SLOT,
		.public_port = mr_cpu_to_be16(60005),
		.target_port = mr_cpu_to_be16(60001),
		.upstream_base = 61040,
		.target = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002)),
		.upstream = mr_addr_from_v4(mr_cpu_to_be32(0x0a020001)),
		.to_target = {.generation = 1, .ifindex = 12, .mtu = 1500},
		.id = 1,
	};
	now = START;
	srand(1);
}

TestSuite(legs, .init = set_up);

static struct mr_packet from(uint32_t addr, uint16_t port, uint64_t seq)
{
	return (struct mr_packet){
		.src = mr_addr_from_v4(mr_cpu_to_be32(addr)),
		.sport = mr_cpu_to_be16(port),
		.ttl = 64,
		.payload_len = 100,
		.nonce = seq,
	};
}

/** A client's datagram; its slot, or MR_NO_SLOT if it was refused. */
static uint8_t client_sends(uint32_t addr, uint16_t port, uint64_t seq)
{
	struct mr_packet p = from(addr, port, seq);
	struct mr_route route = {0};

	return mr_decide_client(&session, &p, 0, now, &route) == MR_REASON_to_target ? route.slot
										     : MR_NO_SLOT;
}

static enum mr_reason target_answers(uint8_t slot, uint64_t seq)
{
	struct mr_packet p = {
		.src = session.target,
		.dst = session.upstream,
		.sport = session.target_port,
		.dport = mr_cpu_to_be16((uint16_t)(session.upstream_base + slot)),
		.ttl = 64,
		.payload_len = 100,
		.nonce = seq | MR_MOSH_TO_CLIENT,
	};
	struct mr_ingress in = {.ifindex = 12};
	struct mr_route route = {0};

	return mr_decide_target(&session, &p, &in, now, &route);
}

/** A client that has been talking for a while. */
static void attach(void)
{
	for (uint64_t seq = 0; seq < 100; seq++) {
		uint8_t slot = client_sends(0xc6336409, 40000, seq);

		cr_assert_eq(slot, 0);
		now += 10 * MR_NS_PER_MS;
		cr_assert_eq(target_answers(slot, seq), MR_REASON_to_client);
		now += 10 * MR_NS_PER_MS;
	}
}

Test(legs, a_flood_of_strangers_never_takes_the_current_leg)
{
	attach();
	for (uint32_t i = 0; i < 1000000; i++) {
		uint64_t seq =
			rand() % 2 ? (uint64_t)rand() << 20 : 100 + (uint64_t)(rand() % 1000);

		cr_assert_neq(client_sends(0x0b000000 + i, (uint16_t)(1 + rand() % 65535), seq), 0);
		now += 10 * MR_NS_PER_US;
		if (i % 100000 == 0)
			cr_assert_eq(client_sends(0xc6336409, 40000, 100 + i / 100000), 0);
	}
	cr_expect_eq(session.current, 0);
	cr_expect_eq(session.roams, 0);
	cr_expect_eq(target_answers(0, 100), MR_REASON_to_client);
}

Test(legs, implausible_strangers_never_get_into_the_lower_half)
{
	attach();
	for (uint32_t i = 0; i < 100000; i++) {
		uint8_t slot = client_sends(0x0b000000 + i, 1000, (uint64_t)i << 32 | 1ULL << 40);

		cr_assert(slot == MR_NO_SLOT || slot >= MR_PLAUSIBLE_SLOTS);
		now += MR_NS_PER_MS;
	}
	/* and so the genuine roam finds room at once */
	cr_expect_lt(client_sends(0xc6336477, 50000, 110), MR_PLAUSIBLE_SLOTS);
}

Test(legs, a_roam_gets_through_a_flood_of_plausible_strangers_in_proportion)
{
	unsigned tries = 0;

	attach();
	for (uint32_t i = 0; i < 1000; i++) {
		client_sends(0x0b000000 + i, 1000, 101);
		now += 100 * MR_NS_PER_US;
	}
	/* the client comes back every 3 s, a stranger every 100 us */
	for (uint32_t i = 0; tries < 2000; i++) {
		client_sends(0x0c000000 + i, 1000, 101);
		now += 100 * MR_NS_PER_US;
		if (i % 30000 == 0 && ++tries &&
			client_sends(0xc6336477, 50000, 102 + tries) != MR_NO_SLOT)
			break;
	}
	cr_expect_leq(tries, 1500, "%u tries", tries);
}

Test(legs, only_an_answer_makes_a_leg_the_current_one)
{
	uint8_t slot;

	attach();
	slot = client_sends(0xc6336477, 50000, 120);
	cr_assert_neq(slot, MR_NO_SLOT);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(client_sends(0xc6336477, 50000, 121 + (uint64_t)i), slot);
	cr_expect_eq(session.current, 0);
	cr_expect_eq(target_answers(slot, 200), MR_REASON_to_client);
	cr_expect_eq(session.current, slot);
	cr_expect_eq(session.roams, 1);
	/* the former leg still works, in both directions */
	cr_expect_eq(client_sends(0xc6336409, 40000, 119), 0);
	cr_expect_eq(target_answers(0, 201), MR_REASON_to_client);
	cr_expect_eq(session.current, 0);
}

Test(legs, no_two_slots_hold_one_client)
{
	attach();
	for (int i = 0; i < 200000; i++) {
		uint32_t addr = 0x0b000000 + (uint32_t)(rand() % 40);
		uint8_t slot = client_sends(addr, 1000, (uint64_t)(rand() % 3000));

		now += (uint64_t)(rand() % 500) * MR_NS_PER_MS;
		if (slot != MR_NO_SLOT && rand() % 3 == 0)
			target_answers(slot, 200 + (uint64_t)i);
		for (unsigned a = 0; a < MR_LEGS; a++)
			for (unsigned b = 0; b < a; b++)
				cr_assert(session.legs[a].state == MR_LEG_EMPTY ||
					session.legs[b].state == MR_LEG_EMPTY ||
					session.legs[a].port != session.legs[b].port ||
					!mr_addr_equal(
						&session.legs[a].addr, &session.legs[b].addr));
		/* the hot lines speak of the current leg */
		if (session.current != MR_NO_SLOT) {
			const struct mr_leg *leg = &session.legs[session.current];

			cr_assert(mr_addr_equal(&session.client, &leg->addr));
			cr_assert_eq(session.client_port, leg->port);
			cr_assert_eq(leg->state, MR_LEG_PROVEN);
		}
	}
}

/** A route as a packet to this leg's client got it, and a next hop that was found for it. */
static struct mr_route route_to_client(void)
{
	return (struct mr_route){
		.dst = session.client,
		.dport = session.client_port,
		.public_slot = session.client_public,
		.slot = session.current,
		.side = MR_SIDE_TARGET,
		.nh = {.generation = 7, .ifindex = 11},
	};
}

Test(legs, a_next_hop_is_remembered_for_the_client_that_it_was_looked_up_for)
{
	struct mr_route route;
	uint8_t slot;

	attach();
	route = route_to_client();
	mr_remember_next_hop(&session, &route);
	cr_expect_eq(session.to_client.generation, 7);
	/* between the look-up and here, another CPU saw the client roam, and back to this slot */
	route.nh.generation = 8;
	slot = client_sends(0xc6336477, 50000, 120);
	target_answers(slot, 200);
	mr_remember_next_hop(&session, &route);
	cr_expect_eq(session.to_client.generation, 0);
	route.slot = slot;
	mr_remember_next_hop(&session, &route);
	cr_expect_eq(session.to_client.generation, 0);
	route = route_to_client();
	mr_remember_next_hop(&session, &route);
	cr_expect_eq(session.to_client.generation, 7);
}

Test(legs, a_next_hop_is_remembered_for_the_target_that_it_was_looked_up_for)
{
	const struct mr_route good = {
		.src = session.upstream,
		.dst = session.target,
		.dport = session.target_port,
		.side = MR_SIDE_CLIENT,
		.nh = {.generation = 7, .ifindex = 12},
	};
	struct mr_route route = good;

	/* the record has become another session's meanwhile */
	route.dst.w[3]++;
	mr_remember_next_hop(&session, &route);
	route = good;
	route.src.w[3]++;
	mr_remember_next_hop(&session, &route);
	route = good;
	route.dport++;
	mr_remember_next_hop(&session, &route);
	cr_expect_eq(session.to_target.generation, 1);
	mr_remember_next_hop(&session, &good);
	cr_expect_eq(session.to_target.generation, 7);
}

Test(legs, a_forged_number_makes_no_roam_implausible)
{
	attach();
	/* somebody knows the client's address and port, and the target happens to answer */
	cr_assert_eq(client_sends(0xc6336409, 40000, 1100), 0);
	target_answers(0, 100);
	cr_expect_eq(session.proven_seq, 1101);
	cr_assert_eq(client_sends(0xc6336409, 40000, 100), 0);
	target_answers(0, 101);
	cr_expect_lt(client_sends(0xc6336477, 50000, 101), MR_PLAUSIBLE_SLOTS);
}

Test(legs, losses_and_reordering_add_up)
{
	static const uint64_t order[] = {0, 1, 3, 2, 7, 5, 6, 8, 12};
	size_t n = sizeof(order) / sizeof(order[0]);

	/* 4, 9, 10, 11 never come; 2, 5, 6 come late */
	client_sends(0xc6336409, 40000, 0);
	target_answers(0, 0);
	for (size_t i = 1; i < n; i++) {
		client_sends(0xc6336409, 40000, order[i]);
		target_answers(0, order[i]);
	}
	cr_expect_eq(session.from_client.datagrams, n);
	cr_expect_eq(session.from_client.lost, 4);
	cr_expect_eq(session.from_client.reordered, 3);
	cr_expect_eq(session.from_target.lost, 4);
	cr_expect_eq(session.from_target.reordered, 3);
}

Test(legs, a_laptop_asleep_for_a_week_comes_back_from_another_network)
{
	uint8_t slot;

	attach();
	now += 7 * 86400 * MR_NS_PER_S;
	slot = client_sends(0xc6336477, 50000, 101);
	cr_assert_neq(slot, MR_NO_SLOT);
	cr_expect_eq(target_answers(slot, 101), MR_REASON_to_client);
	cr_expect_eq(session.current, slot);
}
