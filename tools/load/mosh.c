// SPDX-License-Identifier: BSD-2-Clause
/*
 * mosh.c - moshrelay-load mosh: many pairs of real mosh-client and mosh-server through the relay.
 *
 * Each server runs a loop that answers a typed line with the line in brackets; each client is on a
 * pseudo-terminal, with mosh's own guessing turned off. So what the terminal shows in brackets has
 * gone to the target and come back. Roaming changes the source address of the route to the relay:
 * all clients move at once, as on a laptop that joins another network.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "net.h"
#include "options.h"
#include "proc.h"
#include "run_result.h"
#include "sessions.h"

#define PAIRS_MAX   500
#define SOURCES_MAX 8
#define WORDS_MAX   1000000
#define WORD_SIZE   12
#define SCREEN_SIZE 8192 /* of what a client wrote last */
#define ECHO_NS     (UINT64_C(20) * 1000000000)
#define STOP_NS     (UINT64_C(5) * 1000000000)
#define LOCALE      "C.UTF-8"

/* Without the terminal's own echo, all that is shown has been to the target. */
#define ANSWER_LOOP "stty -echo; echo '[ready]'; while read -r line; do echo \"[$line]\"; done"

struct mosh_options {
	const char *socket;
	const char *target_netns; /* path; NULL: this one */
	union mr_sockaddr target;
	uint32_t pairs;
	uint32_t words;
	const char *sources[SOURCES_MAX];
	uint32_t n_sources;
	bool json;
};

struct pair {
	char key[32];
	uint16_t port;
	char word[WORD_SIZE + 3]; /* in brackets; awaited while `typed_ns` isn't 0 */
	uint64_t typed_ns;
	uint32_t echoed, missing;
	pid_t client, server;
	int terminal;
	char screen[SCREEN_SIZE];
	size_t used;
};

struct mosh {
	struct mosh_options opt;
	struct pair *pairs;
	struct mr_sessions sessions;
	struct mr_rpc *rpc;
	struct mr_random random;
	struct mr_hist echo, roam;
	uint32_t roamed;
};

static int add_source(const char *text, void *value)
{
	struct mosh_options *opt = value;
	union mr_sockaddr source;

	if (opt->n_sources == SOURCES_MAX || mr_sockaddr_parse(text, &source) < 0)
		return -EINVAL;
	opt->sources[opt->n_sources++] = text;
	return 0;
}

static void server_child(const struct mosh_options *opt, const char *host, int out)
{
	mr_cleanup(mr_close_fd) int netns = -1;

	if (opt->target_netns) {
		netns = open(opt->target_netns, O_RDONLY | O_CLOEXEC);
		if (netns < 0 || mr_netns_enter(netns) < 0)
			_exit(126);
	}
	setenv("LC_ALL", LOCALE, 1);
	setenv("TERM", "xterm", 1);
	dup2(out, 1);
	dup2(out, 2);
	execlp("mosh-server", "mosh-server", "new", "-i", host, "-p", "60001:60999", "--", "sh",
		"-c", ANSWER_LOOP, NULL);
	dprintf(2, "mosh-server: %s\n", strerror(errno));
	_exit(127);
}

/** Reads "MOSH CONNECT PORT KEY" and "[mosh-server detached, pid = PID]". */
static int read_server(FILE *stream, struct pair *pair)
{
	unsigned port = 0;
	char line[256];

	while (fgets(line, sizeof(line), stream)) {
		sscanf(line, "MOSH CONNECT %u %31s", &port, pair->key);
		sscanf(line, "[mosh-server detached, pid = %d]", &pair->server);
	}
	pair->port = (uint16_t)port;
	return port > 0 && port < 65536 && pair->key[0] ? 0 : -EPROTO;
}

static int start_server(const struct mosh_options *opt, struct pair *pair)
{
	char host[INET6_ADDRSTRLEN];
	int ends[2], r;
	FILE *stream;
	pid_t pid;

	mr_sockaddr_format(host, sizeof(host), &opt->target);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		server_child(opt, host, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -errno;
	}
	stream = fdopen(ends[0], "r");
	if (!stream) {
		close(ends[0]);
		return -ENOMEM;
	}
	/* it detaches, and then the pipe ends */
	r = read_server(stream, pair);
	fclose(stream);
	waitpid(pid, NULL, 0);
	return r;
}

