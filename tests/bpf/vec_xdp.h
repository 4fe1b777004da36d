/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vec_xdp.h - the loaded XDP program as a binding that packet vectors can be run against, by
 * BPF_PROG_TEST_RUN.
 *
 * Needs root; lives in a network namespace and a BPF filesystem of its own. The kernel's clock
 * can't be set, so the sessions' times are moved to it, and come back up to MR_VEC_XDP_TOLERANCE_NS
 * off. What can't be set up ends the process with TAP's "Bail out!".
 */
#ifndef MR_TESTS_VEC_XDP_H
#define MR_TESTS_VEC_XDP_H

#include "vectors.h"

#define MR_VEC_XDP_TOLERANCE_NS 1000000000ULL

struct mr_vec_xdp;

struct mr_vec_xdp *mr_vec_xdp_open(void);
void mr_vec_xdp_close(struct mr_vec_xdp *bed);

/** Puts what a file says of the world around its sessions. */
void mr_vec_xdp_world(struct mr_vec_xdp *bed, const struct mr_vec_file *file);

/** False for rows about single nanoseconds, and for frames too short for the kernel to run. */
bool mr_vec_xdp_can_run(const struct mr_vec *row);

/**
 * Runs a row's frame; `session` goes in as it is before, and comes back as it is after.
 * \return false if the kernel refused, or the program's action is not the one of its reason; `why`
 * (MR_VEC_WHY octets) says which.
 */
bool mr_vec_xdp_run(struct mr_vec_xdp *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *session, struct mr_vec_result *ret_result,
	char *why);

#endif
