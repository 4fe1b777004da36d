/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bed.c - the bed that tests of the session manager lie in.
 */
#include "bed.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

bool bed_in_child;

#define must(condition, ...)                                 \
	do {                                                 \
		if (!bed_in_child)                           \
			cr_assert(condition, ##__VA_ARGS__); \
		else if (!(condition))                       \
			abort();                             \
	} while (0)

int64_t bed_monotonic = 1000 * MR_SECOND;
int64_t bed_realtime = 1700000000 * MR_SECOND;

static int64_t monotonic(void)
{
	return bed_monotonic;
}

static int64_t realtime(void)
{
	return bed_realtime;
}

const struct mr_clock bed_clock = {.monotonic = monotonic, .realtime = realtime};

void bed_pass(int64_t ns)
{
	bed_monotonic += ns;
	bed_realtime += ns;
}

static int route(void *context, const struct mr_addr *target, const struct mr_addr *prefer,
	struct mr_addr *ret_upstream, struct mr_why *ret_why)
{
	const struct bed *bed = context;

	(void)target;
	(void)prefer;
	if (bed->route_error) {
		snprintf(ret_why->text, sizeof(ret_why->text), "no route to the target");
		return bed->route_error;
	}
	*ret_upstream = bed->upstream;
	return 0;
}

static void hear(const struct mr_notice *notice, void *context)
{
	struct bed *bed = context;

	bed->notices[notice->kind]++;
	bed->last = *notice;
	mr_notice_describe(notice, bed->last_text, sizeof(bed->last_text));
}

/* Public ports are bound in earnest: in a network of our own nobody else has them. */
static void own_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		cr_assert_fail("no network namespace for the test: %s", strerror(errno));
}

void bed_init(struct bed *bed)
{
	memset(bed, 0, sizeof(*bed));
	own_network();
	strcpy(bed->dir, "/tmp/moshrelay-test-XXXXXX");
	cr_assert_not_null(mkdtemp(bed->dir));
	cr_assert_eq(uv_loop_init(&bed->loop), 0);
	bed->backend = fake_backend_new(BED_SESSIONS, 3 * BED_SESSIONS);
	for (size_t i = 0; i < 3; i++)
		bed->public[i] = mr_addr_from_v4(htonl(0xcb007107 + (uint32_t)i));
	bed->upstream = mr_addr_from_v4(htonl(0x0a000001));
	bed->pools[0] = (struct mr_session_pool){.name = "",
		.addresses = &bed->public[0],
		.n_addresses = 2,
		.port_lo = 42001,
		.port_hi = 42005};
	bed->pools[1] = (struct mr_session_pool){.name = "second",
		.addresses = &bed->public[2],
		.n_addresses = 1,
		.port_lo = 42001,
		.port_hi = 42003};
	bed->config = (struct mr_sessions_config){
		.loop = &bed->loop,
		.ops = &fake_backend_ops,
		.backend = bed->backend,
		.pools = bed->pools,
		.n_pools = 2,
		.upstream_lo = 61008,
		.upstream_hi = 65535,
		.max_sessions = BED_SESSIONS,
		.route = route,
		.route_context = bed,
		.clock = &bed_clock,
	};
}

int bed_start(struct bed *bed, bool adopted)
{
	int r = mr_store_sqlite_open(bed->dir, &bed->loop, &bed->store, &bed->why);
	struct rlimit files;

	must(r == 0, "%s", bed->why.text);
	bed->config.store = bed->store;
	getrlimit(RLIMIT_NOFILE, &files);
	if (bed->no_files)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, files.rlim_max});
	r = mr_sessions_new(&bed->config, &bed->sessions, &bed->why);
	setrlimit(RLIMIT_NOFILE, &files);
	must(r == 0, "%s", bed->why.text);
	bed->subscriber.fn = hear;
	bed->subscriber.context = bed;
	mr_sessions_subscribe(bed->sessions, &bed->subscriber);
	return mr_sessions_restore(bed->sessions, adopted, &bed->report, &bed->why);
}

void bed_stop(struct bed *bed)
{
	if (!bed->sessions)
		return;
	if (!bed->crashes)
		must(mr_sessions_flush(bed->sessions, &bed->why) == 0, "%s", bed->why.text);
	mr_sessions_free(bed->sessions);
	bed->store->ops->close(bed->store);
	bed->sessions = NULL;
	bed->store = NULL;
	uv_run(&bed->loop, UV_RUN_DEFAULT);
}

