// SPDX-License-Identifier: BSD-2-Clause
/*
 * rpc_client.c - see rpc_client.h: requests, and the answers and notifications that come back.
 *
 * Octets and lines are rpc_socket.c's.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "rpc_private.h"

#define SEND_BUFFER ((size_t)1 << 16) /* written before more is put behind it */

/** Longest path of a socket; its NUL is not counted. */
#define PATH_LENGTH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/** No daemon can ever be there: waiting for one makes no sense. */
static enum mr_exit check_path(const char *path, struct mr_rpc_error *ret_error)
{
	size_t length = strlen(path);

	if (length == 0)
		return mr_rpc_fail(
			ret_error, MR_EXIT_USAGE, "the path of the daemon's socket is empty");
	if (length > PATH_LENGTH_MAX)
		return mr_rpc_fail(ret_error, MR_EXIT_USAGE,
			"the path of the daemon's socket has %zu octets, and the system takes %zu "
			"at "
			"most: name it from its directory, or by a shorter link: %s",
			length, PATH_LENGTH_MAX, path);
	return MR_EXIT_DONE;
}

static enum mr_exit fail_connect(struct mr_rpc_error *ret_error, const char *path, int error)
{
	const char *hint = "is moshrelayd running? (-s names another socket)";

	if (error == EACCES || error == EPERM)
		hint = "ask the administrator for access to that path";
	else if (error == EAGAIN || error == ETIMEDOUT)
		hint = "the daemon does not answer";
	return mr_rpc_fail(ret_error, MR_EXIT_UNREACHABLE, "cannot reach the daemon at %s: %s; %s",
		path, strerror(error), hint);
}

enum mr_exit mr_rpc_connect(
	const char *path, int timeout_ms, struct mr_rpc **ret_rpc, struct mr_rpc_error *ret_error)
{
	enum mr_exit status = check_path(path, ret_error);
	struct mr_rpc *rpc;
	int r;

	if (status)
		return status;
	rpc = calloc(1, sizeof(*rpc));
	if (!rpc)
		return mr_rpc_fail_memory(ret_error);
	*rpc = (struct mr_rpc){.fd = -1, .timeout_ms = timeout_ms, .next_id = 1, .answer_id = 1};
	rpc->notifications = json_array();
	if (!rpc->notifications) {
		mr_rpc_close(rpc);
		return mr_rpc_fail_memory(ret_error);
	}
	r = mr_rpc_connect_socket(path, timeout_ms, &rpc->fd);
	if (r < 0) {
		mr_rpc_close(rpc);
		return fail_connect(ret_error, path, -r);
	}
	*ret_rpc = rpc;
	return MR_EXIT_DONE;
}

void mr_rpc_close(struct mr_rpc *rpc)
{
	if (!rpc)
		return;
	mr_close_fd(&rpc->fd);
	json_decref(rpc->notifications);
	free(rpc->in.data);
	free(rpc->out.data);
	free(rpc);
}

void mr_rpc_closep(struct mr_rpc **rpc)
{
	mr_rpc_close(*rpc);
	*rpc = NULL;
}

size_t mr_rpc_pending(const struct mr_rpc *rpc)
{
	return (size_t)(rpc->next_id - rpc->answer_id);
}

int mr_rpc_fd(const struct mr_rpc *rpc)
{
	return rpc->fd;
}

static enum mr_exit parse_line(
	const char *line, size_t length, json_t **ret_document, struct mr_rpc_error *ret_error)
{
	json_error_t error;
	json_t *document = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);

	if (!document)
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not JSON: %s", error.text);
	if (!json_is_object(document)) {
		json_decref(document);
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not an object");
	}
	*ret_document = document;
	return MR_EXIT_DONE;
}

static enum mr_exit next_document(
	struct mr_rpc *rpc, int timeout_ms, json_t **ret_document, struct mr_rpc_error *ret_error)
{
	enum mr_exit status;
	size_t length;
	char *line;

	status = mr_rpc_next_line(rpc, timeout_ms, &line, &length, ret_error);
	return status ? status : parse_line(line, length, ret_document, ret_error);
}

enum mr_exit mr_rpc_send(
	struct mr_rpc *rpc, const char *method, json_t *params, struct mr_rpc_error *ret_error)
{
	json_t *request;
	size_t length;

	request = json_pack("{s:s, s:I, s:s, s:o*}", "jsonrpc", "2.0", "id",
		(json_int_t)rpc->next_id, "method", method, "params", params);
	if (!request)
		return mr_rpc_fail(ret_error, MR_EXIT_USAGE,
			"cannot ask the daemon: an argument is not UTF-8");
	length = json_dumpb(request, NULL, 0, JSON_COMPACT);
	if (length == 0 || mr_rpc_reserve(&rpc->out, length + 1) < 0) {
		json_decref(request);
		return mr_rpc_fail_memory(ret_error);
	}
	json_dumpb(request, rpc->out.data + rpc->out.end, length, JSON_COMPACT);
	rpc->out.end += length;
	rpc->out.data[rpc->out.end++] = '\n';
	json_decref(request);
	rpc->next_id++;
	while (rpc->out.end - rpc->out.start > SEND_BUFFER) {
		enum mr_exit status = mr_rpc_exchange(rpc, rpc->timeout_ms, ret_error);

		if (status)
			return status;
	}
	return MR_EXIT_DONE;
}

/** The exit status that an error code of the daemon stands for. */
static enum mr_exit status_of_code(json_int_t code)
{
	if (code < -32000 && code >= -32000 - (json_int_t)MR_EXIT_LIMIT)
		return (enum mr_exit)(-32000 - code);
	if (code == -32602) /* JSON-RPC's "invalid params" */
		return MR_EXIT_USAGE;
	return MR_EXIT_FAILED;
}