static int start_client(struct pair *pair, const struct mr_engine_endpoint *endpoint)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	char host[INET6_ADDRSTRLEN], port[8];
	pid_t pid;

	mr_sockaddr_format(host, sizeof(host), &endpoint->relay);
	snprintf(port, sizeof(port), "%u", mr_sockaddr_port(&endpoint->relay));
	pid = forkpty(&pair->terminal, NULL, NULL, &size);
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("MOSH_KEY", pair->key, 1);
		setenv("MOSH_PREDICTION_DISPLAY", "never", 1);
		setenv("LC_ALL", LOCALE, 1);
		setenv("TERM", "xterm", 1);
		execlp("mosh-client", "mosh-client", host, port, NULL);
		_exit(127);
	}
	pair->client = pid;
	fcntl(pair->terminal, F_SETFL, O_NONBLOCK);
	fcntl(pair->terminal, F_SETFD, FD_CLOEXEC);
	return 0;
}

/** Does the screen show what is awaited? What was shown before it is forgotten. */
static bool look(struct pair *pair, struct mr_hist *latency)
{
	char *at = memmem(pair->screen, pair->used, pair->word, strlen(pair->word));

	if (!at)
		return false;
	mr_hist_add(latency, mr_now_ns() - pair->typed_ns);
	pair->typed_ns = 0;
	pair->used = 0;
	return true;
}

static void read_terminal(struct pair *pair)
{
	ssize_t n;

	if (pair->used > SCREEN_SIZE / 2) {
		/* half is longer than any word that may be cut here */
		memmove(pair->screen, pair->screen + pair->used - SCREEN_SIZE / 4, SCREEN_SIZE / 4);
		pair->used = SCREEN_SIZE / 4;
	}
	n = read(pair->terminal, pair->screen + pair->used, SCREEN_SIZE - pair->used);
	if (n > 0)
		pair->used += (size_t)n;
}

/** Waits until all awaited words are shown, or it has taken too long; returns how many are not. */
static uint32_t wait_echoes(struct mosh *mosh, struct mr_hist *latency)
{
	uint64_t until_ns = mr_now_ns() + ECHO_NS;
	struct pollfd fds[PAIRS_MAX];
	uint32_t waiting;

	do {
		waiting = 0;
		for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
			struct pair *pair = &mosh->pairs[i];

			fds[i] = (struct pollfd){
				.fd = pair->typed_ns ? pair->terminal : -1, .events = POLLIN};
			waiting += pair->typed_ns != 0;
		}
		if (waiting == 0)
			return 0;
		if (poll(fds, mosh->opt.pairs, 100) < 0 && errno != EINTR)
			return waiting;
		for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
			struct pair *pair = &mosh->pairs[i];

			if (fds[i].revents == 0 || pair->typed_ns == 0)
				continue;
			read_terminal(pair);
			pair->echoed += look(pair, latency);
		}
	} while (mr_now_ns() < until_ns && !atomic_load(&mr_load_stop));
	for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
		mosh->pairs[i].missing += mosh->pairs[i].typed_ns != 0;
		mosh->pairs[i].typed_ns = 0;
	}
	return waiting;
}

/** A word that no other pair types, so that an echo in the wrong terminal is none. */
static void type_words(struct mosh *mosh)
{
	for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
		struct pair *pair = &mosh->pairs[i];
		char line[WORD_SIZE + 8];

		for (unsigned k = 0; k < WORD_SIZE - 4; k++)
			line[k] = (char)('a' + mr_random_below(&mosh->random, 26));
		snprintf(line + WORD_SIZE - 4, 12, "%03u\r", i % 1000);
		snprintf(pair->word, sizeof(pair->word), "[%.*s]", WORD_SIZE - 1, line);
		pair->typed_ns = mr_now_ns();
		if (write(pair->terminal, line, WORD_SIZE) != WORD_SIZE)
			continue; /* its echo will be missing, and that is told */
	}
}

/** Gives the route to the relay another source address. */
static int roam(struct mosh *mosh, struct mr_proc_why *ret_why)
{
	const char *source = mosh->opt.sources[++mosh->roamed % mosh->opt.n_sources];
	char relay[INET6_ADDRSTRLEN], line[256] = "", via[64] = "", dev[32] = "", *at, command[64];
	FILE *stream;

	mr_sockaddr_format(relay, sizeof(relay), &mosh->sessions.endpoints[0].relay);
	snprintf(command, sizeof(command), "ip route get %.46s", relay);
	stream = popen(command, "re");
	if (stream && !fgets(line, sizeof(line), stream))
		line[0] = '\0';
	if (stream)
		pclose(stream);
	at = strstr(line, " via ");
	if (at)
		sscanf(at, " via %60s", via);
	at = strstr(line, " dev ");
	if (!at || sscanf(at, " dev %30s", dev) != 1) {
		snprintf(
			ret_why->text, sizeof(ret_why->text), "no route to the relay at %s", relay);
		return -EPROTO;
	}
	return mr_proc_run(NULL, ret_why, "ip route replace %s%s %s%s dev %s src %s", relay,
		strchr(relay, ':') ? "/128" : "/32", via[0] ? "via " : "", via, dev, source);
}

