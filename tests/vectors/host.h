/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - the smallest binding of the core: one session, one packet, no kernel.
 *
 * What tests and fuzzers on the host call "the core": parse, find, decide, check, rewrite, in the
 * order in which every binding does it.
 */
#ifndef MR_TESTS_HOST_H
#define MR_TESTS_HOST_H

#include "vectors.h"

/**
 * Runs one frame. `session` is the one of `row` and is changed by it; clock, interfaces, keys and
 * what a look-up yields are those of `row` and `file`.
 */
void mr_host_run(const struct mr_vec_file *file, const struct mr_vec *row,
	struct mr_session *session, struct mr_vec_result *ret_result);

#endif
