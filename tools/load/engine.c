// SPDX-License-Identifier: BSD-2-Clause
/*
 * engine.c - see engine.h. Each thread has a share of the sessions, an epoll set and a timer wheel
 * of its own; threads live for one phase, so that between phases nothing needs a lock.
 */
#include "engine.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "wheel.h"

#define SOCKETS    4 /* of a client: the newest, and those it has roamed away from */
#define BATCH      64
#define EVENTS     64
#define BURST      32 /* a session's datagrams in a row, in a flood */
#define QUERY_SIZE 64

#define SECOND_NS     UINT64_C(1000000000)
#define QUIET_NS      (SECOND_NS / 2) /* no answer for so long: none will come */
#define QUERY_TRIES   6
#define QUERY_WAIT_NS (SECOND_NS / 5)
#define HOP_NS        (10 * SECOND_NS) /* mosh: PORT_HOP_INTERVAL */

struct client {
	struct mr_flow_client flow;
	const struct mr_engine_endpoint *endpoint;
	int fds[SOCKETS];
	uint8_t newest;
	uint32_t source; /* index of the next address to roam to */
	uint32_t phase;  /* of the profile */
	uint64_t heard_ns;
	uint64_t hopped_ns;
	_Atomic uint64_t next_seq; /* a copy of the flow's for other threads */
};

enum phase { PHASE_BEGIN, PHASE_TRAFFIC, PHASE_END };

struct worker {
	struct mr_engine *engine;
	struct client *clients;
	uint32_t n;
	int epoll_fd;
	int result;       /* of the phase */
	uint32_t asked;   /* queries without answer */
	uint32_t roamer;  /* whose turn it is */
	uint64_t last_ns; /* newest answer */
	struct mr_wheel wheel;
	struct mr_random random;
	struct mr_hist round_trip, roam;
	_Atomic uint64_t sent, answered, roamed;
	pthread_t thread;
	struct mmsghdr in[BATCH], out[BURST];
	struct iovec in_iov[BATCH], out_iov[BURST];
	unsigned char in_buf[BATCH][MR_WIRE_MAX + 1], out_buf[BURST][MR_WIRE_MAX];
};

struct mr_engine {
	struct mr_engine_config config;
	uint32_t run;
	struct client *clients;
	struct worker *workers;
	unsigned n_workers;
	enum phase phase;
	double rate; /* of one worker */
	uint64_t start_ns, stop_ns;
	const atomic_bool *stop;
};

static void bump(_Atomic uint64_t *counter, uint64_t by)
{
	/* one writer: no locked instruction needed */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
		memory_order_relaxed);
}

static bool stopped(const struct mr_engine *engine)
{
	return engine->stop && atomic_load_explicit(engine->stop, memory_order_relaxed);
}

/** Gives the client a new socket, and so a new transport address. The oldest one is closed. */
static int client_move(struct worker *worker, struct client *client)
{
	const struct mr_engine_config *config = &worker->engine->config;
	uint8_t slot = (uint8_t)((client->newest + 1) % SOCKETS);
	const union mr_sockaddr *source = NULL;
	struct epoll_event event = {.events = EPOLLIN};
	mr_cleanup(mr_close_fd) int fd = -1;
	int r;

	if (config->n_sources > 0)
		source = &config->sources[client->source++ % config->n_sources];
	r = mr_udp_connect(source, &client->endpoint->relay, &fd);
	if (r < 0)
		return r;
	event.data.u64 = (uint64_t)(client - worker->clients) * SOCKETS + slot;
	if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	mr_close_fd(&client->fds[slot]);
	client->fds[slot] = fd;
	client->newest = slot;
	fd = -1;
	return 0;
}

