/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_restore.c - at start: store and dataplane are brought to agree.
 *
 * The store says which sessions there are. A live record that it knows is adopted as it is, one
 * that it doesn't know is an open or close that was cut short, and goes. Sessions without a record,
 * after a reboot all of them, are installed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sessions_private.h"

/** A restored session has this long to be heard of, whatever the clocks say about the time since.
 */
#define GRACE_NS (60 * MR_SECOND)

struct restore {
	struct mr_sessions *sessions;
	bool adopted;
	struct mr_restore_report report;
	struct mr_why *why;
	struct session **loaded; /* in the tables, and not settled yet */
	size_t n_loaded;
	int64_t newest_at;  /* realtime of the newest thing that the store knows of */
	uint32_t n_unknown; /* live records, where the store has no row at all */
};

static void remember(struct restore *restore, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void remember(struct restore *restore, const char *format, ...)
{
	va_list args;

	if (restore->report.first.text[0])
		return;
	va_start(args, format);
	vsnprintf(restore->report.first.text, sizeof(restore->report.first.text), format, args);
	va_end(args);
}

/* Public addresses. */

static struct public_slot *find_slot(struct mr_sessions *sessions, const struct mr_addr *addr)
{
	for (uint32_t i = 0; i < MR_PUBLIC_MAX; i++) {
		if (mr_addr_equal(&sessions->public[i].addr, addr))
			return &sessions->public[i];
	}
	return NULL;
}

/* An address keeps its place for as long as the dataplane lives: legs name it by its number. */
static int place_address(struct mr_sessions *sessions, uint32_t pool_number, size_t i)
{
	const struct mr_sessions_config *config = &sessions->config;
	const struct mr_addr *addr = &sessions->pools[pool_number].addresses[i];
	static const struct mr_addr none;
	struct public_slot *public = find_slot(sessions, addr);
	uint32_t slot;
	int r;

	if (public && public->has_pool)
		return -EINVAL;
	if (!public) {
		public = find_slot(sessions, &none);
		if (!public)
			return -ENOSPC;
		slot = (uint32_t)(public - sessions->public);
		r = config->ops->address_put(config->backend, slot, addr);
		if (r < 0)
			return r;
		public->addr = *addr;
	}
	public->has_pool = true;
	public->pool_number = pool_number;
	sessions->pool_slots[pool_number].slots[i] = (uint8_t)(public - sessions->public);
	return 0;
}

static int place_addresses(struct restore *restore)
{
	struct mr_sessions *sessions = restore->sessions;
	const struct mr_sessions_config *config = &sessions->config;
	int r = 0;

	for (uint32_t i = 0; restore->adopted && r == 0 && i < MR_PUBLIC_MAX; i++)
		r = config->ops->address_get(config->backend, i, &sessions->public[i].addr);
	for (uint32_t pool = 0; r == 0 && pool < config->n_pools; pool++) {
		for (size_t i = 0; r == 0 && i < config->pools[pool].n_addresses; i++)
			r = place_address(sessions, pool, i);
	}
	if (r == -EINVAL)
		snprintf(restore->why->text, sizeof(restore->why->text),
			"setting up public addresses: one stands twice in the pools; write each "
			"once");
	else if (r == -ENOSPC)
		snprintf(restore->why->text, sizeof(restore->why->text),
			"setting up public addresses: the dataplane knows %d already, former ones "
			"among them; start afresh with moshrelay detach",
			MR_PUBLIC_MAX);
	else if (r < 0)
		snprintf(restore->why->text, sizeof(restore->why->text),
			"setting up public addresses: %s", strerror(-r));
	return r;
}

/* Rows. */

/*
 * A realtime of the store on this boot's monotonic clock. The clock may have lost its time, or have
 * been set back: then it is at least as late as the newest time in the store, or whoever's machine
 * forgets the time at each reboot would have sessions that never end.
 */
static int64_t monotonic_of(const struct restore *restore, int64_t realtime_ns)
{
	const struct mr_clock *clock = restore->sessions->config.clock;
	int64_t now = mr_max(clock->realtime(), restore->newest_at);

	if (realtime_ns == 0)
		return INT64_MIN;
	return clock->monotonic() - (now - realtime_ns);
}

static void set_times(struct restore *restore, struct session *session)
{
	const struct mr_sessions *sessions = session->sessions;
	const struct mr_store_totals *totals = &session->restored->totals;
	int64_t now = mr_sessions_monotonic(sessions);

	session->base_client_ns = monotonic_of(restore, totals->last_client_at);
	session->base_target_ns = monotonic_of(restore, totals->last_target_at);
	session->answer_saved = totals->last_target_at != 0;
	session->silent = true; /* until it is heard of: that is no news */
	session->saved_datagrams = totals->to_target.datagrams + totals->to_client.datagrams;
	session->opened_ns = now;
	/* Nobody could be heard while the machine was down: that is not held against a session. */
	session->idle_from_ns = now - (int64_t)session->info.idle_s * MR_SECOND + GRACE_NS;
}

static const struct mr_session_pool *find_pool(
	const struct mr_sessions *sessions, const char *name, uint32_t *ret_number)
{
	for (uint32_t i = 0; i < sessions->config.n_pools; i++) {
		if (!strcmp(sessions->pools[i].name, name)) {
			*ret_number = i;
			return &sessions->pools[i];
		}
	}
	return NULL;
}

static void tell_unheld(struct restore *restore, const struct mr_session_info *info, int error)
{
	const char *what = "";

	if (error == -EMFILE || error == -ENFILE) {
		restore->report.beyond++;
		what = "; raise the limit of open files (LimitNOFILE=)";
	} else {
		restore->report.unheld++;
	}
	if (error == -EADDRINUSE)
		what = "; a local program has it and will hear nothing more";
	remember(restore, "holding port %u for session %016" PRIx64 ": %s%s", info->public_port,
		info->id, strerror(-error), what);
}

static int claim(struct restore *restore, struct session *session)
{
	struct mr_sessions *sessions = restore->sessions;
	struct mr_session_info *info = &session->info;
	uint16_t base = info->upstream_base, port = info->public_port;
	int r;

	/* Zero until they are its own: mr_session_free() gives back what it finds there. */
	info->upstream_base = 0;
	info->public_port = 0;
	r = mr_blocks_claim(sessions->blocks, &info->target, info->target_port, base);
	if (r < 0)
		return r;
	info->upstream_base = base;
	r = mr_ports_claim(sessions->ports, session->pool_number, port);
	if (r == -EEXIST)
		return r;
	info->public_port = port;
	if (r < 0)
		tell_unheld(restore, info, r);
	return mr_session_register(session);
}

static void skip(struct restore *restore, const struct mr_store_row *row, const char *why)
{
	restore->report.skipped++;
	remember(restore, "restoring session %016" PRIx64 ": %s", row->id, why);
}

static int keep_loaded(struct restore *restore, struct session *session)
{
	/* Grows at each power of two. */
	if ((restore->n_loaded & (restore->n_loaded - 1)) == 0) {
		size_t size = restore->n_loaded ? 2 * restore->n_loaded : 1;
		struct session **loaded =
			reallocarray(restore->loaded, size, sizeof(restore->loaded[0]));

		if (!loaded)
			return -ENOMEM;
		restore->loaded = loaded;
	}
	restore->loaded[restore->n_loaded++] = session;
	return 0;
}

static int load_row(
	void *context, const struct mr_store_row *row, const struct mr_store_totals *totals)
{
	static const struct mr_addr none;
	struct restore *restore = context;
	struct mr_sessions *sessions = restore->sessions;
	uint32_t pool_number = 0;
	const struct mr_session_pool *pool = find_pool(sessions, row->pool, &pool_number);
	struct session *session;
	int r;

	if (!pool) {
		skip(restore, row, "its pool is not configured any more");
		return 0;
	}
	session = mr_session_new(sessions, row->owner, row->label);
	if (!session)
		return -ENOMEM;
	session->life = LIFE_OPENING;
	session->pool_number = pool_number;
	session->info.pool = pool;
	session->info.id = row->id;
	session->info.uid = row->uid;
	session->info.public_port = row->public_port;
	session->info.target = row->target;
	session->info.target_port = row->target_port;
	session->info.upstream = row->upstream;
	session->info.upstream_base = row->upstream_base;
	session->info.opened_at = row->opened_at;
	session->info.idle_s = row->idle_s;
	session->has_hint = !mr_addr_equal(&row->hint, &none);
	session->hint = row->hint;
	session->restored = calloc(1, sizeof(*session->restored));
	if (session->restored)
		session->restored->totals = *totals;
	r = session->restored ? claim(restore, session) : -ENOMEM;
	if (r < 0) {
		if (!session->restored || r == -ENOMEM)
			snprintf(restore->why->text, sizeof(restore->why->text),
				"restoring sessions: out of memory");
		mr_session_free(session);
		if (r == -ENOMEM)
			return r;
		skip(restore, row, "another session has its ports");
		return 0;
	}
	restore->newest_at =
		mr_max(restore->newest_at, mr_max(totals->last_client_at, totals->last_target_at));
	return keep_loaded(restore, session);
}

/* Records of an adopted dataplane. */

static bool same_session(const struct mr_session_info *info, const struct mr_session *record)
{
	return mr_addr_equal(&info->target, &record->target) &&
		htons(info->target_port) == record->target_port &&
		htons(info->public_port) == record->public_port &&
		info->upstream_base == record->upstream_base;
}

static void see(struct session *session, const struct mr_session *record)
{
	int64_t now = mr_sessions_monotonic(session->sessions);
	struct activity activity;

	mr_session_activity(session, record, &activity);
	mr_session_see(session, mr_session_state_of(session, &activity, now));
}

static void adopt(struct restore *restore, struct session *session, uint32_t index,
	const struct mr_session *record)
{
	struct mr_sessions *sessions = restore->sessions;

	mr_indices_claim(sessions->indices, index);
	mr_session_set_index(session, index);
	session->opened_ns = (int64_t)record->opened_ns;
	session->info.upstream = record->upstream;
	session->installed = true;
	session->used = true;
	if (record->current < MR_LEGS) {
		session->restored->has_client = true;
		session->restored->slot = record->current;
		session->restored->client = record->client;
		session->restored->client_port = record->client_port;
	}
	see(session, record);
}

/* When anything was last heard of it; monotonic. */
static uint64_t last_heard(const struct mr_session *record)
{
	uint64_t last = mr_max(record->opened_ns, record->proven_ns);

	for (uint32_t slot = 0; slot < MR_LEGS; slot++) {
		struct mr_leg leg;

		mr_session_leg(record, slot, &leg);
		if (leg.state != MR_LEG_EMPTY)
			last = mr_max(last, mr_max(leg.client_ns, leg.target_ns));
	}
	return last;
}

/*
 * Its target may send yet: the block rests as if the session had been closed just now. But not for
 * ever anew: records of closed sessions stay until they are used again, and without their clients
 * targets fall silent.
 */
static void rest_block(struct mr_sessions *sessions, const struct mr_session *record)
{
	uint16_t port = ntohs(record->target_port);
	int64_t now = mr_sessions_monotonic(sessions);

	if (now - (int64_t)last_heard(record) >= MR_BLOCKS_QUARANTINE_NS)
		return;
	if (mr_blocks_claim(sessions->blocks, &record->target, port, record->upstream_base) == 0)
		mr_blocks_release(
			sessions->blocks, &record->target, port, record->upstream_base, true);
}

static void meet_record(struct restore *restore, uint32_t index, const struct mr_session *record)
{
	struct mr_sessions *sessions = restore->sessions;
	struct session *session = mr_session_find(sessions, record->id);
	int r;

	if (record->id == 0)
		return;
	if (!(record->flags & MR_SESSION_OPEN)) {
		if (session && !session->has_index) { /* its close got this far */
			adopt(restore, session, index, record);
			session->half_closed = true;
		}
		if (!session)
			rest_block(sessions, record);
		return;
	}
	if (session && !session->has_index && same_session(&session->info, record)) {
		adopt(restore, session, index, record);
		restore->report.adopted++;
		return;
	}
	/* Rows are there before records, and go after them: it has lost them, and might be mended.
	 */
	if (restore->n_loaded == 0 && restore->report.skipped == 0) {
		restore->n_unknown++;
		return;
	}
	restore->report.removed++;
	rest_block(sessions, record);
	r = mr_sessions_remove_orphan(sessions, index, record);
	if (r < 0) { /* never to be reused: something may lead to it yet */
		mr_indices_claim(sessions->indices, index);
		remember(restore, "removing session %016" PRIx64 " from the dataplane: %s",
			(uint64_t)record->id, strerror(-r));
	}
}

static int meet_records(struct restore *restore)
{
	struct mr_sessions *sessions = restore->sessions;
	const struct mr_sessions_config *config = &sessions->config;
	char store[MR_WHY_SIZE];
	uint32_t n;
	int r;

	for (uint32_t first = 0; first < config->n_records; first += n) {
		n = config->n_records - first;
		n = n < SCAN_RECORDS ? n : SCAN_RECORDS;
		r = config->ops->session_get(config->backend, first, n, sessions->records);
		if (r < 0) {
			snprintf(restore->why->text, sizeof(restore->why->text),
				"reading the sessions that the dataplane holds: %s", strerror(-r));
			return r;
		}
		for (uint32_t i = 0; i < n; i++)
			meet_record(restore, first + i, &sessions->records[i]);
	}
	if (restore->n_unknown == 0)
		return 0;
	config->store->ops->describe(config->store, store, sizeof(store));
	snprintf(restore->why->text, sizeof(restore->why->text),
		"the store (%.120s) is empty, and %u sessions are being relayed: put it back, or "
		"end them with \"moshrelay detach\"",
		store, restore->n_unknown);
	return -EUCLEAN;
}

/* Bringing both together. */

static void on_row_moved(void *context, int error, const struct mr_why *why)
{
	mr_sessions_note_store(context, error, why);
}

/* By which address the target is reached may be another one after a reboot. */
static void find_way(struct restore *restore, struct session *session)
{
	const struct mr_sessions_config *config = &restore->sessions->config;
	struct mr_addr upstream;
	struct mr_store_row row;
	struct mr_why why;
	int r = config->route(config->route_context, &session->info.target, &session->info.upstream,
		&upstream, &why);

	/* No route yet: the network may still be coming up. */
	if (r < 0 || mr_addr_equal(&upstream, &session->info.upstream))
		return;
	session->info.upstream = upstream;
	restore->report.moved++;
	mr_session_row(session, &row);
	r = config->store->ops->put(config->store, &row, on_row_moved, restore->sessions);
	if (r == -EAGAIN) {
		config->store->ops->flush(config->store);
		config->store->ops->put(config->store, &row, on_row_moved, restore->sessions);
	}
}

static const struct mr_session no_record = {.current = MR_NO_SLOT};

static int install(struct restore *restore, struct session *session)
{
	struct mr_sessions *sessions = restore->sessions;
	uint32_t index;
	int r = mr_indices_take(sessions->indices, &index);

	if (r < 0)
		return r;
	mr_session_set_index(session, index);
	find_way(restore, session);
	see(session, &no_record);
	r = mr_session_install(session, &session->restored->totals);
	if (r == 0)
		restore->report.installed++;
	return r;
}

static int repair(struct restore *restore, struct session *session)
{
	uint32_t missing = 0;
	int r = mr_session_repair(session, &missing);

	if (r == 0 && missing > 0)
		restore->report.repaired++;
	return r;
}

/* From the store into the dataplane, or, what was closing, out of both. */
static void settle(struct restore *restore, struct session *session)
{
	struct mr_sessions *sessions = restore->sessions;
	struct mr_notice notice = {.kind = MR_NOTICE_RESTORED, .info = &session->info};
	int r;

	if (session->half_closed) {
		session->life = LIFE_CLOSING;
		sessions->n_closing++;
		restore->report.removed++;
		mr_session_begin_close(session);
		return;
	}
	r = session->has_index ? repair(restore, session) : install(restore, session);
	notice.has_client = session->restored->has_client;
	notice.slot = session->restored->slot;
	notice.client = session->restored->client;
	notice.client_port = ntohs(session->restored->client_port);
	free(session->restored);
	session->restored = NULL;
	if (r < 0) {
		/* The row stays: a later start may have room for it. */
		restore->report.skipped++;
		remember(restore, "restoring session %016" PRIx64 ": %s", session->info.id,
			r == -ENOSPC ? "no room for it; raise --max-sessions" : strerror(-r));
		if (!session->installed)
			mr_session_free(session);
		return;
	}
	session->life = LIFE_OPEN;
	sessions->n_open++;
	sessions->n_seen[session->seen]++;
	mr_sessions_notify(sessions, &notice);
}

int mr_sessions_restore(struct mr_sessions *sessions, bool adopted,
	struct mr_restore_report *ret_report, struct mr_why *ret_why)
{
	struct mr_store *store = sessions->config.store;
	struct restore restore = {.sessions = sessions, .adopted = adopted, .why = ret_why};
	int r = place_addresses(&restore);

	/* Rows first: which ports the store's sessions have decides what goes with an orphan. */
	if (r == 0)
		r = store->ops->load(store, load_row, &restore, ret_why);
	for (size_t i = 0; r == 0 && i < restore.n_loaded; i++)
		set_times(&restore, restore.loaded[i]);
	if (r == 0 && adopted)
		r = meet_records(&restore);
	for (size_t i = 0; r == 0 && i < restore.n_loaded; i++)
		settle(&restore, restore.loaded[i]);
	free(restore.loaded);
	if (r == 0)
		*ret_report = restore.report;
	return r;
}
