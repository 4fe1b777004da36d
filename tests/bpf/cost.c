// SPDX-License-Identifier: BSD-2-Clause
/*
 * cost.c - what a datagram costs in the XDP program alone: cost [ROUNDS [plain]]
 *
 * Nanoseconds by BPF_PROG_TEST_RUN, in both directions, over one session and over COST_SESSIONS of
 * them in turn and in a random order, less what an empty program costs in its place. Needs root;
 * nobody else should use the machine. "plain": the numbers of each round, for cost_compare.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cost.h"
#include "cost.skel.h"
#include "wire.h"
#include "xdp.h"

#define REPEAT      500000
#define ROUNDS_MAX  99
#define PAYLOAD_LEN 100
#define FRAME_LEN   (MR_ETH_LEN + MR_IPV4_LEN + MR_UDP_LEN + PAYLOAD_LEN)
#define CLIENT      "10.0.1.2"
#define CLIENT_PORT 40000
#define PUBLIC      "10.0.1.1"
#define PUBLIC_PORT 10000 /* of the first session, and so on */
#define UPSTREAM    "10.0.2.1"
#define UPSTREAM_LO 61008
#define BLOCKS      ((65536 - UPSTREAM_LO) / MR_LEGS)
#define TARGET      "10.0.2.2"
#define TARGET_PORT 60001 /* of the first BLOCKS sessions, and so on */

enum order { ONE, IN_TURN, AT_RANDOM, ORDERS };

static const char *const order_names[] = {"1 session", "50,000 in turn", "50,000 at random"};
static const unsigned ifindices[] = {11, 12}; /* where a side's datagrams come in */

static struct mr_backend *backend;
static struct cost_bpf *driver;
static char root[] = "/tmp/mr-cost-XXXXXX";

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "cost: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

static void must(int r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, strerror(-r));
}

static void command(const char *text)
{
	if (system(text))
		die("cannot set up the network: %s", text);
}

static void make_network(void)
{
	command("ip link set lo up && sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	command("ip link add mr11 index 11 type veth peer name peer11");
	command("ip link add mr12 index 12 type veth peer name peer12");
	command("for i in mr11 peer11 mr12 peer12; do ip link set $i up; done");
	command("ip addr add " PUBLIC "/24 dev mr11 && ip addr add " UPSTREAM "/24 dev mr12");
	command("ip neigh add " CLIENT " lladdr 02:00:00:00:11:fe dev mr11 nud permanent");
	command("ip neigh add " TARGET " lladdr 02:00:00:00:12:02 dev mr12 nud permanent");
	command("sysctl -qw net.ipv4.conf.lo.forwarding=1"); /* see next_hop.h */
}

static struct mr_addr address(const char *text)
{
	return mr_addr_from_v4(inet_addr(text));
}

static uint16_t target_port(uint32_t session)
{
	return (uint16_t)(TARGET_PORT + session / BLOCKS);
}

static uint16_t upstream_base(uint32_t session)
{
	return (uint16_t)(UPSTREAM_LO + session % BLOCKS * MR_LEGS);
}

static void open_session(uint32_t index)
{
	const struct mr_session s = {
		.id = index + 1,
		.flags = MR_SESSION_OPEN,
		.current = MR_NO_SLOT,
		.public_port = htons((uint16_t)(PUBLIC_PORT + index)),
		.target = address(TARGET),
		.target_port = htons(target_port(index)),
		.upstream = address(UPSTREAM),
		.upstream_base = upstream_base(index),
	};
	const struct mr_addr public = address(PUBLIC);
	struct mr_key key = mr_key_target(&s.target, s.target_port, s.upstream_base);

	must(mr_backend_xdp.session_put(backend, index, &s), "session_put");
	must(mr_backend_xdp.target_put(backend, &key, (struct mr_ref){index, 0}), "target_put");
	key = mr_key_public(&public, s.public_port);
	must(mr_backend_xdp.public_put(backend, &key, (struct mr_ref){index, 0}), "public_put");
}

static void open_relay(void)
{
	static const char *const interfaces[] = {"mr11", "mr12"};
	const struct mr_addr public = address(PUBLIC);
	char pin_dir[64];
	struct mr_backend_config config = {
		.dataplane = MR_DATAPLANE_XDP_NATIVE,
		.interfaces = interfaces,
		.n_interfaces = 2,
		.pin_dir = pin_dir,
		.max_sessions = COST_SESSIONS,
		.upstream_lo = UPSTREAM_LO,
	};
	struct mr_why why;
	bool adopted;

	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", root);
	if (mr_backend_xdp.open(&config, &backend, &adopted, &why) < 0)
		die("%s", why.text);
	for (size_t i = 0; i < 2; i++) {
		struct mr_link link = {ifindices[i], 0, MR_LINK_USED};

		must(mr_backend_xdp.link_put(backend, ifindices[i], &link), "link_put");
	}
	must(mr_backend_xdp.address_put(backend, 0, &public), "address_put");
	for (uint32_t i = 0; i < COST_SESSIONS; i++)
		open_session(i);
}

static void put_program(uint32_t key, int fd)
{
	if (bpf_map_update_elem(bpf_map__fd(driver->maps.programs), &key, &fd, BPF_ANY) < 0)
		die("cannot enter a program: %s", strerror(errno));
}

static void open_driver(void)
{
	driver = cost_bpf__open_and_load();
	if (!driver)
		die("cannot load the driver: %s", strerror(errno));
	put_program(COST_NOTHING, bpf_program__fd(driver->progs.nothing));
	put_program(COST_RELAY, bpf_program__fd(backend->skel->progs.moshrelay));
}

static void open_all(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		die("run it as root");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(root) ||
		mount("bpf", root, "bpf", 0, NULL) < 0)
		die("cannot mount a BPF filesystem: %s", strerror(errno));
	make_network();
	open_relay();
	open_driver();
}

