// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.c - moshrelay-load bench: sets up all contestants, lets them take turns, tells the figures.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_dpdk.h"
#include "bench_result.h"
#include "command.h"
#include "html.h"
#include "latency.h"
#include "net.h"
#include "options.h"
#include "page.h"
#include "peers.h"
#include "scale.h"
#include "turn.h"

/* Two clock readings for each run of a BPF program: only BPF contestants would pay for them. */
#define BPF_STATS "/proc/sys/kernel/bpf_stats_enabled"

/* Points of the curve over sessions, between one and all; measured in so many rounds. */
static const uint32_t curve_sessions[] = {100, 1000, 10000, 100000};
#define CURVE_ROUNDS 3

struct bench_options {
	uint32_t rounds;
	uint32_t turn_ms;
	uint32_t sessions;
	const char *only; /* comma-separated names, NULL: all */
	const char *daemon;
	const char *report;
	bool json;
};

struct bench {
	struct bench_options opt;
	struct mr_turn_bed bed;
	struct mr_contestant *contestants;
	unsigned n_contestants;
	struct mr_contestant *of_row[MR_BENCH_ROWS_MAX];
	bool bpf_stats; /* were on, and are to be put on again */
	struct mr_bench_result result;
};

static bool parse(int argc, char **argv, struct bench_options *opt, enum mr_exit *ret_status)
{
	char only[512] = "these contestants alone:";
	const struct mr_option table[] = {
		{"rounds", MR_OPTION_COUNT, &opt->rounds, "N", "rounds in which all take turns (5)",
			1, MR_BENCH_ROUNDS_MAX},
		{"turn", MR_OPTION_COUNT, &opt->turn_ms, "MS", "length of a turn (2000)", 100,
			600000},
		{"sessions", MR_OPTION_COUNT, &opt->sessions, "N",
			"of the relay's rows with many sessions (50000)", 2, MR_BENCH_ENDPOINTS},
		{"only", MR_OPTION_TEXT, &opt->only, "NAME,...", only},
		{"daemon", MR_OPTION_TEXT, &opt->daemon, "PATH",
			"moshrelayd (default: beside this program, or in PATH)"},
		{"json", MR_OPTION_FLAG, &opt->json, NULL, "the result as one JSON document"},
		{"report", MR_OPTION_TEXT, &opt->report, "DIR",
			"and as a page with plots, DIR/index.html"},
	};
	const struct mr_options options = {"bench", "",
		"Measures this relay beside what else could carry mosh through a bastion, each in "
		"three\nnetwork namespaces of its own: client, bastion, target. Needs root and two "
		"cores.\n",
		NULL, table, sizeof(table) / sizeof(table[0])};
	size_t used = strlen(only);

	for (unsigned i = 0; i < mr_n_peers; i++)
		used += (size_t)snprintf(only + used, sizeof(only) - used, "%s%s",
			i % 4 ? " " : "\n", mr_peers[i].name);
	snprintf(only + used, sizeof(only) - used, " " MR_BENCH_DPDK_NAME);
	return mr_options_read(&options, argc, argv, ret_status);
}

/** Is `name` in the comma-separated list? */
static bool listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = list; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	}
	return false;
}

/** The daemon that was built or installed with this program. */
static const char *find_daemon(void)
{
	static const char *const beside[] = {
		"moshrelayd", "../sbin/moshrelayd", "../../control/moshrelayd"};
	static char path[4096];
	char self[2048];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (length > 0) {
		self[length] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
			snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - self), self,
				beside[i]);
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return mr_proc_have("moshrelayd") ? "moshrelayd" : NULL;
}

/** The first two cores that this process may use: generator, relay. */
static int choose_cores(struct mr_bench_result *result)
{
	int found[2], n = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
		if (CPU_ISSET(cpu, &set))
			found[n++] = cpu;
	}
	if (n < 2)
		return -EINVAL;
	result->generator_cpu = found[0];
	result->relay_cpu = found[1];
	return 0;
}

static void add_row(
	struct bench *bench, struct mr_contestant *contestant, uint32_t sessions, bool between)
{
	struct mr_bench_result *result = &bench->result;

	if (result->n_rows == MR_BENCH_ROWS_MAX)
		return;
	bench->of_row[result->n_rows] = contestant;
	result->rows[result->n_rows++] = (struct mr_bench_row){.name = contestant->peer->name,
		.title = contestant->peer->title,
		.sessions = sessions,
		.between = between};
}

