/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port_range.c - see port_range.h.
 */
#include "port_range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mr_decimal_parse(const char *text, unsigned max, unsigned *ret_value)
{
	size_t len = strspn(text, "0123456789");
	unsigned long value;

	if (!len || len > 5 || text[len])
		return -EINVAL;
	value = strtoul(text, NULL, 10);
	if (value > max)
		return -EINVAL;
	*ret_value = (unsigned)value;
	return 0;
}

int mr_port_range_parse(const char *text, struct mr_port_range *ret_range)
{
	const char *dash = strchr(text, '-');
	char lo_text[8];
	unsigned lo, hi;
	size_t len = dash ? (size_t)(dash - text) : strlen(text);

	if (len >= sizeof(lo_text))
		return -EINVAL;
	memcpy(lo_text, text, len);
	lo_text[len] = '\0';
	if (mr_decimal_parse(lo_text, UINT16_MAX, &lo))
		return -EINVAL;
	hi = lo;
	if (dash && mr_decimal_parse(dash + 1, UINT16_MAX, &hi))
		return -EINVAL;
	if (!lo || lo > hi)
		return -EINVAL;
	*ret_range = (struct mr_port_range){(uint16_t)lo, (uint16_t)hi};
	return 0;
}
