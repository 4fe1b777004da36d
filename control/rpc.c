/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc.c - connections of the setup socket: reading lines, keeping answers in order, writing.
 *
 * A connection makes progress in turns (client_run): a few requests or one slice of a long answer,
 * then it is the next one's turn. Nothing is read while answers wait to be written.
 */
#include "rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc_internal.h"

#define TURN_REQUESTS 64     /* requests of one connection before the next one's turn */
#define OUT_HIGH      262144 /* octets of answers that wait before requests do */
#define IN_START      4096
#define IN_MAX        (MR_RPC_LINE_MAX + 1)
#define SWEEP_MS      1000
#define KEEP_SIZE     16384 /* a buffer of an idle connection that is larger is given back */

static void client_run(struct mr_rpc_client *client);

/* Requests. */

static struct mr_rpc_request *request_new(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->client = client;
	*client->tail = request;
	client->tail = &request->next;
	client->n_requests++;
	client->server->n_requests++;
	return request;
}

static void request_free_stream(struct mr_rpc_request *request)
{
	if (request->free_context)
		request->free_context(request->context);
	request->free_context = NULL;
	request->slice = NULL;
}

static void request_free(struct mr_rpc_request *request)
{
	request_free_stream(request);
	mr_json_clear(&request->id);
	mr_json_clear(&request->text);
	free(request);
}

/* Takes the oldest request off its connection. */
static void pop_request(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = client->head;

	client->head = request->next;
	if (!client->head)
		client->tail = &client->head;
	client->n_requests--;
	request_free(request);
}

static void begin_answer(struct mr_json *json, const struct mr_json *id, const char *member)
{
	mr_json_raw(json, "{\"jsonrpc\":\"2.0\",\"id\":", 22);
	if (id->len)
		mr_json_raw(json, id->text, id->len);
	else
		mr_json_raw(json, "null", 4);
	mr_json_raw(json, ",\"", 2);
	mr_json_raw(json, member, strlen(member));
	mr_json_raw(json, "\":", 2);
	json->comma = false;
}

struct mr_json *mr_rpc_request_result(struct mr_rpc_request *request)
{
	assert(!request->text.len);
	begin_answer(&request->text, &request->id, "result");
	return &request->text;
}

static void request_done(struct mr_rpc_request *request)
{
	assert(!request->done);
	request->done = true;
	mr_rpc_client_wake(request->client);
}

void mr_rpc_request_finish(struct mr_rpc_request *request)
{
	mr_json_raw(&request->text, "}\n", 2);
	request_done(request);
}

void mr_rpc_request_fail(
	struct mr_rpc_request *request, enum mr_rpc_code code, const char *format, ...)
{
	struct mr_json *json = &request->text;
	char text[512], number[16];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(number, sizeof(number), "%d", (int)code);
	request->client->server->n_denied += code == MR_RPC_DENIED;
	json->len = 0;
	begin_answer(json, &request->id, "error");
	mr_json_raw(json, "{\"code\":", 8);
	mr_json_raw(json, number, strlen(number));
	json->comma = true;
	mr_json_text(json, "message", text);
	mr_json_raw(json, "}}\n", 3);
	request_done(request);
}

void mr_rpc_request_stream(struct mr_rpc_request *request, mr_rpc_slice_fn *slice,
	mr_rpc_free_fn *free_context, void *context)
{
	request->slice = slice;
	request->free_context = free_context;
	request->context = context;
	mr_rpc_client_wake(request->client);
}

const struct mr_identity *mr_rpc_request_identity(const struct mr_rpc_request *request)
{
	return &request->client->who;
}

struct mr_rpc_client *mr_rpc_request_subscribe(
	struct mr_rpc_request *request, mr_rpc_free_fn *on_close, void *context)
{
	struct mr_rpc_client *client = request->client;

	if (client->on_close)
		return NULL;
	request->opens_notes = true;
	client->on_close = on_close;
	client->on_close_context = context;
	return client;
}

const struct mr_identity *mr_rpc_client_identity(const struct mr_rpc_client *client)
{
	return &client->who;
}

void mr_rpc_client_notify(struct mr_rpc_client *client, const char *line, size_t len)
{
	if (client->closing || client->cut)
		return;
	if (client->notes.len + len > MR_RPC_NOTES_MAX)
		client->cut = true;
	else
		mr_json_raw(&client->notes, line, len);
	mr_rpc_client_wake(client);
}

/* From a line to a request. */

