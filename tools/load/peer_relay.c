// SPDX-License-Identifier: BSD-2-Clause
/*
 * peer_relay.c - this project's relay as a contestant: its daemon in the bastion's namespace, its
 * sessions opened over the setup socket like anybody's.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"
#include "peers.h"
#include "scale.h"
#include "sessions.h"

#define READY_MS    15000
#define DETACHED_MS 3000

/*
 * The daemon holds a socket for each public port, however many addresses have it; so sessions
 * beyond these ports go to further pools, each with an address of its own.
 */
#define PORTS_LO      51000
#define PORTS_LO_MANY 1024 /* for many sessions: the most of these ports get no socket */
#define PORTS_HI      60999

#define POOLS_MAX 64

static bool has_many(const struct mr_contestant *contestant)
{
	return contestant->sessions >= MR_PEER_MANY;
}

static uint32_t ports_lo(const struct mr_contestant *contestant)
{
	return has_many(contestant) ? PORTS_LO_MANY : PORTS_LO;
}

/** Nobody listens at the ports that many sessions lead to; a mosh-server would be silent there. */
static int silence_target(const struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	const char *netns = contestant->topology.netns[MR_HOST_TARGET];
	int r = mr_proc_run(
		NULL, ret_why, "nsenter --net=/run/netns/%s nft add table inet silent", netns);

	if (r == 0)
		r = mr_proc_run(NULL, ret_why,
			"nsenter --net=/run/netns/%s nft add chain inet silent in { type filter "
			"hook "
			"input priority 0 ; }",
			netns);
	if (r == 0)
		r = mr_proc_run(NULL, ret_why,
			"nsenter --net=/run/netns/%s nft add rule inet silent in udp dport %u-%u "
			"drop",
			netns, MR_PEER_TARGET_LO_MANY + 1, MR_PEER_TARGET_HI_MANY);
	return r;
}

/** The first pool is given by options; writes the configuration with the others. */
static int write_pools(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	uint32_t ports = PORTS_HI - ports_lo(contestant) + 1;
	uint32_t pools = (contestant->sessions + MR_SCALE_ROOM + ports - 1) / ports;
	char path[96];
	FILE *file;
	int r = 0;

	if (pools > POOLS_MAX) {
		snprintf(ret_why->text, sizeof(ret_why->text), "more than %u sessions are too many",
			POOLS_MAX * ports);
		return -EPROTO;
	}
	snprintf(path, sizeof(path), "%s/moshrelay.conf", contestant->dir);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	if (has_many(contestant))
		fprintf(file,
			"allow \"bench\" { users = {\"root\"} targets = {\"%s\"} target-ports = "
			"\"%u-%u\" }\n",
			MR_TOPOLOGY_TARGET, MR_PEER_TARGET_LO, MR_PEER_TARGET_HI_MANY);
	for (uint32_t i = 1; i < pools && r == 0; i++) {
		fprintf(file,
			"pool \"pool%u\" { addresses = {\"10.91.1.%u\"} ports = \"%u-%u\" }\n", i,
			10 + i, ports_lo(contestant), PORTS_HI);
		r = mr_proc_run(NULL, ret_why, "ip -n %s address add 10.91.1.%u/24 dev %s",
			contestant->topology.netns[MR_HOST_BASTION], 10 + i,
			contestant->topology.device[MR_END_PUBLIC]);
	}
	return fclose(file) != 0 && r == 0 ? -errno : r;
}

