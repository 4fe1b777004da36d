/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_json.c - a session as people and scripts see it; docs/protocol.md has the fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "api_internal.h"

const char *mr_session_id_format(uint64_t id, char buf[static MR_SESSION_ID_SIZE])
{
	for (unsigned i = 0; i < 16; i++)
		buf[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
	buf[16] = '\0';
	return buf;
}

int mr_session_id_parse(const char *text, uint64_t *ret_id)
{
	if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16)
		return -EINVAL;
	*ret_id = strtoull(text, NULL, 16);
	return 0;
}

static void put_address(struct mr_json *json, const char *key, const struct mr_addr *addr)
{
	char text[INET6_ADDRSTRLEN];

	mr_json_text(json, key, mr_addr_format(addr, text, sizeof(text)));
}

static void put_flow(struct mr_json *json, const char *key, const struct mr_flow_stats *flow)
{
	mr_json_open(json, key, '{');
	mr_json_number(json, "datagrams", flow->datagrams);
	mr_json_number(json, "bytes", flow->bytes);
	mr_json_number(json, "lost", flow->lost);
	mr_json_number(json, "reordered", flow->reordered);
	mr_json_close(json, '}');
}

static void put_endpoints(struct mr_json *json, const struct mr_session_info *info)
{
	mr_json_open(json, "public", '{');
	mr_json_open(json, "addresses", '[');
	for (size_t i = 0; i < info->pool->n_dialled; i++)
		mr_json_text(json, NULL, info->pool->dialled[i]);
	mr_json_close(json, ']');
	mr_json_number(json, "port", info->public_port);
	mr_json_close(json, '}');

	mr_json_open(json, "target", '{');
	put_address(json, "address", &info->target);
	mr_json_number(json, "port", info->target_port);
	mr_json_close(json, '}');

	mr_json_open(json, "upstream", '{');
	put_address(json, "address", &info->upstream);
	mr_json_open(json, "ports", '[');
	mr_json_number(json, NULL, info->upstream_base);
	mr_json_number(json, NULL, info->upstream_base + MR_LEGS - 1u);
	mr_json_close(json, ']');
	mr_json_close(json, '}');
}

static void put_leg(struct mr_json *json, const struct mr_session_leg_view *leg)
{
	mr_json_open(json, NULL, '{');
	mr_json_number(json, "slot", leg->slot);
	put_address(json, "address", &leg->addr);
	mr_json_number(json, "port", leg->port);
	mr_json_text(json, "state",
		leg->current                          ? "current"
			: leg->state == MR_LEG_PROVEN ? "proven"
						      : "unproven");
	mr_json_time(json, "first_seen_at", leg->first_seen_at);
	mr_json_time(json, "last_client_at", leg->last_client_at);
	mr_json_time(json, "last_target_at", leg->last_target_at);
	mr_json_close(json, '}');
}

void mr_session_json(struct mr_json *json, const struct mr_session_view *view, bool with_legs)
{
	const struct mr_session_info *info = view->info;
	char id[MR_SESSION_ID_SIZE];

	mr_json_open(json, NULL, '{');
	mr_json_text(json, "id", mr_session_id_format(info->id, id));
	mr_json_open(json, "owner", '{');
	mr_json_number(json, "uid", info->uid);
	mr_json_text(json, "name", info->owner);
	mr_json_close(json, '}');
	mr_json_text(json, "label", info->label);
	mr_json_text(json, "state", mr_session_state_name(view->state));
	put_endpoints(json, info);
	mr_json_time(json, "opened_at", info->opened_at);
	mr_json_time(json, "last_client_at", view->last_client_at);
	mr_json_time(json, "last_target_at", view->last_target_at);
	mr_json_number(json, "idle_timeout_s", info->idle_s);
	put_flow(json, "to_target", &view->to_target);
	put_flow(json, "to_client", &view->to_client);
	mr_json_number(json, "roams", view->roams);
	if (with_legs) {
		mr_json_open(json, "legs", '[');
		for (size_t i = 0; i < view->n_legs; i++)
			put_leg(json, &view->legs[i]);
		mr_json_close(json, ']');
	}
	mr_json_close(json, '}');
}
