// SPDX-License-Identifier: BSD-2-Clause
/*
 * scale.c - see scale.h. Traffic is this program's own `run`, in the contestant's client namespace,
 * against its own `serve` in the target's.
 */
#include "scale.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "again.h"
#include "command.h"
#include "net.h"
#include "objects.h"
#include "rpc_client.h"

#define IDLE_SESSIONS  "10000"
#define IDLE_SECONDS   "68"
#define STORM_OPENS    "20000"
#define IDLE_SETTLE_MS 5000
#define IDLE_WATCH_MS  60000 /* the daemon saves what has changed once in a minute */

/* Of the load around a restart: at the most, and before and after the daemon is away. */
#define RESTART_SECONDS   "120"
#define RESTART_SETTLE_MS 2500

/* What grows with the sessions is promised for so many. */
#define PROMISED_SESSIONS 50000
#define READY_NS          (UINT64_C(60) * 1000000000)

struct scale {
	struct mr_contestant *contestant;
	struct mr_bench_result *result;
	char socket[96];
	pid_t serve;
	int64_t have; /* sessions that the daemon has come back with */
};

static void add_fact(struct scale *scale, const char *name, const char *title, const char *unit,
	double value, double at_least, double at_most)
{
	struct mr_bench_result *result = scale->result;

	if (result->n_facts == MR_BENCH_FACTS_MAX)
		return;
	result->facts[result->n_facts++] = (struct mr_bench_fact){.name = name,
		.title = title,
		.unit = unit,
		.value = value,
		.at_least = at_least,
		.at_most = at_most};
	fprintf(stderr, "%s: %.4g %s\n", title, value, unit);
}

/** A fact that grows with the sessions. */
static void add_grown(struct scale *scale, const char *name, const char *title, const char *unit,
	double value, double at_most)
{
	bool promised = scale->contestant->n_endpoints <= PROMISED_SESSIONS;

	add_fact(scale, name, title, unit, value, 0, promised ? at_most : 0);
}

static void add_failure(struct scale *scale, const char *what, const char *why)
{
	mr_cli_error("cannot measure %s: %s", what, why);
	if (scale->result->n_missing == MR_BENCH_ROWS_MAX)
		return;
	scale->result->missing[scale->result->n_missing].name = what;
	snprintf(scale->result->missing[scale->result->n_missing].why,
		sizeof(scale->result->missing[0].why), "%.250s", why);
	scale->result->n_missing++;
}

/** Asks for the status until it holds all sessions; the time since `start_ns` in seconds, or -1. */
static double wait_sessions(struct scale *scale, uint64_t start_ns, json_int_t sessions)
{
	struct mr_rpc_error error;

	scale->have = 0;
	while (mr_now_ns() - start_ns < READY_NS && mr_contestant_alive(scale->contestant)) {
		mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
		json_t *status = NULL;
		json_int_t have = -1;

		if (mr_rpc_connect(scale->socket, MR_RPC_TIMEOUT_MS, &rpc, &error) ==
				MR_EXIT_DONE &&
			mr_rpc_call(rpc, "status", NULL, &status, &error) == MR_EXIT_DONE)
			have = json_integer_value(json_object_get(status, "sessions"));
		json_decref(status);
		if (have >= 0)
			scale->have = have;
		if (have >= sessions)
			return (double)(mr_now_ns() - start_ns) / 1e9;
		poll(NULL, 0, 5); /* nothing tells when the socket appears */
	}
	return -1;
}

static void measure_storm(struct scale *scale)
{
	json_t *json = NULL;
	pid_t pid;

	add_fact(scale, "opens", "opens over one connection", "a second",
		scale->contestant->opens_per_second, 5000, 0);
	if (mr_again_start(scale->contestant, MR_HOST_CLIENT, "storm.json", &pid, "storm",
		    "--socket", scale->socket, "--target", MR_TOPOLOGY_TARGET, "--target-ports",
		    MR_AGAIN_TARGET_PORTS, "--connections", "100", "--sessions", STORM_OPENS,
		    "--rate", "10000", "--json", NULL) == 0)
		json = mr_again_finish(scale->contestant, pid, "storm.json");
	if (!json || mr_again_number(json, NULL, "opened") < atoi(STORM_OPENS)) {
		add_failure(scale, "a storm of opens", "not all were opened");
		json_decref(json);
		return;
	}
	add_fact(scale, "storm_p99", "open, p99, 100 clients offer 10,000 a second", "ms",
		mr_again_number(json, "open_us", "p99") / 1000, 0, 20);
	add_fact(scale, "storm_opens", "opens of those clients", "a second",
		mr_again_number(json, NULL, "opens_per_second"), 0, 0);
	json_decref(json);
}

struct prober {
	const char *socket;
	atomic_bool stop;
	double worst_ms;
};

