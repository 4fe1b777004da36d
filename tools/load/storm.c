// SPDX-License-Identifier: BSD-2-Clause
/*
 * storm.c - moshrelay-load storm: how many sessions a second a daemon opens, and how long each
 * takes.
 *
 * With one connection, requests are pipelined as fast as answers come. With many, each is a client
 * that waits for its answer, and together they keep to a rate; an open's time runs from when it was
 * due, so that a client that fell behind does not hide it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "options.h"
#include "registry.h"
#include "run_result.h"
#include "sessions.h"

#define CONNECTIONS_MAX 1024
#define OPENS_MAX       (1 << 20)
#define RATE_MAX        1e7

/* Until the first open is due: for threads to be there, and for the daemon to know all clients. */
#define HEAD_START_NS 200000000

/* Sessions of a storm that was killed go away by themselves. */
#define IDLE_SECONDS 3600

struct storm_options {
	const char *socket;
	uint32_t connections;
	uint32_t sessions;
	double rate;
	bool json;
	union mr_sockaddr target;
	struct mr_port_range ports;
};

struct client {
	const struct storm_options *opt;
	uint32_t number;
	uint32_t wanted;
	uint64_t start_ns;
	pthread_t thread;
	struct mr_rpc *rpc;
	struct mr_hist latency;
	struct mr_sessions sessions;
	struct mr_rpc_error error;
	enum mr_exit status;
};

/** What the answer to an open says of the session's id: its first member, as our daemon writes it.
 */
static bool read_id(const char *text, char ret_id[static MR_SESSION_ID_SIZE])
{
	json_t *session;
	int r;

	if (sscanf(text, "{\"id\":\"%16[0-9a-f]\"", ret_id) == 1)
		return true;
	session = json_loads(text, 0, NULL);
	r = snprintf(ret_id, MR_SESSION_ID_SIZE, "%s",
		json_string_value(json_object_get(session, "id")) ?: "");
	json_decref(session);
	return r > 0 && r < MR_SESSION_ID_SIZE;
}

/** Asks, waits, and reads no more of the answer than is needed: a hundred clients share a machine
 * with the daemon here, and would be what is measured. */
static enum mr_exit open_one(struct client *client, uint32_t number, const char *label)
{
	const struct storm_options *opt = client->opt;
	struct mr_sessions *sessions = &client->sessions;
	uint16_t port = (uint16_t)(opt->ports.lo + number % mr_port_range_count(opt->ports));
	char host[INET6_ADDRSTRLEN], endpoint[INET6_ADDRSTRLEN + 8], full_label[64];
	enum mr_exit status;
	char *text = NULL;
	size_t length;

	mr_sockaddr_format(host, sizeof(host), &opt->target);
	mr_cli_format_endpoint(endpoint, sizeof(endpoint), host, port);
	snprintf(full_label, sizeof(full_label), "%s-%u", label, number);
	status = mr_rpc_call_text(client->rpc, "open",
		json_pack("{s:s, s:i, s:s}", "target", endpoint, "idle", IDLE_SECONDS, "label",
			full_label),
		&text, &length, &client->error);
	if (status != MR_EXIT_DONE)
		return status;
	if (read_id(text, sessions->ids[sessions->n])) {
		sessions->n++;
	} else {
		status = MR_EXIT_FAILED;
		snprintf(client->error.message, sizeof(client->error.message),
			"the daemon's answer to open is not a session");
	}
	free(text);
	return status;
}

/** One client: opens its share, one after the other, each when it is due. */
static enum mr_exit open_paced(struct client *client, const char *label)
{
	const struct storm_options *opt = client->opt;

	for (uint32_t i = 0; i < client->wanted && !atomic_load(&mr_load_stop); i++) {
		uint64_t due_ns = client->start_ns +
			(uint64_t)(((double)i * opt->connections + client->number) * 1e9 /
				opt->rate);
		uint64_t now_ns = mr_now_ns();
		enum mr_exit status;

		if (now_ns < due_ns) {
			struct timespec wait = {
				.tv_sec = (time_t)((due_ns - now_ns) / 1000000000),
				.tv_nsec = (long)((due_ns - now_ns) % 1000000000),
			};

			nanosleep(&wait, NULL); /* the next one is due then */
		}
		status = open_one(client, i, label);
		if (status != MR_EXIT_DONE)
			return status;
		mr_hist_add(&client->latency, mr_now_ns() - due_ns);
	}
	return MR_EXIT_DONE;
}

static void *run_client(void *context)
{
	struct client *client = context;
	const struct storm_options *opt = client->opt;
	char label[48];

	snprintf(label, sizeof(label), "storm-%d-%08x-%u", getpid(), (unsigned)client->start_ns,
		client->number);
	if (opt->connections == 1)
		client->status = mr_sessions_open(client->rpc, &opt->target, opt->ports,
			client->wanted, label, &client->latency, &client->sessions, &client->error);
	else
		client->status = open_paced(client, label);
	client->start_ns = mr_now_ns() - client->start_ns; /* from here on: how long it took */
	return NULL;
}

static enum mr_exit tell(const struct storm_options *opt, const struct client *clients)
{
	struct mr_hist *latency = calloc(1, sizeof(*latency));
	uint64_t opened = 0, longest_ns = 0;
	enum mr_exit status = MR_EXIT_DONE;
	double rate;

