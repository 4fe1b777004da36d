/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sessions.c - the session manager: opening and closing in order, what fails is undone, what
 * is the same is the same, limits, lists.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "bed.h"

static struct bed bed;

static void start(void)
{
	bed_init(&bed);
	cr_assert_eq(bed_start(&bed, false), 0, "%s", bed.why.text);
}

static void end(void)
{
	bed_end(&bed);
}

TestSuite(sessions, .init = start, .fini = end);

Test(sessions, an_opened_session_is_in_store_and_dataplane)
{
	const struct mr_addr hint = mr_addr_from_v4(htonl(0xc6336409));
	struct mr_session_open open = bed_target(1);
	const struct mr_session *record;
	const struct mr_session_info *info;
	uint64_t id;

	open.label = "web";
	open.hint = &hint;
	id = bed_open(&bed, &open);
	info = mr_sessions_find(bed.sessions, id);
	cr_assert_not_null(info);
	cr_assert_str_eq(info->owner, "alice");
	cr_assert_str_eq(info->label, "web");
	cr_assert_eq(info->idle_s, MR_SESSION_IDLE_DEFAULT);
	cr_assert_eq(info->opened_at, bed_realtime);
	cr_assert(info->public_port >= 42001 && info->public_port <= 42005);
	cr_assert(info->upstream_base >= 61008 && info->upstream_base % MR_LEGS == 0);

	record = fake_backend_record(bed.backend, info->index);
	cr_assert_eq(record->id, id);
	cr_assert_eq(record->flags, MR_SESSION_OPEN | MR_SESSION_HINT);
	cr_assert_eq(record->current, MR_NO_SLOT);
	cr_assert_eq(record->target_port, htons(60001));
	cr_assert_eq(record->opened_ns, (uint64_t)bed_monotonic);
	cr_assert(mr_addr_equal(&record->hint, &hint));
	cr_assert(mr_addr_equal(&record->upstream, &bed.upstream));
	bed_check_whole(&bed);
	cr_assert_eq(bed.notices[MR_NOTICE_OPENED], 1);
}

Test(sessions, closing_leaves_nothing)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct bed_done done = {0};

	cr_assert_eq(
		mr_sessions_close(bed.sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &done), 0);
	cr_assert_eq(fake_backend_open_records(bed.backend), 0, "it forwards still");
	cr_assert_eq(fake_backend_keys(bed.backend, true), 0);
	cr_assert_eq(bed.notices[MR_NOTICE_CLOSED], 1);
	bed_wait(&bed, &done);
	cr_assert_eq(done.error, 0);
	cr_assert_null(mr_sessions_find(bed.sessions, id));
	cr_assert_eq(mr_sessions_count_uid(bed.sessions, 1000), 0);
	bed_check_whole(&bed);
	cr_assert_eq(bed_close(&bed, id), -ENOENT);
}

Test(sessions, two_closes_of_one_session_are_both_answered)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct bed_done one = {0}, two = {0};

	cr_assert_eq(
		mr_sessions_close(bed.sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &one), 0);
	cr_assert_eq(
		mr_sessions_close(bed.sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &two), 0);
	bed_wait(&bed, &one);
	bed_wait(&bed, &two);
	cr_assert_eq(one.error, 0);
	cr_assert_eq(two.error, 0);
	cr_assert_eq(bed.notices[MR_NOTICE_CLOSED], 1);
}

Test(sessions, the_same_owner_target_and_label_have_the_same_session)
{
	struct mr_session_open open = bed_target(1);
	struct bed_done one = {0}, two = {0};
	uint64_t id, first, second;

	/* while the first open is under way */
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, bed_on_done, &one, &first, &bed.why), 0);
	cr_assert_eq(
		mr_sessions_open(bed.sessions, &open, bed_on_done, &two, &second, &bed.why), 0);
	cr_assert_eq(first, second);
	cr_assert_null(mr_sessions_find(bed.sessions, first), "not there before it is durable");
	bed_wait(&bed, &one);
	bed_wait(&bed, &two);
	cr_assert_eq(one.id, first);
	cr_assert_eq(two.id, first);

	/* and later on */
	open.label = "";
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), 1);
	cr_assert_eq(id, first);

	/* but not another's */
	open.label = "other";
	cr_assert_neq(bed_open(&bed, &open), first);
	open = bed_target(1);
	open.uid = 1001;
	cr_assert_neq(bed_open(&bed, &open), first);
	open = bed_target(1);
	open.target_port++;
	cr_assert_neq(bed_open(&bed, &open), first);
	cr_assert_eq(mr_sessions_count_uid(bed.sessions, 1000), 3);
	bed_check_whole(&bed);
}

