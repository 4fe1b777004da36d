/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connection.h - what most subcommands do: ask the daemon one thing and print the answer.
 *
 * Errors are printed here, once, so a caller only hands the status on.
 */
#ifndef MR_MOSHRELAY_CONNECTION_H
#define MR_MOSHRELAY_CONNECTION_H

#include <jansson.h>

#include "command.h"
#include "rpc_client.h"

/** Cleanup for `mr_cleanup(mr_json_decrefp) json_t *value = NULL;` */
void mr_json_decrefp(json_t **value);

/** Connects to the daemon that `call` names; on failure says so and returns the exit status. */
enum mr_exit mr_connection_open(const struct mr_call *call, struct mr_rpc **ret_rpc);

/**
 * Connects, asks, closes. Takes over `params` (NULL: none). On failure prints
 * "moshrelay: WHAT: why", where `what` may be NULL, and returns the exit status.
 */
enum mr_exit mr_connection_ask(const struct mr_call *call, const char *what, const char *method,
	json_t *params, json_t **ret_result);

/** As mr_connection_ask(), for large results: JSON text that nobody has read; the caller frees it.
 */
enum mr_exit mr_connection_ask_text(const struct mr_call *call, const char *what,
	const char *method, json_t *params, char **ret_text, size_t *ret_length);

/** Prints one JSON document: on a terminal over several lines, else as one. */
void mr_print_json(const json_t *value);

/**
 * Parameters that name a session. What no session can be called is the daemon's to refuse, as one
 * that isn't there; octets that are not UTF-8 reach it as '?'.
 */
json_t *mr_id_params(const char *text);

#endif
