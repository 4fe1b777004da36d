/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_client.h - a blocking JSON-RPC 2.0 client for the daemon's setup socket.
 *
 * Owns the connection, the framing (one document a line) and the pairing of requests with answers.
 * It knows no method: parameters and results are the caller's. Portable POSIX. Not thread-safe; one
 * handle belongs to one thread.
 *
 * Every function that can fail returns an exit status (0: done) and then fills in `*ret_error`;
 * after anything but an error that the daemon answered with, the connection is of no more use.
 */
#ifndef MR_TOOLS_RPC_CLIENT_H
#define MR_TOOLS_RPC_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

/** Default for `timeout_ms`: the longest time to wait for the daemon's next octet. */
#define MR_RPC_TIMEOUT_MS 30000

/** Wait for ever. */
#define MR_RPC_NO_TIMEOUT (-1)

/** Notifications kept while an answer is waited for; more than that ends the connection. */
#define MR_RPC_NOTIFICATIONS 4096

struct mr_rpc;

struct mr_rpc_error {
	enum mr_exit status;
	bool answered;     /* by the daemon: the connection goes on */
	int code;          /* JSON-RPC's, if answered; else 0 */
	char message[512]; /* "what failed: why", for mr_cli_error() */
};

/**
 * Connects to the daemon at socket `path`. `timeout_ms` holds for this and for every later wait.
 * Fails with MR_EXIT_UNREACHABLE when nobody listens there, MR_EXIT_USAGE when nobody ever can.
 */
enum mr_exit mr_rpc_connect(
	const char *path, int timeout_ms, struct mr_rpc **ret_rpc, struct mr_rpc_error *ret_error);

/** Closes and frees; NULL is fine. */
void mr_rpc_close(struct mr_rpc *rpc);

/** Cleanup for `mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;` */
void mr_rpc_closep(struct mr_rpc **rpc);

/** Sends one request and waits for its answer. `params` (NULL: none) is taken over, even on
 * failure.
 * `*ret_result` is a new reference. Not while pipelined requests are unanswered.
 */
enum mr_exit mr_rpc_call(struct mr_rpc *rpc, const char *method, json_t *params,
	json_t **ret_result, struct mr_rpc_error *ret_error);

/**
 * As mr_rpc_call(), for results of many megabytes: `*ret_text` is the result as JSON text, which
 * nobody has read yet; the caller frees it. It ends in a NUL that `*ret_length` doesn't count.
 */
enum mr_exit mr_rpc_call_text(struct mr_rpc *rpc, const char *method, json_t *params,
	char **ret_text, size_t *ret_length, struct mr_rpc_error *ret_error);

/**
 * Pipelining: puts one request into the send buffer; the answers come in the same order from
 * mr_rpc_receive(). Takes over `params`. What has to be written to keep the buffer bounded is
 * written, and answers that come in meanwhile are kept, so neither side waits for the other.
 */
enum mr_exit mr_rpc_send(
	struct mr_rpc *rpc, const char *method, json_t *params, struct mr_rpc_error *ret_error);

/** The oldest unanswered request's answer. A failure with `answered` set answers that request. */
enum mr_exit mr_rpc_receive(
	struct mr_rpc *rpc, json_t **ret_result, struct mr_rpc_error *ret_error);

/** Requests sent and not yet answered. */
size_t mr_rpc_pending(const struct mr_rpc *rpc);

/**
 * The next notification, a new reference to the whole document ("method", "params").
 * Waits without end whatever the timeout: news may take days.
 */
enum mr_exit mr_rpc_notification(
	struct mr_rpc *rpc, json_t **ret_notification, struct mr_rpc_error *ret_error);

/** The socket, for poll(); read and write it only through this client. */
int mr_rpc_fd(const struct mr_rpc *rpc);

#endif
