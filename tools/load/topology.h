/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology.h - three hosts in namespaces of their own: client - bastion - target, over two veth
 * pairs. Each contestant of the benchmark has its own, so that all stay set up while they take
 * turns.
 */
#ifndef MR_LOAD_TOPOLOGY_H
#define MR_LOAD_TOPOLOGY_H

#include <net/if.h>
#include <stdint.h>

#include "proc.h"

#define MR_TOPOLOGY_CLIENT      "10.91.1.2"
#define MR_TOPOLOGY_PUBLIC      "10.91.1.1"
#define MR_TOPOLOGY_UPSTREAM    "10.91.2.1"
#define MR_TOPOLOGY_TARGET      "10.91.2.2"
#define MR_TOPOLOGY_THREADS_MAX 16

enum mr_host { MR_HOST_CLIENT, MR_HOST_BASTION, MR_HOST_TARGET, MR_HOSTS };

/** The four ends of the two links, in the order of the way to the target. */
enum mr_link_end { MR_END_CLIENT, MR_END_PUBLIC, MR_END_UPSTREAM, MR_END_TARGET, MR_ENDS };

struct mr_topology {
	char netns[MR_HOSTS][32]; /* names, as `ip netns` knows them; empty: not made */
	int netns_fd[MR_HOSTS];
	char device[MR_ENDS][IFNAMSIZ];
	int ifindex[MR_ENDS];
	unsigned char mac[MR_ENDS][6];
};

/** An unmade topology: free() may be called on it. */
#define MR_TOPOLOGY_NONE ((struct mr_topology){.netns_fd = {-1, -1, -1}})

/**
 * Makes topology number `number` of this process. Offloads that a virtual link can't keep are off,
 * GRO is on (it brings NAPI), and every NAPI runs in a kernel thread. The bastion forwards
 * nothing yet. On failure what was made is in `topology` and goes with mr_topology_free().
 */
int mr_topology_make(struct mr_topology *topology, unsigned number, struct mr_proc_why *ret_why);

/**
 * Sets neighbours that never change: no contestant's figure shall hold an ARP exchange. Again for
 * one that has taken an interface down.
 */
int mr_topology_neighbours(struct mr_topology *topology, struct mr_proc_why *ret_why);

void mr_topology_free(struct mr_topology *topology);

/** Writes `value` to /proc/sys/`name` in one host's namespace. */
int mr_topology_sysctl(
	const struct mr_topology *topology, enum mr_host host, const char *name, const char *value);

/**
 * Pins the bastion's NAPI threads to `relay_cpu` and lists them, and those of client and target to
 * `ends_cpu`, before everything else there; call it again after a program was attached to an
 * interface, because that makes new ones. Returns how many are listed.
 */
unsigned mr_topology_pin(const struct mr_topology *topology, int relay_cpu, int ends_cpu,
	pid_t pids[MR_TOPOLOGY_THREADS_MAX]);

#endif
