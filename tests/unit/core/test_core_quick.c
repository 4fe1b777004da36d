// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_core_quick.c - two CPUs in one session, of which neither waits for the other (quick.h).
 *
 * Each thread is the flow of one leg: the client's datagrams, and the target's answers, which take
 * the session from the other thread's leg all the time. Whatever they do to each other, a datagram
 * goes where its own leg goes.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>

#include "quick.h"

#define ROUNDS     1000000
#define NOW        (1000 * MR_NS_PER_S)
#define GENERATION 1

static struct mr_session session;
static pthread_spinlock_t lock;

struct flow {
	uint32_t slot;
	struct mr_addr client;
	__be16 port;
	uint64_t seq;
	uint64_t quick; /* datagrams that took no lock */
	const char *wrong;
};

static struct mr_next_hop hop_to(const struct flow *flow)
{
	uint8_t octet = (uint8_t)(flow->slot + 1);

	return (struct mr_next_hop){
		.generation = GENERATION,
		.ifindex = 11 + flow->slot,
		.mtu = 1500,
		.dmac = {octet, octet, octet, octet, octet, octet},
	};
}

static struct mr_packet datagram(const struct flow *flow, bool to_client)
{
	struct mr_packet p = {.ttl = 64, .payload_len = 100, .nonce = flow->seq};

	if (to_client) {
		p.src = session.target;
		p.dst = session.upstream;
		p.sport = session.target_port;
		p.dport = mr_cpu_to_be16((uint16_t)(session.upstream_base + flow->slot));
		p.nonce |= MR_MOSH_TO_CLIENT;
	} else {
		p.src = flow->client;
		p.sport = flow->port;
	}
	return p;
}

static void client_sends(struct flow *flow)
{
	const struct mr_packet p = datagram(flow, false);
	struct mr_route route = {0};
	bool quick = mr_quick_client(&session, &p, 0, GENERATION, NOW, &route);

	flow->quick += quick;
	if (!quick) {
		pthread_spin_lock(&lock);
		if (mr_decide_client(&session, &p, 0, NOW, &route) != MR_REASON_to_target)
			flow->wrong = "a client's datagram was refused";
		pthread_spin_unlock(&lock);
	}
	if (route.sport != mr_cpu_to_be16((uint16_t)(session.upstream_base + flow->slot)))
		flow->wrong = "a client's datagram left by another leg";
}

static void target_answers(struct flow *flow)
{
	const struct mr_ingress in = {.ifindex = 12};
	const struct mr_packet p = datagram(flow, true);
	const struct mr_next_hop hop = hop_to(flow);
	struct mr_route route = {0};
	bool quick = mr_quick_target(&session, &p, &in, GENERATION, NOW, &route);

	flow->quick += quick;
	if (!quick) {
		pthread_spin_lock(&lock);
		if (mr_decide_target(&session, &p, &in, NOW, &route) != MR_REASON_to_client)
			flow->wrong = "an answer was refused";
		pthread_spin_unlock(&lock);
	}
	if (!mr_addr_equal(&route.dst, &flow->client) || route.dport != flow->port)
		flow->wrong = "an answer left for another client";
	if (route.nh.generation == GENERATION) {
		if (memcmp(&route.nh, &hop, sizeof(hop)))
			flow->wrong = "an answer left by another client's next hop";
		return;
	}
	route.nh = hop;
	pthread_spin_lock(&lock);
	mr_remember_next_hop(&session, &route);
	pthread_spin_unlock(&lock);
}

static void *run_flow(void *context)
{
	struct flow *flow = context;

	for (int i = 0; i < ROUNDS && !flow->wrong; i++) {
		flow->seq++;
		client_sends(flow);
		/* now and then, so that a leg stays the current one for a while */
		for (int answers = i % 8 ? 0 : 3; answers; answers--)
			target_answers(flow);
	}
	return NULL;
}

static void put_leg(const struct flow *flow)
{
	session.legs[flow->slot] = (struct mr_leg){
		.addr = flow->client,
		.port = flow->port,
		.state = MR_LEG_PROVEN,
		.claimed_ns = NOW,
		.client_ns = NOW,
		.target_ns = NOW,
	};
}

Test(quick, two_cpus_never_send_a_datagram_another_legs_way)
{
	struct flow flows[2];
	pthread_t other;

	session = (struct mr_session){
		.flags = MR_SESSION_OPEN,
		.current = MR_NO_SLOT,
		.target_port = mr_cpu_to_be16(60001),
		.upstream_base = 61040,
		.target = mr_addr_from_v4(mr_cpu_to_be32(0x0a020002)),
		.upstream = mr_addr_from_v4(mr_cpu_to_be32(0x0a020001)),
		.to_target = {.generation = GENERATION, .ifindex = 12, .mtu = 1500},
	};
	for (uint32_t i = 0; i < 2; i++) {
		/* no word of one address is a word of the other */
		flows[i] = (struct flow){.slot = i,
			.client = {.w = {2 * i + 1, 4 * i + 1, 8 * i + 1, 16 * i + 1}},
			.port = mr_cpu_to_be16((uint16_t)(40000 + i))};
		put_leg(&flows[i]);
	}
	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	cr_assert_eq(pthread_create(&other, NULL, run_flow, &flows[1]), 0);
	run_flow(&flows[0]);
	pthread_join(other, NULL);
	for (int i = 0; i < 2; i++) {
		cr_expect_null(flows[i].wrong, "%s", flows[i].wrong);
		cr_expect_gt(flows[i].quick, 0);
	}
	cr_expect_gt(session.roams, 0);
	cr_expect_eq(session.version % 2, 0);
}