static int start_daemon(struct mr_contestant *contestant)
{
	const struct mr_topology *topology = &contestant->topology;
	char run_dir[96], state_dir[96], pin_dir[96], conf[96], ports[16], max[16];
	char *argv[] = {(char *)contestant->daemon, "-c", conf, "-i",
		(char *)topology->device[MR_END_PUBLIC], "-i",
		(char *)topology->device[MR_END_UPSTREAM], "--public", MR_TOPOLOGY_PUBLIC,
		"--ports", ports, "--dataplane", (char *)contestant->peer->argument,
		"--max-sessions", max, "--run-dir", run_dir, "--state-dir", state_dir, "--pin-dir",
		pin_dir, NULL};

	snprintf(run_dir, sizeof(run_dir), "%s/run", contestant->dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", contestant->dir);
	snprintf(pin_dir, sizeof(pin_dir), "%s/bpf/pins", contestant->dir);
	snprintf(conf, sizeof(conf), "%s/moshrelay.conf", contestant->dir);
	snprintf(ports, sizeof(ports), "%u-%u", ports_lo(contestant), PORTS_HI);
	snprintf(max, sizeof(max), "%u", contestant->sessions + MR_SCALE_ROOM + 1024);
	return mr_contestant_spawn(contestant, argv);
}

/** The pinned maps need a BPF file system; a private one goes away with the benchmark. */
static int mount_bpf(struct mr_contestant *contestant)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/bpf", contestant->dir);
	if ((mkdir(path, 0755) < 0 && errno != EEXIST) ||
		mount("bpf", path, "bpf", 0, "mode=0755") < 0)
		return -errno;
	return 0;
}

static int connect_daemon(
	struct mr_contestant *contestant, struct mr_rpc **ret_rpc, struct mr_proc_why *ret_why)
{
	uint64_t until_ns = mr_now_ns() + READY_MS * UINT64_C(1000000);
	struct mr_rpc_error error;
	char path[96];

	snprintf(path, sizeof(path), "%s/run/setup.sock", contestant->dir);
	while (mr_rpc_connect(path, MR_RPC_TIMEOUT_MS, ret_rpc, &error) != MR_EXIT_DONE) {
		if (!mr_contestant_alive(contestant) || mr_now_ns() > until_ns) {
			mr_contestant_last_words(contestant, ret_why);
			return -EPROTO;
		}
		poll(NULL, 0, 10); /* until the socket is there, there is nothing to wait on */
	}
	return 0;
}

static int take_state(
	struct mr_contestant *contestant, struct mr_rpc *rpc, struct mr_proc_why *ret_why)
{
	struct mr_rpc_error error;
	const char *dataplane;
	json_t *status = NULL;

	if (mr_rpc_call(rpc, "status", NULL, &status, &error) != MR_EXIT_DONE) {
		snprintf(ret_why->text, sizeof(ret_why->text), "status: %.200s", error.message);
		return -EPROTO;
	}
	if (json_unpack(status, "{s:s}", "dataplane", &dataplane) == 0)
		snprintf(contestant->state, sizeof(contestant->state), "%s", dataplane);
	json_decref(status);
	return 0;
}

static int open_sessions(
	struct mr_contestant *contestant, struct mr_rpc *rpc, struct mr_proc_why *ret_why)
{
	const struct mr_port_range few = {MR_PEER_TARGET_LO, MR_PEER_TARGET_HI};
	const struct mr_port_range many = {MR_PEER_TARGET_LO_MANY, MR_PEER_TARGET_HI_MANY};
	struct mr_port_range ports = has_many(contestant) ? many : few;
	mr_cleanup(mr_sessions_free) struct mr_sessions sessions = {0};
	struct mr_hist *latency = calloc(1, sizeof(*latency));
	struct mr_rpc_error error;
	union mr_sockaddr target;
	uint64_t start_ns = mr_now_ns();
	enum mr_exit status;

