/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c - makes a line of each notice and sends it to who may see it and wants to.
 */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>

#include "api_internal.h"

struct watcher {
	struct watcher *next, **back;
	struct mr_rpc_client *client;
	uid_t uid;
	uint64_t id; /* 0: every session */
	bool all;    /* whoever's they are */
};

struct mr_watch {
	struct mr_subscriber subscriber;
	struct watcher *watchers;
};

static void put_details(struct mr_json *json, const struct mr_notice *notice)
{
	char text[INET6_ADDRSTRLEN];

	if (notice->has_client) {
		mr_json_number(json, "slot", notice->slot);
		mr_json_text(json, "address", mr_addr_format(&notice->client, text, sizeof(text)));
		mr_json_number(json, "port", notice->client_port);
	}
	if (notice->kind == MR_NOTICE_CLOSED)
		mr_json_text(json, "why", mr_session_end_name(notice->end));
	if (notice->kind == MR_NOTICE_UNREACHABLE) {
		mr_json_text(json, "why", notice->text);
		mr_json_bool(json, "certain", notice->certain);
	}
}

static void put_line(struct mr_json *json, const struct mr_notice *notice)
{
	const struct mr_session_info *info = notice->info;
	char id[MR_SESSION_ID_SIZE], target[MR_ADDR_TEXT_SIZE];

	mr_json_open(json, NULL, '{');
	mr_json_text(json, "jsonrpc", "2.0");
	mr_json_text(json, "method", "event");
	mr_json_open(json, "params", '{');
	mr_json_time(json, "time", notice->at);
	mr_json_text(json, "event", mr_notice_name(notice->kind));
	mr_json_text(json, "id", mr_session_id_format(info->id, id));
	mr_json_text(json, "owner", info->owner);
	mr_json_text(json, "label", info->label);
	mr_json_text(json, "target",
		mr_endpoint_format(&info->target, info->target_port, target, sizeof(target)));
	put_details(json, notice);
	mr_json_close(json, '}');
	mr_json_close(json, '}');
	mr_json_raw(json, "\n", 1);
}

static void on_notice(const struct mr_notice *notice, void *context)
{
	struct mr_watch *watch = context;
	struct mr_json line = {0};

	if (!notice->info || notice->kind == MR_NOTICE_RESTORED ||
		notice->kind == MR_NOTICE_TROUBLE)
		return;
	for (struct watcher *w = watch->watchers; w; w = w->next) {
		if ((w->id && w->id != notice->info->id) ||
			(!w->all && w->uid != notice->info->uid))
			continue;
		if (!line.len)
			put_line(&line, notice);
		if (!line.failed)
			mr_rpc_client_notify(w->client, line.text, line.len);
	}
	mr_json_clear(&line);
}

static void on_client_close(void *context)
{
	struct watcher *watcher = context;

	*watcher->back = watcher->next;
	if (watcher->next)
		watcher->next->back = watcher->back;
	free(watcher);
}

struct mr_watch *mr_watch_new(struct mr_sessions *sessions)
{
	struct mr_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->subscriber.fn = on_notice;
	watch->subscriber.context = watch;
	mr_sessions_subscribe(sessions, &watch->subscriber);
	return watch;
}

void mr_watch_free(struct mr_watch *watch)
{
	if (!watch)
		return;
	mr_sessions_unsubscribe(&watch->subscriber);
	free(watch);
}

static unsigned count_uid(const struct mr_watch *watch, uid_t uid)
{
	unsigned n = 0;

	for (const struct watcher *w = watch->watchers; w; w = w->next)
		n += w->uid == uid;
	return n;
}

int mr_watch_add(struct mr_watch *watch, struct mr_rpc_request *request, uint64_t id, bool all)
{
	uid_t uid = mr_rpc_request_identity(request)->uid;
	struct watcher *watcher;

	if (!all && count_uid(watch, uid) >= MR_WATCH_UID_MAX)
		return -EDQUOT;
	watcher = calloc(1, sizeof(*watcher));
	if (!watcher)
		return -ENOMEM;
	watcher->client = mr_rpc_request_subscribe(request, on_client_close, watcher);
	if (!watcher->client) {
		free(watcher);
		return -EBUSY;
	}
	watcher->uid = uid;
	watcher->id = id;
	watcher->all = all;
	watcher->next = watch->watchers;
	watcher->back = &watch->watchers;
	if (watcher->next)
		watcher->next->back = &watcher->next;
	watch->watchers = watcher;
	return 0;
}
