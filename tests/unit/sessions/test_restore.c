/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_restore.c - restarts: live records are adopted untouched, a reboot brings every session back
 * where it was, and a daemon killed at any step leaves nothing that start-up doesn't mend.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bed.h"

static struct bed bed;

static void init(void)
{
	bed_init(&bed);
}

static void fini(void)
{
	bed_end(&bed);
}

TestSuite(restore, .init = init, .fini = fini);

static void start(bool adopted)
{
	cr_assert_eq(bed_start(&bed, adopted), 0, "%s", bed.why.text);
}

Test(restore, sessions_beyond_a_limit_that_was_lowered_are_adopted)
{
	const struct mr_session_open more = bed_target(9);
	struct bed_done done = {0};
	uint64_t id;

	start(false);
	for (uint32_t i = 0; i < 5; i++) {
		const struct mr_session_open open = bed_target(i);

		bed_open(&bed, &open);
	}
	bed_stop(&bed);
	bed.config.max_sessions = 2;
	bed.config.n_records = BED_SESSIONS;
	start(true);
	cr_assert_eq(bed.report.adopted, 5, "%s", bed.report.first.text);
	cr_assert_eq(bed.report.skipped + bed.report.installed, 0);
	bed_check_whole(&bed);
	cr_assert_eq(mr_sessions_open(bed.sessions, &more, bed_on_done, &done, &id, &bed.why),
		-ENOSPC, "the limit is what was asked for");
}

/* A machine that starts anew: empty tables, and a monotonic clock that begins at zero. */
static void reboot(void)
{
	bed_stop(&bed);
	fake_backend_free(bed.backend);
	bed.backend = fake_backend_new(BED_SESSIONS, 3 * BED_SESSIONS);
	bed.config.backend = bed.backend;
	bed_monotonic = 5 * MR_SECOND;
	bed_realtime += 600 * MR_SECOND;
}

Test(restore, live_records_are_adopted_without_a_write)
{
	struct mr_session before[BED_SESSIONS];
	uint64_t ids[6];
	unsigned writes;

	start(false);
	for (uint32_t i = 0; i < 6; i++) {
		const struct mr_session_open open = bed_target(i);

		ids[i] = bed_open(&bed, &open);
	}
	bed_stop(&bed);
	fake_backend_ops.session_get(bed.backend, 0, BED_SESSIONS, before);
	writes = fake_backend_calls(bed.backend, FAKE_SESSION_PUT) +
		fake_backend_calls(bed.backend, FAKE_SESSION_CLOSE) +
		fake_backend_calls(bed.backend, FAKE_PUBLIC_DEL);
	start(true);
	cr_assert_eq(bed.report.adopted, 6);
	cr_assert_eq(bed.report.repaired + bed.report.installed + bed.report.removed, 0);
	cr_assert_eq(bed.report.skipped + bed.report.unheld, 0);
	cr_assert_eq(bed.notices[MR_NOTICE_RESTORED], 6);
	cr_assert_eq(fake_backend_calls(bed.backend, FAKE_SESSION_PUT) +
			fake_backend_calls(bed.backend, FAKE_SESSION_CLOSE) +
			fake_backend_calls(bed.backend, FAKE_PUBLIC_DEL),
		writes);
	cr_assert_eq(memcmp(before, fake_backend_record(bed.backend, 0), sizeof(before)), 0);
	for (uint32_t i = 0; i < 6; i++) {
		const struct mr_session_open open = bed_target(i);
		uint64_t id;

		cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), 1,
			"the same session is found again");
		cr_assert_eq(id, ids[i]);
	}
	cr_assert_eq(mr_sessions_count_uid(bed.sessions, 1000), 6);
	bed_check_whole(&bed);
	cr_assert_eq(bed_close(&bed, ids[2]), 0);
	bed_check_whole(&bed);
}