Test(sessions, what_was_closed_can_be_opened_anew_at_once)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t old = bed_open(&bed, &open), new;
	const struct mr_session_info *info = mr_sessions_find(bed.sessions, old);
	uint16_t base = info->upstream_base;
	uint32_t index = info->index;

	cr_assert_eq(mr_sessions_close(bed.sessions, old, MR_SESSION_END_CLOSED, NULL, NULL), 0);
	new = bed_open(&bed, &open);
	cr_assert_neq(new, old);
	info = mr_sessions_find(bed.sessions, new);
	cr_assert_neq(info->upstream_base, base, "the target may send to it yet");
	cr_assert_neq(info->index, index, "a packet may be at it yet");
}

Test(sessions, a_dataplane_that_fails_at_any_step_leaves_nothing_behind)
{
	const struct mr_session_open open = bed_target(1);
	unsigned steps, before = fake_backend_calls(bed.backend, FAKE_OPS);
	uint64_t id = bed_open(&bed, &open);

	steps = fake_backend_calls(bed.backend, FAKE_OPS) - before;
	cr_assert_eq(steps, 4, "record, target key, two public keys");
	cr_assert_eq(bed_close(&bed, id), 0);
	for (unsigned step = 1; step <= steps; step++) {
		struct bed_done done = {0};

		fake_backend_fail(bed.backend, FAKE_OPS, step, step % 2 ? -EIO : -ENOSPC);
		cr_assert_eq(
			mr_sessions_open(bed.sessions, &open, bed_on_done, &done, &id, &bed.why),
			0);
		bed_wait(&bed, &done);
		cr_assert_eq(done.error, step % 2 ? -EIO : -ENOSPC);
		cr_assert(done.why.text[0]);
		cr_assert_null(mr_sessions_find(bed.sessions, id));
		cr_assert_eq(mr_sessions_count_uid(bed.sessions, 1000), 0);
		bed_check_whole(&bed);
	}
	bed_open(&bed, &open);
	bed_check_whole(&bed);
}

Test(sessions, a_dataplane_that_fails_to_close_is_asked_again)
{
	const enum fake_op ops[] = {FAKE_PUBLIC_DEL, FAKE_TARGET_DEL, FAKE_SESSION_CLOSE};
	const struct mr_session_open open = bed_target(1);

	for (size_t i = 0; i < 3; i++) {
		uint64_t id = bed_open(&bed, &open);

		fake_backend_fail(bed.backend, ops[i], 1, -EIO);
		cr_assert_eq(bed_close(&bed, id), 0);
		bed_check_whole(&bed);
	}
	cr_assert_eq(bed.notices[MR_NOTICE_TROUBLE], 3);
}

Test(sessions, without_a_route_nothing_is_opened)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id;

	bed.route_error = -ENETUNREACH;
	cr_assert_eq(
		mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -ENETUNREACH);
	cr_assert_str_eq(bed.why.text, "no route to the target");
	bed_check_whole(&bed);
}

Test(sessions, fields_out_of_range_are_refused)
{
	struct mr_session_open open = bed_target(1);
	char label[MR_STORE_LABEL_MAX + 2];
	uint64_t id;

	open.target_port = 0;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -EINVAL);
	open = bed_target(1);
	open.idle_s = MR_SESSION_IDLE_MAX + 1;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -EINVAL);
	open.idle_s = MR_SESSION_IDLE_MIN;
	bed_open(&bed, &open);
	open = bed_target(2);
	open.idle_s = MR_SESSION_IDLE_MAX;
	bed_open(&bed, &open);
	memset(label, 'x', sizeof(label));
	label[MR_STORE_LABEL_MAX + 1] = 0;
	open = bed_target(3);
	open.label = label;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -EINVAL);
	label[MR_STORE_LABEL_MAX] = 0;
	bed_open(&bed, &open);
}

