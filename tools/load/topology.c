// SPDX-License-Identifier: BSD-2-Clause
/*
 * topology.c - see topology.h.
 */
#include "topology.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The client's and the target's NAPI collects frames for so long; a ring holds 256. */
#define COALESCE_NS "20000"

static const enum mr_host host_of[MR_ENDS] = {
	MR_HOST_CLIENT, MR_HOST_BASTION, MR_HOST_BASTION, MR_HOST_TARGET};
static const char *const address_of[MR_ENDS] = {
	MR_TOPOLOGY_CLIENT, MR_TOPOLOGY_PUBLIC, MR_TOPOLOGY_UPSTREAM, MR_TOPOLOGY_TARGET};
static const enum mr_link_end peer_of[MR_ENDS] = {
	MR_END_PUBLIC, MR_END_CLIENT, MR_END_TARGET, MR_END_UPSTREAM};

static int make_namespaces(
	struct mr_topology *topology, unsigned number, struct mr_proc_why *ret_why)
{
	static const char letter[MR_HOSTS] = {'c', 'b', 't'};

	for (unsigned i = 0; i < MR_HOSTS; i++) {
		char path[64];
		int r;

		snprintf(topology->netns[i], sizeof(topology->netns[i]), "load-%d-%u%c", getpid(),
			number, letter[i]);
		r = mr_proc_run(NULL, ret_why, "ip netns add %s", topology->netns[i]);
		if (r < 0) {
			topology->netns[i][0] = '\0';
			return r;
		}
		snprintf(path, sizeof(path), "/run/netns/%s", topology->netns[i]);
		topology->netns_fd[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (topology->netns_fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int make_links(struct mr_topology *topology, unsigned number, struct mr_proc_why *ret_why)
{
	static const char *const letter[MR_ENDS] = {"c", "p", "u", "t"};
	int r = 0;

	/* a name that no other process uses: NAPI threads are found by it */
	for (unsigned i = 0; i < MR_ENDS; i++)
		snprintf(topology->device[i], IFNAMSIZ, "ml%x%s%u", (unsigned)getpid(), letter[i],
			number);
	for (unsigned i = 0; i < MR_ENDS && r == 0; i += 2)
		r = mr_proc_run(NULL, ret_why,
			"ip -n %s link add %s numrxqueues 1 numtxqueues 1 type veth peer name %s "
			"numrxqueues 1 numtxqueues 1 netns %s",
			topology->netns[host_of[i]], topology->device[i], topology->device[i + 1],
			topology->netns[host_of[i + 1]]);
	return r;
}

/** Runs `ethtool` in the host of `end`; it knows no namespaces by itself. */
static int set_up_end(
	struct mr_topology *topology, enum mr_link_end end, struct mr_proc_why *ret_why)
{
	const char *netns = topology->netns[host_of[end]], *device = topology->device[end];
	int r = mr_proc_run(
		NULL, ret_why, "nsenter --net=/run/netns/%s ethtool -K %s tx off", netns, device);

	/* without IPv6's own chatter, the counts hold nothing but the load */
	if (r == 0)
		r = mr_proc_run(
			NULL, ret_why, "ip -n %s link set %s addrgenmode none", netns, device);
	if (r == 0)
		r = mr_proc_run(NULL, ret_why, "ip -n %s address add %s/24 dev %s", netns,
			address_of[end], device);
	if (r == 0)
		r = mr_proc_run(NULL, ret_why, "ip -n %s link set %s up", netns, device);
	return r;
}

/** Writes to one attribute of the device in /sys, which shows the namespace that it was mounted in.
 */
static int set_attribute(struct mr_topology *topology, enum mr_link_end end, const char *name,
	const char *value, struct mr_proc_why *ret_why)
{
	return mr_proc_run(value, ret_why, "ip netns exec %s tee /sys/class/net/%s/%s",
		topology->netns[host_of[end]], topology->device[end], name);
}

/**
 * NAPI for one end, in a thread, so that each host works on a core of its own: without, what the
 * bastion sends is received in its own thread, and the target's share counts as the relay's. Only
 * for a device that is up does the kernel tell its peer that it now takes raw frames (seen on
 * 6.18).
 */
static int set_up_napi(
	struct mr_topology *topology, enum mr_link_end end, struct mr_proc_why *ret_why)
{
	int r = mr_proc_run(NULL, ret_why, "nsenter --net=/run/netns/%s ethtool -K %s gro on",
		topology->netns[host_of[end]], topology->device[end]);

	if (r == 0)
		r = set_attribute(topology, end, "threaded", "1", ret_why);
	if (r < 0 || host_of[end] == MR_HOST_BASTION)
		return r;
	/* coalescing, as a card has it: the generator shares its core with these two */
	r = set_attribute(topology, end, "gro_flush_timeout", COALESCE_NS, ret_why);
	return r < 0 ? r : set_attribute(topology, end, "napi_defer_hard_irqs", "1", ret_why);
}

static int read_device(struct mr_topology *topology, enum mr_link_end end)
{
	mr_cleanup(mr_close_fd) int fd = -1;
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", topology->device[end]);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return -errno;
	memcpy(topology->mac[end], request.ifr_hwaddr.sa_data, 6);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return -errno;
	topology->ifindex[end] = request.ifr_ifindex;
	return 0;
}

static int read_devices(struct mr_topology *topology)
{
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int r = home < 0 ? -errno : 0;

	for (unsigned i = 0; i < MR_ENDS && r == 0; i++) {
		r = mr_netns_enter(topology->netns_fd[host_of[i]]);
		if (r == 0)
			r = read_device(topology, (enum mr_link_end)i);
	}
	if (home >= 0 && mr_netns_enter(home) < 0 && r == 0)
		r = -errno;
	return r;
}

static int set_neighbour(
	struct mr_topology *topology, enum mr_link_end end, struct mr_proc_why *ret_why)
{
	const unsigned char *mac = topology->mac[peer_of[end]];

	return mr_proc_run(NULL, ret_why,
		"ip -n %s neighbour replace %s lladdr %02x:%02x:%02x:%02x:%02x:%02x nud permanent "
		"dev %s",
		topology->netns[host_of[end]], address_of[peer_of[end]], mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5], topology->device[end]);
}

int mr_topology_neighbours(struct mr_topology *topology, struct mr_proc_why *ret_why)
{
	int r = 0;

	for (unsigned i = 0; i < MR_ENDS && r == 0; i++)
		r = set_neighbour(topology, (enum mr_link_end)i, ret_why);
	return r;
}

int mr_topology_make(struct mr_topology *topology, unsigned number, struct mr_proc_why *ret_why)
{
	int r;

	*topology = MR_TOPOLOGY_NONE;
	snprintf(ret_why->text, sizeof(ret_why->text), "the namespaces");
	r = make_namespaces(topology, number, ret_why);
	if (r == 0)
		r = make_links(topology, number, ret_why);
	for (unsigned i = 0; i < MR_ENDS && r == 0; i++)
		r = set_up_end(topology, (enum mr_link_end)i, ret_why);
	for (unsigned i = 0; i < MR_ENDS && r == 0; i++)
		r = set_up_napi(topology, (enum mr_link_end)i, ret_why);
	if (r == 0)
		r = read_devices(topology);
	if (r == 0)
		r = mr_topology_neighbours(topology, ret_why);
	if (r == 0)
		r = mr_proc_run(NULL, ret_why, "ip -n %s route add default via %s",
			topology->netns[MR_HOST_CLIENT], MR_TOPOLOGY_PUBLIC);
	if (r == 0)
		r = mr_proc_run(NULL, ret_why, "ip -n %s route add default via %s",
			topology->netns[MR_HOST_TARGET], MR_TOPOLOGY_UPSTREAM);
	for (unsigned i = 0; i < MR_HOSTS && r == 0; i++)
		r = mr_proc_run(NULL, ret_why, "ip -n %s link set lo up", topology->netns[i]);
	return r;
}

void mr_topology_free(struct mr_topology *topology)
{
	struct mr_proc_why why;

	for (unsigned i = 0; i < MR_HOSTS; i++) {
		mr_close_fd(&topology->netns_fd[i]);
		if (topology->netns[i][0])
			mr_proc_run(NULL, &why, "ip netns delete %s", topology->netns[i]);
		topology->netns[i][0] = '\0';
	}
}

int mr_topology_sysctl(
	const struct mr_topology *topology, enum mr_host host, const char *name, const char *value)
{
	mr_cleanup(mr_close_fd) int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	mr_cleanup(mr_close_fd) int fd = -1;
	char path[128];
	int r;

	if (home < 0)
		return -errno;
	/* /proc/sys/net shows the namespace of whoever opens it */
	r = mr_netns_enter(topology->netns_fd[host]);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		r = -errno;
	if (mr_netns_enter(home) < 0)
		return -errno;
	return r;
}

/** The NAPI threads of one end, pinned to `cpu`; returns how many. */
static unsigned pin_end(const struct mr_topology *topology, enum mr_link_end end, int cpu,
	pid_t *pids, unsigned max)
{
	char prefix[32];
	unsigned n;

	snprintf(prefix, sizeof(prefix), "napi/%s-", topology->device[end]);
	n = mr_proc_find(prefix, pids, max);
	for (unsigned i = 0; i < n; i++) {
		mr_proc_pin(pids[i], cpu);
		mr_proc_prefer(pids[i]);
	}
	return n;
}

unsigned mr_topology_pin(const struct mr_topology *topology, int relay_cpu, int ends_cpu,
	pid_t pids[MR_TOPOLOGY_THREADS_MAX])
{
	pid_t others[MR_TOPOLOGY_THREADS_MAX];
	unsigned n = 0, n_others = 0;

	for (unsigned end = 0; end < MR_ENDS; end++) {
		if (host_of[end] == MR_HOST_BASTION)
			n += pin_end(topology, (enum mr_link_end)end, relay_cpu, pids + n,
				MR_TOPOLOGY_THREADS_MAX - n);
		else
			n_others += pin_end(topology, (enum mr_link_end)end, ends_cpu,
				others + n_others, MR_TOPOLOGY_THREADS_MAX - n_others);
	}
	/* what is sent must be counted before it is lost in a queue: the generator can wait */
	for (unsigned i = 0; i < n_others; i++)
		mr_proc_realtime(others[i], MR_PROC_WORKS);
	return n;
}