void bed_end(struct bed *bed)
{
	char command[96];

	bed_stop(bed);
	cr_assert_eq(uv_loop_close(&bed->loop), 0, "a handle was left open");
	fake_backend_free(bed->backend);
	snprintf(command, sizeof(command), "rm -r %s", bed->dir);
	cr_assert_eq(system(command), 0);
}

struct mr_session_open bed_target(uint32_t number)
{
	return (struct mr_session_open){
		.uid = 1000,
		.owner = "alice",
		.target = mr_addr_from_v4(htonl(0x0a010000 + number)),
		.target_port = 60001,
	};
}

void bed_on_done(void *context, int error, uint64_t id, const struct mr_why *why)
{
	struct bed_done *done = context;

	must(!done->called, "answered twice");
	done->called = true;
	done->error = error;
	done->id = id;
	if (why)
		done->why = *why;
}

void bed_wait(struct bed *bed, const struct bed_done *done)
{
	while (!done->called)
		must(uv_run(&bed->loop, UV_RUN_ONCE) || done->called,
			"nothing is left that could answer");
}

uint64_t bed_open(struct bed *bed, const struct mr_session_open *open)
{
	struct bed_done done = {0};
	uint64_t id;
	int r = mr_sessions_open(bed->sessions, open, bed_on_done, &done, &id, &bed->why);

	must(r == 0, "%s", bed->why.text);
	bed_wait(bed, &done);
	must(done.error == 0, "%s", done.why.text);
	must(done.id == id);
	return id;
}

int bed_close(struct bed *bed, uint64_t id)
{
	struct bed_done done = {0};
	int r = mr_sessions_close(bed->sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &done);

	if (r < 0)
		return r;
	bed_wait(bed, &done);
	return done.error;
}

void bed_wait_closings(struct bed *bed)
{
	struct mr_sessions_counts counts;

	mr_sessions_counts(bed->sessions, &counts);
	while (counts.closing > 0) {
		int alive = uv_run(&bed->loop, UV_RUN_ONCE);

		mr_sessions_counts(bed->sessions, &counts);
		cr_assert(alive || counts.closing == 0, "nothing is left that could close them");
	}
}

struct census {
	struct bed *bed;
	unsigned rows, public_keys;
};

/* Each row has one live record, which its keys lead to. */
static int check_row(
	void *context, const struct mr_store_row *row, const struct mr_store_totals *totals)
{
	struct census *census = context;
	struct bed *bed = census->bed;
	const struct mr_session_info *info = mr_sessions_find(bed->sessions, row->id);
	const struct mr_session_pool *pool =
		strcmp(row->pool, "") ? &bed->pools[1] : &bed->pools[0];
	struct mr_key key =
		mr_key_target(&row->target, htons(row->target_port), row->upstream_base);
	struct mr_session *record;
	struct mr_ref ref;

	(void)totals;
	census->rows++;
	cr_assert_not_null(info, "a row without a session");
	record = fake_backend_record(bed->backend, info->index);
	cr_assert_eq(record->id, row->id);
	cr_assert(record->flags & MR_SESSION_OPEN);
	cr_assert_eq(record->public_port, htons(row->public_port));
	cr_assert(mr_addr_equal(&record->upstream, &row->upstream));
	cr_assert(fake_backend_lookup(bed->backend, false, &key, &ref), "no key for the target");
	cr_assert_eq(ref.index, info->index);
	for (size_t i = 0; i < pool->n_addresses; i++) {
		struct mr_addr addr;

		census->public_keys++;
		key = mr_key_public(&pool->addresses[i], htons(row->public_port));
		cr_assert(fake_backend_lookup(bed->backend, true, &key, &ref),
			"no key for the clients");
		cr_assert_eq(ref.index, info->index);
		fake_backend_ops.address_get(bed->backend, ref.public_slot, &addr);
		cr_assert(mr_addr_equal(&addr, &pool->addresses[i]));
	}
	return 0;
}

void bed_check_whole(struct bed *bed)
{
	struct census census = {.bed = bed};
	struct mr_sessions_counts counts;

	bed->store->ops->flush(bed->store);
	cr_assert_eq(bed->store->ops->load(bed->store, check_row, &census, &bed->why), 0);
	mr_sessions_counts(bed->sessions, &counts);
	cr_assert_eq(counts.sessions, census.rows);
	cr_assert_eq(counts.opening + counts.closing, 0);
	cr_assert_eq(fake_backend_open_records(bed->backend), census.rows);
	cr_assert_eq(fake_backend_keys(bed->backend, false), census.rows);
	cr_assert_eq(fake_backend_keys(bed->backend, true), census.public_keys);
}