Test(restore, a_reboot_brings_every_session_back_where_it_was)
{
	struct mr_session_info before[7];
	struct mr_session_open open;
	const struct mr_addr hint = mr_addr_from_v4(htonl(0xc6336409));

	start(false);
	for (uint32_t i = 0; i < 7; i++) {
		open = bed_target(i);
		open.label = "label";
		open.hint = i == 3 ? &hint : NULL;
		before[i] = *mr_sessions_find(bed.sessions, bed_open(&bed, &open));
	}
	{
		struct mr_session *record = fake_backend_record(bed.backend, before[3].index);

		record->from_client.datagrams = 42;
		record->from_target.bytes = 43;
		record->roams = 2;
		record->proven_ns = (uint64_t)bed_monotonic;
	}
	reboot();
	start(false);
	cr_assert_eq(bed.report.installed, 7);
	cr_assert_eq(bed.report.adopted + bed.report.removed + bed.report.skipped, 0);
	bed_check_whole(&bed);
	for (uint32_t i = 0; i < 7; i++) {
		const struct mr_session_info *info = mr_sessions_find(bed.sessions, before[i].id);

		cr_assert_not_null(info);
		cr_assert_eq(info->public_port, before[i].public_port);
		cr_assert_eq(info->upstream_base, before[i].upstream_base);
		cr_assert(mr_addr_equal(&info->upstream, &before[i].upstream));
		cr_assert_eq(info->opened_at, before[i].opened_at);
		cr_assert_str_eq(info->pool->name, i < 5 ? "" : "second");
		cr_assert_str_eq(info->label, "label");
	}
	{
		const struct mr_session_info *info = mr_sessions_find(bed.sessions, before[3].id);
		struct mr_session *record = fake_backend_record(bed.backend, info->index);
		struct mr_session_view view;

		cr_assert_eq(record->from_client.datagrams, 42, "its counts go on");
		cr_assert_eq(record->from_target.bytes, 43);
		cr_assert_eq(record->roams, 2);
		cr_assert(mr_addr_equal(&record->hint, &hint));
		cr_assert_eq(record->opened_ns, (uint64_t)bed_monotonic);
		cr_assert_eq(mr_sessions_show(bed.sessions, info->id, &view), 0);
		cr_assert_eq(view.state, MR_SESSION_SILENT, "answered once, not heard of since");
		cr_assert_eq(view.last_target_at, bed_realtime - 600 * MR_SECOND,
			"the other monotonic clock is forgotten");
	}
}

Test(restore, what_came_after_the_reboot_is_in_the_store_the_next_time)
{
	const struct mr_session_open open = bed_target(1);
	const struct mr_addr other = mr_addr_from_v4(htonl(0x0a000002));
	uint64_t id;

	start(false);
	id = bed_open(&bed, &open);
	reboot();
	bed.upstream = other; /* the bastion has another address towards the target now */
	start(false);
	cr_assert_eq(bed.report.moved, 1);
	cr_assert(mr_addr_equal(&mr_sessions_find(bed.sessions, id)->upstream, &other));
	bed_check_whole(&bed);
	reboot();
	start(false);
	cr_assert_eq(bed.report.moved, 0, "the store has it");
	reboot();
	bed.route_error = -ENETUNREACH; /* the network is not up yet */
	start(false);
	cr_assert_eq(bed.report.installed, 1, "it is kept all the same");
	cr_assert(mr_addr_equal(&mr_sessions_find(bed.sessions, id)->upstream, &other));
}

