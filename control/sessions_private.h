/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_private.h - the session manager from inside. For sessions*.c, reaper.c, runt.c and
 * events.c; everybody else uses sessions.h.
 */
#ifndef MR_CONTROL_SESSIONS_PRIVATE_H
#define MR_CONTROL_SESSIONS_PRIVATE_H

#include <sys/queue.h>

#include "blocks.h"
#include "hash.h"
#include "indices.h"
#include "ports.h"
#include "runt.h"
#include "sessions.h"

/** Records read from the dataplane in one call. */
#define SCAN_RECORDS 64

/** When what store or dataplane refused is tried again: doubled each time, up to the second. */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   6400

/**
 * The life of a session. Only OPEN and CLOSING ones exist for those outside.
 *
 *   OPENING -> OPEN -> CLOSING -> freed
 *      |
 *      +-> freed (the store refused) or UNDOING (the dataplane refused) -> freed
 */
enum life {
	LIFE_OPENING, /* resources reserved, the row on its way into the store */
	LIFE_UNDOING, /* the row on its way out again; `error` is what the openers will hear */
	LIFE_OPEN,    /* in store and dataplane */
	LIFE_CLOSING, /* out of the dataplane, the row on its way out */
};

/** Somebody to be answered. */
struct waiter {
	struct waiter *next;
	mr_session_done_fn *done;
	void *context;
};

/** What is known of a session from before, until it is settled. */
struct restored {
	struct mr_store_totals totals; /* the store's */
	bool has_client;               /* its record has a current leg: */
	uint8_t slot;
	__be16 client_port;
	struct mr_addr client;
};

struct session {
	struct mr_session_info info;
	struct mr_sessions *sessions;
	struct mr_hash_link by_id, by_key;
	enum life life;
	bool in_by_id, in_by_key; /* those links are in their tables */
	bool counted;             /* in its uid's count */
	bool has_index;           /* `info.index` is ours */
	bool installed;           /* keys or a live record may be in the dataplane */
	bool has_hint;
	bool used; /* clients may have got through: the block needs its quarantine */
	struct mr_addr hint;
	uint32_t pool_number;
	bool half_closed;          /* while restoring: its record is closed already */
	struct restored *restored; /* while restoring */
	int64_t idle_from_ns;      /* monotonic; its idle time counts from here at the earliest */
	int64_t opened_ns; /* monotonic; by when the target has to have answered counts from here */
	/* From before the last reboot, on this boot's monotonic clock; INT64_MIN: never. */
	int64_t base_client_ns, base_target_ns;

	enum mr_session_state seen; /* at the newest look; an open one is counted in `n_seen` */

	/* the reaper's */
	bool silent;              /* has been told */
	uint64_t saved_datagrams; /* as of the newest checkpoint, both ways together */
	bool answer_saved;        /* the store knows that the target has answered */
	int64_t unreachable_ns;   /* when watchers were told last */
	struct mr_runt_state runt;

	bool stored;  /* LIFE_OPENING: a row of it is durable */
	bool changed; /* LIFE_OPENING: that is not how it is any more */
	unsigned
		n_changing; /* LIFE_OPEN: rows of it on their way, with openers who wait for them */

	int error; /* LIFE_UNDOING, or what uninstalling met */
	struct mr_why *why;
	struct waiter *waiters;
	TAILQ_ENTRY(session) retry; /* while `retrying` */
	bool retrying;
	char text[]; /* owner, label */
};

/** A pool, and where its addresses are in the dataplane's list. */
struct pool_slots {
	uint8_t slots[MR_PUBLIC_MAX];
};

/** One of the dataplane's list of public addresses. It stays while any leg may name it. */
struct public_slot {
	struct mr_addr addr; /* zero: free */
	bool has_pool;       /* false: it was configured once */
	uint32_t pool_number;
};

struct mr_sessions {
	struct mr_sessions_config config;
	struct mr_session_pool *pools; /* config.pools is this copy */
	struct pool_slots *pool_slots;
	struct public_slot public[MR_PUBLIC_MAX];
	struct mr_ports *ports;
	struct mr_blocks *blocks;
	struct mr_indices *indices;

	struct mr_hash by_id;       /* all lives */
	struct mr_hash by_key;      /* owner, target, label; OPENING and OPEN */
	uint64_t key_seed;          /* people choose keys: they are not to choose chains */
	void *by_uid;               /* struct uid_count, tsearch(3) */
	struct session **by_index;  /* LIFE_OPEN and LIFE_CLOSING; n_records of them */
	uint32_t index_end;         /* 1 + the highest index ever in use */
	struct mr_session *records; /* SCAN_RECORDS of them */

