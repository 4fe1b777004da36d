/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * news.c - see news.h.
 */
#include "news.h"

#include <string.h>
#include <sys/socket.h>

#include "log.h"

static enum mr_log_level level_of(const struct mr_notice *notice)
{
	switch (notice->kind) {
	case MR_NOTICE_TROUBLE:
		return MR_LOG_WARNING;
	case MR_NOTICE_OPENED:
	case MR_NOTICE_CLOSED:
		return MR_LOG_NOTICE;
	case MR_NOTICE_PROVEN:
	case MR_NOTICE_ROAMED:
		/* mosh-server logs the bastion's address: who was where is found out here. */
		return MR_LOG_INFO;
	default:
		return MR_LOG_DEBUG;
	}
}

/* Is it worth a line, or have there been very many of the kind? That is told once a minute. */
static bool is_logged(struct mr_news *news, const struct mr_notice *notice)
{
	const struct mr_session_info *info = notice->info;
	uint64_t now_ns = uv_hrtime(), wait_ns;

	if (notice->kind != MR_NOTICE_PROVEN && notice->kind != MR_NOTICE_ROAMED)
		return true;
	if (!mr_quota_take(&news->clients, info->uid, MR_NEWS_CLIENTS_PER_MINUTE, now_ns, &wait_ns))
		return true;
	if (!mr_quota_take(&news->silences, info->uid, 1, now_ns, &wait_ns))
		mr_log_warning("clients of sessions of owner %s (uid %u) change more than %d times "
			       "a minute: not all of it is logged",
			info->owner, (unsigned)info->uid, MR_NEWS_CLIENTS_PER_MINUTE);
	return false;
}

void mr_news_notice(const struct mr_notice *notice, void *context)
{
	enum mr_log_level level = level_of(notice);
	char text[512];

	if (!mr_log_wants(level) || !is_logged(context, notice))
		return;
	mr_notice_describe(notice, text, sizeof(text));
	mr_log(level, "%s", text);
}

void mr_news_feed(const char *iface, enum mr_feed_news news, const char *why, void *context)
{
	(void)context;
	switch (news) {
	case MR_FEED_ATTACHED:
		mr_log_notice("interface %s: it is another one now, and relayed on", iface);
		break;
	case MR_FEED_GONE:
		mr_log_warning(
			"interface %s: it is gone; it is relayed on again when it comes back",
			iface);
		break;
	case MR_FEED_REFUSED:
		mr_log_warning("interface %s: the dataplane refuses it: %s", iface, why);
		break;
	}
}

void mr_news_loopback(int family, int error, void *context)
{
	(void)context;
	mr_log_error("forwarding on lo (IPv%d) was switched off and can't be switched on again: "
		     "%s: the relay finds no routes without it",
		family == AF_INET ? 4 : 6, strerror(-error));
}

void mr_news_vlan_offload(const char *iface, int error, void *context)
{
	(void)context;
	if (error)
		mr_log_warning(
			"interface %s: tags are taken off frames before generic XDP sees them, "
			"and that can't be turned off: %s: its VLANs are not relayed",
			iface, strerror(-error));
	else
		mr_log_notice(
			"interface %s: rx-vlan-offload turned off, which generic XDP needs for "
			"VLANs; moshrelay detach turns it on again",
			iface);
}

void mr_news_reload(const struct mr_config *config, const struct mr_reload_report *report)
{
	size_t rules = 0;

	if (report->limit.text[0])
		mr_log_warning("%s", report->limit.text);
	if (report->pools_error)
		mr_log_error(
			"public addresses and ports stay as they were until the next start: %s",
			report->why.text);
	for (size_t i = 0; i < config->policy.n_rules; i++)
		rules += !config->policy.rules[i].fallback;
	mr_log_notice("configuration read anew: rules in it: %zu; pools: %zu, %s%s%s", rules,
		config->n_pools, report->pools_changed ? "changed" : "as before",
		report->later.text[0] ? "; from the next start on: " : "", report->later.text);
}

void mr_news_addresses(const struct mr_config *config, const struct mr_netlink *netlink)
{
	char address[INET6_ADDRSTRLEN], text[512];
	struct mr_strv missing = {0};

	for (size_t i = 0; i < config->n_pools; i++) {
		const struct mr_config_pool *pool = &config->pools[i];

		for (size_t j = 0; j < pool->n_addresses; j++) {
			const struct mr_addr *addr = &pool->addresses[j];

			if (!mr_netlink_is_own(netlink, addr) &&
				mr_strv_add(
					&missing, mr_addr_format(addr, address, sizeof(address))))
				break;
		}
	}
	if (missing.n)
		mr_log_warning("public %s: on no interface of this host; served as soon as on one "
			       "that is relayed on; behind NAT, \"public\" is the host's own "
			       "address, and \"advertise\" what clients dial",
			mr_strv_join(&missing, text, sizeof(text)));
	mr_strv_clear(&missing);
}

void mr_news_sandbox(const struct mr_sandbox *sandbox)
{
	if (sandbox->user_why.text[0])
		mr_log_warning("running as %s: %s", sandbox->user.name, sandbox->user_why.text);
	if (sandbox->filter_why.text[0])
		mr_log_warning("%s", sandbox->filter_why.text);
	mr_log_info("running as %s, system calls %s", sandbox->user.name,
		sandbox->filtered ? "filtered" : "not filtered");
}

void mr_news_restored(const struct mr_restore_report *report)
{
	if (report->adopted || report->installed)
		mr_log_notice("%u sessions go on, %u were put back, %u of those by another address "
			      "of this host",
			report->adopted, report->installed, report->moved);
	if (report->repaired || report->removed)
		mr_log_notice("%u sessions were repaired, %u that the store does not know were "
			      "removed",
			report->repaired, report->removed);
	if (report->skipped || report->unheld || report->beyond)
		mr_log_warning("%u sessions were left out, %u have a port that a local program "
			       "has, %u one that the limit of open files leaves open to local "
			       "programs: %s",
			report->skipped, report->unheld, report->beyond, report->first.text);
}

void mr_news_clear(struct mr_news *news)
{
	mr_quota_clear(&news->clients);
	mr_quota_clear(&news->silences);
}
