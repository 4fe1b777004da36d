/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports.c - public ports: a bitmap for each pool, a socket for each port in use.
 */
#include "ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "random.h"

#define PORTS      65536
#define WORDS      (PORTS / 64)
#define RANDOM_TRY 32 /* random picks before the range is gone through */

struct pool {
	struct mr_port_range range;
	uint32_t taken_in_range;
	uint64_t taken[WORDS];
};

struct mr_ports {
	const struct mr_clock *clock;
	uint32_t n_pools;
	uint32_t n_held, max_held;
	int fds[PORTS];              /* -1: no socket */
	uint16_t users[PORTS];       /* pools that use the port */
	uint32_t avoid_until[PORTS]; /* s of the monotonic clock: a local program had it */
	struct pool pools[];
};

static bool is_set(const struct pool *pool, uint32_t port)
{
	return pool->taken[port / 64] >> (port % 64) & 1;
}

static bool in_range(const struct pool *pool, uint32_t port)
{
	return port >= pool->range.lo && port <= pool->range.hi;
}

/* What the process may open, less what it needs for other things: its users' connections. */
static uint32_t sockets_to_spare(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	if (limit.rlim_cur >= PORTS + MR_PORTS_SPARE_FDS)
		return PORTS;
	if (limit.rlim_cur < 2 * MR_PORTS_SPARE_FDS)
		return (uint32_t)limit.rlim_cur / 2;
	return (uint32_t)limit.rlim_cur - MR_PORTS_SPARE_FDS;
}

static bool ranges_ok(const struct mr_port_range *ranges, uint32_t n_pools)
{
	for (uint32_t i = 0; i < n_pools; i++)
		if (ranges[i].lo == 0 || ranges[i].lo > ranges[i].hi)
			return false;
	return true;
}

int mr_ports_new(const struct mr_port_range *ranges, uint32_t n_pools, const struct mr_clock *clock,
	struct mr_ports **ret_ports)
{
	struct mr_ports *ports;

	if (!ranges_ok(ranges, n_pools))
		return -EINVAL;
	ports = calloc(1, sizeof(*ports) + n_pools * sizeof(ports->pools[0]));
	if (!ports)
		return -ENOMEM;
	ports->clock = clock;
	ports->n_pools = n_pools;
	ports->max_held = sockets_to_spare();
	memset(ports->fds, 0xff, sizeof(ports->fds));
	for (uint32_t i = 0; i < n_pools; i++)
		ports->pools[i].range = ranges[i];
	*ret_ports = ports;
	return 0;
}

int mr_ports_set_ranges(
	struct mr_ports **ports, const struct mr_port_range *ranges, uint32_t n_pools)
{
	struct mr_ports *p = *ports;

	if (!ranges_ok(ranges, n_pools) || n_pools < p->n_pools)
		return -EINVAL;
	p = realloc(p, sizeof(*p) + n_pools * sizeof(p->pools[0]));
	if (!p)
		return -ENOMEM;
	memset(&p->pools[p->n_pools], 0, (n_pools - p->n_pools) * sizeof(p->pools[0]));
	p->n_pools = n_pools;
	p->max_held = sockets_to_spare();
	for (uint32_t i = 0; i < n_pools; i++) {
		struct pool *pool = &p->pools[i];

		pool->range = ranges[i];
		pool->taken_in_range = 0;
		for (uint32_t port = ranges[i].lo; port <= ranges[i].hi; port++)
			pool->taken_in_range += is_set(pool, port);
	}
	*ports = p;
	return 0;
}

void mr_ports_free(struct mr_ports *ports)
{
	if (!ports)
		return;
	for (uint32_t port = 0; port < PORTS; port++) {
		if (ports->fds[port] >= 0)
			close(ports->fds[port]);
	}
	free(ports);
}

