/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dpdk.h - what the files of the module share: ports, tables, workers, and the handle over them.
 *
 * Threads: the daemon's (every mr_backend_ops call), one control thread (control.h: netlink, nft)
 * and the workers. Workers read what the others publish under one rte_rcu_qsbr and write only
 * session records (under their locks), their own counters and the events' ring.
 */
#ifndef MR_DPDK_H
#define MR_DPDK_H

#include <net/if.h>
#include <pthread.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "backend.h"
#include "core/index.h"
#include "core/limit.h"
#include "memory.h"
#include "options.h"

struct mr_control;
struct mr_outgoing;
struct mr_routes;
struct mr_neighbours;
struct rte_hash;

#define MR_BURST 64 /* packets at once */

/** A port of DPDK and the kernel's interface that stands for it. */
struct mr_port {
	uint16_t id;
	uint32_t ifindex; /* the TAP's, or that of the interface net_af_packet listens on */
	char ifname[IF_NAMESIZE];
	char device[64]; /* as DPDK calls it */
	char driver[32];
	struct rte_ether_addr mac;
	uint16_t mtu;
	bool has_tap;
	bool started; /* workers receive from it; net_af_packet: not while the interface is gone */
	bool gone;    /* its interface is: nothing is to be sent by it, see replug.h */
	bool link_up; /* the cable, as last seen; under the control thread's lock */
	bool link_seen;  /* it was up once: there are drivers that know of none */
	bool multi_segs; /* it sends frames of several segments */
	/* The kernel also sees what arrives: passing is dropping, and local senders' datagrams may
	 * come with unfinished checksums. */
	bool kernel_sees;
	int tap_fds[MR_DPDK_WORKERS_MAX];  /* one queue of the TAP a worker, -1 */
	int wake_fds[MR_DPDK_WORKERS_MAX]; /* readable when the queue has frames, -1 */
	bool interrupts;                   /* wake_fds are rx interrupts, to be armed */
	unsigned n_sockets; /* of net_af_packet: wake_fds that aren't ours to close */
};

/** The link table: written by the daemon, replaced whole, read by workers under RCU. */
struct mr_links {
	uint32_t count;
	struct mr_link_entry {
		uint32_t ifindex;
		struct mr_link link;
	} entries[]; /* sorted by ifindex */
};

struct mr_tables {
	/* what packets read */
	struct mr_session *sessions; /* 8 octets before a cache line, see session.h */
	struct mr_port_line *lines;  /* clients' side, see core/index.h */
	struct mr_bucket *buckets;   /* targets' side */
	uint32_t bucket_mask;
	uint32_t hash_seed;   /* of mr_key_hash() */
	uint32_t generation;  /* of next hops, never 0 */
	uint16_t upstream_lo; /* first upstream port: a guess which table to ask first */
	bool quick;           /* current legs are served without the lock, see core/quick.h */
	struct mr_links *links;
	struct rte_hash *ways; /* see ways.h; NULL: there are none */
	uint8_t address_slots[MR_ADDRESS_BUCKETS + MR_ADDRESS_PROBES]; /* + 1, see index.h */
	struct mr_addr addresses[MR_PUBLIC_MAX];
	struct rte_rcu_qsbr *rcu;

	/* the daemon's own */
	uint32_t max_sessions;
	uint32_t max_addresses;
	bool keys_deleted; /* since the last grace period */
	struct mr_memory records_memory, lines_memory, buckets_memory;
};

struct mr_events {
	struct rte_ring *ring; /* of struct mr_event */
	int fd;                /* eventfd, readable while the ring has something */
};

/** One packet thread. Written by itself alone, but for `stop` and `wake_fd`. */
struct mr_worker {
	struct mr_backend *backend;
	unsigned index; /* its queue on every port, its thread in the RCU variable */
	unsigned lcore_id;
	bool launched;
	int epoll_fd;
	int wake_fd; /* eventfd: stop now */
	unsigned polls;
	struct mr_reason_count counts[MR_REASON_CAPACITY];
	struct mr_event_limit limits[MR_EVENT_KINDS];
	struct mr_outgoing *out; /* one a port */
	uint64_t (*clock)(void); /* CLOCK_MONOTONIC, ns; tests have their own */
} __rte_cache_aligned;

struct mr_backend {
	struct mr_dpdk_options options;
	struct mr_port ports[MR_DPDK_PORTS_MAX];
	unsigned n_ports;
	struct rte_mempool *pool;
	struct mr_tables tables;
	struct mr_events events;
	struct mr_worker *workers; /* options.workers of them */
	struct mr_control *control;
	/* Published by the control thread, read by workers under RCU. */
	struct mr_routes *routes;
	struct mr_neighbours *neighbours;
	bool huge;
	bool stop;
};

#endif