	uint32_t n_open, n_opening, n_closing;
	uint32_t n_seen[MR_SESSION_STATES];
	uint64_t opened, closed, store_errors;
	struct mr_why store_why;
	bool draining;
	bool totals_unsaved; /* a checkpoint failed: the next one leaves nothing out */
	bool freeing;

	TAILQ_HEAD(, session) retries;
	unsigned retry_ms;       /* how long to wait for the next try, 0: none failed lately */
	uv_timer_t *retry_timer; /* outlives the manager by one turn of the loop */
	struct mr_subscriber *subscribers;
};

/* sessions.c */

/** Everything zero but what is given; texts are copied. NULL: out of memory. */
struct session *mr_session_new(struct mr_sessions *sessions, const char *owner, const char *label);

/** Frees it and whatever it has reserved; takes it out of all tables. */
void mr_session_free(struct session *session);

/** Into the tables. -EEXIST: the id is taken; -ENOMEM. */
int mr_session_register(struct session *session);

/** Out of the table by key and the uid's count: the owner may open the like again. */
void mr_session_forget_key(struct session *session);

/** `index` is its own from now on. */
void mr_session_set_index(struct session *session, uint32_t index);

struct session *mr_session_find(const struct mr_sessions *sessions, uint64_t id);
struct session *mr_session_find_key(const struct mr_sessions *sessions, uid_t uid,
	const struct mr_addr *target, uint16_t port, const char *label);

int64_t mr_sessions_monotonic(const struct mr_sessions *sessions);

/** Monotonic to realtime as of now; 0 and INT64_MIN (never) become 0. */
int64_t mr_sessions_realtime_of(const struct mr_sessions *sessions, int64_t monotonic_ns);

/** Fills in `at` and tells subscribers. */
void mr_sessions_notify(struct mr_sessions *sessions, struct mr_notice *notice);

/** MR_NOTICE_TROUBLE. */
void mr_sessions_trouble(struct mr_sessions *sessions, const struct session *session,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Keeps account of how the store is; every `done` of it goes through here. */
void mr_sessions_note_store(struct mr_sessions *sessions, int error, const struct mr_why *why);

/* sessions_install.c */

/**
 * Record, target key, public keys, in this order. `totals`: counts to go on from, NULL: zero.
 * A failure leaves nothing behind, or else `installed` set.
 */
int mr_session_install(struct session *session, const struct mr_store_totals *totals);

/**
 * Puts back keys that an adopted session lacks; its record is not written. `*ret_missing` is how
 * many lacked.
 */
int mr_session_repair(struct session *session, uint32_t *ret_missing);

/** Public keys, target key, record, in this order. -errno: something may be left; `installed`. */
int mr_session_uninstall(struct session *session);

/** Takes a record out that no session of ours has: its keys, then itself. -errno as above. */
int mr_sessions_remove_orphan(
	struct mr_sessions *sessions, uint32_t index, const struct mr_session *record);

/* sessions_close.c */

/** Uninstalls and deletes the row, whatever `life` it has had; frees it when that is done. */
void mr_session_begin_close(struct session *session);

void mr_session_add_waiter(struct session *session, struct waiter *waiter);

/** Answers all waiters, who may then do anything, this session's end included. */
void mr_session_answer(struct session *session, int error, const struct mr_why *why);

/* sessions_view.c */

/** When a session was last heard of; monotonic, INT64_MIN: never. */
struct activity {
	int64_t client_ns;        /* from any client */
	int64_t proven_client_ns; /* from a client that the target has answered */
	int64_t target_ns;
};

void mr_session_activity(const struct session *session, const struct mr_session *record,
	struct activity *ret_activity);

enum mr_session_state mr_session_state_of(
	const struct session *session, const struct activity *activity, int64_t now);

/** Notes the state that it is in by its record; MR_SESSION_WAITING before the first look. */
void mr_session_see(struct session *session, enum mr_session_state state);

/** A session and its record, as read just now. */
typedef void session_visit_fn(
	struct session *session, const struct mr_session *record, void *context);

/**
 * Visits the sessions at up to `budget` indices from `*cursor` on, those that `wanted` (NULL: all)
 * says yes to. True while there are more. `*ret_error` (NULL allowed): the dataplane's first.
 */
bool mr_sessions_scan(struct mr_sessions *sessions, uint32_t *cursor, unsigned budget,
	bool (*wanted)(const struct session *session, void *context), session_visit_fn *visit,
	void *context, int *ret_error);

/** The row of a session, and its totals. */
void mr_session_row(const struct session *session, struct mr_store_row *ret_row);
void mr_session_totals(const struct session *session, const struct mr_session *record,
	struct mr_store_totals *ret_totals);

#endif
