// SPDX-License-Identifier: BSD-2-Clause
/*
 * resolve.c - see resolve.h.
 */
#include "resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/** Writes the numeric address of `host` into `ret_address`. */
static enum mr_exit resolve_host(const char *host, bool v6_only, char ret_address[INET6_ADDRSTRLEN])
{
	const struct addrinfo hints = {
		.ai_family = v6_only ? AF_INET6 : AF_UNSPEC,
		.ai_flags = v6_only ? AI_NUMERICHOST : 0,
		.ai_socktype = SOCK_DGRAM,
	};
	struct addrinfo *found;
	struct in_addr v4;
	const void *address;
	int r;

	/* No name looks like that, and whoever answers for names may take long to say so. */
	if (!host[strspn(host, "0123456789.")] && inet_pton(AF_INET, host, &v4) != 1)
		return mr_cli_usage("%s: not an IPv4 address", host);
	r = getaddrinfo(host, NULL, &hints, &found);
	if (v6_only && (r == EAI_NONAME || r == EAI_ADDRFAMILY))
		return mr_cli_usage("[%s]: not an IPv6 address", host);
	if (r)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot look up %s: %s", host, gai_strerror(r));
	if (found->ai_family == AF_INET)
		address = &((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr;
	else
		address = &((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr;
	inet_ntop(found->ai_family, address, ret_address, INET6_ADDRSTRLEN);
	freeaddrinfo(found);
	return MR_EXIT_DONE;
}

enum mr_exit mr_resolve_endpoint(const char *text, char *ret_endpoint, size_t size)
{
	struct mr_host_port value;
	char address[INET6_ADDRSTRLEN];
	const char *why;
	enum mr_exit status;

	if (mr_cli_host_port(text, &value, &why) < 0)
		return mr_cli_usage("%s: not a target: %s", text, why);
	status = resolve_host(value.host, value.bracketed, address);
	if (status)
		return status;
	mr_cli_format_endpoint(ret_endpoint, size, address, value.port);
	return MR_EXIT_DONE;
}

enum mr_exit mr_resolve_target(const char *text, char *ret_target, size_t size)
{
	struct in6_addr v6;
	char address[INET6_ADDRSTRLEN];
	enum mr_exit status;

	if (strchr(text, ':') && inet_pton(AF_INET6, text, &v6) != 1)
		return mr_resolve_endpoint(text, ret_target, size);
	if (!*text || strlen(text) >= MR_HOST_SIZE)
		return mr_cli_usage("%s: not a host", text);
	status = resolve_host(text, false, address);
	if (status)
		return status;
	snprintf(ret_target, size, "%s", address);
	return MR_EXIT_DONE;
}
