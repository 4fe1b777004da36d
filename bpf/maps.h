/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * maps.h - every map of the XDP program, who writes it and who reads it.
 *
 * All are pinned below the daemon's pin dir under the names here and outlive it. The daemon sets
 * the sizes before it loads the program. No map evicts, and no packet makes one grow.
 */
#ifndef MR_BPF_MAPS_H
#define MR_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "event.h"
#include "limit.h"
#include "reason.h"
#include "session.h"
#include "state.h"

/* Daemon: whole records before any key leads to them. Packets: under the record's lock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mr_session);
} sessions SEC(".maps");

/* Daemon writes (through a mapping), packets read: (P, p) to session; MR_PORT_LINES an address. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MR_PORT_LINES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mr_port_line);
} ports SEC(".maps");

/* Daemon writes (through a mapping), packets read: (T, t, block) to session. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mr_bucket);
} buckets SEC(".maps");

/* Daemon writes, packets read: public addresses by the slot that keys and legs name. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MR_PUBLIC_MAX);
	__type(key, __u32);
	__type(value, struct mr_addr);
} addresses SEC(".maps");

/* Daemon writes, packets read: what an interface index of the kernel's routing means. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_LINKS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct mr_link);
} links SEC(".maps");

/* Daemon writes, packets read: for targets with several ways to them, all of those. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MR_WAYS_TARGETS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mr_ways_key);
	__type(value, struct mr_ways);
} ways SEC(".maps");

/* Daemon writes, redirects read: the interfaces that frames may leave by, each under its index. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, MR_DEVICES_MAX);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

/* Daemon writes (through a mapping), packets read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mr_state);
} state SEC(".maps");

/* Packets count, each CPU its own; the daemon sums up. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_REASON_CAPACITY);
	__type(key, __u32);
	__type(value, struct mr_reason_count);
} counts SEC(".maps");

/* Packets write: a token bucket for each kind of event, each CPU its own. The daemon reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MR_EVENT_KINDS);
	__type(key, __u32);
	__type(value, struct mr_event_limit);
} limits SEC(".maps");

/* Packets write, the daemon reads. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MR_EVENTS_BYTES);
} events SEC(".maps");

#endif