Test(sessions, a_quota_counts_opens_under_way)
{
	struct mr_session_open open = bed_target(1);
	struct bed_done done = {0};
	uint64_t id;

	open.quota = 1;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, bed_on_done, &done, &id, &bed.why), 0);
	open.target_port++;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -EDQUOT);
	cr_assert(mr_session_error_is_limit(-EDQUOT));
	bed_wait(&bed, &done);
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &id, &bed.why), -EDQUOT);
	cr_assert_eq(bed_close(&bed, done.id), 0);
	bed_open(&bed, &open);
}

Test(sessions, when_one_pool_is_full_the_next_one_is_used)
{
	uint64_t id = 0;

	for (uint32_t i = 0; i < 5; i++) {
		const struct mr_session_open open = bed_target(i);

		id = bed_open(&bed, &open);
		cr_assert_str_eq(mr_sessions_find(bed.sessions, id)->pool->name, "");
	}
	for (uint32_t i = 5; i < 8; i++) {
		const struct mr_session_open open = bed_target(i);

		id = bed_open(&bed, &open);
		cr_assert_str_eq(mr_sessions_find(bed.sessions, id)->pool->name, "second");
	}
	bed_check_whole(&bed);
	{
		const struct mr_session_open open = bed_target(8);
		uint64_t none;

		cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &none, &bed.why),
			-ENOSPC);
		cr_assert_eq(bed_close(&bed, id), 0);
		bed_open(&bed, &open);
	}
}

static uint32_t idle_of(uint64_t id)
{
	return mr_sessions_find(bed.sessions, id)->idle_s;
}

Test(sessions, the_newest_idle_timeout_that_is_asked_for_counts)
{
	struct mr_session_open open = bed_target(1);
	struct bed_done one = {0}, two = {0};
	uint64_t id, again;

	/* while the first open is under way */
	open.idle_s = 100;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, bed_on_done, &one, &id, &bed.why), 0);
	open.idle_s = 200;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, bed_on_done, &two, &again, &bed.why), 0);
	bed_wait(&bed, &one);
	bed_wait(&bed, &two);
	cr_assert_eq(two.id, id);
	cr_assert_eq(idle_of(id), 200);
	bed_stop(&bed);
	bed_start(&bed, true);
	cr_assert_eq(idle_of(id), 200);

	/* later on */
	open.idle_s = 300;
	cr_assert_eq(bed_open(&bed, &open), id);
	cr_assert_eq(idle_of(id), 300);
	open.idle_s = 0;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &again, &bed.why), 1);
	open.idle_s = 300;
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &again, &bed.why), 1);
	cr_assert_eq(mr_sessions_count_uid(bed.sessions, open.uid), 1);
	bed_stop(&bed);
	bed_start(&bed, true);
	cr_assert_eq(idle_of(id), 300);
	bed_check_whole(&bed);
}

Test(sessions, a_session_that_is_closed_while_it_changes_answers_everybody)
{
	struct mr_session_open open = bed_target(1);
	struct bed_done changed = {0}, closed = {0};
	uint64_t id = bed_open(&bed, &open), again;

	open.idle_s = 300;
	cr_assert_eq(
		mr_sessions_open(bed.sessions, &open, bed_on_done, &changed, &again, &bed.why), 0);
	cr_assert_eq(
		mr_sessions_close(bed.sessions, id, MR_SESSION_END_CLOSED, bed_on_done, &closed),
		0);
	bed_wait(&bed, &changed);
	bed_wait(&bed, &closed);
	cr_assert_eq(closed.error, 0);
	cr_assert_null(mr_sessions_find(bed.sessions, id));
	bed_check_whole(&bed);
}

Test(sessions, draining_refuses_only_what_is_new)
{
	struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open), again;

	mr_sessions_drain(bed.sessions, true);
	cr_assert(mr_sessions_draining(bed.sessions));
	cr_assert_eq(mr_sessions_open(bed.sessions, &open, NULL, NULL, &again, &bed.why), 1);
	cr_assert_eq(again, id);
	open.label = "new";
	cr_assert_eq(
		mr_sessions_open(bed.sessions, &open, NULL, NULL, &again, &bed.why), -ESHUTDOWN);
	mr_sessions_drain(bed.sessions, false);
	bed_open(&bed, &open);
}

/* Looking. */

