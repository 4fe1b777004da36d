/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port_range.h - ranges of ports as people write them. Needs nothing, for programs that have
 * addresses of their own.
 */
#ifndef MR_DATAPLANE_PORT_RANGE_H
#define MR_DATAPLANE_PORT_RANGE_H

#include <stdint.h>

/** Ports from lo to hi, both included, in host byte order. */
struct mr_port_range {
	uint16_t lo, hi;
};

/** Parses "LO-HI" or "PORT". 0 or -EINVAL (also for port 0 and LO > HI). */
int mr_port_range_parse(const char *text, struct mr_port_range *ret_range);

/** Parses one to five digits and nothing else, that are `max` at the most. 0 or -EINVAL. */
int mr_decimal_parse(const char *text, unsigned max, unsigned *ret_value);

#endif
