/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - one packet thread a queue: bursts in, bursts out, and what is no session's to the
 * kernel and back.
 */
#include "worker.h"

#include <errno.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "port.h"
#include "relay.h"
#include "tap.h"
#include "thread.h"

#define TAP_BURST 32
/* How long a worker looks for more before it sleeps, and how long it naps where a port can't wake
 * it. */
#define SPIN_US 20
#define NAP_MS  1

/* While frames come, the TAPs are looked at once in so many polls: that is a system call each. */
#define POLLS_A_TAP 16

/* Frames on their way out by one port. */
struct mr_outgoing {
	struct rte_mbuf *frames[MR_BURST];
	struct mr_relayed what[MR_BURST];
	uint16_t count;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* The daemon reads while we count: whole words, in no order. */
static void count(struct mr_worker *w, unsigned reason, uint64_t packets, uint64_t bytes)
{
	struct mr_reason_count *c = &w->counts[reason];

	__atomic_store_n(&c->packets, c->packets + packets, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes, c->bytes + bytes, __ATOMIC_RELAXED);
}

/* What one burst has sent is mostly of one reason, and counted at once. */
static void count_sent(struct mr_worker *w, const struct mr_relayed *what, uint16_t n)
{
	for (uint16_t i = 0, next; i < n; i = next) {
		uint64_t bytes = 0;

		for (next = i; next < n && what[next].reason == what[i].reason; next++)
			bytes += what[next].len;
		count(w, what[i].reason, next - i, bytes);
	}
}

/*
 * Sends what the port takes; returns how many those are, and the rest is the caller's. A frame of
 * several segments that the port can't send, nor one segment hold, ends the burst like a full ring.
 */
static uint16_t transmit(
	const struct mr_worker *w, const struct mr_port *port, struct rte_mbuf **frames, uint16_t n)
{
	uint16_t fit = n;

	for (uint16_t i = 0; i < n && !port->multi_segs && fit == n; i++) {
		if (frames[i]->nb_segs > 1 && rte_pktmbuf_linearize(frames[i]))
			fit = i;
	}
	return rte_eth_tx_burst(port->id, (uint16_t)w->index, frames, fit);
}

static void send_out(struct mr_worker *w, const struct mr_port *port, struct mr_outgoing *out)
{
	uint16_t sent = transmit(w, port, out->frames, out->count);

	count_sent(w, out->what, sent);
	for (uint16_t i = sent; i < out->count; i++)
		count(w, MR_REASON_unsent, 1, out->what[i].len);
	rte_pktmbuf_free_bulk(out->frames + sent, out->count - sent);
	out->count = 0;
}

/* To the kernel, which has seen it already where it listens itself. */
static void pass(
	const struct mr_worker *w, const struct mr_port *port, struct rte_mbuf **frames, uint16_t n)
{
	if (port->has_tap)
		mr_tap_send(port->tap_fds[w->index], frames, n);
	else
		rte_pktmbuf_free_bulk(frames, n);
}

static void handle(struct mr_worker *w, unsigned port_index, struct rte_mbuf **frames, uint16_t n)
{
	struct mr_backend *b = w->backend;
	const struct mr_port *port = &b->ports[port_index];
	struct mr_relayed what[MR_BURST];
	struct rte_mbuf *passed[MR_BURST], *dropped[MR_BURST];
	struct mr_outgoing *out = w->out;
	const struct mr_port *to = port;
	uint16_t n_passed = 0, n_dropped = 0;

	mr_relay_burst(w, port, frames, n, w->clock(), what);
	for (uint16_t i = 0; i < n; i++) {
		switch (mr_reason_verdict((enum mr_reason)what[i].reason)) {
		case MR_VERDICT_SEND: {
			struct mr_outgoing *o;

			if (to->ifindex != what[i].ifindex)
				to = mr_port_by_ifindex(b, what[i].ifindex);
			o = &out[to - b->ports];
			o->what[o->count] = what[i];
			o->frames[o->count++] = frames[i];
			continue; /* counted when it is sent, or not */
		}
		case MR_VERDICT_PASS:
			passed[n_passed++] = frames[i];
			break;
		case MR_VERDICT_DROP:
			dropped[n_dropped++] = frames[i];
			break;
		}
		count(w, what[i].reason, 1, what[i].len);
	}
	for (unsigned i = 0; i < b->n_ports; i++) {
		if (out[i].count)
			send_out(w, &b->ports[i], &out[i]);
	}
	if (n_passed)
		pass(w, port, passed, n_passed);
	rte_pktmbuf_free_bulk(dropped, n_dropped);
}

/* From the kernel out by the port, as it is. */
static uint16_t send_for_kernel(struct mr_worker *w, const struct mr_port *port)
{
	struct rte_mbuf *frames[TAP_BURST];
	uint32_t frame_max = port->mtu + RTE_ETHER_HDR_LEN + 2 * RTE_VLAN_HLEN;
	uint16_t n = mr_tap_receive(
		port->tap_fds[w->index], w->backend->pool, frame_max, frames, TAP_BURST);
	uint16_t sent;

	if (!n)
		return 0;
	sent = transmit(w, port, frames, n);
	for (uint16_t i = sent; i < n; i++)
		count(w, MR_REASON_unsent, 1, frames[i]->pkt_len);
	rte_pktmbuf_free_bulk(frames + sent, n - sent);
	return n;
}

unsigned mr_worker_poll(struct mr_worker *w)
{
	struct mr_backend *b = w->backend;
	struct rte_mbuf *frames[MR_BURST];
	unsigned total = 0;

	for (unsigned i = 0; i < b->n_ports; i++) {
		uint16_t n;

		if (unlikely(!__atomic_load_n(&b->ports[i].started, __ATOMIC_ACQUIRE)))
			continue;
		n = rte_eth_rx_burst(b->ports[i].id, (uint16_t)w->index, frames, MR_BURST);
		if (n)
			handle(w, i, frames, n);
		total += n;
	}
	if (total && ++w->polls % POLLS_A_TAP)
		return total;
	for (unsigned i = 0; i < b->n_ports; i++) {
		if (b->ports[i].has_tap)
			total += send_for_kernel(w, &b->ports[i]);
	}
	return total;
}

static void arm(const struct mr_worker *w, bool on)
{
	const struct mr_backend *b = w->backend;

	for (unsigned i = 0; i < b->n_ports; i++) {
		if (!b->ports[i].interrupts)
			continue;
		if (on)
			rte_eth_dev_rx_intr_enable(b->ports[i].id, (uint16_t)w->index);
		else
			rte_eth_dev_rx_intr_disable(b->ports[i].id, (uint16_t)w->index);
	}
}

/* A packet socket whose interface goes down has an error, and is readable until that is taken. */
static void take_error(const struct epoll_event *event)
{
	socklen_t size = sizeof(int);
	int error;

	if (event->events & EPOLLERR)
		getsockopt(event->data.fd, SOL_SOCKET, SO_ERROR, &error, &size);
}

/* Until there is a frame, or it is time to end. What came before the interrupts were armed raises
 * none, so the ports are looked at once more. */
static void sleep_until_woken(struct mr_worker *w, int timeout_ms)
{
	struct rte_rcu_qsbr *rcu = w->backend->tables.rcu;
	struct epoll_event events[8];

	arm(w, true);
	if (!mr_worker_poll(w)) {
		int n;

		rte_rcu_qsbr_thread_offline(rcu, w->index);
		n = epoll_wait(w->epoll_fd, events, 8, timeout_ms);
		for (int i = 0; i < n; i++)
			take_error(&events[i]);
		rte_rcu_qsbr_thread_online(rcu, w->index);
	}
	arm(w, false);
}

static bool can_be_woken(const struct mr_worker *w)
{
	const struct mr_backend *b = w->backend;

	for (unsigned i = 0; i < b->n_ports; i++) {
		if (b->ports[i].wake_fds[w->index] < 0)
			return false;
	}
	return true;
}

static int run(void *context)
{
	struct mr_worker *w = context;
	struct mr_backend *b = w->backend;
	uint64_t spin = rte_get_tsc_hz() / 1000000 * SPIN_US, busy = rte_rdtsc();
	int timeout_ms = can_be_woken(w) ? -1 : NAP_MS;

	/* All that is needed is open by now. If it fails, it has no more than the daemon had. */
	mr_thread_keep_capabilities(0);
	rte_rcu_qsbr_thread_register(b->tables.rcu, w->index);
	rte_rcu_qsbr_thread_online(b->tables.rcu, w->index);
	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		if (mr_worker_poll(w)) {
			busy = rte_rdtsc();
		} else if (!b->options.poll && rte_rdtsc() - busy > spin) {
			sleep_until_woken(w, timeout_ms);
			busy = rte_rdtsc();
		} else {
			rte_pause();
		}
		rte_rcu_qsbr_quiescent(b->tables.rcu, w->index);
	}
	rte_rcu_qsbr_thread_offline(b->tables.rcu, w->index);
	rte_rcu_qsbr_thread_unregister(b->tables.rcu, w->index);
	return 0;
}

