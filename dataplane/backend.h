/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.h - what the daemon asks of a dataplane; XDP and DPDK each fill in one table of
 * functions.
 *
 * A backend owns the tables of session.h and what moves packets by them. It keeps no policy, logs
 * nothing and is called from one thread. All functions return 0 or -errno unless they say otherwise
 * and leave the tables as they were when they fail.
 */
#ifndef MR_DATAPLANE_BACKEND_H
#define MR_DATAPLANE_BACKEND_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/event.h"
#include "core/reason.h"
#include "core/session.h"

#define MR_WHY_SIZE 256

/**
 * Whether other CPUs see this one's loads and stores in the order of the program. Where they do
 * not, and more than one CPU relays, every datagram takes its session's lock (core/quick.h).
 */
#ifdef __x86_64__
#define MR_IN_PROGRAM_ORDER true
#else
#define MR_IN_PROGRAM_ORDER false
#endif

/** Why something failed, for people: what failed, on what, and what to do. */
struct mr_why {
	char text[MR_WHY_SIZE];
};

/** printf into a struct mr_why; returns `error`, so that a failure is one statement. */
static inline __attribute__((format(printf, 3, 4))) int mr_why_set(
	struct mr_why *why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return error;
}

/** A dataplane's name as options and `status` spell it. */
enum mr_dataplane {
	MR_DATAPLANE_AUTO,
	MR_DATAPLANE_XDP_NATIVE, /* option: xdp; status: xdp-native */
	MR_DATAPLANE_XDP_GENERIC,
	MR_DATAPLANE_DPDK,
};

struct mr_backend_config {
	enum mr_dataplane dataplane; /* never AUTO */
	const char *const *interfaces;
	size_t n_interfaces;
	const char *pin_dir;  /* XDP: where maps and links are pinned */
	const char *pin_path; /* another way to that directory, for who may not pass those above it;
				 NULL: none. Then it is there, on a BPF file system. */
	uint32_t max_sessions;
	uint32_t max_addresses; /* public addresses there can be, 0: MR_PUBLIC_MAX */
	uint16_t upstream_lo;   /* first upstream port, host byte order; looked at as a hint only */
	/* DPDK: the `dpdk { }` section, one "name=value" string an option; see docs/dpdk.md */
	const char *const *options;
	size_t n_options;
};

struct mr_backend;

/** Called once for each event, in order. */
typedef void mr_event_fn(const struct mr_event *event, void *context);

struct mr_backend_ops {
	/**
	 * Takes over what an earlier daemon left running (`*ret_adopted`), or starts afresh.
	 * A failure leaves every interface as it was. -EBUSY: somebody else's program is attached.
	 */
	int (*open)(const struct mr_backend_config *config, struct mr_backend **ret_backend,
		bool *ret_adopted, struct mr_why *ret_why);

	/** Frees the handle. XDP goes on forwarding; DPDK stops. */
	void (*close)(struct mr_backend *backend);

	/** Takes the dataplane off the interfaces and removes its pins; then as close(). */
	void (*detach)(struct mr_backend *backend);

	/** One line a person can read: driver, mode, number of queues, what was refused. */
	void (*describe)(struct mr_backend *backend, char *buf, size_t size);

	/** Writes a whole record. Only while no key leads to `index`, which is below capacity(). */
	int (*session_put)(
		struct mr_backend *backend, uint32_t index, const struct mr_session *session);

	/**
	 * Records that the tables have. An earlier daemon's may have more than it takes for
	 * max_sessions, and sessions at any of them. NULL: max_sessions.
	 */
	uint32_t (*capacity)(struct mr_backend *backend);

	/**
	 * Consistent copies of `count` records from `first` on, taken under each record's lock. The
	 * current leg's counts, times and numbers go on meanwhile: of two that belong together one
	 * may count a datagram that the other doesn't yet (quick.h).
	 */
	int (*session_get)(struct mr_backend *backend, uint32_t first, uint32_t count,
		struct mr_session *ret_sessions);

	/** Marks the record closed under its lock; packets that already found it are dropped. */
	int (*session_close)(struct mr_backend *backend, uint32_t index);

