// SPDX-License-Identifier: BSD-2-Clause
/*
 * run.c - moshrelay-load run: opens the sessions, drives them, closes them, tells the result.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "engine.h"
#include "html.h"
#include "options.h"
#include "page.h"
#include "registry.h"
#include "run_result.h"
#include "sessions.h"
#include "spoof.h"

#define SOURCES_MAX  1024
#define SERIES_MAX   86400
#define SESSIONS_MAX (1 << 20)

/* Of a ramp: steps that --seconds is shared by, about as many as there are; the first rate; how
 * many times the interval is halved; and what part of a rate must at least have been sent. */
#define RAMP_STEPS       16
#define RAMP_START       1000.0
#define RAMP_HALVINGS    6
#define RAMP_FALLS_SHORT 0.95

struct run_options {
	const char *socket;
	const char *report;
	uint32_t sessions;
	uint32_t threads;
	double seconds;
	double roams;
	double rate;
	double spoofs;
	bool ramp;
	bool json;
	bool keep;
	enum mr_profile profile;
	union mr_sockaddr target, relay;
	struct mr_port_range target_ports, relay_ports;
	union mr_sockaddr sources[SOURCES_MAX];
	uint32_t n_sources;
};

static int add_source(const char *text, void *value)
{
	struct run_options *opt = value;

	if (opt->n_sources == SOURCES_MAX)
		return -E2BIG;
	return mr_sockaddr_parse(text, &opt->sources[opt->n_sources++]);
}

static int read_profile(const char *text, void *value)
{
	return mr_profile_parse(text, value);
}

static bool parse(int argc, char **argv, struct run_options *opt, enum mr_exit *ret_status)
{
	const struct mr_option table[] = {
		{"socket", MR_OPTION_TEXT, &opt->socket, "PATH",
			"the relay's setup socket (" MR_DEFAULT_SOCKET ")"},
		{"sessions", MR_OPTION_COUNT, &opt->sessions, "N", "how many (1)", 1, SESSIONS_MAX},
		{"profile", MR_OPTION_OTHER, &opt->profile, "NAME", MR_PROFILE_NAMES " (typing)",
			.read = read_profile, .expected = MR_PROFILE_NAMES},
		{"seconds", MR_OPTION_REAL, &opt->seconds, "T", "how long (10)", 0.1, SERIES_MAX},
		{"roam", MR_OPTION_REAL, &opt->roams, "PER-SECOND",
			"clients that change their address and port, all together", 0, 1e6},
		{"rate", MR_OPTION_REAL, &opt->rate, "PPS",
			"of a flood: datagrams a second, all together (no limit)", 0, 1e9},
		{"spoof", MR_OPTION_REAL, &opt->spoofs, "PPS",
			"besides, so many datagrams a second with made-up sources", 0, 1e9},
		{"ramp", MR_OPTION_FLAG, &opt->ramp, NULL,
			"of a flood: find the largest rate without loss"},
		{"target", MR_OPTION_ADDRESS, &opt->target, "ADDRESS",
			"of the targets (default: what 'serve' on this machine has)"},
		{"target-ports", MR_OPTION_PORTS, &opt->target_ports, "LO-HI",
			"their ports; sessions take turns"},
		{"relay", MR_OPTION_ADDRESS, &opt->relay, "ADDRESS",
			"no setup socket: another relay, at this address"},
		{"relay-ports", MR_OPTION_PORTS, &opt->relay_ports, "LO-HI",
			"its ports, which lead to the target's ports one by one"},
		{"source", MR_OPTION_OTHER, opt, "ADDRESS",
			"of the clients; may be given again, clients take turns",
			.read = add_source, .expected = "a numeric address"},
		{"threads", MR_OPTION_COUNT, &opt->threads, "N", "of the clients (1)", 1,
			MR_ENGINE_THREADS_MAX},
		{"keep", MR_OPTION_FLAG, &opt->keep, NULL, "leave the sessions open"},
		{"json", MR_OPTION_FLAG, &opt->json, NULL, "the result as one JSON document"},
		{"report", MR_OPTION_TEXT, &opt->report, "DIR",
			"and as a page with plots, DIR/index.html"},
	};
	const struct mr_options options = {"run", "",
		"Opens sessions, drives them with datagrams of mosh's shape, accounts for every "
		"one.\n",
		"Exit status 1 if a datagram was misdelivered or corrupted, or a session never "
		"answered.\n",
		table, sizeof(table) / sizeof(table[0])};

	return mr_options_read(&options, argc, argv, ret_status);
}

/** Do the options go together? */
static enum mr_exit check(const struct run_options *opt)
{
	if (opt->target.sa.sa_family != AF_UNSPEC && opt->target_ports.lo == 0)
		return mr_cli_usage("cannot run: --target needs --target-ports");
	if (opt->relay.sa.sa_family != AF_UNSPEC && opt->relay_ports.lo == 0)
		return mr_cli_usage("cannot run: --relay needs --relay-ports");
	if (opt->rate > 0 && opt->profile != MR_PROFILE_FLOOD)
		return mr_cli_usage("cannot run: --rate is for --profile flood");
	if (opt->ramp && opt->profile != MR_PROFILE_FLOOD)
		return mr_cli_usage("cannot run: --ramp is for --profile flood");
	return MR_EXIT_DONE;
}