Test(restore, a_store_that_has_lost_all_ends_no_session)
{
	const struct mr_session_open open = bed_target(1);
	char command[128];

	start(false);
	bed_open(&bed, &open);
	bed_stop(&bed);
	snprintf(command, sizeof(command), "cd %s && mkdir kept && mv sessions.db* kept", bed.dir);
	cr_assert_eq(system(command), 0);
	for (int turn = 0; turn < 2; turn++) { /* an empty store is there the second time */
		cr_assert_eq(bed_start(&bed, true), -EUCLEAN);
		cr_assert(strstr(bed.why.text, "1 sessions are being relayed"), "%s", bed.why.text);
		bed.crashes = true;
		bed_stop(&bed);
		cr_assert_eq(fake_backend_open_records(bed.backend), 1);
	}
	snprintf(command, sizeof(command), "cd %s && rm sessions.db* && mv kept/* . && rmdir kept",
		bed.dir);
	cr_assert_eq(system(command), 0);
	start(true);
	cr_assert_eq(bed.report.adopted, 1);
	bed_check_whole(&bed);
}

Test(restore, blocks_of_closed_sessions_rest_while_their_targets_may_send)
{
	const struct mr_session_open open = bed_target(1), other = bed_target(2);
	struct bed_done done = {0};
	uint64_t id;

	bed.config.upstream_hi = (uint16_t)(bed.config.upstream_lo + MR_LEGS - 1); /* one block */
	start(false);
	bed_open(&bed, &other);
	cr_assert_eq(bed_close(&bed, bed_open(&bed, &open)), 0);
	bed_stop(&bed);
	start(true);
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, bed_on_done, &done, &id, &bed.why),
		-ENOSPC, "its target may be sending there");
	bed_pass(91 * MR_SECOND);
	bed_stop(&bed);
	start(true);
	bed_open(&bed, &open);
}

Test(restore, news_of_an_adopted_session_name_its_client)
{
	const struct mr_session_open open = bed_target(1);
	const struct mr_addr client = mr_addr_from_v4(htonl(0xc6336409));
	struct mr_session *record;
	const struct mr_session_info *info;

	start(false);
	info = mr_sessions_find(bed.sessions, bed_open(&bed, &open));
	record = fake_backend_record(bed.backend, info->index);
	record->current = 3;
	record->client = client;
	record->client_port = htons(40000);
	bed_stop(&bed);
	start(true);
	cr_assert_eq(bed.last.kind, MR_NOTICE_RESTORED);
	cr_assert(bed.last.has_client && mr_addr_equal(&bed.last.client, &client));
	cr_assert(bed.last.slot == 3 && bed.last.client_port == 40000);
	reboot();
	start(false);
	cr_assert(!bed.last.has_client, "its legs are gone");
}

Test(restore, missing_keys_are_put_back_and_strangers_go)
{
	const struct mr_session_open open = bed_target(1), gone = bed_target(2);
	const struct mr_session_info *info;
	struct mr_session record;
	struct mr_key key;
	struct mr_ref ref = {.index = 33};
	uint64_t id, lost;

	start(false);
	id = bed_open(&bed, &open);
	lost = bed_open(&bed, &gone);
	info = mr_sessions_find(bed.sessions, id);
	key = mr_key_public(&bed.public[1], htons(info->public_port));
	cr_assert_eq(fake_backend_ops.public_del(bed.backend, &key), 0);
	info = mr_sessions_find(bed.sessions, lost);
	fake_backend_record(bed.backend, info->index)->id = 0; /* as if never written */
	key = mr_key_target(&info->target, htons(60001), info->upstream_base);
	cr_assert_eq(fake_backend_ops.target_del(bed.backend, &key), 0);
	for (int i = 0; i < 2; i++) {
		key = mr_key_public(&bed.public[i], htons(info->public_port));
		cr_assert_eq(fake_backend_ops.public_del(bed.backend, &key), 0);
	}
	/* an open that was cut short, of which the store knows nothing any more */
	record = *fake_backend_record(bed.backend, mr_sessions_find(bed.sessions, id)->index);
	record.id = 4711;
	record.target.w[3] ^= htonl(0x00ff0000);
	record.public_port = htons(42077);
	cr_assert_eq(fake_backend_ops.session_put(bed.backend, 33, &record), 0);
	key = mr_key_target(&record.target, record.target_port, record.upstream_base);
	cr_assert_eq(fake_backend_ops.target_put(bed.backend, &key, ref), 0);
	key = mr_key_public(&bed.public[0], record.public_port);
	cr_assert_eq(fake_backend_ops.public_put(bed.backend, &key, ref), 0);

	bed_stop(&bed);
	start(true);
	cr_assert_eq(bed.report.adopted, 1);
	cr_assert_eq(bed.report.repaired, 1);
	cr_assert_eq(bed.report.installed, 1);
	cr_assert_eq(bed.report.removed, 1);
	bed_check_whole(&bed);
}

