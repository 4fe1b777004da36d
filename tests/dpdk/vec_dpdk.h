/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vec_dpdk.h - the DPDK worker as a binding that packet vectors can be run against: ports of
 * net_ring, whose other ends the test holds, and a clock that it sets.
 *
 * Needs no privilege, no network and no huge pages. One in a process.
 */
#ifndef MR_TESTS_VEC_DPDK_H
#define MR_TESTS_VEC_DPDK_H

#include "vectors.h"

struct mr_vec_dpdk;

/** How a port hands the same frame over; what comes of it must be the same. */
enum mr_vec_shape {
	MR_VEC_WHOLE,
	MR_VEC_SEGMENTS,   /* in several, and no port sends such */
	MR_VEC_CHAIN,      /* in several, and ports send them as they are */
	MR_VEC_STRIPPED,   /* with its tag beside it */
	MR_VEC_UNFINISHED, /* from a sender on the same host, and said so */
	MR_VEC_SHAPES
};

/** False: the row's frame can't come in this shape. */
bool mr_vec_dpdk_shape(struct mr_vec_dpdk *bed, enum mr_vec_shape shape, const struct mr_vec *row);

/** 0 or -errno; `why` (MR_VEC_WHY octets) says what failed. */
int mr_vec_dpdk_open(struct mr_vec_dpdk **ret_bed, char *why);
void mr_vec_dpdk_close(struct mr_vec_dpdk *bed);

/** Puts what a file says of the world around its sessions. */
int mr_vec_dpdk_world(struct mr_vec_dpdk *bed, const struct mr_vec_file *file);

/** Runs a row's frame at its clock, in the shape that was asked for last; `session` goes in as it
 * is before, and comes back as it is after. */
int mr_vec_dpdk_run(struct mr_vec_dpdk *bed, const struct mr_vec_file *file,
	const struct mr_vec *row, struct mr_session *session, struct mr_vec_result *ret_result);

/** Buffers that are in nobody's hands. */
unsigned mr_vec_dpdk_lost(const struct mr_vec_dpdk *bed);

#endif
