/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions.h - the session manager: opens, closes, restores and lists sessions, and tells what
 * happens to them.
 *
 * Owns the truth about which sessions exist and the order in which a session comes into being in
 * ports, store and dataplane, and goes again. Keeps no policy: whether somebody may open is asked
 * before. Never logs: news is handed to subscribers, the daemon's log is one of them.
 *
 * All functions belong to the loop's thread. Callbacks run on it, from the loop or from the call
 * that the comment names; a callback may call anything here but mr_sessions_free().
 */
#ifndef MR_CONTROL_SESSIONS_H
#define MR_CONTROL_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "addr.h"
#include "backend.h"
#include "clock.h"
#include "store.h"

#define MR_SESSION_IDLE_DEFAULT 86400    /* seconds */
#define MR_SESSION_IDLE_MIN     1        /* seconds */
#define MR_SESSION_IDLE_MAX     31536000 /* seconds: a year */

struct mr_sessions; /* the manager */

/** A pool: addresses that share their ports. A session takes one port, on all of them. */
struct mr_session_pool {
	const char *name; /* "" for the one of `public` and `ports` */
	const struct mr_addr *addresses;
	size_t n_addresses;        /* 1 .. MR_PUBLIC_MAX over all pools */
	uint16_t port_lo, port_hi; /* host byte order, both included */
	const char *const
		*dialled; /* what clients dial (`advertise`, else the addresses, as text) */
	size_t n_dialled;
};

/**
 * By which of the bastion's own addresses a target is reached.
 * `prefer`: an address that is to be kept if it still is the bastion's own; NULL: none.
 * \return 0, or -ENETUNREACH and other -errno; `ret_why` then says it for people.
 */
typedef int mr_session_route_fn(void *context, const struct mr_addr *target,
	const struct mr_addr *prefer, struct mr_addr *ret_upstream, struct mr_why *ret_why);

/** Everything is copied; what pointers lead to must outlive the manager, the pools' text included.
 */
struct mr_sessions_config {
	uv_loop_t *loop;
	const struct mr_backend_ops *ops;
	struct mr_backend *backend;
	struct mr_store *store;
	const struct mr_session_pool
		*pools; /* at least one; new sessions fill the first one first */
	size_t n_pools;
	uint16_t upstream_lo, upstream_hi; /* host byte order, both included */
	uint32_t max_sessions;             /* as the backend was opened with */
	uint32_t n_records; /* of the dataplane, which may have more; 0: max_sessions */
	mr_session_route_fn *route;
	void *route_context;
	const struct mr_clock *clock; /* NULL: the real one */
};

/**
 * Makes an empty manager. `ret_why` says what failed.
 * -EINVAL: pools or ranges contradict each other. Each public port in use costs a file descriptor:
 * the caller raises RLIMIT_NOFILE before; ports beyond it are served, but not held.
 */
int mr_sessions_new(const struct mr_sessions_config *config, struct mr_sessions **ret_sessions,
	struct mr_why *ret_why);

/**
 * Forgets everything and releases the ports; dataplane and store stay as they are. Call
 * mr_sessions_flush() first. Opens and closes under way are answered with -ECANCELED.
 */
void mr_sessions_free(struct mr_sessions *sessions);

/** What mr_sessions_restore() found. */
struct mr_restore_report {
	uint32_t adopted;   /* were alive in the dataplane, and were not touched */
	uint32_t repaired;  /* of those: some keys were missing and were put back */
	uint32_t installed; /* were in the store alone */
	uint32_t moved;     /* of those: the bastion's address towards the target is another now */
	uint32_t removed;   /* were in the dataplane alone, or half closed */
	uint32_t skipped;   /* rows left alone: unknown pool, or no room */
	/* Their public port is the relay's all the same, but no socket keeps local programs off it:
	 */
	uint32_t unheld;     /* one has it already */
	uint32_t beyond;     /* the limit of open files is reached */
	struct mr_why first; /* about the first one that was skipped or has no socket */
};

/**
 * Brings store and dataplane to agree; once, before anything else. Blocks (1 s for 50,000).
 * `adopted`: the backend still holds an earlier daemon's tables. Live records are never written.
 * Subscribers are told of each session as MR_NOTICE_RESTORED.
 */
int mr_sessions_restore(struct mr_sessions *sessions, bool adopted,
	struct mr_restore_report *ret_report, struct mr_why *ret_why);

/**
 * Gives a manager that runs other pools: the ones there are keep names and places, further ones may
 * follow. Ports and addresses may be any. Sessions keep their ports, also outside of what is now
 * given out; they are reached at the addresses that their pool has now, and at no others.
 * -EBUSY: it takes a restart (a pool is missing or elsewhere, an address changes its pool);
 * -ENOSPC, -EINVAL, -ENOMEM. After a failure everything is as before. Blocks: 50,000 sessions take
 * some 0.2 s.
 */
