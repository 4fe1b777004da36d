/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sessions_notice.c - news of sessions: who hears it, and how it reads in the log.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "sessions_private.h"

static const char *const notice_names[MR_NOTICE_KINDS] = {
	[MR_NOTICE_OPENED] = "opened",
	[MR_NOTICE_RESTORED] = "restored",
	[MR_NOTICE_LEG] = "leg",
	[MR_NOTICE_PROVEN] = "proven",
	[MR_NOTICE_ROAMED] = "roamed",
	[MR_NOTICE_SILENT] = "silent",
	[MR_NOTICE_UNREACHABLE] = "target-unreachable",
	[MR_NOTICE_CLOSED] = "closed",
	[MR_NOTICE_TROUBLE] = "trouble",
};

static const char *const state_names[] = {
	[MR_SESSION_WAITING] = "waiting",
	[MR_SESSION_ACTIVE] = "active",
	[MR_SESSION_SILENT] = "silent",
	[MR_SESSION_CLOSING] = "closing",
};

static const char *const end_names[] = {
	[MR_SESSION_END_CLOSED] = "closed",
	[MR_SESSION_END_NEVER_ANSWERED] = "never answered",
	[MR_SESSION_END_IDLE] = "idle",
	[MR_SESSION_END_TARGET_GONE] = "target gone",
};

const char *mr_notice_name(enum mr_notice_kind kind)
{
	return notice_names[kind];
}

const char *mr_session_state_name(enum mr_session_state state)
{
	return state_names[state];
}

int mr_session_state_parse(const char *name, enum mr_session_state *ret_state)
{
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (!strcmp(name, state_names[i])) {
			*ret_state = (enum mr_session_state)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *mr_session_end_name(enum mr_session_end end)
{
	return end_names[end];
}

void mr_sessions_subscribe(struct mr_sessions *sessions, struct mr_subscriber *subscriber)
{
	subscriber->next = sessions->subscribers;
	subscriber->back = &sessions->subscribers;
	if (subscriber->next)
		subscriber->next->back = &subscriber->next;
	sessions->subscribers = subscriber;
}

void mr_sessions_unsubscribe(struct mr_subscriber *subscriber)
{
	*subscriber->back = subscriber->next;
	if (subscriber->next)
		subscriber->next->back = subscriber->back;
}

void mr_sessions_notify(struct mr_sessions *sessions, struct mr_notice *notice)
{
	struct mr_subscriber *next;

	notice->at = sessions->config.clock->realtime();
	for (struct mr_subscriber *s = sessions->subscribers; s; s = next) {
		next = s->next;
		s->fn(notice, s->context);
	}
}

void mr_sessions_trouble(
	struct mr_sessions *sessions, const struct session *session, const char *format, ...)
{
	struct mr_notice notice = {.kind = MR_NOTICE_TROUBLE};
	char text[MR_WHY_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	notice.text = text;
	notice.info = session ? &session->info : NULL;
	mr_sessions_notify(sessions, &notice);
}

void mr_sessions_note_store(struct mr_sessions *sessions, int error, const struct mr_why *why)
{
	bool was_well = !sessions->store_why.text[0];

	if (!error) {
		sessions->store_why.text[0] = 0;
		if (!was_well)
			mr_sessions_trouble(sessions, NULL, "the store can be written again");
		return;
	}
	sessions->store_errors++;
	sessions->store_why = *why;
	if (was_well)
		mr_sessions_trouble(sessions, NULL, "%s", why->text);
}

static void describe_what(const struct mr_notice *notice, char *buf, size_t size)
{
	char client[MR_ADDR_TEXT_SIZE];

	buf[0] = 0;
	if (notice->has_client)
		snprintf(buf, size, ", client %s, slot %u",
			mr_endpoint_format(
				&notice->client, notice->client_port, client, sizeof(client)),
			notice->slot);
	else if (notice->kind == MR_NOTICE_CLOSED)
		snprintf(buf, size, ": %s", mr_session_end_name(notice->end));
	else if (notice->text)
		snprintf(buf, size, ": %s%s", notice->text, notice->certain ? "" : " (a hint)");
}

void mr_notice_describe(const struct mr_notice *notice, char *buf, size_t size)
{
	const struct mr_session_info *info = notice->info;
	char target[MR_ADDR_TEXT_SIZE], what[MR_WHY_SIZE];

	if (notice->kind == MR_NOTICE_TROUBLE && !info) {
		snprintf(buf, size, "%s", notice->text);
		return;
	}
	mr_endpoint_format(&info->target, info->target_port, target, sizeof(target));
	if (notice->kind == MR_NOTICE_TROUBLE) {
		snprintf(buf, size, "session %016" PRIx64 " (owner %s, target %s): %s", info->id,
			info->owner, target, notice->text);
		return;
	}
	describe_what(notice, what, sizeof(what));
	snprintf(buf, size, "session %016" PRIx64 " %s: owner %s (uid %u), port %u, target %s%s",
		info->id, mr_notice_name(notice->kind), info->owner, info->uid, info->public_port,
		target, what);
	for (char *c = buf; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
}
