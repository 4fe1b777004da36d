/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.h - answers GET /metrics for Prometheus: counts of the whole relay, never of one session.
 *
 * Owns the HTTP server, which runs on the loop, and the counts of sessions' ends.
 */
#ifndef MR_CONTROL_METRICS_H
#define MR_CONTROL_METRICS_H

#include "api.h"

/** Connections at a time, how long one may be idle, and what each may take of memory. */
#define MR_METRICS_CONNECTIONS 32
#define MR_METRICS_IDLE_S      15
#define MR_METRICS_MEMORY      16384

struct mr_metrics;

/**
 * Listens on `endpoint`, "ADDRESS:PORT". `api` is borrowed: what it points to must be alive until
 * this is closed. -errno, and `ret_why` says what failed.
 */
int mr_metrics_open(uv_loop_t *loop, const char *endpoint, struct mr_api *api,
	struct mr_metrics **ret_metrics, struct mr_why *ret_why);

/** Ends all connections; memory goes when the loop has run once more. Before the manager of
 * sessions. NULL is allowed. */
void mr_metrics_close(struct mr_metrics *metrics);

/** Sessions that ended, by enum mr_session_end. */
#define MR_METRICS_ENDS (MR_SESSION_END_TARGET_GONE + 1)

/** metrics_text.c: the document, to be freed by the caller. 0, -ENOMEM, or the dataplane's. */
int mr_metrics_text(const struct mr_api *api, const uint64_t ends[static MR_METRICS_ENDS],
	char **ret_text, size_t *ret_size);

#endif