static int bind_wildcard(int family, uint16_t port)
{
	const struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct sockaddr *addr =
		family == AF_INET6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in4;
	const int off = 0, smallest = 1; /* the kernel makes its own minimum of it */
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* Nobody reads: what slips past the dataplane is to cost next to nothing. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest));
	if ((family == AF_INET6 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
		bind(fd, addr, family == AF_INET6 ? sizeof(in6) : sizeof(in4)) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

/* Both families with one socket, or IPv4 alone where the kernel has no IPv6. */
static int hold(struct mr_ports *ports, uint16_t port)
{
	int fd;

	if (ports->fds[port] >= 0)
		return 0;
	if (ports->n_held >= ports->max_held)
		return -EMFILE;
	fd = bind_wildcard(AF_INET6, port);
	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = bind_wildcard(AF_INET, port);
	if (fd < 0)
		return fd;
	ports->fds[port] = fd;
	ports->n_held++;
	return 0;
}

static void mark_taken(struct mr_ports *ports, struct pool *pool, uint16_t port)
{
	pool->taken[port / 64] |= 1ULL << (port % 64);
	ports->users[port]++;
	if (in_range(pool, port))
		pool->taken_in_range++;
}

/* 0: taken. -EAGAIN: try another one. */
static int try_port(struct mr_ports *ports, struct pool *pool, uint16_t port, uint32_t now_s)
{
	int r;

	if (is_set(pool, port) || ports->avoid_until[port] > now_s)
		return -EAGAIN;
	r = hold(ports, port);
	if (r == -EADDRINUSE || r == -EACCES) { /* EACCES: a port below 1024 */
		ports->avoid_until[port] = now_s + MR_PORTS_TAKEN_NS / MR_SECOND;
		return -EAGAIN;
	}
	/* Better a port that isn't held than none: the dataplane serves it all the same. */
	if (r == -EMFILE || r == -ENFILE)
		r = 0;
	if (r == 0)
		mark_taken(ports, pool, port);
	return r;
}

int mr_ports_take(struct mr_ports *ports, uint32_t pool_number, uint16_t *ret_port)
{
	struct pool *pool = &ports->pools[pool_number];
	uint32_t size = mr_ports_size(ports, pool_number);
	uint32_t now_s = (uint32_t)(ports->clock->monotonic() / MR_SECOND);
	uint32_t offset = 0;
	int r = -EAGAIN;

	if (mr_ports_left(ports, pool_number) == 0)
		return -ENOSPC;
	for (uint32_t i = 0; i < RANDOM_TRY && r == -EAGAIN; i++) {
		offset = mr_random_below(size);
		r = try_port(ports, pool, (uint16_t)(pool->range.lo + offset), now_s);
	}
	for (uint32_t i = 0; i < size && r == -EAGAIN; i++) {
		offset = offset + 1 < size ? offset + 1 : 0;
		r = try_port(ports, pool, (uint16_t)(pool->range.lo + offset), now_s);
	}
	if (r == 0)
		*ret_port = (uint16_t)(pool->range.lo + offset);
	return r == -EAGAIN ? -ENOSPC : r;
}

int mr_ports_claim(struct mr_ports *ports, uint32_t pool_number, uint16_t port)
{
	struct pool *pool = &ports->pools[pool_number];

	if (is_set(pool, port))
		return -EEXIST;
	mark_taken(ports, pool, port);
	return hold(ports, port);
}

void mr_ports_release(struct mr_ports *ports, uint32_t pool_number, uint16_t port)
{
	struct pool *pool = &ports->pools[pool_number];

	if (!is_set(pool, port))
		return;
	pool->taken[port / 64] &= ~(1ULL << (port % 64));
	if (in_range(pool, port))
		pool->taken_in_range--;
	if (--ports->users[port] == 0 && ports->fds[port] >= 0) {
		close(ports->fds[port]);
		ports->fds[port] = -1;
		ports->n_held--;
	}
}

bool mr_ports_is_taken(const struct mr_ports *ports, uint32_t pool, uint16_t port)
{
	return is_set(&ports->pools[pool], port);
}

bool mr_ports_is_held(const struct mr_ports *ports, uint16_t port)
{
	return ports->fds[port] >= 0;
}

uint32_t mr_ports_size(const struct mr_ports *ports, uint32_t pool)
{
	const struct mr_port_range *range = &ports->pools[pool].range;

	return (uint32_t)(range->hi - range->lo) + 1;
}

uint32_t mr_ports_left(const struct mr_ports *ports, uint32_t pool)
{
	return mr_ports_size(ports, pool) - ports->pools[pool].taken_in_range;
}

uint32_t mr_ports_held(const struct mr_ports *ports)
{
	return ports->n_held;
}
