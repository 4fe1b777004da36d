// SPDX-License-Identifier: BSD-2-Clause
/*
 * peers.c - see peers.h. Every peer is configured as its manual or a common how-to has it, for one
 * mosh session: public port 60001 leads to the target's port 60001.
 */
#include "peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

#define PORT        60001
#define PORT_TEXT   "60001"
#define CLIENT_PORT 40000

/* A peer that has not begun to listen by then won't. */
#define LISTEN_MS 3000

int mr_contestant_aim(struct mr_contestant *contestant, const char *address, uint16_t port)
{
	struct mr_bench_endpoint *endpoint = calloc(1, sizeof(*endpoint));
	struct in_addr addr;

	if (!endpoint)
		return -ENOMEM;
	inet_pton(AF_INET, address, &addr);
	*endpoint = (struct mr_bench_endpoint){
		.daddr = addr.s_addr, .dport = htons(port), .sport = htons(CLIENT_PORT)};
	free(contestant->endpoints);
	contestant->endpoints = endpoint;
	contestant->n_endpoints = 1;
	return 0;
}

int mr_contestant_spawn(struct mr_contestant *contestant, char *const argv[])
{
	char log[96];
	struct mr_proc_options options = {
		.netns_fd = contestant->topology.netns_fd[MR_HOST_BASTION],
		.cpu = contestant->cpu,
		.log = log,
		.cwd = contestant->dir,
	};
	int r;

	if (contestant->n_pids == MR_PEER_PROCESSES_MAX)
		return -E2BIG;
	snprintf(log, sizeof(log), "%s/log", contestant->dir);
	r = mr_proc_start(&options, argv, &contestant->pids[contestant->n_pids]);
	if (r == 0)
		contestant->n_pids++;
	return r;
}

/** Does somebody in this namespace hold the UDP port? Asked by trying to bind it. */
static bool port_taken(uint16_t port)
{
	mr_cleanup(mr_close_fd) int fd = -1;
	union mr_sockaddr any = {.in.sin_family = AF_INET};

	mr_sockaddr_set_port(&any, port);
	return mr_udp_bind(&any, &fd) == -EADDRINUSE;
}

/** Waits until the peer's program has bound its port. */
static int wait_listening(struct mr_contestant *contestant, uint16_t port)
{
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	uint64_t until_ns = mr_now_ns() + LISTEN_MS * UINT64_C(1000000);
	int r;

	if (home < 0)
		return -errno;
	r = mr_netns_enter(contestant->topology.netns_fd[MR_HOST_BASTION]);
	while (r == 0 && !port_taken(port)) {
		if (mr_now_ns() > until_ns || !mr_contestant_alive(contestant))
			r = -ETIMEDOUT;
		else
			poll(NULL, 0, 5); /* nothing tells when another process binds */
	}
	if (mr_netns_enter(home) < 0)
		return -errno;
	return r;
}

static int start_program(
	struct mr_contestant *contestant, char *const argv[], struct mr_proc_why *ret_why)
{
	int r = mr_contestant_spawn(contestant, argv);

	if (r == 0)
		r = wait_listening(contestant, PORT);
	if (r == 0)
		r = mr_contestant_aim(contestant, MR_TOPOLOGY_PUBLIC, PORT);
	if (r < 0)
		snprintf(ret_why->text, sizeof(ret_why->text), "%s does not listen", argv[0]);
	return r;
}

static int allow_forwarding(struct mr_contestant *contestant)
{
	return mr_topology_sysctl(
		&contestant->topology, MR_HOST_BASTION, "net/ipv4/ip_forward", "1");
}

static int start_forward(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	int r = allow_forwarding(contestant);

	(void)ret_why;
	return r < 0 ? r : mr_contestant_aim(contestant, MR_TOPOLOGY_TARGET, PORT);
}

