// SPDX-License-Identifier: BSD-2-Clause
/*
 * wheel.c - see wheel.h.
 */
#include "wheel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mr_wheel_init(struct mr_wheel *wheel, uint32_t n, uint64_t now_ns)
{
	uint32_t *next = calloc(n ? n : 1, sizeof(*next));

	if (!next)
		return -ENOMEM;
	wheel->next = next;
	wheel->tick = now_ns / MR_WHEEL_TICK_NS;
	memset(wheel->heads, 0xff, sizeof(wheel->heads));
	return 0;
}

void mr_wheel_free(struct mr_wheel *wheel)
{
	free(wheel->next);
	wheel->next = NULL;
}

void mr_wheel_arm(struct mr_wheel *wheel, uint32_t number, uint64_t when_ns)
{
	uint64_t tick = when_ns / MR_WHEEL_TICK_NS;
	uint32_t *head;

	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick >= wheel->tick + MR_WHEEL_SLOTS)
		tick = wheel->tick + MR_WHEEL_SLOTS - 1;
	head = &wheel->heads[tick % MR_WHEEL_SLOTS];
	wheel->next[number] = *head;
	*head = number;
}

void mr_wheel_run(struct mr_wheel *wheel, uint64_t now_ns,
	void (*fn)(uint32_t number, void *context), void *context)
{
	uint64_t last = now_ns / MR_WHEEL_TICK_NS;

	while (wheel->tick <= last) {
		uint32_t number = wheel->heads[wheel->tick % MR_WHEEL_SLOTS];

		wheel->heads[wheel->tick % MR_WHEEL_SLOTS] = MR_WHEEL_END;
		wheel->tick++; /* what is armed at once, from here on, belongs to the next tick */
		while (number != MR_WHEEL_END) {
			uint32_t next = wheel->next[number];

			fn(number, context);
			number = next;
		}
	}
}