static void dispatch(struct mr_rpc_request *request, json_t *document)
{
	const struct mr_rpc_config *config = &request->client->server->config;
	json_t *version = json_object_get(document, "jsonrpc");
	json_t *method = json_object_get(document, "method");
	json_t *params = json_object_get(document, "params");
	json_t *id = json_object_get(document, "id");

	if (id && (json_is_string(id) || json_is_number(id)))
		mr_json_value(&request->id, NULL, id);
	if (request->id.len > MR_RPC_ID_MAX) {
		mr_json_clear(&request->id);
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"not a request: its id is longer than %d octets", MR_RPC_ID_MAX);
	} else if (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"not a request: \"id\" must be a text, a number or null");
	} else if (!json_is_string(version) || strcmp(json_string_value(version), "2.0")) {
		mr_rpc_request_fail(
			request, MR_RPC_INVALID, "not a request: \"jsonrpc\" must be \"2.0\"");
	} else if (!json_is_string(method)) {
		mr_rpc_request_fail(
			request, MR_RPC_INVALID, "not a request: \"method\" must be a text");
	} else if (params && !json_is_object(params)) {
		request->silent = !id;
		mr_rpc_request_fail(request, MR_RPC_PARAMS, "%.64s: \"params\" must be an object",
			json_string_value(method));
	} else {
		request->silent = !id;
		config->dispatch(request, json_string_value(method), params, config->context);
	}
}

static void take_request(struct mr_rpc_client *client, const char *line, size_t len)
{
	struct mr_rpc_request *request = request_new(client);
	json_error_t error;
	json_t *document;

	if (!request) {
		client->cut = true;
		return;
	}
	document = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!document)
		mr_rpc_request_fail(request, MR_RPC_PARSE, "not a JSON document: %s", error.text);
	else if (json_is_array(document))
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"batches are not supported: send one request a line");
	else if (!json_is_object(document))
		mr_rpc_request_fail(request, MR_RPC_INVALID, "not a request: expected an object");
	else
		dispatch(request, document);
	json_decref(document);
}

static void refuse_long_line(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = request_new(client);

	if (request)
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"not a request: the line is longer than %d octets", MR_RPC_LINE_MAX);
	else
		client->cut = true;
}

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
		refuse_long_line(client);
		client->skipping = !end;
		consume(client, end ? len + 1 : len);
		return true;
	}
	/* A last line may end with the connection. */
	if (!end && !client->eof)
		return false;
	if (!is_blank(start, len))
		take_request(client, start, len);
	client->active_ms = uv_now(client->server->config.loop);
	consume(client, end ? len + 1 : len);
	return true;
}

/* Output. */

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
		begin_answer(&client->out, &request->id, "result");
	request->started = true;
	if (request->slice(&client->out, request->context))
		return;
	mr_json_raw(&client->out, "}\n", 2);
	/* It has gone out already: nothing is left to be moved. */
	request->silent = true;
	request_free_stream(request);
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
		client_run(client);
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
	client_run(client);
}

static bool may_read(const struct mr_rpc_client *client)
{
	return client->identified && !client->eof && !client->cut &&
		client->n_requests < MR_RPC_IN_FLIGHT_MAX && client->out.len < OUT_HIGH &&
		!(client->head && client->head->slice) && client->in_len < IN_MAX;
}

static void update_reading(struct mr_rpc_client *client)
{
	bool want = may_read(client);

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
	return !client->cut && client->n_requests < MR_RPC_IN_FLIGHT_MAX &&
		client->out.len < OUT_HIGH && !(client->head && client->head->slice);
}

/* One turn of a connection. */
static void client_run(struct mr_rpc_client *client)
{
	unsigned turn = TURN_REQUESTS;

	if (client->running || client->closing)
		return;
	client->running = true;
	while (turn && may_take(client) && take_line(client)) {
		/* The next line's time begins when this one is done with. */
		client->half_line_ms = 0;
		collect_answers(client);
		turn--;
	}
	if (collect_answers(client) && client->out.len < OUT_HIGH) {
		run_slice(client);
		collect_answers(client);
		turn = 0;
	}
	write_out(client);
	update_reading(client);
	update_deadline(client);
	client->running = false;
	if (client->cut ||
		(client->eof && !client->head && !client->in_len && !client->out.len &&
			!client->writing))
		mr_rpc_client_close(client);
	else if (!turn && client->out.len < OUT_HIGH)
		mr_rpc_client_wake(client);
}

void mr_rpc_client_turn(struct mr_rpc_client *client)
{
	client_run(client);
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
			request_free(request);
		} else {
			where = &request->next;
		}
	}
	client->tail = where;
}
