/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.c - addresses, prefixes, port ranges and endpoints to text and back, addresses to octets
 * too.
 */
#include "addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

size_t mr_addr_octets(const struct mr_addr *addr, const void **ret_octets)
{
	bool v4 = mr_addr_is_v4(addr);

	*ret_octets = v4 ? &addr->w[3] : &addr->w[0];
	return v4 ? sizeof(addr->w[3]) : sizeof(addr->w);
}

int mr_addr_from_octets(int family, const void *octets, size_t length, struct mr_addr *ret_addr)
{
	__be32 v4;

	if (family == AF_INET && length == sizeof(v4)) {
		memcpy(&v4, octets, sizeof(v4));
		*ret_addr = mr_addr_from_v4(v4);
		return 0;
	}
	if (family == AF_INET6 && length == sizeof(ret_addr->w)) {
		memcpy(ret_addr->w, octets, sizeof(ret_addr->w));
		return 0;
	}
	return family == AF_INET || family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

const char *mr_addr_format(const struct mr_addr *addr, char *buf, size_t size)
{
	const void *octets;
	int family = mr_addr_octets(addr, &octets) == sizeof(__be32) ? AF_INET : AF_INET6;

	assert(size >= INET6_ADDRSTRLEN);
	return inet_ntop(family, octets, buf, (socklen_t)size);
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
	if (slash && mr_decimal_parse(slash + 1, bits, &bits))
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

int mr_endpoint_parse(const char *text, struct mr_addr *ret_addr, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN];
	struct mr_addr addr;
	bool bracketed = text[0] == '[';
	unsigned port;
	size_t len;

	if (!colon || mr_decimal_parse(colon + 1, UINT16_MAX, &port) || !port)
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
