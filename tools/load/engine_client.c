// SPDX-License-Identifier: BSD-2-Clause
/*
 * engine_client.c - one simulated mosh-client: its sockets, what it sends, what it makes of
 * answers.
 */
#include <assert.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "engine_private.h"

#define EVENTS 64

int mr_engine_move(struct worker *worker, struct client *client)
{
	const struct mr_engine_config *config = &worker->engine->config;
	uint8_t slot = (uint8_t)((client->newest + 1) % SOCKETS);
	const union mr_sockaddr *source = NULL;
	struct epoll_event event = {.events = EPOLLIN};
	mr_cleanup(mr_close_fd) int fd = -1;
	int r;

	if (config->n_sources > 0)
		source = &config->sources[client->source++ % config->n_sources];
	r = mr_udp_connect(source, &client->endpoint->relay, &fd);
	if (r < 0)
		return r;
	event.data.u64 = (uint64_t)(client - worker->clients) * SOCKETS + slot;
	if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	mr_close_fd(&client->fds[slot]);
	client->fds[slot] = fd;
	client->newest = slot;
	fd = -1;
	return 0;
}

void mr_engine_send(struct worker *worker, struct client *client, enum mr_wire_kind kind,
	unsigned n, size_t size, uint16_t answer, uint64_t now_ns)
{
	struct mr_flow_client *flow = &client->flow;
	unsigned done = 0, failures = 0;

	assert(n <= BURST);
	for (unsigned i = 0; i < n; i++) {
		struct mr_wire_head head = mr_flow_client_next(flow, kind, answer, now_ns);

		mr_wire_seal(worker->out_buf[i], size, &head, NULL, MR_WIRE_GENUINE);
		worker->out_iov[i].iov_len = size;
	}
	atomic_store_explicit(&client->next_seq, flow->next_seq, memory_order_relaxed);
	while (done < n) {
		int sent = sendmmsg(client->fds[client->newest], worker->out + done, n - done, 0);

		if (sent > 0)
			done += (unsigned)sent;
		/* ECONNREFUSED and the like report on an earlier datagram and are used up by it */
		else if (errno == EAGAIN || errno == ENOBUFS || ++failures > 2)
			break;
	}
	if (kind == MR_WIRE_DATA) {
		flow->counts.sent += done;
		flow->counts.unsent += n - done;
		bump(&worker->sent, done);
	}
}

static void handle_answer(struct worker *worker, struct client *client,
	const struct mr_wire_head *head, uint64_t now_ns)
{
	mr_hist_add(&worker->round_trip, now_ns - head->sent_ns);
	bump(&worker->answered, 1);
	worker->last_ns = client->heard_ns = now_ns;
	if (client->flow.roam_seq && head->echo >= client->flow.roam_seq) {
		mr_hist_add(&worker->roam, now_ns - client->flow.roam_ns);
		client->flow.roam_seq = 0;
	}
}

static void handle_counts(struct worker *worker, struct client *client,
	const struct mr_wire_head *head, const struct mr_wire_counts *counts)
{
	struct mr_flow_client *flow = &client->flow;
	bool *done = worker->engine->phase == PHASE_BEGIN ? &flow->began : &flow->ended;

	if (worker->engine->phase == PHASE_TRAFFIC || head->echo < flow->query_seq || *done)
		return;
	*done = true;
	*(worker->engine->phase == PHASE_BEGIN ? &flow->before : &flow->after) = *counts;
	worker->asked--;
}

static void receive(struct worker *worker, struct client *client, int fd)
{
	struct mr_wire_counts counts;
	struct mr_wire_head head;
	int n = recvmmsg(fd, worker->in, BATCH, MSG_DONTWAIT, NULL);
	uint64_t now_ns = mr_now_ns();

	for (int i = 0; i < n; i++) {
		switch (mr_flow_client_receive(
			&client->flow, worker->in_buf[i], worker->in[i].msg_len, &head, &counts)) {
		case MR_FLOW_ANSWER:
			handle_answer(worker, client, &head, now_ns);
			break;
		case MR_FLOW_COUNTS:
			handle_counts(worker, client, &head, &counts);
			break;
		case MR_FLOW_STRANGE:
			worker->last_ns = now_ns;
			break;
		}
	}
}

void mr_engine_poll(struct worker *worker, uint64_t wait_ns)
{
	struct timespec wait = {(time_t)(wait_ns / SECOND_NS), (long)(wait_ns % SECOND_NS)};
	struct epoll_event events[EVENTS];
	int n = epoll_pwait2(worker->epoll_fd, events, EVENTS, &wait, NULL);

	for (int i = 0; i < n; i++) {
		struct client *client = &worker->clients[events[i].data.u64 / SOCKETS];

		receive(worker, client, client->fds[events[i].data.u64 % SOCKETS]);
	}
}
