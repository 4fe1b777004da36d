// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_next_hop.c - the XDP program asks the kernel's routing: whatever that says is where a
 * datagram goes, and what can't be reached is dropped, counted and told.
 *
 * Each test has a network namespace of its own with two interfaces; the packets are the plain rows
 * of the packet vectors, put into the program by BPF_PROG_TEST_RUN. Needs root.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "vectors.h"
#include "wire.h"
#include "xdp.h"

#define CLIENTS 11 /* the interfaces' indices, as in the vectors */
#define TARGETS 12

static const struct mr_backend_ops *const ops = &mr_backend_xdp;
static struct mr_backend *backend;
static struct mr_vec_file vectors;
static char root[] = "/tmp/mr-test-hop-XXXXXX";

/** What came of one packet. */
static struct {
	unsigned action;
	enum mr_reason reason;
	uint8_t frame[MR_VEC_FRAME_MAX];
	struct mr_event event;
	unsigned events;
	struct mr_session session; /* afterwards */
} got;

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	cr_assert_eq(system(command), 0, "%s", command);
}

static void make_interface(unsigned index)
{
	run("ip link add mr%u index %u address 02:00:00:00:%u:01 type veth peer name peer%u", index,
		index, index, index);
	run("sysctl -qw net.ipv6.conf.mr%u.disable_ipv6=0", index);
	run("ip link set mr%u up && ip link set peer%u up", index, index);
}

static void use_link(uint32_t ifindex, uint32_t carrier, uint16_t vlan, uint16_t flags)
{
	struct mr_link link = {carrier, vlan, flags};

	cr_assert_eq(ops->link_put(backend, ifindex, &link), 0);
}

static void set_up(void)
{
	static const char *const interfaces[] = {"mr11", "mr12"};
	static char pin_dir[64], why_text[MR_VEC_WHY];
	struct mr_backend_config config = {
		.dataplane = MR_DATAPLANE_XDP_NATIVE,
		.interfaces = interfaces,
		.n_interfaces = 2,
		.pin_dir = pin_dir,
		.max_sessions = 16,
		.max_public_keys = 16,
		.upstream_lo = 61008,
	};
	struct mr_why why;
	bool adopted;

	cr_assert_eq(unshare(CLONE_NEWNET | CLONE_NEWNS), 0, "needs root");
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert(mkdtemp(root));
	cr_assert_eq(mount("bpf", root, "bpf", 0, NULL), 0);
	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", root);
	cr_assert_eq(mr_vec_load(getenv("MR_VECTORS"), &vectors, why_text), 0, "%s", why_text);
	run("ip link set lo up && sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	run("sysctl -qw net.ipv4.conf.lo.forwarding=1 net.ipv6.conf.lo.forwarding=1");
	make_interface(CLIENTS);
	make_interface(TARGETS);
	run("ip addr add 10.2.0.1/24 dev mr12 && ip addr add fd00:2::1/64 dev mr12 nodad");
	cr_assert_eq(ops->open(&config, &backend, &adopted, &why), 0, "%s", why.text);
	use_link(CLIENTS, CLIENTS, 0, MR_LINK_USED);
	use_link(TARGETS, TARGETS, 0, MR_LINK_USED);
	for (uint32_t i = 0; i < vectors.n_addresses; i++)
		cr_assert_eq(ops->address_put(backend, i, &vectors.addresses[i]), 0);
}

static void tear_down(void)
{
	ops->detach(backend);
	mr_vec_free(&vectors);
	umount2(root, MNT_DETACH);
	rmdir(root);
}

TestSuite(next_hop, .init = set_up, .fini = tear_down, .timeout = 60);

static const struct mr_vec *find_row(const char *what)
{
	for (size_t i = 0; i < vectors.n_rows; i++)
		if (!strcmp(vectors.rows[i].what, what))
			return &vectors.rows[i];
	cr_assert_fail("no row \"%s\"", what);
	return NULL;
}

static void put_session(const struct mr_vec *row, const struct mr_session *session)
{
	struct mr_key target = mr_vec_target_key(row), public = mr_vec_public_key(&vectors, row, 0);
	struct mr_key public6 = mr_vec_public_key(&vectors, row, 1);

	cr_assert_eq(ops->session_put(backend, MR_VEC_INDEX, session), 0);
	cr_assert_eq(ops->target_put(backend, &target, (struct mr_ref){MR_VEC_INDEX, 0}), 0);
	cr_assert_eq(ops->public_put(backend, &public, (struct mr_ref){MR_VEC_INDEX, 0}), 0);
	cr_assert_eq(ops->public_put(backend, &public6, (struct mr_ref){MR_VEC_INDEX, 1}), 0);
}

static void keep_event(const struct mr_event *event, void *context)
{
	(void)context;
	got.event = *event;
	got.events++;
}

/** Sends a row's packet into the session that is there. */
static void send_packet(const struct mr_vec *row)
{
	struct xdp_md md = {.data_end = (uint32_t)row->in_len, .ingress_ifindex = row->ingress};
	struct mr_reason_count before[MR_REASON_CAPACITY], after[MR_REASON_CAPACITY];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = row->in,
		.data_size_in = (uint32_t)row->in_len, .data_out = got.frame,
		.data_size_out = sizeof(got.frame), .ctx_in = &md, .ctx_size_in = sizeof(md));

	memset(&got, 0, sizeof(got));
	got.reason = MR_REASON_COUNT;
	cr_assert_eq(ops->stats(backend, before), 0);
	cr_assert_eq(
		bpf_prog_test_run_opts(bpf_program__fd(backend->skel->progs.moshrelay), &opts), 0);
	cr_assert_eq(ops->stats(backend, after), 0);
	for (int i = 0; i < MR_REASON_COUNT; i++)
		if (after[i].packets > before[i].packets)
			got.reason = (enum mr_reason)i;
	got.action = opts.retval;
	cr_assert_geq(ops->events(backend, 8, keep_event, NULL), 0);
	cr_assert_eq(ops->session_get(backend, MR_VEC_INDEX, 1, &got.session), 0);
}

/** The same, into a fresh session of the row whose next hops nobody has looked up. */
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

/* As for what the kernel forwards, a route's own MTU counts where it is locked. */
Test(next_hop, a_route_with_an_mtu)
{
	run("ip route add 10.2.0.2/32 dev mr12 mtu lock 1400");
	run("ip neigh add 10.2.0.2 lladdr 02:00:00:00:00:a1 dev mr12 nud permanent");
	send_first(PLAIN4);
	expect_sent(XDP_REDIRECT, MR_REASON_to_target, "02:00:00:00:00:a1", "02:00:00:00:12:01");
	cr_expect_eq(got.session.to_target.mtu, 1400);
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
