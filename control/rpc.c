/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc.c - connections of the setup socket: reading lines, keeping answers in order, writing.
 *
 * A connection makes progress in turns alone (rpc_turns.c): a few requests or one slice of a long
 * answer, then it is the next one's. Nothing is read while requests wait to be taken, or answers to
 * be written.
 */
#include "rpc.h"

#include <stdlib.h>
#include <string.h>

#include "rpc_internal.h"

#define TURN_REQUESTS 64      /* requests of one connection before the next one's turn, */
#define TURN_NS       1000000 /* and when no more of them are begun */
#define OUT_HIGH      262144  /* octets of answers that wait before requests do */
#define IN_START      4096
#define IN_MAX        (MR_RPC_LINE_MAX + 1)
#define KEEP_SIZE     16384 /* a buffer of an idle connection that is larger is given back */

/* Input, line by line. */

static void consume(struct mr_rpc_client *client, size_t len)
{
	client->in_at += len;
	client->in_len -= len;
	client->in_scanned = 0;
	if (!client->in_len)
		client->in_at = 0;
}

static bool is_blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!strchr(" \t\r", line[i]) || !line[i])
			return false;
	}
	return true;
}

/* Handles one line. False: there is no whole line yet. */
static bool take_line(struct mr_rpc_client *client)
{
	const char *start = client->in + client->in_at, *end;
	size_t len;

	if (!client->in_len)
		return false;
	end = memchr(start + client->in_scanned, '\n', client->in_len - client->in_scanned);
	client->in_scanned = client->in_len;
	len = end ? (size_t)(end - start) : client->in_len;
	if (client->skipping) {
		client->skipping = !end;
		consume(client, end ? len + 1 : len);
		return end;
	}
	if (len > MR_RPC_LINE_MAX) {
		mr_rpc_request_refuse(client);
		client->skipping = !end;
		consume(client, end ? len + 1 : len);
		return true;
	}
	/* A last line may end with the connection. */
	if (!end && !client->eof)
		return false;
	if (!is_blank(start, len))
		mr_rpc_request_take(client, start, len);
	client->active_ms = uv_now(client->server->config.loop);
	consume(client, end ? len + 1 : len);
	return true;
}

/* Output. */

/* Takes the oldest request off its connection. */
static void pop_request(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = client->head;

	client->head = request->next;
	if (!client->head)
		client->tail = &client->head;
	client->n_requests--;
	mr_rpc_request_free(request);
}

/* Moves answers to the output in the order of their requests. True: a long one is next. */
static bool collect_answers(struct mr_rpc_client *client)
{
	while (client->head && client->head->done) {
		struct mr_rpc_request *request = client->head;

		if (request->text.failed)
			client->cut = true;
		else if (!request->silent)
			mr_json_raw(&client->out, request->text.text, request->text.len);
		client->notes_open |= request->opens_notes;
		pop_request(client);
	}
	if (client->head && client->head->slice)
		return true;
	if (client->notes_open && client->notes.len && client->out.len < OUT_HIGH) {
		mr_json_raw(&client->out, client->notes.text, client->notes.len);
		client->notes.len = 0;
	}
	return false;
}

/* Writes the next slice of the oldest request's answer. */
static void run_slice(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = client->head;

	if (!request->started)
		mr_rpc_request_begin(&client->out, &request->id, "result");
	request->started = true;
	if (request->slice(&client->out, request->context))
		return;
	mr_json_raw(&client->out, "}\n", 2);
	/* It has gone out already: nothing is left to be moved. */
	request->silent = true;
	mr_rpc_request_end_stream(request);
	request->done = true;
}

static void on_written(uv_write_t *write, int status)
{
	struct mr_rpc_client *client = write->data;

	client->writing = false;
	client->progress_ms = uv_now(client->server->config.loop);
	if (client->wire.size > KEEP_SIZE)
		mr_json_clear(&client->wire);
	if (status < 0)
		client->cut = true;
	if (!client->closing)
		mr_rpc_client_wake(client);
}

static void write_out(struct mr_rpc_client *client)
{
	struct mr_json wire = client->out;
	uv_buf_t buf;

	if (client->out.failed) {
		client->cut = true;
		return;
	}
	if (client->writing || !client->out.len)
		return;
	/* The comma's state belongs to the answer that is being written in slices. */
	client->out = client->wire;
	client->out.len = 0;
	client->out.comma = wire.comma;
	client->wire = wire;
	buf = uv_buf_init(wire.text, (unsigned)wire.len);
	client->write.data = client;
	client->writing = true;
	client->progress_ms = uv_now(client->server->config.loop);
	client->wire_left = wire.len;
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buf, 1, on_written)) {
		client->writing = false;
		client->cut = true;
		return;
	}
	mr_rpc_server_watch_deadlines(client->server);
}