/** Sends up to BURST datagrams; those that the kernel refuses are counted as never sent. */
static void client_send(struct worker *worker, struct client *client, enum mr_wire_kind kind,
	unsigned n, size_t size, uint16_t answer, uint64_t now_ns)
{
	struct mr_flow_client *flow = &client->flow;
	unsigned done = 0, failures = 0;

	assert(n <= BURST);
	for (unsigned i = 0; i < n; i++) {
		struct mr_wire_head head = mr_flow_client_next(flow, kind, answer, now_ns);

		mr_wire_seal(worker->out_buf[i], size, &head, NULL, MR_WIRE_GENUINE);
		worker->out_iov[i].iov_len = size;
	}
	atomic_store_explicit(&client->next_seq, flow->next_seq, memory_order_relaxed);
	while (done < n) {
		int sent = sendmmsg(client->fds[client->newest], worker->out + done, n - done, 0);

		if (sent > 0)
			done += (unsigned)sent;
		/* ECONNREFUSED and the like report on an earlier datagram and are used up by it */
		else if (errno == EAGAIN || errno == ENOBUFS || ++failures > 2)
			break;
	}
	if (kind == MR_WIRE_DATA) {
		flow->counts.sent += done;
		flow->counts.unsent += n - done;
		bump(&worker->sent, done);
	}
}

static void handle_answer(struct worker *worker, struct client *client,
	const struct mr_wire_head *head, uint64_t now_ns)
{
	mr_hist_add(&worker->round_trip, now_ns - head->sent_ns);
	bump(&worker->answered, 1);
	worker->last_ns = client->heard_ns = now_ns;
	if (client->flow.roam_seq && head->echo >= client->flow.roam_seq) {
		mr_hist_add(&worker->roam, now_ns - client->flow.roam_ns);
		client->flow.roam_seq = 0;
	}
}

static void handle_counts(struct worker *worker, struct client *client,
	const struct mr_wire_head *head, const struct mr_wire_counts *counts)
{
	struct mr_flow_client *flow = &client->flow;
	bool *done = worker->engine->phase == PHASE_BEGIN ? &flow->began : &flow->ended;

	if (worker->engine->phase == PHASE_TRAFFIC || head->echo < flow->query_seq || *done)
		return;
	*done = true;
	*(worker->engine->phase == PHASE_BEGIN ? &flow->before : &flow->after) = *counts;
	worker->asked--;
}

static void receive(struct worker *worker, struct client *client, int fd)
{
	struct mr_wire_counts counts;
	struct mr_wire_head head;
	int n = recvmmsg(fd, worker->in, BATCH, MSG_DONTWAIT, NULL);
	uint64_t now_ns = mr_now_ns();

	for (int i = 0; i < n; i++) {
		switch (mr_flow_client_receive(
			&client->flow, worker->in_buf[i], worker->in[i].msg_len, &head, &counts)) {
		case MR_FLOW_ANSWER:
			handle_answer(worker, client, &head, now_ns);
			break;
		case MR_FLOW_COUNTS:
			handle_counts(worker, client, &head, &counts);
			break;
		case MR_FLOW_STRANGE:
			worker->last_ns = now_ns;
			break;
		}
	}
}

/** Receives what is there; waits for it, up to `wait_ns`. */
static void poll_sockets(struct worker *worker, uint64_t wait_ns)
{
	struct timespec wait = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
	struct epoll_event events[EVENTS];
	int n = epoll_pwait2(worker->epoll_fd, events, EVENTS, &wait, NULL);

	for (int i = 0; i < n; i++) {
		struct client *client = &worker->clients[events[i].data.u64 / SOCKETS];

		receive(worker, client, client->fds[events[i].data.u64 % SOCKETS]);
	}
}

/** Asks every target for its counts until it has answered, or has not for a few times. */
static void query_all(struct worker *worker)
{
	bool begin = worker->engine->phase == PHASE_BEGIN;

	worker->asked = worker->n;
	for (uint32_t i = 0; i < worker->n; i++)
		worker->clients[i].flow.query_seq = worker->clients[i].flow.next_seq;
	for (unsigned try = 0; try < QUERY_TRIES && worker->asked > 0; try++) {
		uint64_t until_ns;

		for (uint32_t i = 0; i < worker->n && !(begin && stopped(worker->engine)); i++) {
			struct client *client = &worker->clients[i];

			if (begin ? client->flow.began : client->flow.ended)
				continue;
			client_send(worker, client, MR_WIRE_QUERY, 1, QUERY_SIZE, 0, mr_now_ns());
			if (i % BURST == 0)
				poll_sockets(worker, SECOND_NS / 1000);
		}
		until_ns = mr_now_ns() + (QUERY_WAIT_NS << try);
		while (worker->asked > 0 && mr_now_ns() < until_ns)
			poll_sockets(worker, SECOND_NS / 100);
	}
}

