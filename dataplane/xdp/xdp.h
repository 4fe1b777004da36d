/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp.h - private to the XDP backend: its handle, and what its files do for each other.
 */
#ifndef MR_DATAPLANE_XDP_H
#define MR_DATAPLANE_XDP_H

#include <net/if.h>

#include "backend.h"
#include "relay.skel.h"
#include "state.h"

struct ring_buffer;

/* A link's pin is called this and the interface. */
#define MR_XDP_LINK_PREFIX "link-"

/** An interface that the program is attached to. */
struct mr_xdp_port {
	char name[IF_NAMESIZE];
	unsigned ifindex; /* 0: there is no such interface now */
	int link_fd;      /* the pinned bpf_link; -1: not attached */
	bool generic;
	bool adopted; /* it was attached before this daemon came */
};

struct mr_backend {
	struct relay_bpf *skel;
	struct mr_state *state; /* these three maps are mapped */
	struct mr_port_line *lines;
	struct mr_bucket *buckets;
	struct mr_addr addresses[MR_PUBLIC_MAX]; /* as in their map */
	struct ring_buffer *ring;
	char *pin_dir;  /* its name */
	char *pin_path; /* the way there */
	uint32_t max_sessions;
	uint32_t max_addresses;
	struct mr_xdp_port *ports;
	size_t n_ports;
	/* for the duration of one events() call */
	mr_event_fn *event_fn;
	void *event_context;
	unsigned events_left;
};

/** A path below the pin dir; the caller frees it. NULL: no memory. */
char *mr_xdp_pin_path(const struct mr_backend *backend, const char *prefix, const char *name);

/**
 * Attaches the loaded program to the configured interfaces, or puts it in the place of the program
 * that an earlier daemon left there, without a gap. Links of interfaces that are no longer
 * configured are taken off. On failure nothing that this call attached stays attached.
 */
int mr_xdp_attach(
	struct mr_backend *backend, const struct mr_backend_config *config, struct mr_why *ret_why);

/** As backend.h's interface_set. */
int mr_xdp_interface_set(
	struct mr_backend *backend, const char *name, uint32_t ifindex, struct mr_why *ret_why);

/** Takes the program off every interface and removes the links' pins. */
void mr_xdp_detach(struct mr_backend *backend);

/** Closes the link descriptors; the pins keep the program attached. */
void mr_xdp_forget_links(struct mr_backend *backend);

/* keys.c: the tables that lead to records. */
int mr_xdp_keys_map(struct mr_backend *b);
void mr_xdp_keys_unmap(struct mr_backend *b);
int mr_xdp_keys_add_address(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr);

/* The operations on tables and counters: backend.h documents them. */
int mr_xdp_session_put(struct mr_backend *b, uint32_t index, const struct mr_session *session);
int mr_xdp_session_get(
	struct mr_backend *b, uint32_t first, uint32_t count, struct mr_session *ret_sessions);
int mr_xdp_session_close(struct mr_backend *b, uint32_t index);
int mr_xdp_public_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref);
int mr_xdp_public_del(struct mr_backend *b, const struct mr_key *key);
int mr_xdp_target_put(struct mr_backend *b, const struct mr_key *key, struct mr_ref ref);
int mr_xdp_target_del(struct mr_backend *b, const struct mr_key *key);
int mr_xdp_address_put(struct mr_backend *b, uint32_t slot, const struct mr_addr *addr);
int mr_xdp_address_get(struct mr_backend *b, uint32_t slot, struct mr_addr *ret_addr);
int mr_xdp_link_put(struct mr_backend *b, uint32_t ifindex, const struct mr_link *link);
int mr_xdp_link_del(struct mr_backend *b, uint32_t ifindex);
int mr_xdp_ways_put(struct mr_backend *b, const struct mr_addr *target,
	const struct mr_addr *upstream, const struct mr_ways *ways);
void mr_xdp_routes_changed(struct mr_backend *b);
int mr_xdp_stats(struct mr_backend *b, struct mr_reason_count ret_counts[MR_REASON_CAPACITY]);

uint64_t mr_xdp_events_suppressed(struct mr_backend *b);
int mr_xdp_event_fd(struct mr_backend *b);
int mr_xdp_events(struct mr_backend *b, unsigned max, mr_event_fn *fn, void *context);

/** Called by libbpf for each event; `context` is the backend. */
int mr_xdp_on_event(void *context, void *data, size_t size);

#endif
