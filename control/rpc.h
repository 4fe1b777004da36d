/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc.h - JSON-RPC 2.0 over a UNIX stream socket: framing, order, limits.
 *
 * Owns connections and what their peers can make grow. Knows no method: requests are handed to one
 * dispatch function, and answered through the request's handle, at once, later, or in slices. All
 * of it belongs to the loop's thread.
 */
#ifndef MR_CONTROL_RPC_H
#define MR_CONTROL_RPC_H

#include <jansson.h>
#include <uv.h>

#include "backend.h"
#include "identity.h"
#include "json.h"

#define MR_RPC_LINE_MAX      65536   /* octets of a request, its newline not counted */
#define MR_RPC_ID_MAX        256     /* octets of a request's id, as JSON */
#define MR_RPC_IN_FLIGHT_MAX 1024    /* requests of one connection */
#define MR_RPC_CLIENTS_MAX   4096    /* connections, those of administrators not counted */
#define MR_RPC_CLIENTS_UID   1024    /* of one uid */
#define MR_RPC_HALF_LINE_MS  30000   /* for a line to be completed */
#define MR_RPC_STALLED_MS    30000   /* for a peer to read on */
#define MR_RPC_NOTES_MAX     1048576 /* octets of notifications that wait */

/** Error codes; those from MR_RPC_FAILED down are -32000 - exit status. */
enum mr_rpc_code {
	MR_RPC_PARSE = -32700,
	MR_RPC_INVALID = -32600,
	MR_RPC_METHOD = -32601,
	MR_RPC_PARAMS = -32602,
	MR_RPC_FAILED = -32001,
	MR_RPC_USAGE = -32002,
	MR_RPC_DENIED = -32003,
	MR_RPC_NO_SESSION = -32004,
	MR_RPC_LIMIT = -32006,
};

struct mr_rpc_server;
struct mr_rpc_client;  /* one connection */
struct mr_rpc_request; /* one request that is to be answered exactly once */

/** `params` is an object, or NULL, and borrowed. */
typedef void mr_rpc_dispatch_fn(
	struct mr_rpc_request *request, const char *method, json_t *params, void *context);

/** Is it somebody whom no other users' connections may keep out? */
typedef bool mr_rpc_privileged_fn(const struct mr_identity *who, void *context);

struct mr_rpc_config {
	uv_loop_t *loop;
	const char *path; /* of the socket */
	struct mr_identities *identities;
	mr_rpc_dispatch_fn *dispatch;
	mr_rpc_privileged_fn *privileged;
	void *context;
	uint64_t half_line_ms, stalled_ms; /* 0: the above */
};

/**
 * Listens. A socket that nobody answers on is replaced; -EADDRINUSE: somebody does. `ret_why` says
 * what failed.
 */
int mr_rpc_server_open(const struct mr_rpc_config *config, struct mr_rpc_server **ret_server,
	struct mr_why *ret_why);

/** Removes the socket, ends all connections; memory goes when the loop has run and the last
 * request has been answered. NULL is allowed. */
void mr_rpc_server_close(struct mr_rpc_server *server);

/** Connections now. */
size_t mr_rpc_server_clients(const struct mr_rpc_server *server);

/** Requests since it listens, and how many of them were answered with MR_RPC_DENIED. */
void mr_rpc_server_counts(
	const struct mr_rpc_server *server, uint64_t *ret_requests, uint64_t *ret_denied);

/* Answering. Afterwards the request is gone. */

/** Where to write the result: exactly one value, without a key. */
struct mr_json *mr_rpc_request_result(struct mr_rpc_request *request);

/** Sends the result that has been written. */
void mr_rpc_request_finish(struct mr_rpc_request *request);

/** An error for people: what failed: why, and what to do. */
void mr_rpc_request_fail(struct mr_rpc_request *request, enum mr_rpc_code code, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/** Writes the next slice of a result (some 100 KB at most) behind the ones before. True: there is
 * more. */
typedef bool mr_rpc_slice_fn(struct mr_json *json, void *context);
typedef void mr_rpc_free_fn(void *context);

/** Answers in slices, as fast as the peer reads and between other people's requests. */
void mr_rpc_request_stream(struct mr_rpc_request *request, mr_rpc_slice_fn *slice,
	mr_rpc_free_fn *free_context, void *context);

/** Who asks; good until the request has been answered. */
const struct mr_identity *mr_rpc_request_identity(const struct mr_rpc_request *request);

/* Notifications. */

/**
 * From the answer to this request on, the connection takes notifications, and is no more thought
 * idle. `on_close` is called once when it ends. NULL: it takes them already.
 */
struct mr_rpc_client *mr_rpc_request_subscribe(
	struct mr_rpc_request *request, mr_rpc_free_fn *on_close, void *context);

/** Sends a line (its newline included). A peer that doesn't read is cut off: on_close is called
 * from the loop, not from here. */
void mr_rpc_client_notify(struct mr_rpc_client *client, const char *line, size_t len);

const struct mr_identity *mr_rpc_client_identity(const struct mr_rpc_client *client);

#endif
