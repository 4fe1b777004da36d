/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_internal.h - what the files of the api share: handlers, and help with parameters.
 */
#ifndef MR_CONTROL_API_INTERNAL_H
#define MR_CONTROL_API_INTERNAL_H

#include "api.h"

/** A handler answers its request exactly once. `params` has been checked against the table, and
 * may be NULL. */
typedef void mr_api_handler(struct mr_api *api, struct mr_rpc_request *request, json_t *params);

/* api_sessions.c */
mr_api_handler mr_api_open, mr_api_close, mr_api_show, mr_api_watch;
/* api_list.c */
mr_api_handler mr_api_list;
/* api_status.c */
mr_api_handler mr_api_stats, mr_api_status, mr_api_policy, mr_api_doctor, mr_api_drain,
	mr_api_detach;

/** A text parameter; NULL: not given. */
const char *mr_api_text(json_t *params, const char *name);

/** Is the asker an administrator? */
bool mr_api_is_admin(const struct mr_api *api, const struct mr_rpc_request *request);

/**
 * May the asker ask about the user of this name or number? About themselves, and administrators
 * about everybody. Known without a look-up: those take time, and would tell who exists.
 */
bool mr_api_may_ask_about(
	const struct mr_api *api, const struct mr_rpc_request *request, const char *user);

/**
 * The session that "id" names, if the asker may see it. NULL: the request has been answered with
 * why not.
 */
const struct mr_session_info *mr_api_find_session(
	struct mr_api *api, struct mr_rpc_request *request, json_t *params);

/**
 * May `who` open a session there? Rules, and what nobody may: the bastion itself, broadcasts.
 * As mr_policy_check().
 */
int mr_api_check_target(const struct mr_api *api, const struct mr_identity *who,
	const struct mr_addr *target, uint16_t port, const struct mr_rule **ret_rule, char *ret_why,
	size_t size);

/* session_json.c */

/** Writes a session as one value; legs where `with_legs`. */
void mr_session_json(struct mr_json *json, const struct mr_session_view *view, bool with_legs);

/** Octets of a session's id as text, its NUL included; and the text. Returns `buf`. */
#define MR_SESSION_ID_SIZE 17
const char *mr_session_id_format(uint64_t id, char buf[static MR_SESSION_ID_SIZE]);

/** 16 hexadecimal digits. 0 or -EINVAL. */
int mr_session_id_parse(const char *text, uint64_t *ret_id);

#endif