static void add_curve(struct bench *bench, struct mr_contestant *contestant)
{
	uint32_t all = contestant->n_endpoints;

	for (size_t i = 0; i < sizeof(curve_sessions) / sizeof(curve_sessions[0]); i++) {
		if (curve_sessions[i] < all)
			add_row(bench, contestant, curve_sessions[i], true);
	}
	add_row(bench, contestant, all, false);
}

static void add_missing(struct bench *bench, const struct mr_peer *peer, int r, const char *why)
{
	struct mr_bench_result *result = &bench->result;
	struct mr_bench_missing *missing = &result->missing[result->n_missing];

	if (result->n_missing == MR_BENCH_ROWS_MAX)
		return;
	missing->name = peer->name;
	snprintf(missing->why, sizeof(missing->why), "%.180s%s%s", why,
		r == -ENOENT           ? " is not on this machine"
			: r == -EPROTO ? ""
				       : ": ",
		r == -ENOENT || r == -EPROTO ? "" : strerror(-r));
	result->n_missing++;
	mr_cli_error("cannot set up %s: %s", peer->name, missing->why);
}

/** Sets up everybody; who can't is noted as missing. */
static void set_up(struct bench *bench)
{
	for (unsigned i = 0; i < mr_n_peers && !atomic_load(&mr_load_stop); i++) {
		const struct mr_peer *peer = &mr_peers[i];
		struct mr_contestant *contestant = &bench->contestants[bench->n_contestants];
		struct mr_proc_why why = {""};
		int r;

		if (bench->opt.only && !listed(bench->opt.only, peer->name))
			continue;
		*contestant = (struct mr_contestant){.peer = peer,
			.generator = bench->bed.generator,
			.cpu = bench->result.relay_cpu,
			.daemon = bench->opt.daemon,
			.sessions = bench->opt.sessions};
		r = mr_contestant_start(contestant, i, &why);
		if (r == 0 && peer->own)
			r = mr_turn_answer_all(&bench->bed, contestant);
		if (r < 0) {
			add_missing(bench, peer, r, why.text);
			mr_contestant_free(contestant);
			continue;
		}
		bench->n_contestants++;
		add_row(bench, contestant, 1, false);
		if (contestant->n_endpoints > 1)
			add_curve(bench, contestant);
	}
}

static void measure(struct bench *bench)
{
	struct mr_bench_result *result = &bench->result;

	for (unsigned round = 0; round < bench->opt.rounds; round++) {
		for (unsigned i = 0; i < result->n_rows; i++) {
			struct mr_bench_row *row = &result->rows[i];
			int r;

			if (atomic_load(&mr_load_stop))
				return;
			if (row->between && round >= CURVE_ROUNDS)
				continue;
			r = mr_turn_take(
				&bench->bed, bench->of_row[i], row->sessions, &row->turns[row->n]);
			row->n += r == 0;
			if (r < 0)
				mr_cli_error("cannot measure %s: %s", row->name,
					r == -ECHILD ? "its program has ended" : strerror(-r));
			else
				fprintf(stderr, "round %u/%u: %-34s %8u sessions: %.0f a second\n",
					round + 1, bench->opt.rounds, row->title, row->sessions,
					row->turns[row->n - 1].delivered);
		}
		result->rounds = round + 1;
	}
}

/** Everybody's round trips, one after the other: there is no saturation to share. */
static void measure_latency(struct bench *bench)
{
	struct mr_bench_result *result = &bench->result;

	mr_generator_sink_off(bench->bed.generator);
	for (unsigned i = 0; i < result->n_rows && !atomic_load(&mr_load_stop); i++) {
		struct mr_contestant *contestant = bench->of_row[i];
		struct mr_bench_row *row = &result->rows[i];

		if (row->sessions > 1 || contestant->peer->turns_back)
			continue;
		if (mr_latency_measure(contestant, row) < 0)
			mr_cli_error(
				"cannot measure round trips through %s: none came back", row->name);
		else
			fprintf(stderr, "round trip: %-34s p50 %.1f us, p99 %.1f us\n", row->title,
				row->latency.p50, row->latency.p99);
		result->latency_rate = MR_LATENCY_RATE;
	}
}

/** The relay alone, on the best of its dataplanes. */
static void measure_scale(struct bench *bench)
{
	for (unsigned i = 0; i < bench->n_contestants; i++) {
		struct mr_contestant *contestant = &bench->contestants[i];

		if (!contestant->peer->own || atomic_load(&mr_load_stop))
			continue;
		mr_scale_measure(contestant, bench->bed.generator, &bench->result);
		return;
	}
}

static bool wants_dpdk(const struct bench *bench)
{
	return !bench->opt.only || listed(bench->opt.only, MR_BENCH_DPDK_NAME);
}

