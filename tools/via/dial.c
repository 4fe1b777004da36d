// SPDX-License-Identifier: BSD-2-Clause
/*
 * dial.c - see dial.h.
 */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "cli.h"

struct address {
	int family; /* AF_UNSPEC: it is none */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
};

static struct address parse(const char *text)
{
	struct address address = {.family = AF_UNSPEC};

	if (text && inet_pton(AF_INET, text, &address.v4) == 1)
		address.family = AF_INET;
	else if (text && inet_pton(AF_INET6, text, &address.v6) == 1)
		address.family = AF_INET6;
	return address;
}

static bool same(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return false;
	return a->family == AF_INET
		? a->v4.s_addr == b->v4.s_addr
		: a->family == AF_INET6 && !memcmp(&a->v6, &b->v6, sizeof(a->v6));
}

/** RFC 1918, RFC 6598 (carriers' NAT), loopback and link-local; RFC 4193 and the same for IPv6. */
static bool is_private(const struct address *a)
{
	in_addr_t v4;

	if (a->family == AF_INET6)
		return (a->v6.s6_addr[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(&a->v6) ||
			IN6_IS_ADDR_LOOPBACK(&a->v6);
	v4 = ntohl(a->v4.s_addr);
	return v4 >> 24 == 10 || v4 >> 20 == 0xac1 || v4 >> 16 == 0xc0a8 || v4 >> 22 == 0x191 ||
		v4 >> 24 == 127 || v4 >> 16 == 0xa9fe;
}

static bool allowed(const struct address *a, int family)
{
	return a->family != AF_UNSPEC && (family == AF_UNSPEC || family == a->family);
}

static int give(const struct address *a, char ret_address[INET6_ADDRSTRLEN])
{
	inet_ntop(a->family, &a->v4, ret_address, INET6_ADDRSTRLEN);
	return 0;
}

/** Whether the kernel has a route: connecting a datagram socket sends nothing. */
static bool has_route(const struct address *a)
{
	mr_cleanup(mr_close_fd) int fd = socket(a->family, SOCK_DGRAM, 0);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(60001)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(60001)};

	v4.sin_addr = a->v4;
	v6.sin6_addr = a->v6;
	if (fd < 0)
		return false;
	if (a->family == AF_INET)
		return connect(fd, (struct sockaddr *)&v4, sizeof(v4)) == 0;
	return connect(fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;
}

/** Looks `name` up; of several addresses one of `preferred` family, if there is. */
static struct address look_up(const char *name, int family, int preferred)
{
	struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM}, *list, *found;
	struct address address = {.family = AF_UNSPEC};

	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return address;
	for (found = list; found && found->ai_family != preferred; found = found->ai_next)
		;
	if (!found)
		found = list;
	address.family = found->ai_family;
	if (found->ai_family == AF_INET)
		address.v4 = ((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr;
	else
		address.v6 = ((struct sockaddr_in6 *)(void *)found->ai_addr)->sin6_addr;
	freeaddrinfo(list);
	return address;
}

int mr_dial_reached(const char *line, char ret_address[INET6_ADDRSTRLEN])
{
	static const char start[] = "Authenticated to ";
	char text[INET6_ADDRSTRLEN];
	const char *open, *close;
	struct address address;

	if (strncmp(line, start, sizeof(start) - 1))
		return -ENOENT;
	open = strstr(line, " ([");
	close = open ? strstr(open, "]:") : NULL;
	if (!close || (size_t)(close - open - 3) >= sizeof(text))
		return -ENOENT;
	memcpy(text, open + 3, (size_t)(close - open - 3));
	text[close - open - 3] = '\0';
	address = parse(text);
	if (address.family == AF_UNSPEC)
		return -ENOENT;
	return give(&address, ret_address);
}

/** The first numeric one of `family`; failing that, and if there is no `wanted`, with a route. */
static struct address first_of(const char *const *addresses, size_t n, int wanted, int family)
{
	struct address any = {.family = AF_UNSPEC};

	for (size_t i = 0; i < n; i++) {
		struct address a = parse(addresses[i]);

		if (!allowed(&a, family))
			continue;
		if (wanted == AF_UNSPEC ? has_route(&a) : a.family == wanted)
			return a;
		if (any.family == AF_UNSPEC || (!has_route(&any) && has_route(&a)))
			any = a;
	}
	return any;
}

int mr_dial_choose(const char *const *addresses, size_t n, const char *reached, int family,
	char ret_address[INET6_ADDRSTRLEN])
{
	struct address here = parse(reached), a;

	if (!allowed(&here, family))
		here.family = AF_UNSPEC;
	for (size_t i = 0; i < n && here.family != AF_UNSPEC; i++) {
		a = parse(addresses[i]);
		if (same(&a, &here))
			return give(&here, ret_address);
	}
	for (size_t i = 0; i < n; i++) {
		if (parse(addresses[i]).family != AF_UNSPEC)
			continue;
		a = look_up(addresses[i], family, here.family);
		if (allowed(&a, family))
			return give(&a, ret_address);
	}
	a = first_of(addresses, n, here.family, family);
	if (a.family == AF_UNSPEC)
		return -ENOENT;
	if (a.family == here.family && is_private(&a) && !is_private(&here))
		a = here;
	return give(&a, ret_address);
}
