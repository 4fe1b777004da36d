/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * again.h - this program once more, in one of a contestant's hosts: what `run`, `storm` and `serve`
 * can measure, the benchmark need not do itself.
 */
#ifndef MR_LOAD_AGAIN_H
#define MR_LOAD_AGAIN_H

#include <jansson.h>

#include "peers.h"

/** The target ports as `run` and `serve` take them: MR_PEER_TARGET_LO to MR_PEER_TARGET_LO_MANY. */
#define MR_AGAIN_TARGET_PORTS "60001-60901"

/**
 * Starts it in `host` with the arguments that follow, NULL at the end; its output goes to file
 * `name` in the contestant's directory.
 */
int mr_again_start(const struct mr_contestant *contestant, enum mr_host host, const char *name,
	pid_t *ret_pid, ...);

/** Waits for it and reads the JSON document that it wrote. NULL: it failed. */
json_t *mr_again_finish(const struct mr_contestant *contestant, pid_t pid, const char *name);

/** Starts the targets' side and waits until it is ready; mr_proc_stop() ends it. */
int mr_again_serve(const struct mr_contestant *contestant, pid_t *ret_pid);

/** A number of the document, or of the `object` in it (may be NULL). */
double mr_again_number(json_t *json, const char *object, const char *name);

#endif