static enum mr_exit find_targets(struct run_options *opt)
{
	int r;

	if (opt->target_ports.lo)
		return MR_EXIT_DONE;
	r = mr_registry_find(&opt->target, &opt->target_ports);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot find targets: %s; start 'moshrelay-load serve' on this machine, or "
			"give --target and --target-ports",
			r == -ENOENT ? "nobody serves any here" : strerror(-r));
	return MR_EXIT_DONE;
}

static void tick(const struct mr_engine_progress *progress, void *context)
{
	struct mr_run_result *result = context;
	const struct mr_run_second *before =
		result->n_series ? &result->series[result->n_series - 1] : NULL;

	if (before)
		fprintf(stderr, "%4zu s: %" PRIu64 " sent, %" PRIu64 " answered a second\n",
			result->n_series, progress->sent - before->sent,
			progress->answered - before->answered);
	if (result->n_series < SERIES_MAX)
		result->series[result->n_series++] =
			(struct mr_run_second){progress->sent, progress->answered};
}

/** One step of the ramp: `*ret_rate` is what was really sent a second, `*ret_lost` what got lost.
 */
static int ramp_step(struct mr_engine *engine, double seconds, double rate, double *ret_rate,
	uint64_t *ret_lost, struct mr_run_result *result)
{
	struct mr_engine_progress before = mr_engine_progress(engine), after;
	int r = mr_engine_traffic(engine, seconds, rate, tick, result, &mr_load_stop);

	after = mr_engine_progress(engine);
	*ret_rate = (double)(after.sent - before.sent) / seconds;
	*ret_lost = (after.sent - before.sent) - (after.answered - before.answered);
	fprintf(stderr, "ramp: %.0f a second: %" PRIu64 " lost\n", *ret_rate, *ret_lost);
	return r;
}

/** Doubles the rate until something is lost or no more can be sent; then halves the interval. */
static int ramp(struct mr_engine *engine, double seconds, struct mr_run_result *result)
{
	double good = 0, bad = 0, step = seconds / RAMP_STEPS, sent;
	uint64_t lost;
	int r = 0;

	for (double rate = RAMP_START; r == 0 && bad <= 0 && !atomic_load(&mr_load_stop);
		rate *= 2) {
		r = ramp_step(engine, step, rate, &sent, &lost, result);
		if (lost > 0 || sent < rate * RAMP_FALLS_SHORT)
			bad = rate;
		if (lost == 0 && sent > good)
			good = sent;
	}
	for (unsigned i = 0;
		r == 0 && i < RAMP_HALVINGS && good < bad && !atomic_load(&mr_load_stop); i++) {
		double rate = (good + bad) / 2;

		r = ramp_step(engine, step, rate, &sent, &lost, result);
		if (lost > 0 || sent < rate * RAMP_FALLS_SHORT)
			bad = rate;
		if (lost == 0 && sent > good)
			good = sent;
	}
	result->lossless_rate = good;
	return r;
}

/** The part between the opening and the closing of the sessions. */
static enum mr_exit drive(const struct run_options *opt, const struct mr_sessions *sessions,
	struct mr_run_result *result)
{
	struct mr_engine_config config = {
		.endpoints = sessions->endpoints,
		.n_sessions = sessions->n,
		.sources = opt->sources,
		.n_sources = opt->n_sources,
		.profile = opt->profile,
		.roams = opt->roams,
		.threads = opt->threads,
	};
	mr_cleanup(mr_engine_free) struct mr_engine *engine = NULL;
	struct mr_spoof *spoof = NULL;
	uint64_t start_ns;
	int r = mr_engine_new(&config, &engine);

	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot make the clients' sockets: %s%s",
			strerror(-r),
			r == -EMFILE ? "; raise the limit of open files (ulimit -n)" : "");
	result->unreached = mr_engine_begin(engine);
	if (opt->spoofs > 0)
		r = mr_spoof_start(engine, sessions->endpoints, sessions->n, opt->spoofs, &spoof);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot send made-up sources: %s; it takes root",
			strerror(-r));
	start_ns = mr_now_ns();
	r = opt->ramp
		? ramp(engine, opt->seconds, result)
		: mr_engine_traffic(engine, opt->seconds, opt->rate, tick, result, &mr_load_stop);
	result->spoofed = mr_spoof_stop(&spoof);
	result->seconds = (double)(mr_now_ns() - start_ns) / 1e9;
	if (result->seconds > opt->seconds)
		result->seconds = opt->seconds; /* what is beyond was waiting for answers */
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot drive the sessions: %s", strerror(-r));
	mr_engine_end(engine);
	mr_engine_latency(engine, &result->round_trip, &result->roam);
	result->roamed = mr_engine_progress(engine).roamed;
	r = mr_engine_account(engine, &result->account);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot add up the account: %s", strerror(-r));
	return MR_EXIT_DONE;
}