Test(restore, a_port_that_a_local_program_took_is_served_all_the_same)
{
	const struct mr_session_open open = bed_target(1);
	struct sockaddr_in addr = {.sin_family = AF_INET};
	uint64_t id;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	start(false);
	id = bed_open(&bed, &open);
	addr.sin_port = htons(mr_sessions_find(bed.sessions, id)->public_port);
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), -1, "it is held");
	cr_assert_eq(errno, EADDRINUSE);
	reboot();
	cr_assert_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	start(false);
	cr_assert_eq(bed.report.installed, 1);
	cr_assert_eq(bed.report.unheld, 1);
	cr_assert_not_null(strstr(bed.report.first.text, "local program"));
	bed_check_whole(&bed);
	close(fd);
}

Test(restore, a_limit_of_open_files_is_not_taken_for_a_local_program)
{
	const struct mr_session_open open = bed_target(1);

	start(false);
	bed_open(&bed, &open);
	reboot();
	bed.no_files = true;
	start(false);
	cr_expect_eq(bed.report.installed, 1);
	cr_expect_eq(bed.report.unheld, 0);
	cr_expect_eq(bed.report.beyond, 1);
	cr_expect_not_null(
		strstr(bed.report.first.text, "LimitNOFILE"), "%s", bed.report.first.text);
	bed_check_whole(&bed);
}

Test(restore, sessions_of_a_pool_that_is_gone_stay_in_the_store)
{
	uint64_t id = 0;

	start(false);
	for (uint32_t i = 0; i < 6; i++) {
		const struct mr_session_open open = bed_target(i);

		id = bed_open(&bed, &open);
	}
	reboot();
	bed.config.n_pools = 1;
	start(false);
	cr_assert_eq(bed.report.installed, 5);
	cr_assert_eq(bed.report.skipped, 1);
	cr_assert_null(mr_sessions_find(bed.sessions, id));
	reboot();
	bed.config.n_pools = 2;
	start(false);
	cr_assert_eq(bed.report.installed, 6);
	cr_assert_not_null(mr_sessions_find(bed.sessions, id));
}

Test(restore, an_address_keeps_its_number_while_the_dataplane_lives)
{
	const struct mr_session_open open = bed_target(1), later = bed_target(2);
	struct mr_addr addr;
	uint64_t id;
	struct mr_key key;
	struct mr_ref ref;

	start(false);
	id = bed_open(&bed, &open);
	bed_stop(&bed);
	/* the first address is taken out of the configuration, a new one comes */
	bed.public[0] = mr_addr_from_v4(htonl(0xcb007163));
	start(true);
	fake_backend_ops.address_get(bed.backend, 0, &addr);
	cr_assert(mr_addr_equal(
		&addr, &(struct mr_addr){.w = {0, 0, htonl(0xffff), htonl(0xcb007107)}}));
	cr_assert_eq(bed.report.adopted, 1);
	cr_assert_eq(bed.report.repaired, 1);
	key = mr_key_public(&addr, htons(mr_sessions_find(bed.sessions, id)->public_port));
	cr_assert(!fake_backend_lookup(bed.backend, true, &key, &ref), "the old address serves on");
	bed_open(&bed, &later);
	bed_check_whole(&bed);
}

