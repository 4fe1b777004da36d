// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_next_hop.c - the XDP program asks the kernel's routing: whatever that says is where a
 * datagram goes, and what can't be reached is dropped, counted and told.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "bed.h"

TestSuite(next_hop, .init = bed_set_up, .fini = bed_tear_down, .timeout = 600);

static void send_packet(const struct mr_vec *row)
{
	send_frame(row->in, row->in_len, row->ingress);
}

/** Sends a row's packet into a fresh session of the row whose next hops nobody has looked up. */
static void send_first(const char *what)
{
	const struct mr_vec *row = find_row(what);
	struct mr_session session = row->before;

	session.to_target = session.to_client = (struct mr_next_hop){0};
	put_session(row, &session);
	send_packet(row);
}

static void expect_sent(unsigned action, enum mr_reason reason, const char *dmac, const char *smac)
{
	char text[2][18];

	cr_expect_eq(got.reason, reason, "the reason is %s", mr_vec_reason_name(got.reason));
	cr_expect_eq(got.action, action, "the action is %u", got.action);
	for (int i = 0; i < 2; i++) {
		const uint8_t *m = got.frame + 6 * i;

		snprintf(text[i], sizeof(text[i]), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1],
			m[2], m[3], m[4], m[5]);
	}
	cr_expect_str_eq(text[0], dmac);
	cr_expect_str_eq(text[1], smac);
}

static void expect_event(enum mr_event_kind kind, uint32_t ifindex, const char *addr)
{
	char text[INET6_ADDRSTRLEN];

	cr_expect_eq(got.events, 1, "%u events", got.events);
	cr_expect_eq(got.event.kind, kind);
	cr_expect_eq(got.event.ifindex, ifindex);
	cr_expect_eq(got.event.session_id, got.session.id);
	inet_ntop(AF_INET6, &got.event.addr, text, sizeof(text));
	cr_expect_str_eq(text, addr);
}

#define PLAIN4 "4 to 4: plain"
#define PLAIN6 "6 to 6: plain"
#define BACK4  "4 back to 4: plain"

Test(next_hop, a_target_on_the_link)
{
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:12:01");
	cr_expect_eq(got.session.to_target.ifindex, TARGETS);
	cr_expect_eq(got.session.to_target.mtu, 1500);
	cr_expect_neq(got.session.to_target.generation, 0);
}

Test(next_hop, an_ipv6_target_on_the_link)
{
	run("ip neigh add fd00:2::2 lladdr 02:00:00:00:00:a6 dev mr12 nud permanent");
	send_first(PLAIN6);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a6", "02:00:00:00:12:01");
}

Test(next_hop, a_target_behind_a_gateway)
{
	run("ip addr add 10.9.0.1/24 dev mr12 && ip route add 10.2.0.2/32 via 10.9.0.254");
	run("ip neigh add 10.9.0.254 lladdr 02:00:00:00:00:fe dev mr12 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:fe", "02:00:00:00:12:01");
}

Test(next_hop, an_ipv6_target_behind_a_link_local_gateway)
{
	run("ip -6 route add fd00:2::2/128 via fe80::fe dev mr12");
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:fe dev mr12 nud permanent");
	send_first(PLAIN6);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:fe", "02:00:00:00:12:01");
}

Test(next_hop, an_ipv4_target_behind_an_ipv6_gateway)
{
	run("ip route add 10.2.0.2/32 via inet6 fe80::fe dev mr12");
	run("ip neigh add fe80::fe lladdr 02:00:00:00:00:fe dev mr12 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:fe", "02:00:00:00:12:01");
}

/* To the program a VLAN device is an index that its table of links leads to the carrier: any device
 * does, where the kernel has none of 802.1Q. */
Test(next_hop, a_target_in_a_vlan)
{
	make_interface(13);
	use_link(13, TARGETS, 5, MR_LINK_USED);
	run("ip route add 10.2.0.2/32 dev mr13");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a5 dev mr13 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a5", "02:00:00:00:13:01");
	cr_expect_eq(memcmp(got.frame + 12, "\x81\x00\x00\x05\x08\x00", 6), 0);
	cr_expect_eq(got.session.to_target.ifindex, TARGETS, "what carries the frame");
	cr_expect_eq(got.session.to_target.vlan, 5);
}

Test(next_hop, a_target_on_the_clients_interface)
{
	run("ip route add 10.2.0.2/32 dev mr11");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr11 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_TX, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:11:01");
}

Test(next_hop, policy_routing_by_the_upstream_address)
{
	run("ip rule add from 10.2.0.1 table 100 && ip route add 10.2.0.2/32 dev mr11 table 100");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr11 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_TX, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:11:01");
}

/* In the kernel's answers it can't be told from a path MTU, which anybody can forge. */
Test(next_hop, a_routes_own_mtu_does_not_count)
{
	run("ip link set mr12 mtu 1450 && ip route add 10.2.0.2/32 dev mr12 mtu lock 1400");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:12:01");
	cr_expect_eq(got.session.to_target.mtu, 1450);
}

Test(next_hop, a_neighbour_that_is_not_known_drops_and_tells)
{
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_neighbour, "%s", mr_vec_reason_name(got.reason));
	cr_expect_eq(got.action, XDP_DROP);
	expect_event(MR_EVENT_NO_NEIGHBOUR, TARGETS, "::ffff:10.2.0.2");
	cr_expect_eq(got.session.to_target.generation, 0, "it is asked again");
	/* and once it is, the next datagram goes through without anybody's help */
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_packet(find_row(PLAIN4));
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:12:01");
}

