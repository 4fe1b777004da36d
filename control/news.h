/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * news.h - what the daemon's parts tell while it runs, in words for the log. Knows nothing of the
 * daemon, decides nothing.
 */
#ifndef MR_CONTROL_NEWS_H
#define MR_CONTROL_NEWS_H

#include "config.h"
#include "feed.h"
#include "loopback.h"
#include "quota.h"
#include "reload.h"
#include "sandbox.h"
#include "sessions.h"
#include "vlan_offload.h"

/** Lines a minute about where one user's sessions are used from. Each answer of a target may be to
 * another client: their owners could fill the log, and push others' lines out of it. */
#define MR_NEWS_CLIENTS_PER_MINUTE 600

/** What has been logged of late. Zero-initialized: nothing. */
struct mr_news {
	struct mr_quota clients, silences;
};

/** Of sessions; `context` is a struct mr_news. */
mr_notice_fn mr_news_notice;

/* Callbacks as their parts want them; `context` is not used. */
mr_feed_fn mr_news_feed;
mr_loopback_error_fn mr_news_loopback;
mr_vlan_offload_fn mr_news_vlan_offload;

/** After SIGHUP; `config` is what holds now. */
void mr_news_reload(const struct mr_config *config, const struct mr_reload_report *report);

/** After the start: what the daemon has given up, and what it could not. */
void mr_news_sandbox(const struct mr_sandbox *sandbox);

/** After the start and after SIGHUP: public addresses that no interface of this host has. */
void mr_news_addresses(const struct mr_config *config, const struct mr_netlink *netlink);

/** After the start. */
void mr_news_restored(const struct mr_restore_report *report);

/** Frees what it owns. */
void mr_news_clear(struct mr_news *news);

#endif
