// SPDX-License-Identifier: BSD-2-Clause
/*
 * serve.c - see serve.h. One thread: the sockets are in one epoll set, datagrams go in and out by
 * the batch. What it remembers of flows has a cap: the oldest run makes room for a new one.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"
#include "flow.h"

#define BATCH      64
#define EVENTS     64
#define RUNS       8         /* that are remembered at a time */
#define FLOWS_MAX  (1 << 20) /* of one run */
#define FLOWS_STEP 1024
#define SIGNAL_KEY UINT64_MAX

struct run {
	uint32_t id;
	uint32_t n;
	uint64_t heard_ns;
	struct mr_flow_target *flows;
};

struct port {
	int fd;
	uint16_t number;
	uint64_t corrupted;
};

struct serve {
	int epoll_fd;
	int signal_fd;
	unsigned n_ports;
	struct port *ports;
	struct run runs[RUNS];
	struct mmsghdr in[BATCH], out[BATCH];
	struct iovec in_iov[BATCH], out_iov[BATCH];
	union mr_sockaddr peers[BATCH];
	unsigned char in_buf[BATCH][MR_WIRE_MAX + 1], out_buf[BATCH][MR_WIRE_MAX];
};

static struct run *find_run(struct serve *serve, uint32_t id, uint64_t now_ns)
{
	struct run *oldest = &serve->runs[0];

	for (unsigned i = 0; i < RUNS; i++) {
		struct run *run = &serve->runs[i];

		if (run->flows && run->id == id) {
			run->heard_ns = now_ns;
			return run;
		}
		if (run->heard_ns < oldest->heard_ns)
			oldest = run;
	}
	free(oldest->flows);
	*oldest = (struct run){.id = id, .heard_ns = now_ns};
	return oldest;
}

/** NULL: no memory, or a number beyond the cap. */
static struct mr_flow_target *find_flow(
	struct serve *serve, uint32_t run_id, uint32_t number, uint64_t now_ns)
{
	struct run *run = find_run(serve, run_id, now_ns);
	uint32_t n = (number / FLOWS_STEP + 1) * FLOWS_STEP;
	struct mr_flow_target *flows;

	if (number < run->n)
		return &run->flows[number];
	if (number >= FLOWS_MAX)
		return NULL;
	flows = reallocarray(run->flows, n, sizeof(*flows));
	if (!flows)
		return NULL;
	memset(flows + run->n, 0, (n - run->n) * sizeof(*flows));
	run->flows = flows;
	run->n = n;
	return &flows[number];
}

/** Writes the answer to one datagram; its size, or 0: mosh-server would keep silent. */
static size_t answer(struct serve *serve, struct port *port, const void *in, size_t size, void *out,
	uint64_t now_ns)
{
	struct mr_wire_head head, reply;
	struct mr_wire_counts counts;
	struct mr_flow_target *flow;
	size_t reply_size;

	switch (mr_wire_open(in, size, &head, NULL)) {
	case MR_WIRE_FOREIGN:
		port->corrupted++;
		return 0;
	case MR_WIRE_SPOOFED:
		return 0;
	case MR_WIRE_GENUINE:
		break;
	}
	if (head.to_client)
		return 0;
	flow = find_flow(serve, head.run, head.flow, now_ns);
	if (!flow || !mr_flow_target_receive(flow, &head, port->number))
		return 0;
	reply = head;
	reply.seq = flow->next_seq++;
	reply.echo = head.seq;
	reply.to_client = true;
	if (head.kind == MR_WIRE_QUERY) {
		counts = flow->counts;
		counts.corrupted = port->corrupted;
		reply.kind = MR_WIRE_COUNTS;
		reply_size = MR_WIRE_MIN + sizeof(counts);
	} else {
		flow->counts.answered++;
		reply.kind = MR_WIRE_ANSWER;
		reply_size = head.answer < MR_WIRE_MIN ? MR_WIRE_MIN : head.answer;
		if (reply_size > MR_WIRE_MAX)
			reply_size = MR_WIRE_MAX;
	}
	mr_wire_seal(out, reply_size, &reply, &counts, MR_WIRE_GENUINE);
	return reply_size;
}

/** Sends all of `n`; waits where the kernel's queue is full, because a target loses nothing. */
static void send_all(struct serve *serve, int fd, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		int sent = sendmmsg(fd, serve->out + done, n - done, 0);

		if (sent > 0) {
			done += (unsigned)sent;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};

			poll(&wait, 1, 1);
			continue;
		}
		done++; /* an earlier datagram's ICMP error, or no route: that answer is lost */
	}
}