/** The DPDK worker alone, on ports that cost next to nothing. */
static void measure_dpdk(struct bench *bench)
{
	static const struct mr_peer worker = {.name = MR_BENCH_DPDK_NAME};
	const struct mr_bench_dpdk_options dpdk = {bench->opt.rounds, bench->opt.turn_ms,
		bench->opt.sessions, bench->result.relay_cpu};
	struct mr_proc_why why = {""};
	int r;

	if (!wants_dpdk(bench) || atomic_load(&mr_load_stop))
		return;
	r = mr_bench_dpdk_measure(&dpdk, &bench->result, &why);
	if (r < 0)
		add_missing(bench, &worker, r, why.text);
}

static enum mr_exit tell(const struct bench *bench, const char *command)
{
	struct mr_proc_why why;
	json_t *json;
	int r = 0;

	if (bench->opt.report)
		r = mr_html_bench(bench->opt.report, command, &bench->result, &why);
	if (r < 0)
		mr_cli_error("cannot write the report: %s%s%s", why.text, r == -EPROTO ? "" : ": ",
			r == -EPROTO ? "" : strerror(-r));

	if (!bench->opt.json) {
		mr_bench_result_print(&bench->result, stdout);
		return r < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
	}
	json = mr_bench_result_json(&bench->result);
	if (!json)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot write the result: out of memory");
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(json);
	return r < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

/** Turns a switch of the kernel from one value to another; false: it had another, or can't. */
static bool write_switch(const char *path, char from, char to)
{
	mr_cleanup(mr_close_fd) int fd = open(path, O_RDWR | O_CLOEXEC);
	char now;

	return fd >= 0 && pread(fd, &now, 1, 0) == 1 && now == from && pwrite(fd, &to, 1, 0) == 1;
}

static void bench_free(struct bench **bench_p)
{
	struct bench *bench = *bench_p;

	if (!bench)
		return;
	if (bench->bpf_stats)
		write_switch(BPF_STATS, '0', '1');
	for (unsigned i = 0; i < bench->n_contestants; i++)
		mr_contestant_free(&bench->contestants[i]);
	mr_generator_free(&bench->bed.generator);
	free(bench->contestants);
	free(bench);
}

static enum mr_exit prepare(struct bench *bench)
{
	struct mr_turn_bed *bed = &bench->bed;
	int r;

	if (geteuid() != 0)
		return mr_cli_fail(
			MR_EXIT_DENIED, "cannot make network namespaces: run it as root");
	if (choose_cores(&bench->result) < 0)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot measure: generator and relay need a core each, and this process "
			"has one");
	bench->result.seconds = bench->opt.turn_ms / 1000.0;
	if (!bench->opt.daemon)
		bench->opt.daemon = find_daemon();
	*bed = (struct mr_turn_bed){.generator_cpu = bench->result.generator_cpu,
		.relay_cpu = bench->result.relay_cpu,
		.turn_ms = bench->opt.turn_ms};
	r = mr_generator_new(bed->generator_cpu, &bed->generator);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot load the generator: %s", strerror(-r));
	mr_turn_bed_init(bed);
	bench->bpf_stats = write_switch(BPF_STATS, '1', '0');
	/* this thread only waits: it must not wait on the relay's core */
	mr_proc_pin(0, bench->result.generator_cpu);
	return MR_EXIT_DONE;
}

enum mr_exit mr_load_bench(int argc, char **argv)
{
	mr_cleanup(bench_free) struct bench *bench = calloc(1, sizeof(*bench));
	enum mr_exit status;
	char command[512];

	mr_page_command(command, sizeof(command), "bench", argc, argv);
	if (bench)
		bench->contestants = calloc(mr_n_peers, sizeof(*bench->contestants));
	if (!bench || !bench->contestants)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: out of memory");
	bench->opt = (struct bench_options){.rounds = 5, .turn_ms = 2000, .sessions = 50000};
	if (!parse(argc, argv, &bench->opt, &status))
		return status;
	mr_load_catch_signals();
	if (mr_proc_own_session() < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: no more processes");
	status = prepare(bench);
	if (status != MR_EXIT_DONE)
		return status;
	set_up(bench);
	if (bench->result.n_rows == 0 && !wants_dpdk(bench))
		return mr_cli_fail(MR_EXIT_FAILED, "cannot measure: no contestant could be set up");
	measure(bench);
	measure_latency(bench);
	measure_scale(bench);
	measure_dpdk(bench);
	return tell(bench, command);
}
