// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - moshrelay-load-dpdk: what a datagram costs the DPDK worker, beside a router over the
 * same ports. `moshrelay-load bench` runs it and tells its figures; it is a program of its own so
 * that only this needs DPDK.
 *
 *     moshrelay-load-dpdk [--rounds N] [--turn MS] [--sessions N] [--cpu N] [--hugepages W]
 *
 * Prints one JSON document. Only the loop under measure runs between two readings of the
 * time-stamp counter: MR_BED_FRAMES frames wait at each port before, and are counted behind it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <rte_cycles.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bed.h"
#include "cli.h"
#include "loops.h"
#include "worker.h"

#define VERSION    1
#define ROUNDS_MAX 101

/* Sequence numbers from here on: the bed's own were below. */
#define FIRST_SEQ 64

struct options {
	unsigned rounds, turn_ms, sessions;
	int cpu; /* -1: the one that it happens to be on */
	const char *hugepages;
};

enum loop {
	LOOP_WORKER,
	LOOP_ROUTES,
	LOOP_FLOWS,
	LOOP_PORTS,
};

struct row {
	const char *name;
	enum loop loop;
	bool many;
	double ns[ROUNDS_MAX];
};

static struct row rows[] = {
	{"dpdk-worker", LOOP_WORKER, false},
	{"dpdk-l3fwd", LOOP_ROUTES, false},
	{"dpdk-l3fwd-em", LOOP_FLOWS, false},
	{"dpdk-ports", LOOP_PORTS, false},
	{"dpdk-worker", LOOP_WORKER, true},
	{"dpdk-l3fwd", LOOP_ROUTES, true},
	{"dpdk-l3fwd-em", LOOP_FLOWS, true},
	{"dpdk-ports", LOOP_PORTS, true},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

enum {
	OPTION_ROUNDS = 256,
	OPTION_TURN,
	OPTION_SESSIONS,
	OPTION_CPU,
	OPTION_HUGEPAGES,
};

static const struct option long_options[] = {
	{"rounds", required_argument, NULL, OPTION_ROUNDS},
	{"turn", required_argument, NULL, OPTION_TURN},
	{"sessions", required_argument, NULL, OPTION_SESSIONS},
	{"cpu", required_argument, NULL, OPTION_CPU},
	{"hugepages", required_argument, NULL, OPTION_HUGEPAGES},
	{0},
};

static enum mr_exit parse(int argc, char **argv, struct options *o)
{
	int option, index = 0, r = 0;
	uint64_t value = 0;

	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		switch (option) {
		case OPTION_ROUNDS:
			r = mr_cli_number(optarg, 1, ROUNDS_MAX, &value);
			o->rounds = (unsigned)value;
			break;
		case OPTION_TURN:
			r = mr_cli_number(optarg, 1, 600000, &value);
			o->turn_ms = (unsigned)value;
			break;
		case OPTION_SESSIONS:
			r = mr_cli_number(optarg, 2, MR_BED_SESSIONS_MAX, &value);
			o->sessions = (unsigned)value;
			break;
		case OPTION_CPU:
			r = mr_cli_number(optarg, 0, CPU_SETSIZE - 1, &value);
			o->cpu = (int)value;
			break;
		case OPTION_HUGEPAGES:
			o->hugepages = optarg;
			break;
		default:
			return MR_EXIT_USAGE;
		}
		if (r < 0)
			return mr_cli_usage("cannot use --%s %s: not a value that it may have",
				long_options[index].name, optarg);
	}
	if (optind < argc)
		return mr_cli_usage("cannot measure: \"%s\" is no option", argv[optind]);
	return MR_EXIT_DONE;
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* a failure of the second costs precision, which the figures' spread shows */
	if (sched_setaffinity(0, sizeof(set), &set))
		return -errno;
	setpriority(PRIO_PROCESS, 0, -19);
	return 0;
}

/* As the worker's thread does it, with what it says to the daemon after each round. */
static unsigned poll_worker(struct mr_bed *bed)
{
	unsigned n = mr_worker_poll(bed->worker);

	rte_rcu_qsbr_quiescent(bed->backend.tables.rcu, 0);
	return n;
}