	if (!latency)
		return -ENOMEM;
	mr_sockaddr_parse(MR_TOPOLOGY_TARGET, &target);
	status = mr_sessions_open(
		rpc, &target, ports, contestant->sessions, "bench", latency, &sessions, &error);
	free(latency);
	contestant->opens_per_second = sessions.n * 1e9 / (double)(mr_now_ns() - start_ns);
	if (status != MR_EXIT_DONE) {
		snprintf(ret_why->text, sizeof(ret_why->text), "session %u: %.200s", sessions.n + 1,
			error.message);
		return -EPROTO;
	}
	contestant->endpoints = calloc(sessions.n, sizeof(*contestant->endpoints));
	if (!contestant->endpoints)
		return -ENOMEM;
	contestant->n_endpoints = sessions.n;
	for (uint32_t i = 0; i < sessions.n; i++)
		contestant->endpoints[i] = (struct mr_bench_endpoint){
			.daddr = sessions.endpoints[i].relay.in.sin_addr.s_addr,
			.dport = sessions.endpoints[i].relay.in.sin_port,
			.sport = htons((uint16_t)(10000 + i % 50000)),
		};
	return 0;
}

int mr_peer_relay_start(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	int r;

	if (!contestant->daemon) {
		snprintf(ret_why->text, sizeof(ret_why->text), "the program moshrelayd");
		return -ENOENT;
	}
	r = mount_bpf(contestant);
	if (r == 0 && has_many(contestant))
		r = silence_target(contestant, ret_why);
	if (r == 0)
		r = write_pools(contestant, ret_why);
	if (r == 0)
		r = start_daemon(contestant);
	if (r == 0)
		r = connect_daemon(contestant, &rpc, ret_why);
	if (r == 0)
		r = take_state(contestant, rpc, ret_why);
	if (r == 0)
		r = open_sessions(contestant, rpc, ret_why);
	return r;
}

int mr_peer_relay_strays(struct mr_contestant *contestant, uint64_t *ret_strays)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	struct mr_rpc_error error;
	json_t *stats = NULL, *reasons;
	char path[96];

	snprintf(path, sizeof(path), "%s/run/setup.sock", contestant->dir);
	if (mr_rpc_connect(path, MR_RPC_TIMEOUT_MS, &rpc, &error) != MR_EXIT_DONE ||
		mr_rpc_call(rpc, "stats", NULL, &stats, &error) != MR_EXIT_DONE)
		return -ECHILD;
	reasons = json_object_get(stats, "reasons");
	*ret_strays = (uint64_t)(json_integer_value(json_object_get(reasons, "no_session")) +
		json_integer_value(json_object_get(reasons, "session_closed")));
	json_decref(stats);
	return 0;
}

static int remove_pin(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat, (void)kind;
	return ftw->level > 0 ? remove(path) : 0;
}

/** Is one of the relay's programs still attached? Call it in the bastion's namespace. */
static bool attached(const struct mr_contestant *contestant)
{
	for (unsigned end = MR_END_PUBLIC; end <= MR_END_UPSTREAM; end++) {
		uint32_t id = 0;

		if (bpf_xdp_query_id(contestant->topology.ifindex[end], 0, &id) == 0 && id != 0)
			return true;
	}
	return false;
}

/** The kernel takes a program off after its last pin is gone, in its own time. */
static int wait_detached(const struct mr_contestant *contestant)
{
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	uint64_t until_ns = mr_now_ns() + DETACHED_MS * UINT64_C(1000000);
	int r;

	if (home < 0)
		return -errno;
	r = mr_netns_enter(contestant->topology.netns_fd[MR_HOST_BASTION]);
	while (r == 0 && attached(contestant)) {
		if (mr_now_ns() > until_ns)
			r = -ETIMEDOUT;
		else
			poll(NULL, 0, 5);
	}
	if (mr_netns_enter(home) < 0)
		return -errno;
	return r;
}

int mr_peer_relay_empty(struct mr_contestant *contestant)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "%s/bpf", contestant->dir);
	/* one by one: other mount namespaces may have a copy of the mount, which keeps the pins */
	nftw(path, remove_pin, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (umount2(path, MNT_DETACH) < 0)
		return -errno;
	r = mount_bpf(contestant);
	return r < 0 ? r : wait_detached(contestant);
}

int mr_peer_relay_restart(struct mr_contestant *contestant)
{
	return start_daemon(contestant);
}
