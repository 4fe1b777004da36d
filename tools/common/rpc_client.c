// SPDX-License-Identifier: BSD-2-Clause
/*
 * rpc_client.c - see rpc_client.h.
 *
 * The socket is non-blocking and every wait is one poll() for both directions, so a daemon that
 * answers while we still write can never lock up with us.
 */
#include "rpc_client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A `list` of a million sessions is one line; whatever is beyond this is not our daemon. */
#define LINE_MAX_SIZE   ((size_t)1 << 30)
#define READ_SIZE       ((size_t)1 << 16)
#define SEND_BUFFER     ((size_t)1 << 16)
#define NO_SIGPIPE_FLAG 0

#ifdef MSG_NOSIGNAL
#undef NO_SIGPIPE_FLAG
#define NO_SIGPIPE_FLAG MSG_NOSIGNAL
#endif

struct buffer {
	char *data;
	size_t start, end, size; /* data[start..end) is unread */
};

struct mr_rpc {
	int fd;
	int timeout_ms;
	uint64_t next_id;   /* of the next request to send */
	uint64_t answer_id; /* of the oldest unanswered one */
	struct buffer in, out;
	size_t scanned;        /* octets from in.start on that hold no newline */
	json_t *notifications; /* array, oldest first */
};

static enum mr_exit fail(struct mr_rpc_error *ret_error, enum mr_exit status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum mr_exit fail(struct mr_rpc_error *ret_error, enum mr_exit status, const char *fmt, ...)
{
	va_list args;

	*ret_error = (struct mr_rpc_error){.status = status};
	va_start(args, fmt);
	vsnprintf(ret_error->message, sizeof(ret_error->message), fmt, args);
	va_end(args);
	return status;
}

static enum mr_exit fail_memory(struct mr_rpc_error *ret_error)
{
	return fail(ret_error, MR_EXIT_FAILED, "cannot talk to the daemon: out of memory");
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum mr_exit fail_connect(struct mr_rpc_error *ret_error, const char *path, int error)
{
	const char *hint = "is moshrelayd running? (-s names another socket)";

	if (error == EACCES || error == EPERM)
		hint = "ask the administrator for access to that path";
	else if (error == EAGAIN || error == ETIMEDOUT)
		hint = "the daemon does not answer";
	return fail(ret_error, MR_EXIT_UNREACHABLE, "cannot reach the daemon at %s: %s; %s", path,
		strerror(error), hint);
}

/** Connects with a time limit: where the listener's queue is full, Linux blocks and others refuse.
 */
static int connect_socket(const char *path, int timeout_ms, int *ret_fd)
{
	mr_cleanup(mr_close_fd) int fd = -1;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
	int flags;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (timeout_ms > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
#ifdef SO_NOSIGPIPE
	setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &(int){1}, sizeof(int));
#endif
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		if (errno != EINTR)
			return -errno;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

enum mr_exit mr_rpc_connect(
	const char *path, int timeout_ms, struct mr_rpc **ret_rpc, struct mr_rpc_error *ret_error)
{
	struct mr_rpc *rpc = calloc(1, sizeof(*rpc));
	int r;

	if (!rpc)
		return fail_memory(ret_error);
	*rpc = (struct mr_rpc){.fd = -1, .timeout_ms = timeout_ms, .next_id = 1, .answer_id = 1};
	rpc->notifications = json_array();
	if (!rpc->notifications) {
		mr_rpc_close(rpc);
		return fail_memory(ret_error);
	}
	r = connect_socket(path, timeout_ms, &rpc->fd);
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

/** Makes room for `more` octets behind buffer->end. */
static int buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t used = buffer->end - buffer->start, size = buffer->size;
	char *data;

	if (buffer->size - buffer->end >= more)
		return 0;
	if (buffer->start > 0) {
		memmove(buffer->data, buffer->data + buffer->start, used);
		buffer->start = 0;
		buffer->end = used;
	}
	while (size - used < more)
		size = size ? size * 2 : READ_SIZE;
	if (size == buffer->size)
		return 0;
	data = realloc(buffer->data, size);
	if (!data)
		return -ENOMEM;
	buffer->data = data;
	buffer->size = size;
	return 0;
}

static enum mr_exit fail_gone(struct mr_rpc_error *ret_error, int error)
{
	return fail(ret_error, MR_EXIT_UNREACHABLE, "lost the connection to the daemon: %s",
		error ? strerror(error) : "it closed it; its log says why");
}

/** Writes what the socket takes at once. */
static enum mr_exit write_some(struct mr_rpc *rpc, struct mr_rpc_error *ret_error)
{
	struct buffer *out = &rpc->out;

	while (out->start < out->end) {
		ssize_t n = send(
			rpc->fd, out->data + out->start, out->end - out->start, NO_SIGPIPE_FLAG);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return MR_EXIT_DONE;
		if (n < 0)
			return fail_gone(ret_error, errno);
		out->start += (size_t)n;
	}
	out->start = out->end = 0;
	return MR_EXIT_DONE;
}

/** Reads what is there at once; a line may grow up to LINE_MAX_SIZE. */
static enum mr_exit read_some(struct mr_rpc *rpc, struct mr_rpc_error *ret_error)
{
	struct buffer *in = &rpc->in;
	ssize_t n;

	if (in->end - in->start >= LINE_MAX_SIZE)
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: a line of over %zu octets",
			LINE_MAX_SIZE);
	if (buffer_reserve(in, READ_SIZE) < 0)
		return fail_memory(ret_error);
	do {
		n = recv(rpc->fd, in->data + in->end, in->size - in->end, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return MR_EXIT_DONE;
	if (n <= 0)
		return fail_gone(ret_error, n < 0 ? errno : 0);
	in->end += (size_t)n;
	return MR_EXIT_DONE;
}

/** Waits until something can be read, or written where there is something to write; does that. */
static enum mr_exit exchange(struct mr_rpc *rpc, int timeout_ms, struct mr_rpc_error *ret_error)
{
	struct pollfd poll_fd = {.fd = rpc->fd, .events = POLLIN};
	int64_t deadline = now_ms() + timeout_ms;
	int n;

	if (rpc->out.start < rpc->out.end)
		poll_fd.events |= POLLOUT;
	do {
		int64_t left = deadline - now_ms();

		n = poll(&poll_fd, 1, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_gone(ret_error, errno);
	if (n == 0)
		return fail(ret_error, MR_EXIT_UNREACHABLE,
			"the daemon does not answer: nothing for %d s", timeout_ms / 1000);
	/* reading first: a daemon that cuts us off says why before */
	if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
		return read_some(rpc, ret_error);
	return write_some(rpc, ret_error);
}

/** Takes a whole line out of the input, if there is one: `*ret_document` stays NULL if not. */
static enum mr_exit take_line(
	struct mr_rpc *rpc, json_t **ret_document, struct mr_rpc_error *ret_error)
{
	struct buffer *in = &rpc->in;
	size_t length = in->end - in->start;
	json_error_t error;
	json_t *document;
	char *line, *newline;

	if (length == rpc->scanned)
		return MR_EXIT_DONE;
	line = in->data + in->start;
	newline = memchr(line + rpc->scanned, '\n', length - rpc->scanned);
	if (!newline) {
		rpc->scanned = length;
		return MR_EXIT_DONE;
	}
	document = json_loadb(line, (size_t)(newline - line), JSON_REJECT_DUPLICATES, &error);
	in->start += (size_t)(newline - line) + 1;
	rpc->scanned = 0;
	if (in->start == in->end)
		in->start = in->end = 0;
	if (!document)
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not JSON: %s", error.text);
	if (!json_is_object(document)) {
		json_decref(document);
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not an object");
	}
	*ret_document = document;
	return MR_EXIT_DONE;
}

static enum mr_exit next_document(
	struct mr_rpc *rpc, int timeout_ms, json_t **ret_document, struct mr_rpc_error *ret_error)
{
	json_t *document = NULL;
	enum mr_exit status;

	for (;;) {
		status = take_line(rpc, &document, ret_error);
		if (status)
			return status;
		if (document)
			break;
		status = exchange(rpc, timeout_ms, ret_error);
		if (status)
			return status;
	}
	*ret_document = document;
	return MR_EXIT_DONE;
}

enum mr_exit mr_rpc_send(
	struct mr_rpc *rpc, const char *method, json_t *params, struct mr_rpc_error *ret_error)
{
	json_t *request;
	size_t length;

	request = json_pack("{s:s, s:I, s:s, s:o*}", "jsonrpc", "2.0", "id",
		(json_int_t)rpc->next_id, "method", method, "params", params);
	if (!request)
		return fail(ret_error, MR_EXIT_USAGE,
			"cannot ask the daemon: an argument is not UTF-8");
	length = json_dumpb(request, NULL, 0, JSON_COMPACT);
	if (length == 0 || buffer_reserve(&rpc->out, length + 1) < 0) {
		json_decref(request);
		return fail_memory(ret_error);
	}
	json_dumpb(request, rpc->out.data + rpc->out.end, length, JSON_COMPACT);
	rpc->out.end += length;
	rpc->out.data[rpc->out.end++] = '\n';
	json_decref(request);
	rpc->next_id++;
	while (rpc->out.end - rpc->out.start > SEND_BUFFER) {
		enum mr_exit status = exchange(rpc, rpc->timeout_ms, ret_error);

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
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: it is to another question");
	if (message) {
		status = fail(ret_error, status_of_code(code), "%s", message);
		ret_error->answered = true;
		ret_error->code = (int)code;
		return status;
	}
	if (!result || error)
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: neither a result nor an error");
	*ret_result = json_incref(result);
	return MR_EXIT_DONE;
}

enum mr_exit mr_rpc_receive(struct mr_rpc *rpc, json_t **ret_result, struct mr_rpc_error *ret_error)
{
	json_t *document;
	enum mr_exit status;

	assert(mr_rpc_pending(rpc) > 0);
	for (;;) {
		status = next_document(rpc, rpc->timeout_ms, &document, ret_error);
		if (status)
			return status;
		if (!json_object_get(document, "method"))
			break;
		if (json_array_size(rpc->notifications) >= MR_RPC_NOTIFICATIONS) {
			json_decref(document);
			return fail(ret_error, MR_EXIT_FAILED,
				"the daemon's answer makes no sense: only notifications");
		}
		if (json_array_append_new(rpc->notifications, document) < 0)
			return fail_memory(ret_error);
	}
	status = take_answer(document, rpc->answer_id, ret_result, ret_error);
	if (!status || ret_error->answered)
		rpc->answer_id++;
	json_decref(document);
	return status;
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
		return fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: not a notification");
	}
	*ret_notification = document;
	return MR_EXIT_DONE;
}