	if (!latency)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot add up: out of memory");
	for (uint32_t i = 0; i < opt->connections; i++) {
		mr_hist_merge(latency, &clients[i].latency);
		opened += clients[i].latency.count;
		if (clients[i].start_ns > longest_ns)
			longest_ns = clients[i].start_ns;
		if (clients[i].status != MR_EXIT_DONE && status == MR_EXIT_DONE) {
			status = clients[i].status;
			mr_cli_error("cannot open all sessions: %s", clients[i].error.message);
		}
	}
	rate = longest_ns ? (double)opened * 1e9 / (double)longest_ns : 0;
	if (opt->json) {
		json_t *json = json_pack("{s:i, s:s, s:i, s:f, s:I, s:f, s:o}", "version",
			MR_RESULT_VERSION, "kind", "storm", "connections", (int)opt->connections,
			"offered_per_second", opt->connections > 1 ? opt->rate : 0.0, "opened",
			(json_int_t)opened, "opens_per_second", rate, "open_us",
			mr_hist_json(latency));

		json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(json);
	} else {
		printf("%" PRIu64 " sessions opened over %u connections, %.0f a second\n"
		       "open         p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, max %.2f ms\n",
			opened, opt->connections, rate,
			(double)mr_hist_quantile(latency, 500) / 1e6,
			(double)mr_hist_quantile(latency, 990) / 1e6,
			(double)mr_hist_quantile(latency, 999) / 1e6, (double)latency->max / 1e6);
	}
	free(latency);
	return status;
}

/** Connects them all. Those that did not have a status of their own. */
static int connect_clients(const struct storm_options *opt, struct client *clients)
{
	int r = mr_want_files(opt->connections);

	for (uint32_t i = 0; r == 0 && i < opt->connections; i++) {
		struct client *client = &clients[i];

		client->opt = opt;
		client->number = i;
		client->wanted =
			opt->sessions / opt->connections + (i < opt->sessions % opt->connections);
		client->status = mr_rpc_connect(
			opt->socket, MR_RPC_TIMEOUT_MS, &client->rpc, &client->error);
		if (opt->connections > 1)
			r = mr_sessions_room(client->wanted, &client->sessions);
	}
	return r;
}

/** Lets all that are connected open their share at once, and waits for them. */
static int run_clients(const struct storm_options *opt, struct client *clients)
{
	uint64_t start_ns = mr_now_ns() + (opt->connections > 1 ? HEAD_START_NS : 0);
	uint32_t i;
	int r = 0;

	for (i = 0; i < opt->connections; i++) {
		clients[i].start_ns = start_ns;
		if (clients[i].rpc)
			r = -pthread_create(&clients[i].thread, NULL, run_client, &clients[i]);
		if (r < 0)
			break;
	}
	while (i-- > 0) {
		if (clients[i].rpc)
			pthread_join(clients[i].thread, NULL);
		else
			clients[i].start_ns = 0;
	}
	return r;
}

static enum mr_exit storm(const struct storm_options *opt)
{
	struct client *clients = calloc(opt->connections, sizeof(*clients));
	int r = clients ? connect_clients(opt, clients) : -ENOMEM;
	struct mr_rpc_error ignored;
	enum mr_exit status;

	if (r == 0)
		r = run_clients(opt, clients);
	status = r < 0 ? mr_cli_fail(MR_EXIT_FAILED, "cannot start the clients: %s", strerror(-r))
		       : tell(opt, clients);
	for (uint32_t i = 0; clients && i < opt->connections; i++) {
		if (clients[i].rpc)
			mr_sessions_close(clients[i].rpc, &clients[i].sessions, &ignored);
		mr_rpc_close(clients[i].rpc);
		mr_sessions_free(&clients[i].sessions);
	}
	free(clients);
	return status;
}

enum mr_exit mr_load_storm(int argc, char **argv)
{
	struct storm_options opt = {
		.socket = MR_DEFAULT_SOCKET, .connections = 1, .sessions = 10000, .rate = 10000};
	const struct mr_option table[] = {
		{"socket", MR_OPTION_TEXT, &opt.socket, "PATH",
			"the relay's setup socket (" MR_DEFAULT_SOCKET ")"},
		{"connections", MR_OPTION_COUNT, &opt.connections, "N",
			"clients (1: one that doesn't wait for answers)", 1, CONNECTIONS_MAX},
		{"sessions", MR_OPTION_COUNT, &opt.sessions, "N", "to open, all together (10000)",
			1, OPENS_MAX},
		{"rate", MR_OPTION_REAL, &opt.rate, "PER-SECOND",
			"to open at, all together, with several connections (10000)", 1, RATE_MAX},
		{"target", MR_OPTION_ADDRESS, &opt.target, "ADDRESS",
			"of the targets (default: what 'serve' on this machine has)"},
		{"target-ports", MR_OPTION_PORTS, &opt.ports, "LO-HI",
			"their ports; sessions take turns"},
		{"json", MR_OPTION_FLAG, &opt.json, NULL, "the result as one JSON document"},
	};
	const struct mr_options options = {"storm", "",
		"Opens sessions as fast as the daemon can, or at a rate, and closes them again.\n",
		NULL, table, sizeof(table) / sizeof(table[0])};
	enum mr_exit status;

	if (!mr_options_read(&options, argc, argv, &status))
		return status;
	if (opt.target.sa.sa_family != AF_UNSPEC && opt.ports.lo == 0)
		return mr_cli_usage("cannot storm: --target needs --target-ports");
	if (opt.ports.lo == 0 && mr_registry_find(&opt.target, &opt.ports) < 0)
		return mr_cli_fail(MR_EXIT_FAILED,
			"cannot find targets: start 'moshrelay-load serve' on this machine, or "
			"give "
			"--target and --target-ports");
	mr_load_catch_signals();
	return storm(&opt);
}