static int start_nftables(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	char rules[512];
	int r = allow_forwarding(contestant);

	if (r < 0)
		return r;
	snprintf(rules, sizeof(rules),
		"table ip relay {\n"
		"chain to { type nat hook prerouting priority dstnat;\n"
		"udp dport " PORT_TEXT " dnat to " MR_TOPOLOGY_TARGET ":" PORT_TEXT "\n}\n"
		"chain from { type nat hook postrouting priority srcnat;\n"
		"oifname \"%s\" masquerade\n}\n}\n",
		contestant->topology.device[MR_END_UPSTREAM]);
	r = mr_proc_run(rules, ret_why, "nsenter --net=/run/netns/%s nft -f -",
		contestant->topology.netns[MR_HOST_BASTION]);
	return r < 0 ? r : mr_contestant_aim(contestant, MR_TOPOLOGY_PUBLIC, PORT);
}

static int write_file(const struct mr_contestant *contestant, const char *name, const char *text)
{
	char path[128];
	mr_cleanup(mr_close_fd) int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", contestant->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -errno;
	return 0;
}

static int start_nginx(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	static const char module[] = "/usr/lib/nginx/modules/ngx_stream_module.so";
	char config[1024];
	char *argv[] = {"nginx", "-p", contestant->dir, "-c", "nginx.conf", NULL};
	int r;

	if (access(module, R_OK) < 0) {
		snprintf(ret_why->text, sizeof(ret_why->text), "%s (Debian: libnginx-mod-stream)",
			module);
		return -ENOENT;
	}
	snprintf(config, sizeof(config),
		"load_module %s;\n"
		"daemon off; worker_processes 1; pid nginx.pid; error_log log;\n"
		"events { worker_connections 1024; }\n"
		"stream { server { listen " MR_TOPOLOGY_PUBLIC ":" PORT_TEXT " udp;\n"
		"proxy_pass " MR_TOPOLOGY_TARGET ":" PORT_TEXT "; proxy_timeout 1d; } }\n",
		module);
	r = write_file(contestant, "nginx.conf", config);
	return r < 0 ? r : start_program(contestant, argv, ret_why);
}

static int start_socat(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	char *argv[] = {"socat", "UDP4-LISTEN:" PORT_TEXT ",reuseaddr",
		"UDP4:" MR_TOPOLOGY_TARGET ":" PORT_TEXT, NULL};

	return start_program(contestant, argv, ret_why);
}

/** The recipe that mosh users pass on: two netcats, tied by a named pipe. */
static int start_netcat(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	char *argv[] = {"sh", "-c",
		"rm -f back && mkfifo back && nc.openbsd -l -u " PORT_TEXT
		" <back | nc.openbsd -u " MR_TOPOLOGY_TARGET " " PORT_TEXT " >back",
		NULL};

	return start_program(contestant, argv, ret_why);
}

static int start_floor_fib(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	int r = allow_forwarding(contestant);

	(void)ret_why;
	if (r == 0)
		r = mr_generator_attach(contestant->generator, &contestant->topology, MR_END_PUBLIC,
			MR_BENCH_FLOOR_FIB);
	return r < 0 ? r : mr_contestant_aim(contestant, MR_TOPOLOGY_TARGET, PORT);
}

static int start_floor_tx(struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	int r = mr_generator_attach(
		contestant->generator, &contestant->topology, MR_END_PUBLIC, MR_BENCH_FLOOR_TX);

	(void)ret_why;
	return r < 0 ? r : mr_contestant_aim(contestant, MR_TOPOLOGY_TARGET, PORT);
}

static const char *const needs_nft[] = {"nft", NULL};
static const char *const needs_nginx[] = {"nginx", NULL};
static const char *const needs_socat[] = {"socat", NULL};
static const char *const needs_netcat[] = {"nc.openbsd", NULL};

