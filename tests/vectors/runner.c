// SPDX-License-Identifier: BSD-2-Clause
/*
 * runner.c - what the runners of vectors share, whichever binding they drive.
 */
#include <string.h>

#include "vectors.h"

void mr_vec_keep_event(const struct mr_event *event, void *result)
{
	struct mr_vec_result *kept = result;

	if (kept->n_events < MR_VEC_EVENTS)
		kept->events[kept->n_events] = *event;
	kept->n_events++;
}

uint64_t mr_vec_sum(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < len; i += 2) {
		uint8_t pair[2] = {at[i], i + 1 < len ? at[i + 1] : 0};
		uint16_t word;

		memcpy(&word, pair, sizeof(word));
		sum += word;
	}
	return sum;
}
