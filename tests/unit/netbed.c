// SPDX-License-Identifier: BSD-2-Clause
/*
 * netbed.c - the namespaces and the loop behind the network tests.
 */
#include "netbed.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define ASK_MS      20

/* A process that does nothing but hold a namespace. */
static int peer_start(void)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the peer has no namespace");
	close(ready[0]);
	return pid;
}

static void run(const char *prefix, const char *format, va_list arguments)
{
	char command[1024];
	int length = snprintf(command, sizeof(command), "%s", prefix);

	length += vsnprintf(command + length, sizeof(command) - (size_t)length, format, arguments);
	cr_assert_lt(length, (int)sizeof(command));
	int status = system(command);
	cr_assert_eq(status, 0, "status %d: %s", status, command);
}

void netbed_here(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	run("", format, arguments);
	va_end(arguments);
}

void netbed_there(const struct netbed *bed, const char *format, ...)
{
	va_list arguments;
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "nsenter --net=/proc/%d/ns/net ", bed->peer);
	va_start(arguments, format);
	run(prefix, format, arguments);
	va_end(arguments);
}

void netbed_open(struct netbed *bed)
{
	struct mr_why why;

	memset(bed, 0, sizeof(*bed));
	cr_assert_eq(unshare(CLONE_NEWNET), 0, "network namespaces need root");
	bed->peer = peer_start();
	netbed_here("ip link set lo up");
	netbed_here("ip link add v0 type veth peer name p0 netns %d", bed->peer);
	netbed_here("ip addr add 10.1.0.1/24 brd + dev v0");
	netbed_here("ip addr add fd01::1/64 dev v0 nodad");
	netbed_here("ip link set v0 up");
	netbed_there(bed, "ip addr add 10.1.0.2/24 dev p0");
	netbed_there(bed, "ip addr add fd01::2/64 dev p0 nodad");
	netbed_there(bed, "ip link set p0 up");
	cr_assert_eq(uv_loop_init(&bed->loop), 0);
	cr_assert_eq(mr_netlink_open(&bed->loop, &bed->netlink, &why), 0, "%s", why.text);
}

void netbed_close(struct netbed *bed)
{
	mr_netlink_close(bed->netlink);
	uv_run(&bed->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&bed->loop), 0, "a handle was left open");
	kill(bed->peer, SIGKILL);
	waitpid(bed->peer, NULL, 0);
}

/* Wakes the loop, and counts its turns. */
static void asked(uv_timer_t *timer)
{
	++*(uint64_t *)timer->data;
}

static bool never(void *context)
{
	(void)context;
	return false;
}

/* Time that passes while this process isn't run is no time for the loop: each ASK_MS has a turn. */
static bool run_until(
	struct netbed *bed, bool (*so)(void *context), void *context, uint64_t milliseconds)
{
	uint64_t turns = 0;
	uv_timer_t timer;
	bool result;

	uv_timer_init(&bed->loop, &timer);
	timer.data = &turns;
	uv_update_time(&bed->loop);
	uv_timer_start(&timer, asked, ASK_MS, ASK_MS);
	uint64_t end = uv_now(&bed->loop) + milliseconds;
	while (!(result = so(context)) &&
		(uv_now(&bed->loop) < end || turns < milliseconds / ASK_MS))
		uv_run(&bed->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&bed->loop, UV_RUN_NOWAIT);
	return result;
}

bool netbed_until(struct netbed *bed, bool (*so)(void *context), void *context)
{
	const char *patience = getenv("PATIENCE");

	return run_until(
		bed, so, context, DEADLINE_MS * (patience ? strtoul(patience, NULL, 10) : 1));
}

void netbed_run(struct netbed *bed, unsigned milliseconds)
{
	run_until(bed, never, NULL, milliseconds);
}

struct mr_addr netbed_addr(const char *text)
{
	struct mr_addr addr;

	cr_assert_eq(mr_addr_parse(text, &addr), 0, "%s is no address", text);
	return addr;
}

uint32_t netbed_ifindex(const char *name)
{
	uint32_t ifindex = if_nametoindex(name);

	cr_assert_neq(ifindex, 0, "no interface %s", name);
	return ifindex;
}

unsigned netbed_seen;

void netbed_note(unsigned changes, void *context)
{
	(void)context;
	netbed_seen |= changes;
}

static bool seen_all(void *wanted)
{
	return (netbed_seen & *(unsigned *)wanted) == *(unsigned *)wanted;
}

void netbed_expect(struct netbed *bed, unsigned wanted)
{
	cr_assert(netbed_until(bed, seen_all, &wanted), "saw %#x, not %#x", netbed_seen, wanted);
	netbed_run(bed, 50); /* what comes late belongs to this step, too */
	netbed_seen = 0;
}
