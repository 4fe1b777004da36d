/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_reaper.c - what time brings to sessions, and what the dataplane's events become: ends,
 * silence, saved totals, targets that are gone and those that are only said to be.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "bed.h"
#include "events.h"
#include "reaper.h"
#include "sessions_private.h"
#include "wire.h"

static struct bed bed;
static struct mr_reaper *reaper;
static struct mr_events *events;
static struct mr_addr missing; /* the last neighbour asked for */

static void on_missing(void *context, uint32_t ifindex, const struct mr_addr *addr)
{
	(void)context;
	cr_assert_eq(ifindex, 5);
	missing = *addr;
}

static void start_daemon(bool adopted)
{
	cr_assert_eq(bed_start(&bed, adopted), 0, "%s", bed.why.text);
	cr_assert_eq(mr_reaper_new(bed.sessions, NULL, &reaper), 0);
	cr_assert_eq(mr_events_new(bed.sessions, on_missing, NULL, &events), 0);
}

static void stop_daemon(void)
{
	mr_events_free(events);
	mr_reaper_free(reaper);
	bed_stop(&bed);
}

static void init(void)
{
	bed_init(&bed);
	start_daemon(false);
}

static void fini(void)
{
	stop_daemon();
	bed_end(&bed);
}

TestSuite(reaper, .init = init, .fini = fini);

static struct mr_session *record_of(uint64_t id)
{
	return fake_backend_record(bed.backend, mr_sessions_find(bed.sessions, id)->index);
}

/* A datagram from each side, on leg 2. */
static void talk(uint64_t id, bool client, bool target)
{
	struct mr_session *record = record_of(id);
	const uint64_t now = (uint64_t)bed_monotonic;

	record->current = 2;
	record->legs[2].state = MR_LEG_PROVEN;
	if (client) {
		record->client_ns = now;
		record->from_client.datagrams++;
	}
	if (target) {
		record->target_ns = record->proven_ns = now;
		record->from_target.datagrams++;
	}
}

static bool is_there(uint64_t id)
{
	mr_reaper_pass(reaper);
	bed_wait_closings(&bed);
	return mr_sessions_find(bed.sessions, id) != NULL;
}

Test(reaper, what_is_never_answered_ends_after_a_minute)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_session *record = record_of(id);

	bed_pass(MR_REAPER_UNANSWERED_NS - 1);
	record->legs[0].state = MR_LEG_UNPROVEN; /* a client that asks and asks doesn't help */
	record->legs[0].client_ns = (uint64_t)bed_monotonic;
	cr_assert(is_there(id));
	bed_pass(1);
	cr_assert(!is_there(id));
	cr_assert_eq(bed.last.kind, MR_NOTICE_CLOSED);
	cr_assert_eq(bed.last.end, MR_SESSION_END_NEVER_ANSWERED);
	bed_check_whole(&bed);
}

Test(reaper, idle_is_when_neither_side_was_heard)
{
	struct mr_session_open open = bed_target(1);
	uint64_t id;

	open.idle_s = 3600;
	id = bed_open(&bed, &open);
	talk(id, true, true);
	bed_pass(3600 * MR_SECOND - 1);
	cr_assert(is_there(id));
	talk(id, true, false);
	bed_pass(3600 * MR_SECOND - 1);
	cr_assert(is_there(id), "its client is there");
	talk(id, false, true);
	bed_pass(3600 * MR_SECOND - 1);
	cr_assert(is_there(id), "its target is there");
	bed_realtime += 100 * 86400 * MR_SECOND;
	cr_assert(is_there(id), "the clock was set");
	bed_pass(1);
	cr_assert(!is_there(id));
	cr_assert_eq(bed.last.end, MR_SESSION_END_IDLE);
}

Test(reaper, a_stranger_keeps_no_session_alive)
{
	struct mr_session_open open = bed_target(1);
	struct mr_session *record;
	uint64_t id;

	open.idle_s = 3600;
	id = bed_open(&bed, &open);
	talk(id, true, true);
	bed_pass(3600 * MR_SECOND);
	record = record_of(id);
	record->legs[9].state = MR_LEG_UNPROVEN;
	record->legs[9].client_ns = (uint64_t)bed_monotonic;
	cr_assert(!is_there(id));
}