Test(restore, a_full_or_broken_store_ends_the_open_and_nothing_else)
{
	const struct mr_session_open open = bed_target(1), more = bed_target(2);
	struct mr_sessions_counts counts;
	struct bed_done done = {0}, closed = {0};
	struct rlimit limit;
	uint64_t id, refused;

	start(false);
	id = bed_open(&bed, &open);
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 0; /* no write into any file succeeds */
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(
		mr_sessions_open(bed.sessions, &more, bed_on_done, &done, &refused, &bed.why), 0);
	bed_wait(&bed, &done);
	cr_assert_eq(done.error, -EIO);
	cr_assert(done.why.text[0]);
	mr_sessions_counts(bed.sessions, &counts);
	cr_assert_eq(counts.store_errors, 1);
	cr_assert_str_eq(counts.store_why.text, done.why.text);
	cr_assert_eq(fake_backend_open_records(bed.backend), 1, "the other one goes on");

	/* a close takes effect, and says that it isn't recorded yet */
	cr_assert_eq(
		mr_sessions_close(bed.sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &closed),
		0);
	cr_assert_eq(fake_backend_open_records(bed.backend), 0);
	bed_wait(&bed, &closed);
	cr_assert_eq(closed.error, -EIO);
	cr_assert_not_null(mr_sessions_find(bed.sessions, id), "in lists as closing");

	limit.rlim_cur = limit.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(bed_close(&bed, id), 0, "the next try succeeds");
	cr_assert_null(mr_sessions_find(bed.sessions, id));
	bed_open(&bed, &more);
	bed_check_whole(&bed);
	mr_sessions_counts(bed.sessions, &counts);
	cr_assert_str_eq(counts.store_why.text, "");
}

/* Kills. A child lives through a few opens and closes and tells what was answered. */

struct told {
	uint64_t opened[3], closed[3]; /* ids that were answered */
	bool asked_to_close[3];
	bool finished;
};

/* In a child: no assertions. */
static void live(struct told *told)
{
	for (uint32_t i = 0; i < 3; i++) {
		const struct mr_session_open open = bed_target(i);

		told->opened[i] = bed_open(&bed, &open);
	}
	for (uint32_t i = 0; i < 2; i++) {
		told->asked_to_close[i] = true;
		if (bed_close(&bed, told->opened[i]) != 0)
			abort();
		told->closed[i] = told->opened[i];
	}
	told->finished = true;
}