static enum mr_exit take_answer(
	json_t *answer, uint64_t id, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	json_t *result = json_object_get(answer, "result");
	json_t *error = json_object_get(answer, "error");
	json_t *answer_id = json_object_get(answer, "id");
	const char *message = json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	enum mr_exit status;

	/* a request that the daemon couldn't read is answered with a null identifier */
	if (!(json_is_integer(answer_id) && json_integer_value(answer_id) == (json_int_t)id) &&
		!(json_is_null(answer_id) && message))
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: it is to another question");
	if (message) {
		status = mr_rpc_fail(ret_error, status_of_code(code), "%s", message);
		ret_error->answered = true;
		ret_error->code = (int)code;
		return status;
	}
	if (!result || error)
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: neither a result nor an error");
	*ret_result = json_incref(result);
	return MR_EXIT_DONE;
}

/** Keeps a notification that came while an answer was waited for; takes it over. */
static enum mr_exit keep_notification(
	struct mr_rpc *rpc, json_t *document, struct mr_rpc_error *ret_error)
{
	if (json_array_size(rpc->notifications) >= MR_RPC_NOTIFICATIONS) {
		json_decref(document);
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: only notifications");
	}
	if (json_array_append_new(rpc->notifications, document) < 0)
		return mr_rpc_fail_memory(ret_error);
	return MR_EXIT_DONE;
}

/** Takes over a document that isn't a notification: the answer to the oldest request. */
static enum mr_exit finish_request(
	struct mr_rpc *rpc, json_t *document, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	enum mr_exit status = take_answer(document, rpc->answer_id, ret_result, ret_error);

	if (!status || ret_error->answered)
		rpc->answer_id++;
	json_decref(document);
	return status;
}

enum mr_exit mr_rpc_receive(struct mr_rpc *rpc, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	json_t *document;
	enum mr_exit status;

	assert(mr_rpc_pending(rpc) > 0);
	do {
		status = next_document(rpc, rpc->timeout_ms, &document, ret_error);
		if (!status && !json_object_get(document, "method"))
			return finish_request(rpc, document, ret_result, ret_error);
		if (!status)
			status = keep_notification(rpc, document, ret_error);
	} while (!status);
	return status;
}

/**
 * The result in a line that is an answer as our daemon writes it, members in this order; false if
 * it is anything else, which is then read in full.
 */
static bool find_result(
	const struct mr_rpc *rpc, char *line, size_t length, char **ret_text, size_t *ret_length)
{
	char prefix[64];
	size_t n = (size_t)snprintf(prefix, sizeof(prefix),
		"{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":", (unsigned long long)rpc->answer_id);

	if (length <= n || memcmp(line, prefix, n) || line[length - 1] != '}')
		return false;
	*ret_text = line + n;
	*ret_length = length - n - 1;
	return true;
}

/** The answer in a line that find_result() doesn't know; nothing in `*ret_text`: a notification. */
static enum mr_exit read_answer(struct mr_rpc *rpc, const char *line, size_t length,
	char **ret_text, size_t *ret_length, struct mr_rpc_error *ret_error)
{
	json_t *document, *result;
	enum mr_exit status;

	status = parse_line(line, length, &document, ret_error);
	if (status)
		return status;
	if (json_object_get(document, "method"))
		return keep_notification(rpc, document, ret_error);
	status = finish_request(rpc, document, &result, ret_error);
	if (status)
		return status;
	*ret_text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(result);
	if (!*ret_text)
		return mr_rpc_fail_memory(ret_error);
	*ret_length = strlen(*ret_text);
	return MR_EXIT_DONE;
}

enum mr_exit mr_rpc_call_text(struct mr_rpc *rpc, const char *method, json_t *params,
	char **ret_text, size_t *ret_length, struct mr_rpc_error *ret_error)
{
	char *line, *found, *text = NULL;
	enum mr_exit status;
	size_t length;

	assert(mr_rpc_pending(rpc) == 0);
	status = mr_rpc_send(rpc, method, params, ret_error);
	while (!status && !text) {
		status = mr_rpc_next_line(rpc, rpc->timeout_ms, &line, &length, ret_error);
		if (status)
			return status;
		if (find_result(rpc, line, length, &found, &length)) {
			rpc->answer_id++;
			text = strndup(found, length);
			if (!text)
				return mr_rpc_fail_memory(ret_error);
			break;
		}
		status = read_answer(rpc, line, length, &text, &length, ret_error);
	}
	if (status)
		return status;
	*ret_text = text;
	*ret_length = length;
	return MR_EXIT_DONE;
}

enum mr_exit mr_rpc_call(struct mr_rpc *rpc, const char *method, json_t *params,
	json_t **ret_result, struct mr_rpc_error *ret_error)
{
	enum mr_exit status;

	assert(mr_rpc_pending(rpc) == 0);
	status = mr_rpc_send(rpc, method, params, ret_error);
	return status ? status : mr_rpc_receive(rpc, ret_result, ret_error);
}

enum mr_exit mr_rpc_notification(
	struct mr_rpc *rpc, json_t **ret_notification, struct mr_rpc_error *ret_error)
{
	json_t *document = NULL;
	enum mr_exit status;

	if (json_array_size(rpc->notifications) > 0) {
		document = json_incref(json_array_get(rpc->notifications, 0));
		json_array_remove(rpc->notifications, 0);
		*ret_notification = document;
		return MR_EXIT_DONE;
	}
	status = next_document(rpc, MR_RPC_NO_TIMEOUT, &document, ret_error);
	if (status)
		return status;
	if (!json_is_string(json_object_get(document, "method"))) {
		json_decref(document);
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not a notification");
	}
	*ret_notification = document;
	return MR_EXIT_DONE;
}