static enum mr_exit open_session(struct mosh *mosh, uint32_t i)
{
	struct mr_port_range port = {mosh->pairs[i].port, mosh->pairs[i].port};
	struct mr_rpc_error error;
	char label[32];
	enum mr_exit status;

	snprintf(label, sizeof(label), "mosh-%d-%u", getpid(), i);
	status = mr_sessions_open_one(
		mosh->rpc, &mosh->opt.target, port, 0, label, &mosh->sessions, &error);
	if (status != MR_EXIT_DONE)
		return mr_cli_fail(status, "cannot open a session: %s", error.message);
	return MR_EXIT_DONE;
}

static enum mr_exit start_pairs(struct mosh *mosh)
{
	for (uint32_t i = 0; i < mosh->opt.pairs && !atomic_load(&mr_load_stop); i++) {
		struct pair *pair = &mosh->pairs[i];
		enum mr_exit status;
		int r = start_server(&mosh->opt, pair);

		if (r < 0)
			return mr_cli_fail(MR_EXIT_FAILED,
				"cannot start mosh-server: %s; is it installed, and the address "
				"one of "
				"the target's?",
				strerror(-r));
		status = open_session(mosh, i);
		if (status != MR_EXIT_DONE)
			return status;
		r = start_client(pair, &mosh->sessions.endpoints[i]);
		if (r < 0)
			return mr_cli_fail(
				MR_EXIT_FAILED, "cannot start mosh-client: %s", strerror(-r));
		snprintf(pair->word, sizeof(pair->word), "[ready]");
		pair->typed_ns = mr_now_ns();
	}
	return MR_EXIT_DONE;
}

static enum mr_exit drive(struct mosh *mosh)
{
	static struct mr_hist first;
	struct mr_proc_why why;
	uint32_t missing = wait_echoes(mosh, &first);

	fprintf(stderr, "%u of %u pairs are connected\n", mosh->opt.pairs - missing,
		mosh->opt.pairs);
	for (uint32_t word = 0; word < mosh->opt.words && !atomic_load(&mr_load_stop); word++) {
		bool roams = mosh->opt.n_sources > 1 && word % 3 == 2;

		if (roams && roam(mosh, &why) < 0)
			return mr_cli_fail(MR_EXIT_FAILED, "cannot roam: %s", why.text);
		type_words(mosh);
		missing = wait_echoes(mosh, roams ? &mosh->roam : &mosh->echo);
		fprintf(stderr, "word %u%s: %u of %u echoed\n", word + 1, roams ? ", roamed" : "",
			mosh->opt.pairs - missing, mosh->opt.pairs);
	}
	return MR_EXIT_DONE;
}

/** Waits until the terminals of all clients have closed, for a while. */
static void wait_clients(struct mosh *mosh)
{
	uint64_t until_ns = mr_now_ns() + STOP_NS;

	for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
		struct pair *pair = &mosh->pairs[i];
		struct pollfd fd = {.fd = pair->terminal, .events = POLLIN};

		while (pair->client > 0 && mr_now_ns() < until_ns) {
			ssize_t n = read(pair->terminal, pair->screen, SCREEN_SIZE);

			if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
				break;
			if (n < 0)
				poll(&fd, 1, 100);
		}
	}
}

/** The servers end their sessions, which ends the clients; then what is left is killed. */
static void stop_pairs(struct mosh *mosh)
{
	for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
		if (mosh->pairs[i].server > 0)
			kill(mosh->pairs[i].server, SIGTERM);
	}
	wait_clients(mosh);
	for (uint32_t i = 0; i < mosh->opt.pairs; i++) {
		struct pair *pair = &mosh->pairs[i];

		if (pair->client > 0) {
			kill(pair->client, SIGKILL);
			waitpid(pair->client, NULL, 0);
			close(pair->terminal);
		}
		if (pair->server > 0)
			kill(pair->server, SIGKILL);
	}
}

static enum mr_exit tell(const struct mosh *mosh)
{
	uint64_t echoed = mosh->echo.count + mosh->roam.count, missing = 0;