/* The child is killed at its call `nth` into the dataplane; true while it got that far. */
static bool kill_at(unsigned nth, bool after, struct told *told)
{
	pid_t child = fork();
	int status;

	cr_assert(child >= 0);
	if (child == 0) {
		bed_in_child = true;
		if (uv_loop_init(&bed.loop) != 0 || bed_start(&bed, true) != 0)
			abort();
		fake_backend_kill(bed.backend, nth, after);
		live(told);
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	fake_backend_kill(bed.backend, 0, false);
	return WIFSIGNALED(status);
}

static void close_one(const struct mr_session_view *view, void *context)
{
	(void)context;
	cr_assert_eq(
		mr_sessions_close(bed.sessions, view->info->id, MR_SESSION_END_CLOSED, NULL, NULL),
		0);
}

static void close_all(void)
{
	uint32_t cursor = 0;

	while (mr_sessions_list(bed.sessions, &cursor, 1000, NULL, close_one, NULL))
		continue;
	bed_wait_closings(&bed);
}

/* What was answered holds; what wasn't may have gone either way; store and dataplane agree. */
static void check_after_kill(const struct told *told)
{
	start(true);
	bed_wait_closings(&bed);
	bed_check_whole(&bed);
	for (uint32_t i = 0; i < 3; i++) {
		if (told->opened[i] && !told->asked_to_close[i])
			cr_assert_not_null(mr_sessions_find(bed.sessions, told->opened[i]),
				"an open that was answered is lost");
		if (told->closed[i])
			cr_assert_null(mr_sessions_find(bed.sessions, told->closed[i]),
				"a close that was answered is undone");
	}
	/* clear the table for the next round */
	close_all();
	bed_stop(&bed);
}

static void kill_everywhere(bool after)
{
	struct told *told = mmap(
		NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned nth = 0;

	cr_assert_neq(told, MAP_FAILED);
	do {
		memset(told, 0, sizeof(*told));
		bed_pass(2 * MR_SECOND);
		nth++;
		if (!kill_at(nth, after, told))
			break;
		check_after_kill(told);
	} while (nth < 1000);
	/* three opens of four calls each, two closes of four */
	cr_assert_eq(nth, 21, "%u calls", nth);
	cr_assert(told->finished);
	munmap(told, sizeof(*told));
}

Test(restore, a_kill_before_any_call_is_mended)
{
	kill_everywhere(false);
}

Test(restore, a_kill_after_any_call_is_mended)
{
	kill_everywhere(true);
}

/* Kills at any moment, in the store's thread as well. */
Test(restore, a_kill_at_any_moment_is_mended, .timeout = 240)
{
	struct told *told = mmap(
		NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(told, MAP_FAILED);
	for (unsigned round = 0; round < 40; round++) {
		pid_t child;
		int status;

		memset(told, 0, sizeof(*told));
		child = fork();
		cr_assert(child >= 0);
		if (child == 0) {
			uv_loop_init(&bed.loop);
			start(true);
			live(told);
			_exit(0);
		}
		usleep(round * 250); /* no event to wait for: the moment is what is varied */
		kill(child, SIGKILL);
		cr_assert_eq(waitpid(child, &status, 0), child);
		check_after_kill(told);
	}
	munmap(told, sizeof(*told));
}

/* How long it takes: of the processors' time, for others use them as well. */

static double cpu_seconds(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

Test(restore, fifty_thousand_sessions_come_back_in_time, .timeout = 240)
{
	enum { MANY = 50000 };
	struct bed_done *done = calloc(MANY, sizeof(*done));
	double start_s, opening, adopting, installing;
	uint64_t id;

	fake_backend_free(bed.backend);
	bed.backend = fake_backend_new(65536, 3 * 65536);
	bed.config.backend = bed.backend;
	bed.config.max_sessions = 65536;
	bed.pools[0].port_lo = 10001;
	bed.pools[0].port_hi = 65000;
	start(false);
	start_s = cpu_seconds();
	for (uint32_t i = 0; i < MANY; i++) {
		const struct mr_session_open open = bed_target(i);
		int r;

		while ((r = mr_sessions_open(bed.sessions, &open, bed_on_done, &done[i], &id,
				&bed.why)) == -EAGAIN)
			uv_run(&bed.loop, UV_RUN_ONCE);
		cr_assert_eq(r, 0, "%s", bed.why.text);
	}
	for (uint32_t i = 0; i < MANY; i++)
		bed_wait(&bed, &done[i]);
	opening = cpu_seconds() - start_s;
	bed_stop(&bed);

	start_s = cpu_seconds();
	start(true);
	adopting = cpu_seconds() - start_s;
	cr_assert_eq(bed.report.adopted, MANY);
	bed_stop(&bed);

	fake_backend_free(bed.backend);
	bed.backend = fake_backend_new(65536, 3 * 65536);
	bed.config.backend = bed.backend;
	start_s = cpu_seconds();
	start(false);
	installing = cpu_seconds() - start_s;
	cr_assert_eq(bed.report.installed, MANY);
	bed_check_whole(&bed);
	cr_log_info("opened %.0f a second, adopted in %.2f s, installed in %.2f s", MANY / opening,
		adopting, installing);
	/* The figures to keep are the bench's; these catch what has become quadratic. */
	cr_assert_lt(adopting, 30);
	cr_assert_lt(installing, 30);
	free(done);
}