/* The time that a pass takes by its timer, in ms. */
static uint64_t pass_ms(uint32_t n)
{
	uint32_t each = mr_min(n / MR_REAPER_PASS_TICKS + 1, (uint32_t)MR_REAPER_TICK_SESSIONS);

	return (uint64_t)(n + each - 1) / each * mr_reaper_tick_ms(n);
}

Test(reaper, a_pass_takes_a_minute_at_most_up_to_a_million_sessions)
{
	for (uint32_t n = 1; n <= 1000000; n += n / 10 + 1) {
		cr_expect_leq(pass_ms(n), MR_REAPER_PASS_MS + MR_REAPER_TICK_MS, "%u sessions", n);
		cr_expect_leq(mr_reaper_tick_ms(n), MR_REAPER_TICK_MS);
	}
	cr_expect_leq(pass_ms(10000), 6000);
	cr_expect_leq(pass_ms(1000000), MR_REAPER_PASS_MS + MR_REAPER_TICK_MS);
	cr_expect_eq(mr_reaper_tick_ms(0), MR_REAPER_TICK_MS);
	cr_expect_eq(mr_reaper_tick_ms(UINT32_MAX), MR_REAPER_TICK_MIN_MS);
}

Test(reaper, silence_is_told_once)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);

	talk(id, true, true);
	mr_reaper_pass(reaper);
	bed_pass(10 * MR_SECOND);
	mr_reaper_pass(reaper);
	mr_reaper_pass(reaper);
	cr_assert_eq(bed.notices[MR_NOTICE_SILENT], 1);
	talk(id, true, true);
	mr_reaper_pass(reaper);
	bed_pass(10 * MR_SECOND);
	mr_reaper_pass(reaper);
	cr_assert_eq(bed.notices[MR_NOTICE_SILENT], 2);
}

/* A crash of machine and daemon: nothing is flushed. */
static void crash(int64_t off_s)
{
	bed.crashes = true;
	stop_daemon();
	fake_backend_free(bed.backend);
	bed.backend = fake_backend_new(BED_SESSIONS, 3 * BED_SESSIONS);
	bed.config.backend = bed.backend;
	bed_monotonic = 5 * MR_SECOND;
	bed_realtime += off_s * MR_SECOND;
	start_daemon(false);
}

Test(reaper, totals_and_idle_time_outlive_a_reboot)
{
	struct mr_session_open open = bed_target(1);
	struct mr_session_view view;
	int64_t spoken;
	uint64_t id;

	open.idle_s = 3600;
	id = bed_open(&bed, &open);
	talk(id, true, true);
	spoken = bed_realtime;
	bed_pass(MR_REAPER_CHECKPOINT_NS);
	mr_reaper_pass(reaper);
	bed.store->ops->flush(bed.store);
	bed_pass(2000 * MR_SECOND);
	crash(100);
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.to_target.datagrams, 1);
	cr_assert_eq(view.last_target_at, spoken);
	/* 60 + 2000 + 100 s have gone */
	bed_pass(1440 * MR_SECOND - 1);
	cr_assert(is_there(id));
	bed_pass(1);
	cr_assert(!is_there(id));
}

Test(reaper, a_first_answer_is_saved_at_once)
{
	struct mr_session_open open = bed_target(1);
	struct mr_session_view view;
	uint64_t id;

	open.idle_s = 3600;
	id = bed_open(&bed, &open);
	mr_reaper_pass(reaper);
	talk(id, true, true);
	bed_pass(MR_SECOND);
	mr_reaper_pass(reaper);
	bed.store->ops->flush(bed.store);
	crash(100);
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.last_target_at, bed_realtime - 101 * MR_SECOND);
	bed_pass(MR_REAPER_UNANSWERED_NS);
	cr_assert(is_there(id), "its client sleeps longer than a minute");
}

Test(reaper, time_that_ran_out_while_the_machine_was_off_leaves_a_minute_of_grace)
{
	struct mr_session_open open = bed_target(1);
	uint64_t id;

	open.idle_s = 3600;
	id = bed_open(&bed, &open);
	talk(id, true, true);
	bed_pass(MR_REAPER_CHECKPOINT_NS);
	mr_reaper_pass(reaper);
	crash(86400);
	bed_pass(60 * MR_SECOND - 1);
	cr_assert(is_there(id));
	bed_pass(1);
	cr_assert(!is_there(id));
}

