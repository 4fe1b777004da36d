/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runt.c - probing whether a target is there: when, with what, and what the answers mean.
 *
 * Sent through raw sockets that take whole packets (IPPROTO_RAW): those never receive anything, so
 * the host's own traffic isn't copied to us.
 */
#include "runt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "csum.h"
#include "random.h"

#define TTL 64

struct mr_runt {
	int v4, v6; /* -1: none */
};

/* The longer the silence, the rarer: an eighth of it. */
static int64_t interval(const struct mr_runt_state *state, int64_t silence)
{
	if (state->hits > 0)
		return MR_RUNT_URGENT_NS;
	if (silence / 8 > MR_RUNT_LONGEST_NS)
		return MR_RUNT_LONGEST_NS;
	return silence / 8 > MR_RUNT_INTERVAL_NS ? silence / 8 : MR_RUNT_INTERVAL_NS;
}

bool mr_runt_is_due(const struct mr_runt_state *state, int64_t target_ns, int64_t now)
{
	if (target_ns == INT64_MIN || now - target_ns < MR_RUNT_SILENCE_NS)
		return false;
	return state->sent_ns == 0 || now - state->sent_ns >= interval(state, now - target_ns);
}

uint64_t mr_runt_begin(struct mr_runt_state *state, int64_t now)
{
	do {
		state->cookie = mr_random_u64();
	} while (state->cookie == 0);
	state->sent_ns = now;
	return state->cookie;
}

enum mr_runt_answer mr_runt_judge(struct mr_runt_state *state, const uint8_t payload[MR_RUNT_LEN],
	int64_t target_ns, int64_t now)
{
	if (state->cookie == 0 || memcmp(payload, &state->cookie, MR_RUNT_LEN) != 0)
		return MR_RUNT_FORGED;
	state->cookie = 0; /* one runt, one answer */
	if (state->hits == 0 || target_ns >= state->first_hit_ns) {
		state->hits = 0;
		state->first_hit_ns = now;
	}
	if (state->hits < MR_RUNT_HITS)
		state->hits++;
	if (state->hits >= MR_RUNT_HITS && now - state->first_hit_ns >= MR_RUNT_SPAN_NS)
		return MR_RUNT_GONE;
	return MR_RUNT_HIT;
}

static int raw_socket(int family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	return fd < 0 ? -errno : fd;
}

int mr_runt_open(struct mr_runt **ret_runt, struct mr_why *ret_why)
{
	struct mr_runt *runt = malloc(sizeof(*runt));
	int r = -ENOMEM;

	if (runt) {
		runt->v4 = raw_socket(AF_INET);
		runt->v6 = raw_socket(AF_INET6);
		r = runt->v4 < 0 ? runt->v4 : runt->v6 < 0 ? runt->v6 : 0;
		if (runt->v4 >= 0 && runt->v6 == -EAFNOSUPPORT)
			r = 0;
	}
	if (r < 0) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"opening raw sockets to find out whether silent targets are gone: %s%s",
			strerror(-r), r == -EPERM ? "; it takes CAP_NET_RAW" : "");
		mr_runt_close(runt);
		return r;
	}
	*ret_runt = runt;
	return 0;
}

void mr_runt_close(struct mr_runt *runt)
{
	if (!runt)
		return;
	if (runt->v4 >= 0)
		close(runt->v4);
	if (runt->v6 >= 0)
		close(runt->v6);
	free(runt);
}

struct datagram {
	struct mr_udp udp;
	uint64_t cookie;
} __attribute__((packed));

struct packet4 {
	struct mr_ipv4 ip;
	struct datagram datagram;
} __attribute__((packed));

struct packet6 {
	struct mr_ipv6 ip;
	struct datagram datagram;
} __attribute__((packed));

_Static_assert(sizeof(struct datagram) == MR_UDP_LEN + MR_RUNT_LEN, "wire");
_Static_assert(sizeof(struct packet4) == MR_IPV4_LEN + MR_UDP_LEN + MR_RUNT_LEN, "wire");
_Static_assert(sizeof(struct packet6) == MR_IPV6_LEN + MR_UDP_LEN + MR_RUNT_LEN, "wire");

