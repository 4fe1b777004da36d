// SPDX-License-Identifier: BSD-2-Clause
/*
 * net.c - see net.h.
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>

#include "cli.h"

/* A burst of a flood fits in; beyond it the socket drops, which the account shows as loss. */
#define SOCKET_BUFFER (4 << 20)

uint64_t mr_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int mr_sockaddr_parse(const char *text, union mr_sockaddr *ret_addr)
{
	union mr_sockaddr addr = {.in6.sin6_family = AF_INET6};

	if (inet_pton(AF_INET6, text, &addr.in6.sin6_addr) != 1) {
		addr = (union mr_sockaddr){.in.sin_family = AF_INET};
		if (inet_pton(AF_INET, text, &addr.in.sin_addr) != 1)
			return -EINVAL;
	}
	*ret_addr = addr;
	return 0;
}

unsigned mr_port_range_count(struct mr_port_range range)
{
	return (unsigned)range.hi - range.lo + 1;
}

socklen_t mr_sockaddr_len(const union mr_sockaddr *addr)
{
	return addr->sa.sa_family == AF_INET ? sizeof(addr->in) : sizeof(addr->in6);
}

uint16_t mr_sockaddr_port(const union mr_sockaddr *addr)
{
	return ntohs(addr->sa.sa_family == AF_INET ? addr->in.sin_port : addr->in6.sin6_port);
}

void mr_sockaddr_set_port(union mr_sockaddr *addr, uint16_t port)
{
	if (addr->sa.sa_family == AF_INET)
		addr->in.sin_port = htons(port);
	else
		addr->in6.sin6_port = htons(port);
}

bool mr_sockaddr_equal(const union mr_sockaddr *a, const union mr_sockaddr *b)
{
	if (a->sa.sa_family != b->sa.sa_family || mr_sockaddr_port(a) != mr_sockaddr_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
	return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
}

void mr_sockaddr_format(char *buf, size_t size, const union mr_sockaddr *addr)
{
	const void *from = addr->sa.sa_family == AF_INET ? (const void *)&addr->in.sin_addr
							 : (const void *)&addr->in6.sin6_addr;

	if (!inet_ntop(addr->sa.sa_family, from, buf, (socklen_t)size))
		snprintf(buf, size, "?");
}

static int udp_socket(int family, int *ret_fd)
{
	int size = SOCKET_BUFFER;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* FORCE needs CAP_NET_ADMIN; without it the system's limit holds */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret_fd = fd;
	return 0;
}

int mr_udp_bind(const union mr_sockaddr *addr, int *ret_fd)
{
	mr_cleanup(mr_close_fd) int fd = -1;
	int r = udp_socket(addr->sa.sa_family, &fd);

	if (r < 0)
		return r;
	if (bind(fd, &addr->sa, mr_sockaddr_len(addr)) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int mr_udp_connect(const union mr_sockaddr *source, const union mr_sockaddr *peer, int *ret_fd)
{
	mr_cleanup(mr_close_fd) int fd = -1;
	int r = udp_socket(peer->sa.sa_family, &fd);

	if (r < 0)
		return r;
	if (source && bind(fd, &source->sa, mr_sockaddr_len(source)) < 0)
		return -errno;
	if (connect(fd, &peer->sa, mr_sockaddr_len(peer)) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int mr_want_files(unsigned n)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)n + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= wanted)
		return 0;
	limit.rlim_cur = wanted;
	if (limit.rlim_max < wanted)
		limit.rlim_max = wanted;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -EMFILE : 0;
}

void mr_random_seed(struct mr_random *random)
{
	random->state = 0;
	if (getrandom(&random->state, sizeof(random->state), GRND_NONBLOCK) < 0)
		random->state = mr_now_ns();
	random->state |= 1;
}

uint32_t mr_random_below(struct mr_random *random, uint32_t below)
{
	random->state ^= random->state >> 12;
	random->state ^= random->state << 25;
	random->state ^= random->state >> 27;
	return (uint32_t)(((random->state * UINT64_C(2685821657736338717)) >> 32) * below >> 32);
}