static void serve_port(struct serve *serve, struct port *port)
{
	int n;

	for (unsigned i = 0; i < BATCH; i++)
		serve->in[i].msg_hdr.msg_namelen = sizeof(serve->peers[i]);
	n = recvmmsg(port->fd, serve->in, BATCH, MSG_DONTWAIT, NULL);
	if (n > 0) {
		uint64_t now_ns = mr_now_ns();
		unsigned replies = 0;

		for (int i = 0; i < n; i++) {
			size_t size = answer(serve, port, serve->in_buf[i], serve->in[i].msg_len,
				serve->out_buf[replies], now_ns);

			if (size == 0)
				continue;
			serve->out_iov[replies].iov_len = size;
			serve->out[replies].msg_hdr.msg_name = &serve->peers[i];
			serve->out[replies].msg_hdr.msg_namelen = serve->in[i].msg_hdr.msg_namelen;
			replies++;
		}
		send_all(serve, port->fd, replies);
	}
}

static void prepare_batches(struct serve *serve)
{
	for (unsigned i = 0; i < BATCH; i++) {
		/* one octet more than the largest datagram, so that a longer one is seen as foreign
		 */
		serve->in_iov[i] = (struct iovec){serve->in_buf[i], sizeof(serve->in_buf[i])};
		serve->out_iov[i] = (struct iovec){serve->out_buf[i], 0};
		serve->in[i].msg_hdr = (struct msghdr){.msg_name = &serve->peers[i],
			.msg_iov = &serve->in_iov[i],
			.msg_iovlen = 1};
		serve->out[i].msg_hdr =
			(struct msghdr){.msg_iov = &serve->out_iov[i], .msg_iovlen = 1};
	}
}

static int open_ports(struct serve *serve, const union mr_sockaddr *address,
	struct mr_port_range range, uint16_t *ret_port)
{
	union mr_sockaddr local = *address;
	unsigned count = mr_port_range_count(range);
	int r = mr_want_files(count);

	if (r < 0)
		return r;
	serve->ports = calloc(count, sizeof(*serve->ports));
	if (!serve->ports)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		struct port *port = &serve->ports[i];
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};

		port->number = (uint16_t)(range.lo + i);
		*ret_port = port->number;
		mr_sockaddr_set_port(&local, port->number);
		r = mr_udp_bind(&local, &port->fd);
		if (r < 0)
			return r;
		serve->n_ports++;
		if (epoll_ctl(serve->epoll_fd, EPOLL_CTL_ADD, port->fd, &event) < 0)
			return -errno;
	}
	*ret_port = 0;
	return 0;
}

static int open_signals(struct serve *serve)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = SIGNAL_KEY};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	serve->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	serve->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (serve->epoll_fd < 0 || serve->signal_fd < 0)
		return -errno;
	if (epoll_ctl(serve->epoll_fd, EPOLL_CTL_ADD, serve->signal_fd, &event) < 0)
		return -errno;
	return 0;
}

static int loop(struct serve *serve)
{
	struct epoll_event events[EVENTS];

	for (;;) {
		int n = epoll_wait(serve->epoll_fd, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == SIGNAL_KEY)
				return 0;
			serve_port(serve, &serve->ports[events[i].data.u64]);
		}
	}
}

static void serve_free(struct serve **serve_p)
{
	struct serve *serve = *serve_p;

	if (!serve)
		return;
	for (unsigned i = 0; i < serve->n_ports; i++)
		mr_close_fd(&serve->ports[i].fd);
	free(serve->ports);
	for (unsigned i = 0; i < RUNS; i++)
		free(serve->runs[i].flows);
	mr_close_fd(&serve->epoll_fd);
	mr_close_fd(&serve->signal_fd);
	free(serve);
}

int mr_serve_run(const union mr_sockaddr *address, struct mr_port_range ports,
	void (*ready)(void *context), void *context, uint16_t *ret_port)
{
	mr_cleanup(serve_free) struct serve *serve = calloc(1, sizeof(*serve));
	uint16_t port = 0;
	int r;

	if (!serve)
		return -ENOMEM;
	serve->epoll_fd = serve->signal_fd = -1;
	prepare_batches(serve);
	r = open_signals(serve);
	if (r == 0)
		r = open_ports(serve, address, ports, &port);
	if (r < 0) {
		*ret_port = port;
		return r;
	}
	ready(context);
	return loop(serve);
}