static void close_all(void)
{
	cost_bpf__destroy(driver);
	mr_backend_xdp.detach(backend);
	umount2(root, MNT_DETACH);
	rmdir(root);
}

/* Which session's turn it is when: the numbers 0, 1, 2, ..., or shuffled (Fisher and Yates). */
static void set_order(bool to_client, enum order order)
{
	static uint32_t sessions[COST_SESSIONS];

	for (uint32_t i = 0; i < COST_SESSIONS; i++)
		sessions[i] = i;
	srand(1);
	for (uint32_t i = COST_SESSIONS; order == AT_RANDOM && --i;) {
		uint32_t other = (uint32_t)rand() % (i + 1), kept = sessions[i];

		sessions[i] = sessions[other];
		sessions[other] = kept;
	}
	for (uint32_t i = 0; i < COST_SESSIONS; i++) {
		uint32_t s = sessions[i];
		struct cost_ports ports = {htons(CLIENT_PORT), htons((uint16_t)(PUBLIC_PORT + s))};

		if (to_client)
			ports = (struct cost_ports){htons(target_port(s)), htons(upstream_base(s))};
		must(bpf_map_update_elem(bpf_map__fd(driver->maps.ports), &i, &ports, BPF_ANY),
			"ports");
	}
}

static struct cost_frame make_frame(bool to_client)
{
	struct cost_frame frame = {
		.type = htons(MR_ETH_IPV4),
		.version_ihl = 0x45,
		.len = htons(FRAME_LEN - MR_ETH_LEN),
		.ttl = 64,
		.proto = MR_PROTO_UDP,
		.udp_len = htons(MR_UDP_LEN + PAYLOAD_LEN),
		.udp_csum = 0x1234, /* carried on, never checked */
	};
	uint16_t words[MR_IPV4_LEN / 2];
	uint32_t sum = 0;

	inet_pton(AF_INET, to_client ? TARGET : CLIENT, frame.src);
	inet_pton(AF_INET, to_client ? UPSTREAM : PUBLIC, frame.dst);
	memcpy(words, &frame.version_ihl, sizeof(words));
	for (size_t i = 0; i < MR_IPV4_LEN / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	frame.csum = (uint16_t) ~((sum & 0xffff) + (sum >> 16));
	return frame;
}

/* Nanoseconds a run of `repeat` runs, of which each must end as it should. */
static double run(bool to_client, enum order order, enum cost_program program, uint32_t repeat)
{
	static uint64_t seq[2];
	uint8_t in[FRAME_LEN] = {0};
	struct xdp_md md = {.data_end = sizeof(in), .ingress_ifindex = ifindices[to_client]};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = sizeof(in),
		.ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = (int)repeat);
	enum mr_reason reason = to_client ? MR_REASON_to_client : MR_REASON_to_target;
	struct mr_reason_count before[MR_REASON_CAPACITY], after[MR_REASON_CAPACITY];
	struct cost_stream *stream = &driver->bss->stream;

	*stream = (struct cost_stream){
		.frame = make_frame(to_client),
		.sessions = order == ONE ? 1 : COST_SESSIONS,
		.program = program,
		.to_client = to_client,
		.seq = seq[to_client],
	};
	must(mr_backend_xdp.stats(backend, before), "stats");
	must(bpf_prog_test_run_opts(bpf_program__fd(driver->progs.next_frame), &opts), "test run");
	must(mr_backend_xdp.stats(backend, after), "stats");
	if (program == COST_RELAY && after[reason].packets - before[reason].packets != repeat)
		die("not every datagram was sent on");
	if (program == COST_RELAY)
		seq[to_client] = stream->seq + 1;
	return opts.duration;
}

/* The first datagram of a session claims a leg, the first answer proves it, both find their way. */
static void attach_clients(void)
{
	for (int to_client = 0; to_client <= 1; to_client++) {
		set_order(to_client, IN_TURN);
		run(to_client, IN_TURN, COST_RELAY, COST_SESSIONS);
	}
}

static double measure(bool to_client, enum order order)
{
	double with, without;

	set_order(to_client, order);
	without = run(to_client, order, COST_NOTHING, REPEAT);
	with = run(to_client, order, COST_RELAY, REPEAT);
	return with - without;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_row(bool to_client, enum order order, double *costs, unsigned rounds)
{
	qsort(costs, rounds, sizeof(*costs), compare);
	printf("%-9s  %-16s  %6.0f  (%.0f to %.0f)\n", to_client ? "to client" : "to target",
		order_names[order], costs[rounds / 2], costs[0], costs[rounds - 1]);
}

int main(int argc, char **argv)
{
	static double costs[2][ORDERS][ROUNDS_MAX];
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 5;
	bool plain = argc > 2 && !strcmp(argv[2], "plain");

	if (rounds < 1 || rounds > ROUNDS_MAX || argc > 3 || (argc == 3 && !plain)) {
		fprintf(stderr, "usage: cost [ROUNDS [plain]]\n");
		return 2;
	}
	open_all();
	attach_clients();
	for (unsigned round = 0; round < rounds; round++) {
		for (int to_client = 0; to_client <= 1; to_client++)
			for (int order = 0; order < ORDERS; order++) {
				double cost = measure(to_client, (enum order)order);

				costs[to_client][order][round] = cost;
				if (plain)
					printf("%.0f ", cost);
			}
		if (plain)
			printf("\n");
	}
	for (int to_client = 0; to_client <= 1 && !plain; to_client++)
		for (int order = 0; order < ORDERS; order++)
			print_row(to_client, (enum order)order, costs[to_client][order], rounds);
	close_all();
	return 0;
}