/** Another client: how long does it wait while the daemon is busy? */
static void *probe(void *context)
{
	struct prober *prober = context;
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;

	if (mr_rpc_connect(prober->socket, MR_RPC_TIMEOUT_MS, &rpc, &error) != MR_EXIT_DONE)
		return NULL;
	while (!atomic_load(&prober->stop)) {
		uint64_t start_ns = mr_now_ns();
		json_t *status = NULL;
		double ms;

		if (mr_rpc_call(rpc, "status", NULL, &status, &error) != MR_EXIT_DONE)
			return NULL;
		json_decref(status);
		ms = (double)(mr_now_ns() - start_ns) / 1e6;
		if (ms > prober->worst_ms)
			prober->worst_ms = ms;
	}
	return NULL;
}

static void count_row(const struct mr_value *values, void *context)
{
	uint32_t *rows = context;
	char id[32];

	*rows += strlen(mr_value_text(&values[0], id, sizeof(id), "")) == 16 &&
		mr_value_number(&values[1]) > 0;
}

/** As `moshrelay list` reads it: every row, and of each what is shown. */
static void read_list(struct scale *scale, const char *text, uint64_t start_ns)
{
	static const struct mr_member members[] = {{NULL, "id"}, {"public", "port"},
		{"target", "address"}, {NULL, "last_target_at"}, {"to_client", "lost"}};
	uint32_t rows = 0;

	if (mr_objects_each(text, "sessions", members, sizeof(members) / sizeof(members[0]),
		    count_row, &rows) < 0 ||
		rows < scale->contestant->n_endpoints)
		add_failure(scale, "list", "some sessions are not in it");
	else
		add_grown(scale, "list", "list of all sessions, received and read", "s",
			(double)(mr_now_ns() - start_ns) / 1e9, 0.5);
}

static void measure_list(struct scale *scale)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct prober prober = {.socket = scale->socket};
	struct mr_rpc_error error = {.message = "no more threads"};
	char *text = NULL;
	pthread_t thread;
	uint64_t start_ns;
	size_t length;

	if (mr_rpc_connect(scale->socket, MR_RPC_TIMEOUT_MS, &rpc, &error) != MR_EXIT_DONE ||
		pthread_create(&thread, NULL, probe, &prober) != 0) {
		add_failure(scale, "list", error.message);
		return;
	}
	start_ns = mr_now_ns();
	if (mr_rpc_call_text(rpc, "list", NULL, &text, &length, &error) == MR_EXIT_DONE)
		read_list(scale, text, start_ns);
	else
		add_failure(scale, "list", error.message);
	free(text);
	atomic_store(&prober.stop, true);
	pthread_join(thread, NULL);
	add_fact(scale, "list_others", "longest wait of another client meanwhile", "ms",
		prober.worst_ms, 0, 0);
}

/** Adds up a field of a /proc file: "name:   number". */
static uint64_t proc_field(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	uint64_t value = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), "%" SCNu64, &value);
	}
	if (file)
		fclose(file);
	return value;
}

/** Kernel memory of the maps that the daemon holds. */
static uint64_t map_bytes(pid_t pid)
{
	uint64_t sum = 0;
	char path[64];

	/* maps are opened early: their descriptors are low ones */
	for (unsigned fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%u", pid, fd);
		if (proc_field(path, "map_type:") > 0)
			sum += proc_field(path, "memlock:");
	}
	return sum;
}

static void measure_memory(struct scale *scale)
{
	pid_t pid = scale->contestant->pids[0];
	uint64_t bytes = map_bytes(pid);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	add_grown(scale, "daemon_rss", "daemon's memory, all sessions open", "MB",
		(double)proc_field(path, "VmRSS:") / 1024, 100);
	if (bytes)
		add_fact(scale, "kernel_bytes", "kernel memory a session that there is room for",
			"octets",
			(double)bytes / (scale->contestant->sessions + MR_SCALE_ROOM + 1024), 0,
			1536);
}

static void measure_idle(struct scale *scale)
{
	json_t *json = NULL;
	uint64_t before;
	pid_t pid;

	if (mr_again_start(scale->contestant, MR_HOST_CLIENT, "idle.json", &pid, "run", "--socket",
		    scale->socket, "--target", MR_TOPOLOGY_TARGET, "--target-ports",
		    MR_AGAIN_TARGET_PORTS, "--sessions", IDLE_SESSIONS, "--profile", "idle",
		    "--seconds", IDLE_SECONDS, "--json", NULL) < 0) {
		add_failure(scale, "an idle daemon", "run failed");
		return;
	}
	poll(NULL, 0, IDLE_SETTLE_MS);
	before = mr_proc_cpu_ns(scale->contestant->pids[0]);
	poll(NULL, 0, IDLE_WATCH_MS);
	before = mr_proc_cpu_ns(scale->contestant->pids[0]) - before;
	json = mr_again_finish(scale->contestant, pid, "idle.json");
	if (!json) {
		add_failure(scale, "an idle daemon", "run reported nothing");
		return;
	}
	add_fact(scale, "idle_cpu", "daemon's share of a core, 10,000 idle sessions", "%",
		(double)before / (IDLE_WATCH_MS * 1e6) * 100, 0, 2);
	add_fact(scale, "idle_lost", "datagrams lost by those sessions", "",
		mr_again_number(json, NULL, "lost"), 0, 0);
	json_decref(json);
}