int mr_sessions_set_pools(struct mr_sessions *sessions, const struct mr_session_pool *pools,
	size_t n_pools, struct mr_why *ret_why);

/* What a session looks like from outside. */

enum mr_session_state {
	MR_SESSION_WAITING, /* the target has never answered */
	MR_SESSION_ACTIVE,
	MR_SESSION_SILENT, /* no datagram from any client for 10 s */
	MR_SESSION_CLOSING,
	MR_SESSION_STATES
};

/** "waiting", ...; never NULL. */
const char *mr_session_state_name(enum mr_session_state state);

/** -EINVAL: no such state. */
int mr_session_state_parse(const char *name, enum mr_session_state *ret_state);

/** What does not change while a session lives. Pointers live as long as the session. */
struct mr_session_info {
	uint64_t id; /* never 0 */
	uint32_t index;
	uid_t uid;
	const char *owner; /* name of `uid` at the time of opening */
	const char *label; /* NULL: none */
	const struct mr_session_pool *pool;
	uint16_t public_port; /* all ports here: host byte order */
	struct mr_addr target;
	uint16_t target_port;
	struct mr_addr upstream;
	uint16_t upstream_base; /* first of MR_LEGS ports */
	int64_t opened_at;      /* all `_at`: CLOCK_REALTIME in ns since 1970, 0: never */
	uint32_t idle_s;
};

struct mr_session_leg_view {
	uint8_t slot;
	enum mr_leg_state state; /* never MR_LEG_EMPTY */
	bool current;
	struct mr_addr addr;
	uint16_t port; /* host byte order */
	int64_t first_seen_at, last_client_at, last_target_at;
};

/** A session at one moment. */
struct mr_session_view {
	const struct mr_session_info *info;
	enum mr_session_state state;
	int64_t last_client_at, last_target_at;
	struct mr_flow_stats to_target, to_client;
	uint64_t roams;
	size_t n_legs; /* 0 in lists */
	struct mr_session_leg_view legs[MR_LEGS];
};

/* Opening and closing. */

struct mr_session_open {
	uid_t uid;
	const char *owner; /* at most MR_STORE_OWNER_MAX octets; what is beyond is cut off */
	const char *label; /* NULL or "": none; at most MR_STORE_LABEL_MAX octets: -EINVAL */
	struct mr_addr target;
	uint16_t target_port; /* host byte order, not 0 */
	uint32_t idle_s;      /* 0: MR_SESSION_IDLE_DEFAULT; else within _MIN .. _MAX: -EINVAL */
	const struct mr_addr *hint; /* where the client's SSH came from, NULL: not known */
	uint32_t quota;             /* sessions that this uid may have, this one included; 0: any */
};

/**
 * How an open or close ended. `error` 0, or -errno and `why` says it for people. `id` is the
 * session's. Called exactly once for each call that returned 0, never from within it.
 */
typedef void mr_session_done_fn(void *context, int error, uint64_t id, const struct mr_why *why);

/**
 * Opens a session. 0: under way, `done` follows when it is on disk and forwarding. 1: the same
 * owner, target and label have one already, `*ret_id` is it and `done` is not called. While such
 * an open is still under way, 0, and both get the same answer. An `idle_s` that is given and is
 * another one than that session's takes its place; then 0 as well, and `done` when it is on disk.
 *
 * A failure, here or in `done`, leaves nothing behind: -EINVAL a field out of its range; -EDQUOT
 * the quota; -ENOSPC max_sessions, no free public port, or no free block of upstream ports at this
 * target endpoint (exit status 6, all of these); -ESHUTDOWN draining; -ENETUNREACH no route to the
 * target; -EAGAIN too many opens under way; -EROFS, -ENOSPC, -EIO and others from store or
 * dataplane. Which of them are limits: mr_session_error_is_limit().
 */
int mr_sessions_open(struct mr_sessions *sessions, const struct mr_session_open *open,
	mr_session_done_fn *done, void *context, uint64_t *ret_id, struct mr_why *ret_why);

/** Does this error of mr_sessions_open() mean that a limit is reached (exit status 6)? */
bool mr_session_error_is_limit(int error);

/** Why a session ends. */
enum mr_session_end {
	MR_SESSION_END_CLOSED,         /* by its owner or an administrator */
	MR_SESSION_END_NEVER_ANSWERED, /* no answer from the target within 60 s of opening */
	MR_SESSION_END_IDLE,           /* neither side was heard for the idle timeout */
	MR_SESSION_END_TARGET_GONE,    /* its host says that nobody listens there any more */
};

/** "closed", "never answered", "idle", "target gone". */
const char *mr_session_end_name(enum mr_session_end end);

/**
 * Closes a session: it forwards nothing any more when this returns, `done` follows when the store
 * has it too. -ENOENT: no such session. If the store fails, `done` gets the error, the session
 * stays in lists as closing, and the store is tried again until it takes it. `done` may be NULL.
 */