static void claim_leg(struct mr_session *record, unsigned slot, uint8_t state)
{
	struct mr_leg *leg = &record->legs[slot];

	leg->state = state;
	leg->addr = mr_addr_from_v4(htonl(0xc6336400 + slot));
	leg->port = htons((uint16_t)(40000 + slot));
	leg->claimed_ns = (uint64_t)bed_monotonic;
	leg->client_ns = (uint64_t)bed_monotonic;
	leg->target_ns = state == MR_LEG_PROVEN ? (uint64_t)bed_monotonic : 0;
}

Test(sessions, a_session_is_shown_with_its_legs_and_states)
{
	const struct mr_session_open open = bed_target(1);
	uint64_t id = bed_open(&bed, &open);
	struct mr_session *record =
		fake_backend_record(bed.backend, mr_sessions_find(bed.sessions, id)->index);
	struct mr_session_view view;

	cr_assert_eq(mr_sessions_show(bed.sessions, id + 1, &view), -ENOENT);
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.state, MR_SESSION_WAITING);
	cr_assert_eq(view.n_legs, 0);
	cr_assert_eq(view.last_client_at, 0);

	claim_leg(record, 3, MR_LEG_UNPROVEN);
	record->from_client.datagrams = 5;
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.state, MR_SESSION_WAITING, "nobody has answered");
	cr_assert_eq(view.to_target.datagrams, 5);
	cr_assert_eq(view.n_legs, 1);
	cr_assert_eq(view.legs[0].slot, 3);
	cr_assert_eq(view.legs[0].port, 40003);
	cr_assert_eq(view.last_client_at, bed_realtime);
	cr_assert_eq(view.last_target_at, 0);

	bed_pass(MR_SECOND);
	claim_leg(record, 4, MR_LEG_PROVEN);
	record->current = 4;
	record->client_ns = record->target_ns = (uint64_t)bed_monotonic;
	record->legs[4].client_ns = record->legs[4].target_ns = 1; /* stale for the current leg */
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.state, MR_SESSION_ACTIVE);
	cr_assert_eq(view.n_legs, 2);
	cr_assert(view.legs[1].current && !view.legs[0].current);
	cr_assert_eq(view.legs[1].last_target_at, bed_realtime);

	bed_pass(10 * MR_SECOND - 1);
	claim_leg(record, 5, MR_LEG_UNPROVEN); /* a stranger makes no session look alive */
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.state, MR_SESSION_ACTIVE);
	bed_pass(1);
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.state, MR_SESSION_SILENT);
	bed_realtime += 3600 * MR_SECOND; /* the clock is set: it is 10 s ago all the same */
	cr_assert_eq(mr_sessions_show(bed.sessions, id, &view), 0);
	cr_assert_eq(view.legs[1].last_target_at, bed_realtime - 10 * MR_SECOND);
}

struct listed {
	unsigned n;
	uint64_t ids[16];
};

static void note(const struct mr_session_view *view, void *context)
{
	struct listed *listed = context;

	listed->ids[listed->n++] = view->info->id;
}

static unsigned list(const struct mr_session_filter *filter, unsigned budget)
{
	struct listed listed = {0};
	uint32_t cursor = 0;

	while (mr_sessions_list(bed.sessions, &cursor, budget, filter, note, &listed))
		continue;
	return listed.n;
}

Test(sessions, lists_are_complete_in_slices_and_filtered)
{
	struct mr_session_filter filter = {0};
	uint64_t middle = 0;

	for (uint32_t i = 0; i < 6; i++) {
		struct mr_session_open open = bed_target(i);

		open.uid = 1000 + i % 2;
		if (i == 3)
			middle = bed_open(&bed, &open);
		else
			bed_open(&bed, &open);
	}
	cr_assert_eq(list(NULL, 1), 6);
	cr_assert_eq(list(NULL, 4), 6);
	cr_assert_eq(bed_close(&bed, middle), 0);
	cr_assert_eq(list(NULL, 1000), 5, "a hole in the middle");
	filter.by_uid = true;
	filter.uid = 1001;
	cr_assert_eq(list(&filter, 2), 2);
	filter = (struct mr_session_filter){.by_target = true};
	cr_assert_eq(mr_prefix_parse("10.1.0.0/31", &filter.target), 0);
	cr_assert_eq(list(&filter, 100), 2);
	filter = (struct mr_session_filter){.by_state = true, .state = MR_SESSION_ACTIVE};
	cr_assert_eq(list(&filter, 100), 0);
	filter.state = MR_SESSION_WAITING;
	cr_assert_eq(list(&filter, 100), 5);
}