static void client_roam(struct worker *worker, struct client *client)
{
	if (client_move(worker, client) < 0)
		return; /* no port or descriptor left: it stays where it is */
	client->flow.roam_seq = client->flow.next_seq;
	client->flow.roam_ns = 0;
	bump(&worker->roamed, 1);
}

/** A timer of the wheel: the session's user has something to send. */
static void due(uint32_t number, void *context)
{
	struct worker *worker = context;
	struct client *client = &worker->clients[number];
	struct mr_profile_step step =
		mr_profile_next(worker->engine->config.profile, &client->phase, &worker->random);
	uint64_t now_ns = mr_now_ns();

	if (now_ns - client->heard_ns > HOP_NS && now_ns - client->hopped_ns > HOP_NS) {
		client->hopped_ns = now_ns;
		client_roam(worker, client);
	}
	if (client->flow.roam_seq && !client->flow.roam_ns)
		client->flow.roam_ns = now_ns;
	client_send(worker, client, MR_WIRE_DATA, 1, step.size, step.answer, now_ns);
	mr_wheel_arm(&worker->wheel, number, now_ns + step.delay_ns);
}

/** Roams as many clients as are due at `now_ns`, one after the other. */
static void roam_some(struct worker *worker, uint64_t now_ns, double *done)
{
	const struct mr_engine *engine = worker->engine;
	double wanted = engine->config.roams / engine->n_workers *
		(double)(now_ns - engine->start_ns) / (double)SECOND_NS;

	while (*done + 1 <= wanted) {
		client_roam(worker, &worker->clients[worker->roamer++ % worker->n]);
		*done += 1;
	}
}

/** Traffic of people: each session by its own timer. */
static int traffic_timed(struct worker *worker)
{
	const struct mr_engine *engine = worker->engine;
	uint64_t now_ns = mr_now_ns(), period_ns = mr_profile_period_ns(engine->config.profile);
	double roamed = 0;
	int r = mr_wheel_init(&worker->wheel, worker->n, now_ns);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < worker->n; i++)
		mr_wheel_arm(&worker->wheel, i, now_ns + period_ns * i / worker->n);
	while (now_ns < engine->stop_ns && !stopped(engine)) {
		mr_wheel_run(&worker->wheel, now_ns, due, worker);
		roam_some(worker, now_ns, &roamed);
		poll_sockets(worker, MR_WHEEL_TICK_NS);
		now_ns = mr_now_ns();
	}
	mr_wheel_free(&worker->wheel);
	return 0;
}

/** A flood: session after session, as fast as it goes or as the rate lets it. */
static int traffic_flood(struct worker *worker)
{
	const struct mr_engine *engine = worker->engine;
	uint64_t now_ns = mr_now_ns();
	double done = 0, roamed = 0;
	uint32_t turn = 0;

	while (now_ns < engine->stop_ns && !stopped(engine)) {
		double allowed = BURST;
		struct client *client = &worker->clients[turn];
		struct mr_profile_step step =
			mr_profile_next(engine->config.profile, &client->phase, &worker->random);

		if (engine->rate > 0) {
			allowed = engine->rate * (double)(now_ns - engine->start_ns) /
					(double)SECOND_NS -
				done;
			/* every session gets its turn before one gets a second datagram */
			if (allowed > 1)
				allowed = 1 + (allowed - 1) / worker->n;
			if (allowed > BURST)
				allowed = BURST;
		}
		if (allowed >= 1) {
			if (client->flow.roam_seq && !client->flow.roam_ns)
				client->flow.roam_ns = now_ns;
			client_send(worker, client, MR_WIRE_DATA, (unsigned)allowed, step.size,
				step.answer, now_ns);
			done += (unsigned)allowed;
			turn = (turn + 1) % worker->n;
		}
		roam_some(worker, now_ns, &roamed);
		poll_sockets(worker, allowed >= 1 ? 0 : SECOND_NS / 20000);
		now_ns = mr_now_ns();
	}
	return 0;
}

