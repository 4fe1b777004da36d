// SPDX-License-Identifier: BSD-2-Clause
/*
 * engine.c - see engine.h. Each thread has a share of the sessions, an epoll set and a timer wheel
 * of its own; threads live for one phase, so that between phases nothing needs a lock. What a
 * client sends and receives is in engine_client.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "engine_private.h"

#define QUERY_SIZE 64

#define QUIET_NS      (SECOND_NS / 2) /* no answer for so long: none will come */
#define QUERY_TRIES   6
#define QUERY_WAIT_NS (SECOND_NS / 5)
#define HOP_NS        (10 * SECOND_NS) /* mosh: PORT_HOP_INTERVAL */

static bool stopped(const struct mr_engine *engine)
{
	return engine->stop && atomic_load_explicit(engine->stop, memory_order_relaxed);
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
			mr_engine_send(
				worker, client, MR_WIRE_QUERY, 1, QUERY_SIZE, 0, mr_now_ns());
			if (i % BURST == 0)
				mr_engine_poll(worker, SECOND_NS / 1000);
		}
		until_ns = mr_now_ns() + (QUERY_WAIT_NS << try);
		while (worker->asked > 0 && mr_now_ns() < until_ns)
			mr_engine_poll(worker, SECOND_NS / 100);
	}
}

static void client_roam(struct worker *worker, struct client *client)
{
	if (mr_engine_move(worker, client) < 0)
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
	mr_engine_send(worker, client, MR_WIRE_DATA, 1, step.size, step.answer, now_ns);
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
		mr_engine_poll(worker, MR_WHEEL_TICK_NS);
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
			mr_engine_send(worker, client, MR_WIRE_DATA, (unsigned)allowed, step.size,
				step.answer, now_ns);
			done += (unsigned)allowed;
			turn = (turn + 1) % worker->n;
		}
		roam_some(worker, now_ns, &roamed);
		mr_engine_poll(worker, allowed >= 1 ? 0 : SECOND_NS / 20000);
		now_ns = mr_now_ns();
	}
	return 0;
}

/* The time is taken before the look: what came while this thread was kept waiting is not lost. */
static void drain(struct worker *worker)
{
	uint64_t now_ns = mr_now_ns();

	worker->last_ns = now_ns;
	while (worker->answered < worker->sent && now_ns < worker->last_ns + QUIET_NS) {
		now_ns = mr_now_ns();
		mr_engine_poll(worker, SECOND_NS / 100);
	}
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
		r = mr_engine_move(worker, client);
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
