/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolve.h - from what the user calls a host to the numeric address that the daemon wants.
 *
 * The daemon looks up no names: it would have to wait for a name server, and the answer may differ
 * between users. The name is the user's, so it is looked up here.
 */
#ifndef MR_MOSHRELAY_RESOLVE_H
#define MR_MOSHRELAY_RESOLVE_H

#include <stddef.h>

#include "cli.h"

/** "[v6 address]:65535" and NUL. */
#define MR_ENDPOINT_SIZE 80

/**
 * Turns HOST:PORT into ADDRESS:PORT; where a name has several addresses, the system's preferred
 * one (RFC 6724). Says what is wrong and returns MR_EXIT_USAGE (can't be read) or MR_EXIT_FAILED
 * (a name without an address).
 */
enum mr_exit mr_resolve_endpoint(const char *text, char *ret_endpoint, size_t size);

/** As mr_resolve_endpoint(), but the port may be left out. */
enum mr_exit mr_resolve_target(const char *text, char *ret_target, size_t size);

#endif