	for (uint32_t i = 0; i < mosh->opt.pairs; i++)
		missing += mosh->pairs[i].missing;
	if (mosh->opt.json) {
		json_t *json = json_pack("{s:i, s:s, s:i, s:i, s:I, s:I, s:o, s:o}", "version",
			MR_RESULT_VERSION, "kind", "mosh", "pairs", (int)mosh->opt.pairs, "roams",
			(int)mosh->roamed, "echoed", (json_int_t)echoed, "missing",
			(json_int_t)missing, "echo_us", mr_hist_json(&mosh->echo), "roam_us",
			mr_hist_json(&mosh->roam));

		json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(json);
	} else {
		printf("%u pairs, %" PRIu64 " words echoed, %" PRIu64 " missing, %u roams\n"
		       "echo         p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
			mosh->opt.pairs, echoed, missing, mosh->roamed,
			(double)mr_hist_quantile(&mosh->echo, 500) / 1e6,
			(double)mr_hist_quantile(&mosh->echo, 990) / 1e6,
			(double)mosh->echo.max / 1e6);
		if (mosh->roam.count)
			printf("after a roam p50 %.1f ms, p99 %.1f ms, max %.1f ms\n",
				(double)mr_hist_quantile(&mosh->roam, 500) / 1e6,
				(double)mr_hist_quantile(&mosh->roam, 990) / 1e6,
				(double)mosh->roam.max / 1e6);
	}
	return missing ? mr_cli_fail(MR_EXIT_FAILED, "%" PRIu64 " echoes are missing", missing)
		       : MR_EXIT_DONE;
}

static enum mr_exit run(struct mosh *mosh)
{
	struct mr_rpc_error error;
	enum mr_exit status;

	mosh->pairs = calloc(mosh->opt.pairs, sizeof(*mosh->pairs));
	if (!mosh->pairs || mr_sessions_room(mosh->opt.pairs, &mosh->sessions) < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: out of memory");
	mr_random_seed(&mosh->random);
	status = mr_rpc_connect(mosh->opt.socket, MR_RPC_TIMEOUT_MS, &mosh->rpc, &error);
	if (status != MR_EXIT_DONE)
		return mr_cli_fail(status, "%s", error.message);
	status = start_pairs(mosh);
	if (status == MR_EXIT_DONE)
		status = drive(mosh);
	stop_pairs(mosh);
	if (mr_sessions_close(mosh->rpc, &mosh->sessions, &error) != MR_EXIT_DONE)
		mr_cli_error("cannot close the sessions: %s", error.message);
	return status == MR_EXIT_DONE ? tell(mosh) : status;
}

enum mr_exit mr_load_mosh(int argc, char **argv)
{
	static struct mosh mosh = {.opt = {.socket = MR_DEFAULT_SOCKET, .pairs = 50, .words = 10}};
	const struct mr_option table[] = {
		{"socket", MR_OPTION_TEXT, &mosh.opt.socket, "PATH",
			"the relay's setup socket (" MR_DEFAULT_SOCKET ")"},
		{"target", MR_OPTION_ADDRESS, &mosh.opt.target, "ADDRESS",
			"where the mosh-servers listen"},
		{"target-netns", MR_OPTION_TEXT, &mosh.opt.target_netns, "PATH",
			"their network namespace, such as /run/netns/NAME"},
		{"pairs", MR_OPTION_COUNT, &mosh.opt.pairs, "N", "how many (50)", 1, PAIRS_MAX},
		{"words", MR_OPTION_COUNT, &mosh.opt.words, "N",
			"typed into each, one after the other (10)", 1, WORDS_MAX},
		{"source", MR_OPTION_OTHER, &mosh.opt, "ADDRESS",
			"given twice or more: addresses of this host, which the clients\n"
			"roam to in turn, after every third word",
			.read = add_source, .expected = "a numeric address"},
		{"json", MR_OPTION_FLAG, &mosh.opt.json, NULL, "the result as one JSON document"},
	};
	const struct mr_options options = {"mosh", " --target ADDRESS",
		"Runs pairs of real mosh-client and mosh-server through the relay, types into each "
		"and\nchecks every echo.\n",
		NULL, table, sizeof(table) / sizeof(table[0])};
	enum mr_exit status;

	if (!mr_options_read(&options, argc, argv, &status))
		return status;
	if (mosh.opt.target.sa.sa_family == AF_UNSPEC)
		return mr_cli_usage("cannot run mosh: --target is needed");
	mr_load_catch_signals();
	status = run(&mosh);
	mr_rpc_close(mosh.rpc);
	mr_sessions_free(&mosh.sessions);
	free(mosh.pairs);
	return status;
}
