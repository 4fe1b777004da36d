/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - waits for the daemon to come up, woken by the file system.
 */
#ifndef MR_MOSHRELAY_WAIT_H
#define MR_MOSHRELAY_WAIT_H

#include "rpc_client.h"

/**
 * Connects to the daemon at `path` and asks its "status", for at most `timeout_ms`, again whenever
 * something changes where its socket is or will be. The last failure is in `*ret_error`.
 */
enum mr_exit mr_wait_status(
	const char *path, int timeout_ms, json_t **ret_result, struct mr_rpc_error *ret_error);

#endif
