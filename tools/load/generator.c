// SPDX-License-Identifier: BSD-2-Clause
/*
 * generator.c - see generator.h.
 */
#include "generator.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench.skel.h"

/*
 * Frames of one system call: without end, because each call ends by waiting for RCU, as long as a
 * million frames take. A signal ends it.
 */
#define FRAMES (1u << 30)

/*
 * Frames made at once, in which time no sink runs. Where frames recirculate, a sink has to run
 * again before its ring of 256 is full. Elsewhere the most that the kernel allows: it keeps so many
 * frames to be used again.
 */
#define BATCH               256
#define BATCH_RECIRCULATING 64

#define STOP_SIGNAL SIGUSR2
#define STOP_NS     10000000

#define ENDPOINTS_SIZE (MR_BENCH_ENDPOINTS * sizeof(struct mr_bench_endpoint))

struct mr_generator {
	struct bench_bpf *skel;
	struct mr_bench_endpoint *endpoints;
	int cpu;
	bool running;
	pthread_t thread;
	atomic_bool stop;
	int netns_fd;
	int ifindex;
	int result;
	uint64_t first;
	uint32_t sessions;
	uint32_t batch;
};

static uint32_t word_sum(const unsigned char *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		uint16_t word;

		memcpy(&word, data + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void make_frame(unsigned char frame[MR_BENCH_FRAME])
{
	memset(frame, 0, MR_BENCH_FRAME);
	for (unsigned i = MR_BENCH_FRAME - MR_BENCH_PAYLOAD; i < MR_BENCH_FRAME; i++)
		frame[i] = (unsigned char)(i * 7);
}

static void *generate(void *context)
{
	struct mr_generator *generator = context;
	unsigned char frame[MR_BENCH_FRAME];
	struct xdp_md ctx = {
		.data_end = sizeof(frame), .ingress_ifindex = (uint32_t)generator->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		.ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = FRAMES,
		.batch_size = generator->batch, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	int fd = bpf_program__fd(generator->skel->progs.generate);

	make_frame(frame);
	generator->result = mr_netns_enter(generator->netns_fd);
	if (generator->result == 0)
		generator->result = mr_proc_pin(0, generator->cpu);
	mr_proc_prefer(0);
	while (generator->result == 0 && !atomic_load(&generator->stop)) {
		if (bpf_prog_test_run_opts(fd, &opts) < 0 && errno != EINTR)
			generator->result = -errno;
	}
	return NULL;
}

void mr_generator_free(struct mr_generator **generator_p)
{
	struct mr_generator *generator = *generator_p;
	uint64_t seq;

	if (!generator)
		return;
	if (generator->running)
		mr_generator_stop(generator, &seq);
	if (generator->endpoints)
		munmap(generator->endpoints, ENDPOINTS_SIZE);
	bench_bpf__destroy(generator->skel);
	free(generator);
	*generator_p = NULL;
}

static void wake(int number)
{
	(void)number; /* the system call that it interrupts is all that it is for */
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level, (void)fmt, (void)args;
	return 0;
}

int mr_generator_new(int cpu, struct mr_generator **ret_generator)
{
	mr_cleanup(mr_generator_free) struct mr_generator *generator =
		calloc(1, sizeof(*generator));
	unsigned char frame[MR_BENCH_FRAME];
	void *map;

	if (!generator)
		return -ENOMEM;
	libbpf_set_print(quiet);
	sigaction(STOP_SIGNAL, &(struct sigaction){.sa_handler = wake}, NULL);
	generator->cpu = cpu;
	generator->skel = bench_bpf__open_and_load();
	if (!generator->skel)
		return -errno;
	make_frame(frame);
	generator->skel->bss->gen.payload_sum =
		word_sum(frame + MR_BENCH_FRAME - MR_BENCH_PAYLOAD + 8, MR_BENCH_PAYLOAD - 8);
	map = mmap(NULL, ENDPOINTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(generator->skel->maps.endpoints), 0);
	if (map == MAP_FAILED)
		return -errno;
	generator->endpoints = map;
	*ret_generator = generator;
	generator = NULL;
	return 0;
}

int mr_generator_attach(struct mr_generator *generator, const struct mr_topology *topology,
	enum mr_link_end end, enum mr_bench_program program)
{
	static const enum mr_host host_of[MR_ENDS] = {
		MR_HOST_CLIENT, MR_HOST_BASTION, MR_HOST_BASTION, MR_HOST_TARGET};
	const struct bpf_program *programs[] = {
		[MR_BENCH_SINK] = generator->skel->progs.sink,
		[MR_BENCH_FLOOR_FIB] = generator->skel->progs.floor_fib,
		[MR_BENCH_FLOOR_TX] = generator->skel->progs.floor_tx,
	};
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return -errno;
	r = mr_netns_enter(topology->netns_fd[host_of[end]]);
	if (r < 0)
		return r;
	r = bpf_xdp_attach(topology->ifindex[end], bpf_program__fd(programs[program]),
		XDP_FLAGS_DRV_MODE, NULL);
	if (mr_netns_enter(home) < 0)
		return -errno;
	return r;
}

struct mr_bench_endpoint *mr_generator_endpoints(struct mr_generator *generator)
{
	return generator->endpoints;
}

/** Tells the sinks which device sends what recirculates. */
static int aim(struct mr_generator *generator, const struct mr_topology *topology)
{
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	uint32_t key = 0, ifindex = (uint32_t)topology->ifindex[MR_END_CLIENT];
	int r;

	if (home < 0)
		return -errno;
	/* the kernel looks for the device where the caller is */
	r = mr_netns_enter(topology->netns_fd[MR_HOST_CLIENT]);
	if (r < 0)
		return r;
	if (bpf_map_update_elem(
		    bpf_map__fd(generator->skel->maps.client), &key, &ifindex, BPF_ANY) < 0)
		r = -errno;
	return mr_netns_enter(home) < 0 ? -errno : r;
}

int mr_generator_start(struct mr_generator *generator, const struct mr_topology *topology,
	uint32_t sessions, uint64_t first_seq, uint16_t sink_lo, uint16_t sink_hi,
	enum mr_bench_sink sink)
{
	struct bench_bpf__bss *bss = generator->skel->bss;
	struct in_addr client;
	int r;

	assert(!generator->running && sessions > 0 && sessions <= MR_BENCH_ENDPOINTS);
	inet_pton(AF_INET, MR_TOPOLOGY_CLIENT, &client);
	bss->gen.saddr = client.s_addr;
	bss->gen.sessions = sessions;
	bss->gen_count.n = first_seq * sessions;
	memcpy(bss->gen.dmac, topology->mac[MR_END_PUBLIC], 6);
	memcpy(bss->gen.smac, topology->mac[MR_END_CLIENT], 6);
	memcpy(bss->out.dmac, topology->mac[MR_END_CLIENT], 6);
	memcpy(bss->out.smac, topology->mac[MR_END_PUBLIC], 6);
	bss->out.port_lo = sink_lo;
	bss->out.port_hi = sink_hi;
	bss->out.answer = sink == MR_BENCH_SINK_ANSWERS;
	bss->out.recirculate = sink == MR_BENCH_SINK_RECIRCULATES;
	bss->sink_count.n = 0;
	if (sink == MR_BENCH_SINK_RECIRCULATES) {
		r = aim(generator, topology);
		if (r < 0)
			return r;
	}
	generator->first = bss->gen_count.n;
	generator->sessions = sessions;
	generator->batch = sink == MR_BENCH_SINK_RECIRCULATES ? BATCH_RECIRCULATING : BATCH;
	generator->netns_fd = topology->netns_fd[MR_HOST_CLIENT];
	generator->ifindex = topology->ifindex[MR_END_CLIENT];
	atomic_store(&generator->stop, false);
	r = -pthread_create(&generator->thread, NULL, generate, generator);
	generator->running = r == 0;
	return r;
}

int mr_generator_stop(struct mr_generator *generator, uint64_t *ret_next_seq)
{
	struct timespec until;

	assert(generator->running);
	generator->skel->bss->out.recirculate = false; /* else frames would go round for ever */
	atomic_store(&generator->stop, true);
	/* a signal that comes just before the system call begins is lost: send another */
	do {
		pthread_kill(generator->thread, STOP_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += STOP_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
	} while (pthread_timedjoin_np(generator->thread, NULL, &until) == ETIMEDOUT);
	generator->running = false;
	*ret_next_seq = generator->skel->bss->gen_count.n / generator->sessions + 1;
	return generator->result;
}

void mr_generator_sink_off(struct mr_generator *generator)
{
	generator->skel->bss->out.port_lo = 1;
	generator->skel->bss->out.port_hi = 0;
}

void mr_generator_counts(
	const struct mr_generator *generator, uint64_t *ret_sent, uint64_t *ret_arrived)
{
	const volatile struct bench_bpf__bss *bss = generator->skel->bss;

	*ret_sent = bss->gen_count.n - generator->first;
	*ret_arrived = bss->sink_count.n;
}