/** Over a connection of its own: the daemon may have been restarted meanwhile, as part of a test.
 */
static enum mr_exit close_all(const struct run_options *opt, const struct mr_sessions *sessions)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;
	enum mr_exit status = mr_rpc_connect(opt->socket, MR_RPC_TIMEOUT_MS, &rpc, &error);

	if (status == MR_EXIT_DONE)
		status = mr_sessions_close(rpc, sessions, &error);
	if (status != MR_EXIT_DONE)
		mr_cli_error("cannot close the sessions: %s", error.message);
	return status;
}

static enum mr_exit open_all(
	const struct run_options *opt, struct mr_sessions *sessions, struct mr_run_result *result)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;
	char label[32];
	uint64_t start_ns;
	enum mr_exit status = mr_rpc_connect(opt->socket, MR_RPC_TIMEOUT_MS, &rpc, &error);

	if (status != MR_EXIT_DONE)
		return mr_cli_fail(status, "%s", error.message);
	snprintf(label, sizeof(label), "load-%d-%08x", getpid(), (unsigned)mr_now_ns());
	start_ns = mr_now_ns();
	status = mr_sessions_open(rpc, &opt->target, opt->target_ports, opt->sessions, label,
		&result->open, sessions, &error);
	result->open_seconds = (double)(mr_now_ns() - start_ns) / 1e9;
	if (status != MR_EXIT_DONE)
		mr_cli_error("cannot open session %" PRIu32 " of %" PRIu32 ": %s", sessions->n + 1,
			opt->sessions, error.message);
	return status;
}

static enum mr_exit run_relay(
	const struct run_options *opt, struct mr_sessions *sessions, struct mr_run_result *result)
{
	enum mr_exit close_status, status = open_all(opt, sessions, result);

	if (status == MR_EXIT_DONE)
		status = drive(opt, sessions, result);
	if (opt->keep || sessions->n == 0)
		return status;
	close_status = close_all(opt, sessions);
	return status != MR_EXIT_DONE ? status : close_status;
}

static enum mr_exit run_fixed(
	const struct run_options *opt, struct mr_sessions *sessions, struct mr_run_result *result)
{
	if (mr_sessions_fixed(
		    &opt->relay, opt->relay_ports, opt->target_ports, opt->sessions, sessions) < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot set up the sessions: out of memory");
	return drive(opt, sessions, result);
}

static enum mr_exit tell(
	const struct run_options *opt, const char *command, const struct mr_run_result *result)
{
	struct mr_proc_why why;
	int r = opt->report ? mr_html_run(opt->report, command, result, &why) : 0;

	if (opt->json) {
		json_t *json = mr_run_result_json(result);

		if (!json)
			return mr_cli_fail(
				MR_EXIT_FAILED, "cannot write the result: out of memory");
		json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(json);
	} else {
		mr_run_result_print(result, stdout);
	}
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot write the report: %s%s%s", why.text,
			r == -EPROTO ? "" : ": ", r == -EPROTO ? "" : strerror(-r));
	if (result->account.misdelivered || result->account.corrupted)
		return mr_cli_fail(MR_EXIT_FAILED,
			"the relay is broken: %" PRIu64 " datagrams misdelivered, %" PRIu64
			" corrupted",
			result->account.misdelivered, result->account.corrupted);
	if (result->unreached)
		return mr_cli_fail(MR_EXIT_FAILED,
			"%" PRIu32 " of %" PRIu32 " sessions never answered", result->unreached,
			result->sessions);
	return MR_EXIT_DONE;
}

static void result_free(struct mr_run_result **result)
{
	if (*result)
		free((*result)->series);
	free(*result);
}

enum mr_exit mr_load_run(int argc, char **argv)
{
	static struct run_options opt = {.socket = MR_DEFAULT_SOCKET,
		.sessions = 1,
		.threads = 1,
		.seconds = 10,
		.profile = MR_PROFILE_TYPING};
	mr_cleanup(result_free) struct mr_run_result *result = calloc(1, sizeof(*result));
	mr_cleanup(mr_sessions_free) struct mr_sessions sessions = {0};
	enum mr_exit status;
	char command[512];

	mr_page_command(command, sizeof(command), "run", argc, argv);
	if (!parse(argc, argv, &opt, &status))
		return status;
	status = check(&opt);
	if (status != MR_EXIT_DONE)
		return status;
	status = find_targets(&opt);
	if (status != MR_EXIT_DONE)
		return status;
	if (result)
		result->series = calloc(SERIES_MAX, sizeof(*result->series));
	if (!result || !result->series)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: out of memory");
	result->profile = opt.profile;
	result->sessions = opt.sessions;
	result->lossless_rate = -1;
	mr_load_catch_signals();
	status = opt.relay.sa.sa_family == AF_UNSPEC ? run_relay(&opt, &sessions, result)
						     : run_fixed(&opt, &sessions, result);
	return status == MR_EXIT_DONE ? tell(&opt, command, result) : status;
}
