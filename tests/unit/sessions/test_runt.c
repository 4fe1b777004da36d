/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_runt.c - the runt itself, sent through real sockets in a network of its own: it comes from
 * the address and port it should, with a checksum that the kernel believes.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runt.h"

static struct mr_runt *runt;

static void init(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct mr_why why;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		cr_assert_fail("no network namespace for the test");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	cr_assert_eq(mr_runt_open(&runt, &why), 0, "%s", why.text);
}

static void fini(void)
{
	mr_runt_close(runt);
}

TestSuite(runt_socket, .init = init, .fini = fini);

static int listener(int family, uint16_t port)
{
	const struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
	const struct sockaddr_in in4 = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = 5};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	cr_assert_eq(family == AF_INET ? bind(fd, (const struct sockaddr *)&in4, sizeof(in4))
				       : bind(fd, (const struct sockaddr *)&in6, sizeof(in6)),
		0);
	return fd;
}

/* What arrives: its source port, and whether it is the cookie alone. */
static uint16_t receive(int fd, uint64_t cookie)
{
	struct sockaddr_in6 from = {0};
	socklen_t from_len = sizeof(from);
	char buf[64];

	cr_assert_eq(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len),
		MR_RUNT_LEN);
	cr_assert_eq(memcmp(buf, &cookie, sizeof(cookie)), 0);
	return ntohs(from.sin6_port); /* where sockaddr_in has it too */
}

Test(runt_socket, arrives_over_ipv4)
{
	const struct mr_addr local = mr_addr_from_v4(htonl(INADDR_LOOPBACK));
	int fd = listener(AF_INET, 60001);

	for (uint64_t cookie = 1; cookie; cookie *= 7919 * 2) {
		cr_assert_eq(mr_runt_send(runt, &local, 61023, &local, 60001, cookie), 0);
		cr_assert_eq(receive(fd, cookie), 61023);
	}
	close(fd);
}

Test(runt_socket, arrives_over_ipv6)
{
	const struct mr_addr local = {.w = {0, 0, 0, htonl(1)}};
	int fd = listener(AF_INET6, 60001);

	for (uint64_t cookie = 1; cookie; cookie *= 7919 * 2) {
		cr_assert_eq(mr_runt_send(runt, &local, 61023, &local, 60001, cookie), 0);
		cr_assert_eq(receive(fd, cookie), 61023);
	}
	close(fd);
}

Test(runt_socket, needs_an_address_of_ours_and_one_family)
{
	const struct mr_addr local = mr_addr_from_v4(htonl(INADDR_LOOPBACK));
	const struct mr_addr local6 = {.w = {0, 0, 0, htonl(1)}},
			     other6 = {.w = {htonl(0x20010db8), 0, 0, 0}};

	cr_assert_lt(mr_runt_send(runt, &other6, 61023, &local6, 60001, 1), 0);
	cr_assert_lt(mr_runt_send(runt, &local, 61023, &local6, 60001, 1), 0, "two families");
}
