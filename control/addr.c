/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.c - addresses, prefixes, port ranges and endpoints to text and back.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

/* An unsigned decimal of one to five digits and nothing else. */
static int parse_decimal(const char *text, unsigned max, unsigned *ret_value)
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

int mr_addr_parse(const char *text, struct mr_addr *ret_addr)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret_addr = mr_addr_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return -EINVAL;
	memcpy(ret_addr, &v6, sizeof(*ret_addr));
	return 0;
}

/* The bits of word `word` that belong to a prefix of `bits` bits, in network byte order. */
static __be32 prefix_mask(unsigned bits, unsigned word)
{
	unsigned from = word * 32;

	if (bits >= from + 32)
		return 0xffffffff;
	if (bits <= from)
		return 0;
	return htonl(0xffffffffu << (32 - (bits - from)));
}

int mr_prefix_parse(const char *text, struct mr_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	struct mr_prefix prefix;
	unsigned bits, base;
	size_t len = slash ? (size_t)(slash - text) : strlen(text);

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (mr_addr_parse(address, &prefix.addr))
		return -EINVAL;
	base = mr_addr_is_v4(&prefix.addr) && !strchr(address, ':') ? 96 : 0;
	bits = 128 - base;
	if (slash && parse_decimal(slash + 1, bits, &bits))
		return -EINVAL;
	prefix.bits = (uint8_t)(base + bits);
	for (unsigned i = 0; i < 4; i++) {
		if (prefix.addr.w[i] & ~prefix_mask(prefix.bits, i))
			return -EINVAL;
	}
	*ret_prefix = prefix;
	return 0;
}

const char *mr_prefix_format(const struct mr_prefix *prefix, char *buf, size_t size)
{
	bool v4 = mr_addr_is_v4(&prefix->addr) && prefix->bits >= 96;
	char address[INET6_ADDRSTRLEN];

	mr_addr_format(&prefix->addr, address, sizeof(address));
	if (prefix->bits == 128)
		snprintf(buf, size, "%s", address);
	else
		snprintf(buf, size, "%s/%u", address, prefix->bits - (v4 ? 96u : 0u));
	return buf;
}

bool mr_prefix_contains(const struct mr_prefix *prefix, const struct mr_addr *addr)
{
	if (mr_addr_is_v4(addr) && prefix->bits < 96)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if ((addr->w[i] ^ prefix->addr.w[i]) & prefix_mask(prefix->bits, i))
			return false;
	}
	return true;
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
	if (parse_decimal(lo_text, UINT16_MAX, &lo))
		return -EINVAL;
	hi = lo;
	if (dash && parse_decimal(dash + 1, UINT16_MAX, &hi))
		return -EINVAL;
	if (!lo || lo > hi)
		return -EINVAL;
	*ret_range = (struct mr_port_range){(uint16_t)lo, (uint16_t)hi};
	return 0;
}

int mr_endpoint_parse(const char *text, struct mr_addr *ret_addr, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN];
	struct mr_addr addr;
	bool bracketed = text[0] == '[';
	unsigned port;
	size_t len;

	if (!colon || parse_decimal(colon + 1, UINT16_MAX, &port) || !port)
		return -EINVAL;
	if (bracketed && (colon == text + 1 || colon[-1] != ']'))
		return -EINVAL;
	len = (size_t)(colon - text) - (bracketed ? 2 : 0);
	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text + bracketed, len);
	address[len] = '\0';
	/* "::1:60001" could be read two ways: IPv6 wants its brackets, IPv4 has none. */
	if (!!strchr(address, ':') != bracketed || mr_addr_parse(address, &addr))
		return -EINVAL;
	*ret_addr = addr;
	*ret_port = (uint16_t)port;
	return 0;
}

const char *mr_endpoint_format(const struct mr_addr *addr, uint16_t port, char *buf, size_t size)
{
	char address[INET6_ADDRSTRLEN];

	mr_addr_format(addr, address, sizeof(address));
	snprintf(buf, size, mr_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u", address, port);
	return buf;
}