Test(next_hop, a_gateway_that_is_not_known_is_named)
{
	run("ip addr add 10.9.0.1/24 dev mr12 && ip route add 10.2.0.2/32 via 10.9.0.254");
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_neighbour, "%s", mr_vec_reason_name(got.reason));
	expect_event(MR_EVENT_NO_NEIGHBOUR, TARGETS, "::ffff:10.9.0.254");
}

Test(next_hop, no_route_drops_and_tells)
{
	static const struct {
		const char *route;
		unsigned detail;
	} rows[] = {
		{"unreachable", BPF_FIB_LKUP_RET_UNREACHABLE},
		{"prohibit", BPF_FIB_LKUP_RET_PROHIBIT},
		{"blackhole", BPF_FIB_LKUP_RET_BLACKHOLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run("ip route replace %s 10.2.0.2/32", rows[i].route);
		if (i == 0)
			send_first(PLAIN4);
		else
			send_packet(find_row(PLAIN4));
		cr_expect_eq(got.reason, MR_REASON_no_route, "%s: %s", rows[i].route,
			mr_vec_reason_name(got.reason));
		cr_expect_eq(got.action, XDP_DROP);
		expect_event(MR_EVENT_NO_ROUTE, 0, "::ffff:10.2.0.2");
		cr_expect_eq(got.event.detail, rows[i].detail, "%s: %u", rows[i].route,
			got.event.detail);
	}
}

Test(next_hop, the_bastion_itself_is_no_next_hop)
{
	run("ip addr add 10.2.0.2/32 dev lo");
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_route, "%s", mr_vec_reason_name(got.reason));
}

Test(next_hop, an_interface_that_the_relay_does_not_use)
{
	make_interface(13);
	run("ip route add 10.2.0.2/32 dev mr13");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr13 nud permanent");
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_device, "%s", mr_vec_reason_name(got.reason));
	use_link(13, 13, 0, 0);
	send_packet(find_row(PLAIN4));
	cr_expect_eq(got.reason, MR_REASON_no_device, "known, but not used");
}

/* The kernel took the program and the device map's entry away with it. */
Test(next_hop, an_interface_that_was_made_anew_is_not_used_before_the_program_is_on_it)
{
	run("ip link del mr12");
	make_interface(TARGETS);
	run("ip addr add 10.2.0.1/24 dev mr12");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_device, "%s", mr_vec_reason_name(got.reason));
	cr_expect_eq(got.action, XDP_DROP);
}

Test(next_hop, a_link_address_of_zeros_is_none)
{
	run("ip neigh add 10.2.0.2 lladdr 00:00:00:00:00:00 dev mr12 nud permanent");
	send_first(PLAIN4);
	cr_expect_eq(got.reason, MR_REASON_no_neighbour, "%s", mr_vec_reason_name(got.reason));
	expect_event(MR_EVENT_NO_NEIGHBOUR, TARGETS, "::ffff:10.2.0.2");
}

Test(next_hop, a_cached_one_is_good_until_the_routes_change)
{
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(PLAIN4);
	run("ip neigh replace 10.2.0.2 lladdr 02:00:00:00:00:a2 dev mr12 nud permanent");
	send_packet(find_row(PLAIN4));
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:12:01");
	ops->routes_changed(backend);
	send_packet(find_row(PLAIN4));
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a2", "02:00:00:00:12:01");
}

Test(next_hop, the_ways_of_both_directions_are_their_own)
{
	run("ip addr add 203.0.113.7/24 dev mr11 && ip route add default via 203.0.113.1");
	run("ip neigh add 203.0.113.1 lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(BACK4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_client, "02:00:00:00:11:fe", "02:00:00:00:11:01");
	cr_expect_eq(got.session.to_client.ifindex, CLIENTS);
	cr_expect_eq(
		got.session.to_target.ifindex, TARGETS, "known now, to check where it came in");
}

Test(next_hop, an_answer_is_taken_while_the_target_cannot_be_resolved)
{
	run("ip addr add 203.0.113.7/24 dev mr11 && ip route add default via 203.0.113.1");
	run("ip neigh add 203.0.113.1 lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	send_first(BACK4);
	cr_expect_eq(got.reason, MR_REASON_to_client, "%s", mr_vec_reason_name(got.reason));
}

Test(next_hop, an_answer_is_taken_by_the_interface_of_a_moved_route)
{
	run("ip addr add 203.0.113.7/24 dev mr11 && ip route add default via 203.0.113.1");
	run("ip neigh add 203.0.113.1 lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	run("ip route add 10.2.0.2/32 dev mr11");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr11 nud permanent");
	send_first(BACK4);
	cr_expect_eq(got.reason, MR_REASON_wrong_interface, "%s", mr_vec_reason_name(got.reason));
	run("ip route del 10.2.0.2/32 dev mr11");
	ops->routes_changed(backend);
	send_packet(find_row(BACK4));
	cr_expect_eq(got.reason, MR_REASON_to_client, "%s", mr_vec_reason_name(got.reason));
}

/* Told from the machine and not from what the loader goes by; the verifier takes out what isn't for
 * it. */
Test(next_hop, current_legs_go_without_the_lock_on_x86_64_alone)
{
#ifdef __x86_64__
	const bool without = true;
#else
	const bool without = false;
#endif

	cr_expect_eq(backend->skel->rodata->quick, without);
}
