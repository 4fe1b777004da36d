/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_private.h - between rpc_client.c (documents) and rpc_socket.c (octets and lines).
 */
#ifndef MR_TOOLS_RPC_PRIVATE_H
#define MR_TOOLS_RPC_PRIVATE_H

#include <stdint.h>

#include "rpc_client.h"

struct buffer {
	char *data;
	size_t start, end, size; /* data[start..end) is unread */
};

struct mr_rpc {
	int fd;
	int timeout_ms;
	uint64_t next_id;   /* of the next request to send */
	uint64_t answer_id; /* of the oldest unanswered one */
	struct buffer in, out;
	size_t scanned;        /* octets from in.start on that hold no newline */
	json_t *notifications; /* array, oldest first */
};

/** Fills in `*ret_error` and returns `status`. */
enum mr_exit mr_rpc_fail(struct mr_rpc_error *ret_error, enum mr_exit status, const char *fmt, ...)
	mr_printf(3, 4);

enum mr_exit mr_rpc_fail_memory(struct mr_rpc_error *ret_error);

/**
 * Connects with a time limit: where the listener's queue is full, Linux blocks and others refuse.
 * 0 or -errno.
 */
int mr_rpc_connect_socket(const char *path, int timeout_ms, int *ret_fd);

/** Makes room for `more` octets behind buffer->end. 0 or -ENOMEM. */
int mr_rpc_reserve(struct buffer *buffer, size_t more);

/** Waits until something can be read, or written where there is something to write; does that. */
enum mr_exit mr_rpc_exchange(struct mr_rpc *rpc, int timeout_ms, struct mr_rpc_error *ret_error);

/** The next line without its newline, good until more is read. */
enum mr_exit mr_rpc_next_line(struct mr_rpc *rpc, int timeout_ms, char **ret_line,
	size_t *ret_length, struct mr_rpc_error *ret_error);

#endif
