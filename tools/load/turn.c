// SPDX-License-Identifier: BSD-2-Clause
/*
 * turn.c - see turn.h.
 */
#include "turn.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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
 * A process that takes what the relay's core has left over, and so measures it: the kernel's own
 * account of idle time samples, at times that a busy and an idle stretch may fall in step with.
 * Besides, the core never halts, which on a virtual machine takes long to wake from. Where the
 * kernel gives each session an equal share (autogroup), its own has to be the least.
 */
static int idler_start(int cpu, pid_t *ret_pid)
{
	struct sched_param param = {0};
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0) {
		*ret_pid = pid;
		return 0;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	mr_proc_share_session(19);
	if (sched_setscheduler(0, SCHED_IDLE, &param) < 0 || mr_proc_pin(0, cpu) < 0)
		_exit(1);
	for (;;)
		__asm__ volatile("");
}

static void idler_stop(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

/** Hands the contestant's endpoints to the generator and starts it. */
static int start_generator(const struct mr_turn_bed *bed, struct mr_contestant *contestant,
	uint32_t sessions, enum mr_bench_sink sink)
{
	memcpy(mr_generator_endpoints(bed->generator), contestant->endpoints,
		sessions * sizeof(*contestant->endpoints));
	return mr_generator_start(bed->generator, &contestant->topology, sessions,
		contestant->next_seq, MR_PEER_TARGET_LO, MR_PEER_TARGET_HI_MANY, sink);
}

int mr_turn_answer_all(const struct mr_turn_bed *bed, struct mr_contestant *contestant)
{
	pid_t napi[MR_TOPOLOGY_THREADS_MAX];
	uint64_t sent, arrived = 0;
	int r;

	mr_topology_pin(&contestant->topology, bed->relay_cpu, bed->generator_cpu, napi);
	r = start_generator(bed, contestant, contestant->n_endpoints, MR_BENCH_SINK_ANSWERS);
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
	pid_t idler, const pid_t *napi, unsigned n_napi, struct reading *ret_reading)
{
	struct reading reading = {.ns = mr_now_ns(), .idle_ns = mr_proc_cpu_ns(idler)};

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
	mr_cleanup(idler_stop) pid_t idler = 0;
	int r = idler_start(bed->relay_cpu, &idler);

	if (r < 0)
		return r;
	r = start_generator(bed, contestant, sessions,
		contestant->peer->raw_frames ? MR_BENCH_SINK_RECIRCULATES : MR_BENCH_SINK_FREES);
	if (r == 0) {
		/* all that belongs to one reading is read at once, whatever the sinks have to do */
		mr_proc_realtime(0, MR_PROC_MEASURES);
		poll(NULL, 0, WARM_MS);
		take_reading(bed, contestant, idler, napi, n_napi, &before);
		poll(NULL, 0, (int)bed->turn_ms);
		take_reading(bed, contestant, idler, napi, n_napi, &after);
		mr_proc_realtime(0, MR_PROC_COMMON);
		r = mr_generator_stop(bed->generator, &contestant->next_seq);
	}
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
		mr_proc_realtime(
			napi[i], contestant->peer->in_kernel ? MR_PROC_WORKS : MR_PROC_COMMON);
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