static void drain(struct worker *worker)
{
	worker->last_ns = mr_now_ns();
	while (worker->answered < worker->sent && mr_now_ns() - worker->last_ns < QUIET_NS)
		poll_sockets(worker, SECOND_NS / 100);
}

static void *work(void *context)
{
	struct worker *worker = context;

	worker->result = 0;
	if (worker->engine->phase != PHASE_TRAFFIC) {
		query_all(worker);
		return NULL;
	}
	worker->result = worker->engine->config.profile == MR_PROFILE_FLOOD ? traffic_flood(worker)
									    : traffic_timed(worker);
	drain(worker);
	return NULL;
}

/** Runs the phase in all workers; `tick` is called once a second until they are done. */
static int run_phase(struct mr_engine *engine, enum phase phase,
	void (*tick)(const struct mr_engine_progress *progress, void *context), void *context)
{
	unsigned started = 0;
	int r = 0;

	engine->phase = phase;
	for (; started < engine->n_workers; started++) {
		struct worker *worker = &engine->workers[started];

		r = -pthread_create(&worker->thread, NULL, work, worker);
		if (r < 0)
			break;
	}
	for (unsigned i = 0; i < started; i++) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		do {
			until.tv_sec++;
			if (tick && i == 0) {
				struct mr_engine_progress progress = mr_engine_progress(engine);

				tick(&progress, context);
			}
		} while (
			pthread_timedjoin_np(engine->workers[i].thread, NULL, &until) == ETIMEDOUT);
		if (r == 0)
			r = engine->workers[i].result;
	}
	return r;
}

static uint32_t query_phase(struct mr_engine *engine, enum phase phase)
{
	uint32_t silent = 0;

	if (run_phase(engine, phase, NULL, NULL) < 0)
		return engine->config.n_sessions;
	for (unsigned i = 0; i < engine->n_workers; i++)
		silent += engine->workers[i].asked;
	return silent;
}

uint32_t mr_engine_begin(struct mr_engine *engine)
{
	return query_phase(engine, PHASE_BEGIN);
}

uint32_t mr_engine_end(struct mr_engine *engine)
{
	return query_phase(engine, PHASE_END);
}

int mr_engine_traffic(struct mr_engine *engine, double seconds, double rate,
	void (*tick)(const struct mr_engine_progress *progress, void *context), void *context,
	const atomic_bool *stop)
{
	engine->stop = stop;
	engine->rate = rate / engine->n_workers;
	engine->start_ns = mr_now_ns();
	engine->stop_ns = engine->start_ns + (uint64_t)(seconds * (double)SECOND_NS);
	for (uint32_t i = 0; i < engine->config.n_sessions; i++)
		engine->clients[i].heard_ns = engine->start_ns;
	return run_phase(engine, PHASE_TRAFFIC, tick, context);
}

struct mr_engine_progress mr_engine_progress(const struct mr_engine *engine)
{
	struct mr_engine_progress progress = {0};

	for (unsigned i = 0; i < engine->n_workers; i++) {
		const struct worker *worker = &engine->workers[i];

		progress.sent += atomic_load_explicit(&worker->sent, memory_order_relaxed);
		progress.answered += atomic_load_explicit(&worker->answered, memory_order_relaxed);
		progress.roamed += atomic_load_explicit(&worker->roamed, memory_order_relaxed);
	}
	return progress;
}

uint64_t mr_engine_next_seq(const struct mr_engine *engine, uint32_t number)
{
	return atomic_load_explicit(&engine->clients[number].next_seq, memory_order_relaxed);
}