static struct datagram make_datagram(const struct mr_addr *upstream, uint16_t upstream_port,
	const struct mr_addr *target, uint16_t target_port, uint64_t cookie)
{
	struct datagram datagram = {
		.udp.sport = htons(upstream_port),
		.udp.dport = htons(target_port),
		.udp.len = htons(sizeof(datagram)),
		.cookie = cookie,
	};
	uint16_t words[sizeof(datagram) / 2];
	uint64_t sum;

	memcpy(words, &datagram, sizeof(words));
	sum = mr_csum_addr(upstream) + mr_csum_addr(target) + htons(IPPROTO_UDP) +
		htons(sizeof(datagram));
	for (size_t i = 0; i < sizeof(words) / 2; i++)
		sum += words[i];
	datagram.udp.csum = mr_csum_udp_wire((uint16_t)~mr_csum_fold(sum));
	return datagram;
}

/* The source address takes part in choosing the route only if it is told apart from the packet. */
static int send_packet(int fd, const void *packet, size_t size, const void *name,
	socklen_t name_len, int level, int type, const void *info, size_t info_len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)packet, .iov_len = size};
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)name,
		.msg_namelen = name_len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(info_len),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(info_len);
	memcpy(CMSG_DATA(cmsg), info, info_len);
	if (fd < 0)
		return -EAFNOSUPPORT;
	return sendmsg(fd, &msg, 0) < 0 ? -errno : 0;
}

static int send4(struct mr_runt *runt, const struct mr_addr *upstream, const struct mr_addr *target,
	const struct datagram *datagram)
{
	/* The kernel fills in length, identification and checksum: raw(7). */
	const struct packet4 packet = {
		.ip = {.version_ihl = 0x45,
			.ttl = TTL,
			.proto = IPPROTO_UDP,
			.frag = htons(MR_IPV4_DF),
			.src = upstream->w[3],
			.dst = target->w[3]},
		.datagram = *datagram,
	};
	const struct in_pktinfo info = {.ipi_spec_dst.s_addr = upstream->w[3]};
	const struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = target->w[3]};

	return send_packet(runt->v4, &packet, sizeof(packet), &name, sizeof(name), IPPROTO_IP,
		IP_PKTINFO, &info, sizeof(info));
}

static int send6(struct mr_runt *runt, const struct mr_addr *upstream, const struct mr_addr *target,
	const struct datagram *datagram)
{
	struct packet6 packet = {
		.ip = {.flow = htonl(0x60000000),
			.payload_len = htons(sizeof(*datagram)),
			.next = IPPROTO_UDP,
			.hop_limit = TTL},
		.datagram = *datagram,
	};
	struct in6_pktinfo info = {0};
	struct sockaddr_in6 name = {.sin6_family = AF_INET6};

	memcpy(&packet.ip.src, upstream, sizeof(*upstream));
	memcpy(&packet.ip.dst, target, sizeof(*target));
	memcpy(&info.ipi6_addr, upstream, sizeof(*upstream));
	memcpy(&name.sin6_addr, target, sizeof(*target));
	return send_packet(runt->v6, &packet, sizeof(packet), &name, sizeof(name), IPPROTO_IPV6,
		IPV6_PKTINFO, &info, sizeof(info));
}

int mr_runt_send(struct mr_runt *runt, const struct mr_addr *upstream, uint16_t upstream_port,
	const struct mr_addr *target, uint16_t target_port, uint64_t cookie)
{
	const struct datagram datagram =
		make_datagram(upstream, upstream_port, target, target_port, cookie);

	if (mr_addr_is_v4(upstream) != mr_addr_is_v4(target))
		return -EINVAL;
	if (mr_addr_is_v4(target))
		return send4(runt, upstream, target, &datagram);
	return send6(runt, upstream, target, &datagram);
}
