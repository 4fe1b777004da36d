/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_request.c - one request: made of a line, dispatched, answered.
 *
 * When its answer goes out, and after which others, is rpc.c's.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc_internal.h"

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

void mr_rpc_request_end_stream(struct mr_rpc_request *request)
{
	if (request->free_context)
		request->free_context(request->context);
	request->free_context = NULL;
	request->slice = NULL;
}

void mr_rpc_request_free(struct mr_rpc_request *request)
{
	if (request->done)
		request->client->held -= request->text.len;
	mr_rpc_request_end_stream(request);
	mr_json_clear(&request->id);
	mr_json_clear(&request->text);
	free(request);
}

void mr_rpc_request_begin(struct mr_json *json, const struct mr_json *id, const char *member)
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
	mr_rpc_request_begin(&request->text, &request->id, "result");
	return &request->text;
}

static void request_done(struct mr_rpc_request *request)
{
	assert(!request->done);
	request->done = true;
	request->client->held += request->text.len;
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
	mr_rpc_request_begin(json, &request->id, "error");
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

void mr_rpc_request_take(struct mr_rpc_client *client, const char *line, size_t len)
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
		mr_rpc_request_fail(request, MR_RPC_PARSE, "not a JSON document: %s",
			json_error_code(&error) == json_error_null_character
				? "a text has \\u0000 in it, which nothing here may contain"
				: error.text);
	else if (json_is_array(document))
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"batches are not supported: send one request a line");
	else if (!json_is_object(document))
		mr_rpc_request_fail(request, MR_RPC_INVALID, "not a request: expected an object");
	else
		dispatch(request, document);
	json_decref(document);
}

void mr_rpc_request_refuse(struct mr_rpc_client *client)
{
	struct mr_rpc_request *request = request_new(client);

	if (request)
		mr_rpc_request_fail(request, MR_RPC_INVALID,
			"not a request: the line is longer than %d octets", MR_RPC_LINE_MAX);
	else
		client->cut = true;
}