void mr_engine_latency(
	const struct mr_engine *engine, struct mr_hist *ret_round_trip, struct mr_hist *ret_roam)
{
	memset(ret_round_trip, 0, sizeof(*ret_round_trip));
	memset(ret_roam, 0, sizeof(*ret_roam));
	for (unsigned i = 0; i < engine->n_workers; i++) {
		mr_hist_merge(ret_round_trip, &engine->workers[i].round_trip);
		mr_hist_merge(ret_roam, &engine->workers[i].roam);
	}
}

int mr_engine_account(const struct mr_engine *engine, struct mr_flow_account *ret_account)
{
	uint32_t n = engine->config.n_sessions;
	const struct mr_flow_client **flows = calloc(n, sizeof(*flows));

	if (!flows)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		flows[i] = &engine->clients[i].flow;
	mr_flow_account_sum(flows, n, ret_account);
	free(flows);
	return 0;
}

static int worker_init(struct mr_engine *engine, struct worker *worker, uint32_t first, uint32_t n)
{
	worker->engine = engine;
	worker->clients = engine->clients + first;
	worker->n = n;
	mr_random_seed(&worker->random);
	for (unsigned i = 0; i < BATCH; i++) {
		worker->in_iov[i] = (struct iovec){worker->in_buf[i], sizeof(worker->in_buf[i])};
		worker->in[i].msg_hdr =
			(struct msghdr){.msg_iov = &worker->in_iov[i], .msg_iovlen = 1};
	}
	for (unsigned i = 0; i < BURST; i++) {
		worker->out_iov[i] = (struct iovec){worker->out_buf[i], 0};
		worker->out[i].msg_hdr =
			(struct msghdr){.msg_iov = &worker->out_iov[i], .msg_iovlen = 1};
	}
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll_fd < 0)
		return -errno;
	for (uint32_t i = 0; i < n; i++) {
		struct client *client = &worker->clients[i];
		int r;

		client->endpoint = &engine->config.endpoints[first + i];
		client->flow.run = engine->run;
		client->flow.number = first + i;
		client->flow.port = client->endpoint->target_port;
		client->source = first + i;
		r = client_move(worker, client);
		if (r < 0)
			return r;
	}
	return 0;
}

int mr_engine_new(const struct mr_engine_config *config, struct mr_engine **ret_engine)
{
	mr_cleanup(mr_engine_free) struct mr_engine *engine = calloc(1, sizeof(*engine));
	uint32_t n = config->n_sessions, first = 0;
	struct mr_random random;
	int r;

	assert(n > 0 && config->threads > 0 && config->threads <= MR_ENGINE_THREADS_MAX);
	if (!engine)
		return -ENOMEM;
	mr_random_seed(&random);
	engine->config = *config;
	engine->run = mr_random_below(&random, UINT32_MAX);
	r = mr_want_files(config->roams > 0 ? n * SOCKETS : n);
	if (r < 0)
		return r;
	engine->clients = calloc(n, sizeof(*engine->clients));
	engine->workers = calloc(config->threads, sizeof(*engine->workers));
	if (!engine->clients || !engine->workers)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		memset(engine->clients[i].fds, 0xff, sizeof(engine->clients[i].fds));
	for (unsigned i = 0; i < config->threads && i < n; i++) {
		uint32_t share = n / config->threads + (i < n % config->threads);

		engine->n_workers++;
		r = worker_init(engine, &engine->workers[i], first, share);
		if (r < 0)
			return r;
		first += share;
	}
	*ret_engine = engine;
	engine = NULL;
	return 0;
}

void mr_engine_free(struct mr_engine **engine_p)
{
	struct mr_engine *engine = *engine_p;

	if (!engine)
		return;
	for (unsigned i = 0; i < engine->n_workers; i++)
		mr_close_fd(&engine->workers[i].epoll_fd);
	if (engine->clients) {
		for (uint32_t i = 0; i < engine->config.n_sessions; i++) {
			for (unsigned s = 0; s < SOCKETS; s++)
				mr_close_fd(&engine->clients[i].fds[s]);
		}
	}
	free(engine->workers);
	free(engine->clients);
	free(engine);
	*engine_p = NULL;
}
