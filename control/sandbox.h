/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox.h - gives up what the daemon doesn't need: capabilities, and the ways to new ones.
 *
 * Capabilities belong to threads. So most are given up before there is a second thread, and the
 * rest of what only the start needs when it is over.
 */
#ifndef MR_CONTROL_SANDBOX_H
#define MR_CONTROL_SANDBOX_H

#include "backend.h"

/**
 * Before the first thread: keeps what starting `wanted` can take (AUTO: any of them), of what the
 * process has. No program that it runs can gain more from here on. 0 or -errno, in words.
 */
int mr_sandbox_enter(enum mr_dataplane wanted, struct mr_why *ret_why);

/** After the start: keeps what running `dataplane` takes. */
int mr_sandbox_tighten(enum mr_dataplane dataplane, struct mr_why *ret_why);

#endif