static int watch(const struct mr_worker *w, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return fd < 0 || !epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? 0 : -errno;
}

int mr_worker_watch(const struct mr_worker *w, const struct mr_port *port)
{
	/* An interrupt is an edge: its descriptor needn't be read then. */
	int rc = watch(
		w, port->wake_fds[w->index], EPOLLIN | (port->interrupts ? (uint32_t)EPOLLET : 0));

	return rc ? rc : watch(w, port->tap_fds[w->index], EPOLLIN);
}

int mr_worker_prepare(struct mr_backend *b, uint32_t index, struct mr_worker *w)
{
	int rc;

	w->backend = b;
	w->index = index;
	w->lcore_id = index + 1;
	w->clock = now_ns;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->epoll_fd < 0 || w->wake_fd < 0)
		return -errno;
	w->out = rte_zmalloc("outgoing", b->n_ports * sizeof(*w->out), 0);
	if (!w->out)
		return -ENOMEM;
	rc = watch(w, w->wake_fd, EPOLLIN);
	for (unsigned i = 0; i < b->n_ports && !rc; i++)
		rc = mr_worker_watch(w, &b->ports[i]);
	return rc;
}

void mr_worker_clear(struct mr_worker *w)
{
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	rte_free(w->out);
}

int mr_workers_start(struct mr_backend *b, struct mr_why *ret_why)
{
	b->workers = rte_zmalloc(
		"workers", b->options.workers * sizeof(*b->workers), RTE_CACHE_LINE_SIZE);
	if (!b->workers)
		return mr_why_set(ret_why, -ENOMEM, "workers don't fit into DPDK's memory");
	for (uint32_t i = 0; i < b->options.workers; i++)
		b->workers[i].epoll_fd = b->workers[i].wake_fd = -1;
	for (uint32_t i = 0; i < b->options.workers; i++) {
		struct mr_worker *w = &b->workers[i];
		int rc = mr_worker_prepare(b, i, w);

		if (!rc)
			rc = rte_eal_remote_launch(run, w, w->lcore_id);
		if (rc) {
			mr_workers_stop(b);
			return mr_why_set(ret_why, rc, "worker %u: %s", i, strerror(-rc));
		}
		w->launched = true;
	}
	return 0;
}

void mr_workers_stop(struct mr_backend *b)
{
	uint64_t one = 1;

	if (!b->workers)
		return;
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < b->options.workers; i++) {
		struct mr_worker *w = &b->workers[i];

		while (w->launched && write(w->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		if (w->launched)
			rte_eal_wait_lcore(w->lcore_id);
		mr_worker_clear(w);
	}
	rte_free(b->workers);
	b->workers = NULL;
}