/* Input. */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
	struct mr_rpc_client *client = handle->data;

	(void)suggested;
	if (client->in_at) {
		memmove(client->in, client->in + client->in_at, client->in_len);
		client->in_at = 0;
	}
	if (client->in_len == client->in_size && client->in_size < IN_MAX) {
		size_t size =
			client->in_size ? mr_min(client->in_size * 4, (size_t)IN_MAX) : IN_START;
		char *in = realloc(client->in, size);

		if (in) {
			client->in = in;
			client->in_size = size;
		}
	}
	*ret_buf = uv_buf_init(
		client->in + client->in_len, (unsigned)(client->in_size - client->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mr_rpc_client *client = stream->data;

	(void)buf;
	if (n == UV_EOF)
		client->eof = true;
	else if (n < 0)
		client->cut = true;
	else if (n == 0)
		return;
	else
		client->in_len += (size_t)n;
	uv_read_stop(stream);
	client->reading = false;
	mr_rpc_client_wake(client);
}

/* So many answers wait, to be written or for others before them, that requests have to. */
static bool is_full(const struct mr_rpc_client *client)
{
	return client->out.len + client->held >= OUT_HIGH;
}

static bool may_read(const struct mr_rpc_client *client)
{
	return client->identified && !client->eof && !client->cut &&
		client->n_requests < MR_RPC_IN_FLIGHT_MAX && !is_full(client) &&
		!(client->head && client->head->slice) && client->in_len < IN_MAX;
}

/* `due`: there may be a whole line left. */
static void update_reading(struct mr_rpc_client *client, bool due)
{
	bool want = !due && may_read(client);

	if (want == client->reading)
		return;
	if (!want)
		uv_read_stop((uv_stream_t *)&client->pipe);
	else if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read))
		client->cut = true;
	client->reading = want;
}

/* An unfinished line has a time to be finished in. */
static void update_deadline(struct mr_rpc_client *client)
{
	if (!client->in_len && !client->skipping) {
		client->half_line_ms = 0;
		if (client->in_size > KEEP_SIZE) {
			free(client->in);
			client->in = NULL;
			client->in_size = 0;
		}
	} else if (!client->half_line_ms && client->reading) {
		client->half_line_ms = uv_now(client->server->config.loop);
		mr_rpc_server_watch_deadlines(client->server);
	}
}

/* May a request be taken now? */
static bool may_take(const struct mr_rpc_client *client)
{
	return !client->cut && client->n_requests < MR_RPC_IN_FLIGHT_MAX && !is_full(client) &&
		!(client->head && client->head->slice);
}

void mr_rpc_client_turn(struct mr_rpc_client *client)
{
	uint64_t end_ns = uv_hrtime() + TURN_NS;
	unsigned turn = TURN_REQUESTS;

	if (client->running || client->closing)
		return;
	client->running = true;
	while (turn && may_take(client) && take_line(client)) {
		/* The next line's time begins when this one is done with. */
		client->half_line_ms = 0;
		collect_answers(client);
		turn = uv_hrtime() < end_ns ? turn - 1 : 0;
	}
	if (collect_answers(client) && client->out.len < OUT_HIGH) {
		run_slice(client);
		collect_answers(client);
		turn = 0;
	}
	write_out(client);
	update_reading(client, !turn);
	update_deadline(client);
	client->running = false;
	if (client->cut ||
		(client->eof && !client->head && !client->in_len && !client->out.len &&
			!client->writing))
		mr_rpc_client_close(client);
	else if (!turn && client->out.len < OUT_HIGH)
		mr_rpc_client_wake(client);
}

bool mr_rpc_client_is_idle(const struct mr_rpc_client *client)
{
	return client->identified && !client->head && !client->in_len && !client->out.len &&
		!client->writing && !client->skipping && !client->on_close;
}

void mr_rpc_client_drop_answers(struct mr_rpc_client *client)
{
	struct mr_rpc_request **where = &client->head;

	/* Those that somebody still works on stay, to be answered into the void. */
	while (*where) {
		struct mr_rpc_request *request = *where;

		if (request->done || request->slice) {
			*where = request->next;
			client->n_requests--;
			mr_rpc_request_free(request);
		} else {
			where = &request->next;
		}
	}
	client->tail = where;
}
