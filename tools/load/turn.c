// SPDX-License-Identifier: BSD-2-Clause
/*
 * turn.c - see turn.h.
 */
#include "turn.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "net.h"

#define WARM_MS 300

/* Before the rounds, so many answers a session, or so long. */
#define ANSWERS   20
#define ANSWER_MS 15000

void mr_turn_bed_init(struct mr_turn_bed *bed)
{
	char name[32];

	snprintf(name, sizeof(name), "ksoftirqd/%d", bed->relay_cpu);
	mr_proc_find(name, &bed->softirqd, 1);
}

/**
 * Takes what the relay's core has left over, and so measures it: the kernel's own account of idle
 * time samples, at times that a busy and an idle stretch may fall in step with. Besides, the core
 * never halts, which on a virtual machine takes long to wake from.
 */
struct idler {
	pthread_t thread;
	int cpu;
	bool running;
	atomic_bool stop;
};

static void *idle(void *context)
{
	struct idler *idler = context;
	struct sched_param param = {0};

	sched_setscheduler(0, SCHED_IDLE, &param);
	if (mr_proc_pin(0, idler->cpu) < 0)
		return NULL;
	while (!atomic_load_explicit(&idler->stop, memory_order_relaxed))
		;
	return NULL;
}

static int idler_start(struct idler *idler, int cpu)
{
	int r;

	*idler = (struct idler){.cpu = cpu};
	r = -pthread_create(&idler->thread, NULL, idle, idler);
	idler->running = r == 0;
	return r;
}

static uint64_t idler_ns(const struct idler *idler)
{
	struct timespec time = {0};
	clockid_t clock;

	if (pthread_getcpuclockid(idler->thread, &clock) == 0)
		clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void idler_stop(struct idler *idler)
{
	if (!idler->running)
		return;
	atomic_store(&idler->stop, true);
	pthread_join(idler->thread, NULL);
	idler->running = false;
}

/** Hands the contestant's endpoints to the generator and starts it. */
static int start_generator(const struct mr_turn_bed *bed, struct mr_contestant *contestant,
	uint32_t sessions, bool answer)
{
	memcpy(mr_generator_endpoints(bed->generator), contestant->endpoints,
		sessions * sizeof(*contestant->endpoints));
	return mr_generator_start(bed->generator, &contestant->topology, sessions,
		contestant->next_seq, MR_PEER_TARGET_LO, MR_PEER_TARGET_HI, answer);
}

int mr_turn_answer_all(const struct mr_turn_bed *bed, struct mr_contestant *contestant)
{
	pid_t napi[MR_TOPOLOGY_THREADS_MAX];
	uint64_t sent, arrived = 0;
	int r;

	mr_topology_pin(&contestant->topology, bed->relay_cpu, bed->generator_cpu, napi);
	r = start_generator(bed, contestant, contestant->n_endpoints, true);
	if (r < 0)
		return r;
	for (unsigned i = 0;
		i < ANSWER_MS / 100 && arrived < (uint64_t)contestant->n_endpoints * ANSWERS; i++) {
		poll(NULL, 0, 100);
		mr_generator_counts(bed->generator, &sent, &arrived);
	}
	return mr_generator_stop(bed->generator, &contestant->next_seq);
}

/** What is read before and after a turn. */
struct reading {
	uint64_t ns, sent, arrived, relay_ns, idle_ns;
};

static void take_reading(const struct mr_turn_bed *bed, const struct mr_contestant *contestant,
	const struct idler *idler, const pid_t *napi, unsigned n_napi, struct reading *ret_reading)
{
	struct reading reading = {.ns = mr_now_ns(), .idle_ns = idler_ns(idler)};

	mr_generator_counts(bed->generator, &reading.sent, &reading.arrived);
	for (unsigned i = 0; i < n_napi; i++)
		reading.relay_ns += mr_proc_cpu_ns(napi[i]);
	for (unsigned i = 0; i < contestant->n_pids; i++) {
		pid_t pids[64];
		unsigned n = mr_proc_group(contestant->pids[i], pids, 64);

		for (unsigned k = 0; k < n; k++)
			reading.relay_ns += mr_proc_cpu_ns(pids[k]);
	}
	reading.relay_ns += mr_proc_cpu_ns(bed->softirqd);
	*ret_reading = reading;
}

static struct mr_bench_turn turn_of(const struct reading *before, const struct reading *after)
{
	double ns = (double)(after->ns - before->ns), seconds = ns / 1e9;
	double arrived = (double)(after->arrived - before->arrived);
	double relay_ns = (double)(after->relay_ns - before->relay_ns);
	struct mr_bench_turn turn = {
		.delivered = arrived / seconds,
		.offered = (double)(after->sent - before->sent) / seconds,
		.ns_a_packet = arrived > 0 ? relay_ns / arrived : 0,
		.idle = (double)(after->idle_ns - before->idle_ns) / ns,
	};

	turn.foreign = 1 - turn.idle - relay_ns / ns;
	if (turn.foreign < 0)
		turn.foreign = 0;
	return turn;
}

/** Starts, measures, stops; the generator must stop whatever happens. */
static int measure(const struct mr_turn_bed *bed, struct mr_contestant *contestant,
	uint32_t sessions, const pid_t *napi, unsigned n_napi, struct mr_bench_turn *ret_turn)
{
	struct reading before, after;
	struct idler idler;
	int r = idler_start(&idler, bed->relay_cpu);

	if (r < 0)
		return r;
	r = start_generator(bed, contestant, sessions, false);
	if (r == 0) {
		poll(NULL, 0, WARM_MS);
		take_reading(bed, contestant, &idler, napi, n_napi, &before);
		poll(NULL, 0, (int)bed->turn_ms);
		take_reading(bed, contestant, &idler, napi, n_napi, &after);
		r = mr_generator_stop(bed->generator, &contestant->next_seq);
	}
	idler_stop(&idler);
	if (r == 0)
		*ret_turn = turn_of(&before, &after);
	return r;
}

int mr_turn_take(const struct mr_turn_bed *bed, struct mr_contestant *contestant, uint32_t sessions,
	struct mr_bench_turn *ret_turn)
{
	pid_t napi[MR_TOPOLOGY_THREADS_MAX];
	uint64_t before = 0, after = 0;
	unsigned n_napi;
	int r = 0;

	if (!mr_contestant_alive(contestant))
		return -ECHILD;
	n_napi = mr_topology_pin(&contestant->topology, bed->relay_cpu, bed->generator_cpu, napi);
	/* what relays in the kernel alone must not share its core with strangers; a program has to
	 * share it with the kernel's part, so there both keep a common priority */
	for (unsigned i = 0; i < n_napi; i++)
		mr_proc_realtime(napi[i], contestant->peer->in_kernel);
	if (contestant->peer->own)
		r = mr_peer_relay_strays(contestant, &before);
	if (r == 0)
		r = measure(bed, contestant, sessions, napi, n_napi, ret_turn);
	if (r == 0 && contestant->peer->own)
		r = mr_peer_relay_strays(contestant, &after);
	if (r == 0)
		ret_turn->strays = (double)(after - before);
	return r;
}
