/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api.h - the methods of the setup socket: who may call them, with what, and what they answer.
 *
 * Owns the table of methods and the opens-per-minute buckets. What a method does is done by
 * sessions.h and its neighbours; docs/protocol.md is the manual.
 */
#ifndef MR_CONTROL_API_H
#define MR_CONTROL_API_H

#include "config.h"
#include "identity.h"
#include "netlink.h"
#include "quota.h"
#include "rpc.h"
#include "sandbox.h"
#include "select.h"
#include "sessions.h"
#include "setting.h"
#include "watch.h"

/** What the methods work on. Filled in by main.c, borrowed, and alive while the server is. */
struct mr_api {
	struct mr_sessions *sessions;
	struct mr_store *store;
	const struct mr_backend_ops *ops;
	struct mr_backend *backend;
	struct mr_netlink *netlink;
	struct mr_identities *identities;
	struct mr_watch *watch;
	struct mr_rpc_server *server;
	const struct mr_config *config; /* its policy is replaced when the file is read anew */
	const struct mr_selection *selection;
	const struct mr_sandbox *sandbox;
	int64_t started_at; /* CLOCK_REALTIME, ns */

	/** Takes the dataplane off, answers the request with {}, and ends the daemon. */
	void (*detach)(void *context, struct mr_rpc_request *request);
	void *context;
	bool stopping; /* nothing above may be touched any more */

	/* The api's own: opens, examinations, and denials that are worth a line in the log. */
	struct mr_quota quota, doctors, denials;
};

/** mr_rpc_dispatch_fn; `context` is the struct mr_api. */
void mr_api_dispatch(
	struct mr_rpc_request *request, const char *method, json_t *params, void *context);

/** mr_rpc_privileged_fn; `context` is the struct mr_api. */
bool mr_api_is_privileged(const struct mr_identity *who, void *context);

/** Frees what the api itself owns. */
void mr_api_clear(struct mr_api *api);

#endif