static uint64_t run_loop(struct mr_bed *bed, struct mr_router *router, enum loop loop)
{
	unsigned left = MR_BED_PORTS * MR_BED_FRAMES, n = 1;
	uint64_t start = rte_rdtsc_precise();

	while (left && n) {
		switch (loop) {
		case LOOP_WORKER:
			n = poll_worker(bed);
			break;
		case LOOP_ROUTES:
			n = mr_router_poll(router, MR_ROUTER_ROUTES);
			break;
		case LOOP_FLOWS:
			n = mr_router_poll(router, MR_ROUTER_FLOWS);
			break;
		case LOOP_PORTS:
			n = mr_ports_poll(bed);
			break;
		}
		left -= n;
	}
	return rte_rdtsc_precise() - start;
}

/* Nanoseconds a frame over a turn; -EIO: some did not come out. */
static int take_turn(struct mr_bed *bed, struct mr_router *router, const struct row *row,
	struct mr_bed_turn *turn, unsigned turn_ms, double *ret_ns)
{
	uint64_t hz = rte_get_tsc_hz(), end = rte_rdtsc() + hz / 1000 * turn_ms;
	/* the ports don't look at frames: whatever is in them is theirs */
	enum mr_bed_route route = row->loop == LOOP_WORKER ? MR_BED_RELAYED : MR_BED_ROUTED;
	uint64_t cycles = 0, frames = 0;

	do {
		for (unsigned port = 0; port < MR_BED_PORTS; port++)
			mr_bed_fill(bed, port, turn, route);
		cycles += run_loop(bed, router, row->loop);
		frames += MR_BED_PORTS * MR_BED_FRAMES;
		if (!mr_bed_drain(bed))
			return -EIO;
	} while (rte_rdtsc() < end);
	*ret_ns = (double)cycles * 1e9 / (double)hz / (double)frames;
	return 0;
}

static enum mr_exit measure(struct mr_bed *bed, struct mr_router *router, const struct options *o)
{
	struct mr_bed_turn turns[2] = {
		{.first = bed->sessions, .count = 1, .base = FIRST_SEQ},
		{.first = 0, .count = bed->sessions, .base = FIRST_SEQ},
	};

	for (unsigned round = 0; round < o->rounds; round++) {
		for (size_t i = 0; i < N_ROWS; i++) {
			struct row *row = &rows[i];

			if (take_turn(bed, router, row, &turns[row->many], o->turn_ms,
				    &row->ns[round]))
				return mr_cli_fail(MR_EXIT_FAILED,
					"cannot measure %s: a frame did not come out where it "
					"should",
					row->name);
		}
	}
	return MR_EXIT_DONE;
}

static enum mr_exit tell(const struct mr_bed *bed, const struct options *o)
{
	json_t *list = json_array(), *all;

	for (size_t i = 0; i < N_ROWS; i++) {
		json_t *ns = json_array();

		for (unsigned round = 0; round < o->rounds; round++)
			json_array_append_new(ns, json_real(rows[i].ns[round]));
		json_array_append_new(list,
			json_pack("{s:s, s:i, s:o}", "name", rows[i].name, "sessions",
				rows[i].many ? (int)bed->sessions : 1, "ns_per_datagram", ns));
	}
	all = json_pack("{s:i, s:s, s:i, s:b, s:o}", "version", VERSION, "kind", "bench-dpdk",
		"burst", MR_BURST, "huge_pages", bed->backend.huge, "rows", list);
	if (!all)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot write the result: out of memory");
	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
	return mr_cli_finish(MR_EXIT_DONE);
}

int main(int argc, char **argv)
{
	struct options o = {5, 200, 50000, -1, "auto"};
	static struct mr_bed bed;
	struct mr_router *router;
	struct mr_why why = {""};
	enum mr_exit status;

	mr_cli_init(argv[0]);
	status = parse(argc, argv, &o);
	if (status != MR_EXIT_DONE)
		return status;
	if (pin(o.cpu < 0 ? sched_getcpu() : o.cpu))
		return mr_cli_fail(
			MR_EXIT_FAILED, "cannot run on CPU %d: %s", o.cpu, strerror(errno));
	if (mr_bed_open(&(struct mr_bed_options){o.sessions, o.hugepages}, &bed, &why))
		return mr_cli_fail(MR_EXIT_FAILED, "cannot set up: %s", why.text);
	if (mr_router_open(&bed, &router, &why)) {
		mr_bed_close(&bed);
		return mr_cli_fail(MR_EXIT_FAILED, "cannot set up: %s", why.text);
	}
	status = measure(&bed, router, &o);
	if (status == MR_EXIT_DONE)
		status = tell(&bed, &o);
	mr_router_close(router);
	mr_bed_close(&bed);
	return status;
}