	/**
	 * Keys of the clients' side: `ref.public_slot` is the number of the key's address, which
	 * was put before. -EEXIST, -ENOSPC, -EINVAL: no such address; del: -ENOENT.
	 */
	int (*public_put)(struct mr_backend *backend, const struct mr_key *key, struct mr_ref ref);
	int (*public_del)(struct mr_backend *backend, const struct mr_key *key);

	/** Keys of the targets' side. -EEXIST, -ENOSPC: choose another block; del: -ENOENT. */
	int (*target_put)(struct mr_backend *backend, const struct mr_key *key, struct mr_ref ref);
	int (*target_del)(struct mr_backend *backend, const struct mr_key *key);

	/** Public address number `slot` < MR_PUBLIC_MAX; never changes while a session uses it. */
	int (*address_put)(struct mr_backend *backend, uint32_t slot, const struct mr_addr *addr);
	int (*address_get)(struct mr_backend *backend, uint32_t slot, struct mr_addr *ret_addr);

	/** What the kernel's interface `ifindex` is to the dataplane. del of an unknown one is 0.
	 */
	int (*link_put)(struct mr_backend *backend, uint32_t ifindex, const struct mr_link *link);
	int (*link_del)(struct mr_backend *backend, uint32_t ifindex);

	/**
	 * All the ways to `target` from the own address `upstream`, in place of those told before;
	 * none (the first has ifindex 0): it is as reached by its next hop alone. -ENOSPC. NULL:
	 * this dataplane takes answers by next hops' interfaces alone.
	 */
	int (*ways_put)(struct mr_backend *backend, const struct mr_addr *target,
		const struct mr_addr *upstream, const struct mr_ways *ways);

	/**
	 * One of the interfaces that open() was told has become another one (made anew, renamed),
	 * or none (`ifindex` 0): attaches to it, and has nothing to do with its predecessor any
	 * more. -ENOENT: no such name was told. After another error the name is without an
	 * interface, and the call can be made again. NULL: this dataplane is for the interfaces
	 * that it found.
	 */
	int (*interface_set)(struct mr_backend *backend, const char *name, uint32_t ifindex,
		struct mr_why *ret_why);

	/** Every cached next hop is stale from now on. Cheap: call it on each netlink event. */
	void (*routes_changed)(struct mr_backend *backend);

	/** Totals since the dataplane first started, summed over CPUs. */
	int (*stats)(
		struct mr_backend *backend, struct mr_reason_count ret_counts[MR_REASON_CAPACITY]);

	/** Events that the rate limits kept back since the dataplane first started. */
	uint64_t (*events_suppressed)(struct mr_backend *backend);

	/** Readable when events wait; -1: poll by calling events() ten times a second. */
	int (*event_fd)(struct mr_backend *backend);

	/** Hands out what waits, at most `max`; returns the number, or -errno. */
	int (*events)(struct mr_backend *backend, unsigned max, mr_event_fn *fn, void *context);

	/**
	 * What fails behind the dataplane's back now: 0, or -errno with `ret_why`. event_fd()
	 * becomes readable when that changes. NULL: a dataplane where nothing can.
	 */
	int (*trouble)(struct mr_backend *backend, struct mr_why *ret_why);
};

extern const struct mr_backend_ops mr_backend_xdp; /* both XDP modes */

/**
 * Takes off and unpins what a daemon that is gone left below `pin_dir`, of whatever layout. How
 * many interfaces that were is in `*ret_links`, 0 where there is nothing. 0 or -errno; then some of
 * it may be left.
 */
int mr_xdp_unpin(const char *pin_dir, size_t *ret_links, struct mr_why *ret_why);

/**
 * The DPDK module exports this symbol; the daemon loads it with dlopen(). `layout` guards against a
 * module of another build.
 */
struct mr_backend_module {
	uint32_t layout; /* MR_LAYOUT_VERSION */
	const char *version;
	const struct mr_backend_ops *ops;
};
#define MR_BACKEND_MODULE_SYMBOL "mr_backend_module"

#endif
