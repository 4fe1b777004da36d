// SPDX-License-Identifier: BSD-2-Clause
/*
 * spoof.c - see spoof.h. Raw sockets: the kernel routes the packets and leaves their sources alone.
 */
#include "spoof.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define BATCH       32
#define SIZE        80  /* of the payload */
#define AHEAD       900 /* sequence numbers: within what a relay takes for plausible */
#define HEADERS_MAX (sizeof(struct ip6_hdr) + sizeof(struct udphdr))

struct mr_spoof {
	const struct mr_engine *engine;
	const struct mr_engine_endpoint *endpoints;
	uint32_t n;
	double rate;
	int fd4, fd6;
	struct mr_random random;
	pthread_t thread;
	atomic_bool stop;
	uint64_t sent;
};

static uint32_t sum_words(uint32_t sum, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/** UDP header in front of the payload; `sum` is that of the pseudo header's addresses. */
static void put_udp(
	struct mr_spoof *spoof, struct udphdr *udp, const union mr_sockaddr *to, uint32_t sum)
{
	*udp = (struct udphdr){
		.source = htons((uint16_t)(1024 + mr_random_below(&spoof->random, 60000))),
		.dest = htons(mr_sockaddr_port(to)),
		.len = htons(sizeof(*udp) + SIZE),
	};
	sum = sum_words(sum + IPPROTO_UDP + sizeof(*udp) + SIZE, udp, sizeof(*udp) + SIZE);
	udp->check = fold(sum);
	if (udp->check == 0)
		udp->check = 0xffff;
}

static size_t put_v4(struct mr_spoof *spoof, unsigned char *buf, const union mr_sockaddr *to)
{
	struct iphdr ip = {.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(sizeof(ip) + sizeof(struct udphdr) + SIZE),
		.saddr = htonl(0xc6120000 | mr_random_below(&spoof->random, 1 << 17)),
		.daddr = to->in.sin_addr.s_addr};

	memcpy(buf, &ip, sizeof(ip)); /* the kernel fills in identification and checksum */
	put_udp(spoof, (struct udphdr *)(buf + sizeof(ip)), to, sum_words(0, &ip.saddr, 8));
	return sizeof(ip) + sizeof(struct udphdr) + SIZE;
}

static size_t put_v6(struct mr_spoof *spoof, unsigned char *buf, const union mr_sockaddr *to)
{
	struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(sizeof(struct udphdr) + SIZE),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hlim = 64,
		.ip6_dst = to->in6.sin6_addr};
	uint32_t low[2] = {mr_random_below(&spoof->random, UINT32_MAX),
		mr_random_below(&spoof->random, UINT32_MAX)};

	inet_pton(AF_INET6, "2001:2::", &ip.ip6_src);
	memcpy(ip.ip6_src.s6_addr + 8, low, sizeof(low));
	memcpy(buf, &ip, sizeof(ip));
	put_udp(spoof, (struct udphdr *)(buf + sizeof(ip)), to, sum_words(0, &ip.ip6_src, 32));
	return sizeof(ip) + sizeof(struct udphdr) + SIZE;
}

/** Makes and sends one packet. The payload goes in first: the checksum covers it. */
static void send_one(struct mr_spoof *spoof)
{
	_Alignas(8) unsigned char buf[HEADERS_MAX + SIZE];
	uint32_t number = mr_random_below(&spoof->random, spoof->n);
	union mr_sockaddr to = spoof->endpoints[number].relay;
	bool v4 = to.sa.sa_family == AF_INET;
	struct mr_wire_head head = {
		.seq = mr_engine_next_seq(spoof->engine, number) + 1 +
			mr_random_below(&spoof->random, AHEAD),
		.flow = number,
		.port = spoof->endpoints[number].target_port,
		.kind = MR_WIRE_DATA,
	};
	size_t headers =
		(v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr)) + sizeof(struct udphdr);
	size_t size;

	mr_wire_seal(buf + headers, SIZE, &head, NULL, MR_WIRE_SPOOFED);
	size = v4 ? put_v4(spoof, buf, &to) : put_v6(spoof, buf, &to);
	/* raw sockets take the port for a protocol number */
	mr_sockaddr_set_port(&to, 0);
	if (sendto(v4 ? spoof->fd4 : spoof->fd6, buf, size, 0, &to.sa, mr_sockaddr_len(&to)) > 0)
		spoof->sent++;
}

static void *run(void *context)
{
	struct mr_spoof *spoof = context;
	uint64_t start_ns = mr_now_ns();
	double done = 0;

	while (!atomic_load_explicit(&spoof->stop, memory_order_relaxed)) {
		double due = spoof->rate * (double)(mr_now_ns() - start_ns) / 1e9;

		if (done >= due) {
			poll(NULL, 0, 1);
			continue;
		}
		for (unsigned i = 0; i < BATCH && done < due; i++, done++)
			send_one(spoof);
	}
	return NULL;
}

static int open_sockets(struct mr_spoof *spoof)
{
	for (uint32_t i = 0; i < spoof->n; i++) {
		bool v4 = spoof->endpoints[i].relay.sa.sa_family == AF_INET;
		int *fd = v4 ? &spoof->fd4 : &spoof->fd6;

		if (*fd < 0)
			*fd = socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
		if (*fd < 0)
			return -errno;
	}
	return 0;
}

int mr_spoof_start(const struct mr_engine *engine, const struct mr_engine_endpoint *endpoints,
	uint32_t n, double rate, struct mr_spoof **ret_spoof)
{
	struct mr_spoof *spoof = calloc(1, sizeof(*spoof));
	int r;

	if (!spoof)
		return -ENOMEM;
	*spoof = (struct mr_spoof){.engine = engine,
		.endpoints = endpoints,
		.n = n,
		.rate = rate,
		.fd4 = -1,
		.fd6 = -1};
	mr_random_seed(&spoof->random);
	r = open_sockets(spoof);
	if (r == 0)
		r = -pthread_create(&spoof->thread, NULL, run, spoof);
	if (r < 0) {
		mr_close_fd(&spoof->fd4);
		mr_close_fd(&spoof->fd6);
		free(spoof);
		return r;
	}
	*ret_spoof = spoof;
	return 0;
}

uint64_t mr_spoof_stop(struct mr_spoof **spoof_p)
{
	struct mr_spoof *spoof = *spoof_p;
	uint64_t sent;

	if (!spoof)
		return 0;
	atomic_store(&spoof->stop, true);
	pthread_join(spoof->thread, NULL);
	sent = spoof->sent;
	mr_close_fd(&spoof->fd4);
	mr_close_fd(&spoof->fd6);
	free(spoof);
	*spoof_p = NULL;
	return sent;
}