Test(reaper, a_clock_that_runs_behind_after_a_reboot_ends_nothing)
{
	struct mr_session_open open = bed_target(1);
	struct mr_session_view view;
	uint64_t id = bed_open(&bed, &open);

	talk(id, true, true);
	bed_pass(MR_REAPER_CHECKPOINT_NS);
	mr_reaper_pass(reaper);
	crash(1000 - bed_realtime / MR_SECOND); /* 1970: no battery */
	cr_assert(is_there(id));
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_leq(view.last_target_at, bed_realtime, "heard of in the future");
}

Test(reaper, a_clock_that_forgets_the_time_at_each_reboot_lets_nothing_live_for_ever)
{
	struct mr_session_open idle = bed_target(1), busy = bed_target(2);
	uint64_t id, other;

	idle.idle_s = busy.idle_s = 3600;
	id = bed_open(&bed, &idle);
	other = bed_open(&bed, &busy);
	talk(id, true, true);
	bed_pass(3000 * MR_SECOND);
	talk(other, true, true);
	mr_reaper_pass(reaper);
	bed.store->ops->flush(bed.store);
	crash(1000 - bed_realtime / MR_SECOND);
	bed_pass(600 * MR_SECOND - 1);
	cr_assert(is_there(id));
	bed_pass(1);
	cr_assert(!is_there(id));
	cr_assert(is_there(other));
}

Test(reaper, a_clock_that_is_set_is_no_idle_time_at_the_next_reboot)
{
	static const int64_t steps_s[] = {100 * 86400, -100 * 86400, 3000, -3000};
	struct mr_session_open open = bed_target(1);
	struct mr_session_view view;

	open.idle_s = 3600;
	for (size_t i = 0; i < sizeof(steps_s) / sizeof(steps_s[0]); i++) {
		uint64_t id = bed_open(&bed, &open);

		talk(id, true, true);
		bed_pass(MR_REAPER_CHECKPOINT_NS);
		mr_reaper_pass(reaper); /* saved by the clock as it was, */
		bed_realtime += steps_s[i] * MR_SECOND;
		bed_pass(MR_SECOND);
		mr_reaper_pass(reaper); /* and as it is */
		bed.store->ops->flush(bed.store);
		crash(39);
		cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
		cr_expect_eq(view.last_target_at, bed_realtime - 100 * MR_SECOND, "step %zu", i);
		bed_pass(3500 * MR_SECOND - 1);
		cr_expect(is_there(id), "step %zu", i);
		bed_pass(1);
		cr_expect(!is_there(id), "step %zu", i);
	}
}

/* Events. */

static void tell(const struct mr_event *event)
{
	fake_backend_event(bed.backend, event);
	uv_run(&bed.loop, UV_RUN_ONCE);
}

Test(reaper, events_become_news_with_attribution)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_event event = {
		.session_id = id,
		.kind = MR_EVENT_ROAMED,
		.slot = 4,
		.addr = mr_addr_from_v4(htonl(0xc6336409)),
		.port = htons(40000),
	};
	char expected[96];

	tell(&event);
	cr_assert_eq(bed.notices[MR_NOTICE_ROAMED], 1);
	cr_assert(bed.last.has_client);
	cr_assert_eq(bed.last.client_port, 40000);
	cr_assert_not_null(strstr(bed.last_text, "alice"), "%s", bed.last_text);
	cr_assert_not_null(strstr(bed.last_text, "198.51.100.9:40000"), "%s", bed.last_text);
	snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)id);
	cr_assert_not_null(strstr(bed.last_text, expected), "%s", bed.last_text);
	event.kind = MR_EVENT_LEG;
	tell(&event);
	event.kind = MR_EVENT_PROVEN;
	tell(&event);
	cr_assert_eq(bed.notices[MR_NOTICE_LEG], 1);
	cr_assert_eq(bed.notices[MR_NOTICE_PROVEN], 1);
	event.session_id++; /* closed in the meantime */
	tell(&event);
	cr_assert_eq(bed.notices[MR_NOTICE_PROVEN], 1);
	event = (struct mr_event){
		.kind = MR_EVENT_NO_NEIGHBOUR, .ifindex = 5, .addr = bed_target(9).target};
	tell(&event);
	cr_assert(mr_addr_equal(&missing, &event.addr));
}