const struct mr_peer mr_peers[] = {
	{.name = "xdp-native",
		.title = "moshrelay, native XDP",
		.own = true,
		.in_kernel = true,
		.raw_frames = true,
		.argument = "xdp",
		.start = mr_peer_relay_start},
	{.name = "xdp-generic",
		.title = "moshrelay, generic XDP",
		.own = true,
		.in_kernel = true,
		.argument = "xdp-generic",
		.start = mr_peer_relay_start},
	{.name = "dpdk",
		.title = "moshrelay, DPDK on af_packet",
		.own = true,
		.argument = "dpdk",
		.start = mr_peer_relay_start},
	{.name = "floor-tx",
		.title = "floor: MAC rewrite + XDP_TX",
		.in_kernel = true,
		.raw_frames = true,
		.turns_back = true,
		.start = start_floor_tx},
	{.name = "floor-fib",
		.title = "floor: bpf_fib_lookup + redirect",
		.in_kernel = true,
		.raw_frames = true,
		.start = start_floor_fib},
	{.name = "forward",
		.title = "kernel forwarding",
		.in_kernel = true,
		.start = start_forward},
	{.name = "nftables",
		.title = "nftables DNAT + masquerade",
		.programs = needs_nft,
		.in_kernel = true,
		.start = start_nftables},
	{.name = "nginx", .title = "nginx stream", .programs = needs_nginx, .start = start_nginx},
	{.name = "socat",
		.title = "socat",
		.programs = needs_socat,
		.one_client = true,
		.start = start_socat},
	{.name = "netcat",
		.title = "two netcats and a pipe",
		.programs = needs_netcat,
		.one_client = true,
		.merges = true,
		.start = start_netcat},
};
const unsigned mr_n_peers = sizeof(mr_peers) / sizeof(mr_peers[0]);

int mr_contestant_start(
	struct mr_contestant *contestant, unsigned number, struct mr_proc_why *ret_why)
{
	const struct mr_peer *peer = contestant->peer;
	int r;

	contestant->topology = MR_TOPOLOGY_NONE;
	for (unsigned i = 0; peer->programs && peer->programs[i]; i++) {
		if (mr_proc_have(peer->programs[i]))
			continue;
		snprintf(ret_why->text, sizeof(ret_why->text), "the program %s", peer->programs[i]);
		return -ENOENT;
	}
	snprintf(contestant->dir, sizeof(contestant->dir), "/tmp/moshrelay-load-XXXXXX");
	if (!mkdtemp(contestant->dir)) {
		contestant->dir[0] = '\0';
		return -errno;
	}
	r = mr_topology_make(&contestant->topology, number, ret_why);
	/* what is sent back to the client counts too: a floor turns datagrams around */
	if (r == 0)
		r = mr_generator_attach(
			contestant->generator, &contestant->topology, MR_END_CLIENT, MR_BENCH_SINK);
	if (r == 0)
		r = mr_generator_attach(
			contestant->generator, &contestant->topology, MR_END_TARGET, MR_BENCH_SINK);
	if (r == 0)
		r = peer->start(contestant, ret_why);
	/* DPDK's driver takes the interface down and up again, and the entries with it */
	return r < 0 ? r : mr_topology_neighbours(&contestant->topology, ret_why);
}

int mr_contestant_renew(struct mr_contestant *contestant)
{
	struct mr_proc_why why;

	for (unsigned i = 0; i < contestant->n_pids; i++)
		mr_proc_stop(&contestant->pids[i]);
	contestant->n_pids = 0;
	return contestant->peer->start(contestant, &why);
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
	(void)stat, (void)kind, (void)ftw;
	return remove(path);
}

void mr_contestant_free(struct mr_contestant *contestant)
{
	for (unsigned i = 0; i < contestant->n_pids; i++)
		mr_proc_stop(&contestant->pids[i]);
	contestant->n_pids = 0;
	mr_topology_free(&contestant->topology);
	if (contestant->dir[0]) {
		char path[96];

		snprintf(path, sizeof(path), "%s/bpf", contestant->dir);
		umount2(path, MNT_DETACH); /* only this project's relay has it */
	}
	if (contestant->dir[0])
		nftw(contestant->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	contestant->dir[0] = '\0';
	free(contestant->endpoints);
	contestant->endpoints = NULL;
}

bool mr_contestant_alive(const struct mr_contestant *contestant)
{
	for (unsigned i = 0; i < contestant->n_pids; i++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)contestant->pids[i], &info, WEXITED | WNOHANG | WNOWAIT) <
				0 ||
			info.si_pid != 0)
			return false;
	}
	return true;
}

void mr_contestant_last_words(const struct mr_contestant *contestant, struct mr_proc_why *ret_why)
{
	char path[96], line[192], last[192] = "it ended without a word";
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", contestant->dir);
	log = fopen(path, "re");
	while (log && fgets(line, sizeof(line), log)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(last, sizeof(last), "%s", line);
	}
	if (log)
		fclose(log);
	snprintf(ret_why->text, sizeof(ret_why->text), "%s", last);
}