int mr_sessions_close(struct mr_sessions *sessions, uint64_t id, enum mr_session_end end,
	mr_session_done_fn *done, void *context);

/* Looking. */

/** NULL: no such session. Sessions whose open has not been answered yet do not exist yet. */
const struct mr_session_info *mr_sessions_find(const struct mr_sessions *sessions, uint64_t id);

/** One session with its legs, read from the dataplane now. -ENOENT, -EIO. */
int mr_sessions_show(struct mr_sessions *sessions, uint64_t id, struct mr_session_view *ret_view);

struct mr_session_filter {
	bool by_uid;
	uid_t uid;
	bool by_state;
	enum mr_session_state state;
	bool by_target;
	struct mr_prefix target;
};

/** `view` is good for the length of the call, and has no legs. */
typedef void mr_session_view_fn(const struct mr_session_view *view, void *context);

/**
 * Lists in slices: looks at up to `budget` sessions (1,000 take about 2 ms) from `*cursor` on (0
 * at first) and calls `fn` for those that pass `filter` (NULL: all). Returns true while there is
 * more to come. What is opened or closed between slices may or may not be seen; what is there
 * throughout is seen exactly once.
 */
bool mr_sessions_list(struct mr_sessions *sessions, uint32_t *cursor, unsigned budget,
	const struct mr_session_filter *filter, mr_session_view_fn *fn, void *context);

/** Sessions of one uid, opens under way included: what a quota is held against. */
uint32_t mr_sessions_count_uid(const struct mr_sessions *sessions, uid_t uid);

struct mr_sessions_counts {
	uint32_t sessions; /* open ones; what `status` and `stats` print */
	uint32_t opening, closing;
	uint32_t by_state[MR_SESSION_STATES]; /* as of the newest round through them */
	uint32_t max_sessions;
	uint32_t public_ports, public_ports_free; /* over all pools */
	uint32_t ports_held;     /* by a socket: fewer than in use if RLIMIT_NOFILE is too low */
	uint64_t opened, closed; /* since the daemon started */
	uint64_t store_errors;   /* writes that failed; the newest one's text: */
	struct mr_why store_why; /* "" while the newest write went well */
};

void mr_sessions_counts(const struct mr_sessions *sessions, struct mr_sessions_counts *ret_counts);

/** While set, opens are refused, but for sessions that exist. Not kept over a restart. */
void mr_sessions_drain(struct mr_sessions *sessions, bool drain);
bool mr_sessions_draining(const struct mr_sessions *sessions);

/* News. */

enum mr_notice_kind {
	MR_NOTICE_OPENED,
	MR_NOTICE_RESTORED, /* by mr_sessions_restore(); not for `watch` */
	MR_NOTICE_LEG,      /* an unknown client address took a leg */
	MR_NOTICE_PROVEN,   /* the target answered on a leg for the first time */
	MR_NOTICE_ROAMED,   /* another leg became the current one */
	MR_NOTICE_SILENT,   /* nothing from any client for 10 s */
	MR_NOTICE_UNREACHABLE,
	MR_NOTICE_CLOSED,
	MR_NOTICE_TROUBLE, /* for the log alone: `text` says what; `info` may be NULL */
	MR_NOTICE_KINDS
};

/** "opened", "leg", "proven", "roamed", "silent", "target-unreachable", "closed", ... */
const char *mr_notice_name(enum mr_notice_kind kind);

struct mr_notice {
	enum mr_notice_kind kind;
	int64_t at; /* CLOCK_REALTIME, ns */
	const struct mr_session_info *info;
	bool has_client; /* LEG, PROVEN, ROAMED; RESTORED, if it has a current leg: these three */
	uint8_t slot;
	struct mr_addr client;
	uint16_t client_port;    /* host byte order */
	enum mr_session_end end; /* CLOSED */
	/* UNREACHABLE: what was heard, and whether it is more than a hint; TROUBLE: what failed */
	const char *text;
	bool certain;
};

typedef void mr_notice_fn(const struct mr_notice *notice, void *context);

/** The caller's; must stay where it is until it is unsubscribed. */
struct mr_subscriber {
	mr_notice_fn *fn; /* may unsubscribe itself, and nobody else */
	void *context;
	struct mr_subscriber *next, **back; /* private */
};

void mr_sessions_subscribe(struct mr_sessions *sessions, struct mr_subscriber *subscriber);
void mr_sessions_unsubscribe(struct mr_subscriber *subscriber);

/** A line for the log: session, owner, client, target; without control characters. */
void mr_notice_describe(const struct mr_notice *notice, char *buf, size_t size);

/**
 * At a clean stop: writes the totals of all sessions to the store and waits until it has them, and
 * every open and close under way. Blocks. -errno of the store.
 */
int mr_sessions_flush(struct mr_sessions *sessions, struct mr_why *ret_why);

#endif
