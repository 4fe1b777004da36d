/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * indices.h - which records of the dataplane's array are free.
 *
 * The one freed last is given out first, so that the records in use stay close together; but not
 * before a packet that found the record's former session is done with it.
 */
#ifndef MR_CONTROL_INDICES_H
#define MR_CONTROL_INDICES_H

#include <stdint.h>

#include "clock.h"

/** How long an index rests before it is given out again. */
#define MR_INDICES_QUARANTINE_NS MR_SECOND

struct mr_indices;

/** All of 0 .. size - 1 are free at first. */
int mr_indices_new(uint32_t size, const struct mr_clock *clock, struct mr_indices **ret_indices);

/** NULL is allowed. */
void mr_indices_free(struct mr_indices *indices);

/** Takes a free index. -ENOSPC. */
int mr_indices_take(struct mr_indices *indices, uint32_t *ret_index);

/**
 * Takes this very index, for a session that is there already.
 * -EEXIST: not free; -EINVAL: beyond the array.
 */
int mr_indices_claim(struct mr_indices *indices, uint32_t index);

/** Gives a taken index back. */
void mr_indices_release(struct mr_indices *indices, uint32_t index);

#endif