Test(reaper, a_way_by_an_interface_that_is_not_used_is_named_with_what_to_do)
{
	const struct mr_session_open open = bed_target(1);
	struct mr_event event = {
		.session_id = bed_open(&bed, &open),
		.kind = MR_EVENT_NO_ROUTE,
		.addr = open.target,
		.ifindex = 1,
		.detail = MR_DETAIL_NO_DEVICE,
	};

	tell(&event);
	cr_assert_eq(bed.notices[MR_NOTICE_UNREACHABLE], 1);
	cr_assert_not_null(strstr(bed.last_text, "reached by lo, which the relay is not attached"),
		"%s", bed.last_text);
}

static struct mr_event unreachable(uint64_t id, uint64_t cookie)
{
	struct mr_event event = {
		.session_id = id,
		.kind = MR_EVENT_ICMP,
		.addr = bed_target(1).target,
		.icmp_type = MR_ICMP_UNREACH,
		.icmp_code = 3,
	};

	memcpy(event.payload, &cookie, sizeof(cookie));
	return event;
}

static struct mr_runt_state *runt_of(uint64_t id)
{
	return &mr_session_find(bed.sessions, id)->runt;
}

Test(reaper, forged_errors_are_a_hint_and_no_end)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);

	talk(id, true, true);
	for (uint64_t i = 0; i < 100; i++) {
		const struct mr_event event = unreachable(id, i);

		mr_runt_begin(runt_of(id), bed_monotonic);
		bed_pass(MR_SECOND);
		tell(&event);
	}
	cr_assert_not_null(mr_sessions_find(bed.sessions, id));
	cr_assert_eq(bed.notices[MR_NOTICE_UNREACHABLE], 10, "each 10 s at most");
	cr_assert(!bed.last.certain);
}

Test(reaper, three_true_answers_over_half_a_minute_end_a_session)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_event event;

	talk(id, true, true);
	bed_pass(60 * MR_SECOND);
	for (int i = 0; i < 3; i++) {
		event = unreachable(id, mr_runt_begin(runt_of(id), bed_monotonic));
		tell(&event);
		tell(&event); /* a copy counts nothing */
		cr_assert_eq(mr_sessions_find(bed.sessions, id) == NULL, false);
		cr_assert_neq(bed.last.kind, MR_NOTICE_CLOSED);
		bed_pass(10 * MR_SECOND);
	}
	event = unreachable(id, mr_runt_begin(runt_of(id), bed_monotonic));
	tell(&event);
	cr_assert_eq(bed.last.kind, MR_NOTICE_CLOSED);
	cr_assert_eq(bed.last.end, MR_SESSION_END_TARGET_GONE);
	bed_wait_closings(&bed);
	bed_check_whole(&bed);
}

Test(reaper, a_word_from_the_target_starts_the_count_anew)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_event event;

	talk(id, true, true);
	for (int i = 0; i < 10; i++) {
		bed_pass(20 * MR_SECOND);
		event = unreachable(id, mr_runt_begin(runt_of(id), bed_monotonic));
		tell(&event);
		if (i % 2 == 1) {
			bed_pass(1);
			talk(id, false, true);
		}
	}
	cr_assert_not_null(mr_sessions_find(bed.sessions, id));
	cr_assert_eq(bed.notices[MR_NOTICE_CLOSED], 0);
}

Test(runt, is_due_after_a_silence_and_ever_more_rarely)
{
	struct mr_runt_state state = {0};
	const int64_t heard = 1000 * MR_SECOND;

	cr_assert(!mr_runt_is_due(&state, INT64_MIN, heard), "never answered: not our case");
	cr_assert(!mr_runt_is_due(&state, heard, heard + MR_RUNT_SILENCE_NS - 1));
	cr_assert(mr_runt_is_due(&state, heard, heard + MR_RUNT_SILENCE_NS));
	mr_runt_begin(&state, heard + MR_RUNT_SILENCE_NS);
	cr_assert(!mr_runt_is_due(&state, heard, heard + 120 * MR_SECOND - 1));
	cr_assert(mr_runt_is_due(&state, heard, heard + 120 * MR_SECOND));
	mr_runt_begin(&state, heard + 86400 * MR_SECOND);
	cr_assert(
		!mr_runt_is_due(&state, heard, heard + 86400 * MR_SECOND + MR_RUNT_LONGEST_NS - 1));
	cr_assert(mr_runt_is_due(&state, heard, heard + 86400 * MR_SECOND + MR_RUNT_LONGEST_NS));
	state.hits = 1;
	cr_assert(mr_runt_is_due(&state, heard, heard + 86400 * MR_SECOND + MR_RUNT_URGENT_NS));
}