static void measure_roam(struct scale *scale)
{
	json_t *json = NULL;
	pid_t pid;

	if (mr_again_start(scale->contestant, MR_HOST_CLIENT, "roam.json", &pid, "run", "--socket",
		    scale->socket, "--target", MR_TOPOLOGY_TARGET, "--target-ports",
		    MR_AGAIN_TARGET_PORTS, "--sessions", "200", "--roam", "50", "--seconds", "5",
		    "--json", NULL) == 0)
		json = mr_again_finish(scale->contestant, pid, "roam.json");
	if (!json || mr_again_number(json, "latency_us", "p50") <= 0) {
		add_failure(scale, "roaming", "run reported nothing");
		json_decref(json);
		return;
	}
	add_fact(scale, "roam", "first answer after a roam, against a round trip (p50)", "x",
		mr_again_number(json, "roam_us", "p50") /
			mr_again_number(json, "latency_us", "p50"),
		0, 2);
	json_decref(json);
}

/** The daemon was restarted and has not got its sessions. */
static void add_no_return(struct scale *scale, const char *what)
{
	struct mr_proc_why last;
	char why[512];

	mr_contestant_last_words(scale->contestant, &last);
	snprintf(why, sizeof(why),
		"the daemon %s with %" PRId64 " of %u sessions; its log ends: %s",
		mr_contestant_alive(scale->contestant) ? "came back" : "ended", scale->have,
		scale->contestant->n_endpoints, last.text);
	add_failure(scale, what, why);
}

static void kill_daemon(struct mr_contestant *contestant)
{
	kill(-contestant->pids[0], SIGKILL);
	while (waitpid(contestant->pids[0], NULL, 0) < 0 && errno == EINTR)
		;
	contestant->n_pids = 0;
}

/** Kills the daemon under load and starts it again. */
static void measure_restart(struct scale *scale)
{
	struct mr_contestant *contestant = scale->contestant;
	json_t *json;
	uint64_t start_ns;
	double seconds;
	pid_t pid;

	if (mr_again_start(scale->contestant, MR_HOST_CLIENT, "restart.json", &pid, "run",
		    "--socket", scale->socket, "--target", MR_TOPOLOGY_TARGET, "--target-ports",
		    MR_AGAIN_TARGET_PORTS, "--sessions", "200", "--seconds", RESTART_SECONDS,
		    "--json", NULL) < 0) {
		add_failure(scale, "a restart", "run failed");
		return;
	}
	poll(NULL, 0, RESTART_SETTLE_MS);
	kill_daemon(contestant);
	start_ns = mr_now_ns();
	seconds = mr_peer_relay_restart(contestant) < 0
		? -1
		: wait_sessions(scale, start_ns, contestant->n_endpoints);
	poll(NULL, 0, RESTART_SETTLE_MS);
	kill(pid, SIGINT); /* it waits for answers and accounts for what it has sent so far */
	json = mr_again_finish(scale->contestant, pid, "restart.json");
	if (seconds < 0 || !json) {
		add_no_return(scale, "a restart");
		json_decref(json);
		return;
	}
	add_grown(
		scale, "restart", "kill -9 and start: adopted all sessions after", "s", seconds, 1);
	add_fact(scale, "restart_sent", "datagrams sent by 200 sessions around it", "",
		mr_again_number(json, NULL, "sent"), 0, 0);
	add_fact(scale, "restart_lost", "of them lost", "", mr_again_number(json, NULL, "lost"), 0,
		0.5);
	json_decref(json);
}

/** As after a reboot: nothing is left in the kernel, only the store. */
static void measure_reboot(struct scale *scale)
{
	struct mr_contestant *contestant = scale->contestant;
	uint64_t start_ns;
	double seconds = -1;

	kill_daemon(contestant);
	if (mr_peer_relay_empty(contestant) < 0) {
		add_failure(scale, "a reboot", "the kernel keeps what the daemon left there");
		return;
	}
	start_ns = mr_now_ns();
	if (mr_peer_relay_restart(contestant) == 0)
		seconds = wait_sessions(scale, start_ns, contestant->n_endpoints);
	if (seconds < 0)
		add_no_return(scale, "a reboot");
	else
		add_grown(scale, "reboot",
			"start with an empty kernel: restored all sessions after", "s", seconds, 3);
}

void mr_scale_measure(struct mr_contestant *contestant, struct mr_generator *generator,
	struct mr_bench_result *result)
{
	struct scale scale = {.contestant = contestant, .result = result};

	snprintf(scale.socket, sizeof(scale.socket), "%s/run/setup.sock", contestant->dir);
	result->fact_sessions = contestant->n_endpoints;
	mr_generator_sink_off(generator);
	if (mr_again_serve(contestant, &scale.serve) < 0) {
		add_failure(&scale, "the relay at scale", "serve did not start");
		return;
	}
	void (*const steps[])(struct scale *) = {measure_storm, measure_list, measure_memory,
		measure_roam, measure_idle, measure_restart, measure_reboot};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !atomic_load(&mr_load_stop); i++)
		steps[i](&scale);
	mr_proc_stop(&scale.serve);
}
