/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_internal.h - what rpc.c (one connection), rpc_request.c (one request), rpc_turns.c (whose
 * turn it is) and rpc_server.c (all connections) share.
 */
#ifndef MR_CONTROL_RPC_INTERNAL_H
#define MR_CONTROL_RPC_INTERNAL_H

#include "rpc.h"

struct mr_rpc_request {
	struct mr_rpc_client *client;
	struct mr_rpc_request *next;
	struct mr_json id;   /* as it came; empty: null */
	struct mr_json text; /* the answer's line */
	mr_rpc_slice_fn *slice;
	mr_rpc_free_fn *free_context;
	void *context;
	bool done;
	bool silent; /* nothing (more) is to be sent: it was a notification, or sent in slices */
	bool started;
	bool opens_notes;
};

struct mr_rpc_client {
	uv_pipe_t pipe;
	uv_write_t write;
	struct mr_rpc_server *server;
	struct mr_rpc_client *prev, *next;
	struct mr_rpc_user *user;         /* NULL: refused before it was known */
	struct mr_rpc_client *next_ready; /* of the same user's */
	struct mr_identity who;

	char *in; /* what was read: in_len octets from in_at on, in_scanned of them no newline */
	size_t in_at, in_len, in_size, in_scanned;

	struct mr_rpc_request *head, **tail; /* in the order of their coming */
	unsigned n_requests;
	size_t held; /* octets of answers that wait for those before them */

	struct mr_json out;   /* answers in order, to be written next */
	struct mr_json wire;  /* being written */
	struct mr_json notes; /* notifications */
	size_t wire_left;     /* at the last look */

	mr_rpc_free_fn *on_close;
	void *on_close_context;

	uint64_t half_line_ms; /* since when a line has been unfinished, 0: none is */
	uint64_t progress_ms;  /* when the peer last read something */
	uint64_t active_ms;    /* last request */

	bool identified, privileged;
	bool reading, writing, running, ready;
	bool skipping; /* the rest of a line that is too long */
	bool notes_open;
	bool eof;
	bool cut;     /* to be closed at the end of this turn */
	bool closing; /* uv_close() is under way */
	bool closed;  /* and done */
};

/* Whoever has a connection. */
struct mr_rpc_user {
	struct mr_rpc_user *next, *next_ready;
	struct mr_rpc_client *ready, **ready_tail; /* wait for their turn */
	uid_t uid;
	unsigned n_clients; /* that are not closing */
	unsigned n_links;   /* of connections to this: until they are freed */
};

struct mr_rpc_server {
	struct mr_rpc_config config;
	char *path;
	uv_pipe_t pipe;
	uv_timer_t sweep;
	uv_idle_t turns;
	struct mr_rpc_client *clients;
	size_t n_clients;
	uint64_t n_requests, n_denied; /* ever */
	struct mr_rpc_user *users;
	struct mr_rpc_user *ready, **ready_tail; /* those with connections that wait */
	unsigned handles;                        /* that are not closed yet */
	bool closing;
};

/** Takes a line for a request and dispatches it: it stands behind the connection's others then. */
void mr_rpc_request_take(struct mr_rpc_client *client, const char *line, size_t len);

/** The same for a line that is too long to be read. */
void mr_rpc_request_refuse(struct mr_rpc_client *client);

/** Begins an answer's line: `member` is "result" or "error". */
void mr_rpc_request_begin(struct mr_json *json, const struct mr_json *id, const char *member);

/** Frees what a streamed answer was made from. */
void mr_rpc_request_end_stream(struct mr_rpc_request *request);

void mr_rpc_request_free(struct mr_rpc_request *request);

/** One turn of a connection. */
void mr_rpc_client_turn(struct mr_rpc_client *client);

/** Begins to close. */
void mr_rpc_client_close(struct mr_rpc_client *client);

/** Frees a closed one if nobody works on a request of it any more. */
void mr_rpc_client_reap(struct mr_rpc_client *client);

/** Does it neither want nor wait for anything? */
bool mr_rpc_client_is_idle(const struct mr_rpc_client *client);

/** Forgets all answers, and the requests that nobody works on. */
void mr_rpc_client_drop_answers(struct mr_rpc_client *client);

/* rpc_turns.c */

/** Gives it a turn soon; from whatever place. A closed one is freed when nothing is left of it. */
void mr_rpc_client_wake(struct mr_rpc_client *client);

/** Nobody waits for a turn any more. */
void mr_rpc_server_end_turns(struct mr_rpc_server *server);

/** Whose a new connection is, counted as such. NULL: out of memory. */
struct mr_rpc_user *mr_rpc_user_get(struct mr_rpc_server *server, uid_t uid);

/** When a connection is freed; it has been taken off `n_clients` before. NULL is allowed. */
void mr_rpc_user_put(struct mr_rpc_server *server, struct mr_rpc_user *user);

/* rpc_server.c */

/** There is a line to be finished, or something to be read by a peer. */
void mr_rpc_server_watch_deadlines(struct mr_rpc_server *server);

#endif
