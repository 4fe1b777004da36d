// SPDX-License-Identifier: BSD-2-Clause
/*
 * rpc_socket.c - octets and lines between rpc_client.c and the daemon's socket.
 *
 * The socket is non-blocking and every wait is one poll() for both directions, so a daemon that
 * answers while we still write can never lock up with us. Portable POSIX.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc_private.h"

/* A `list` of a million sessions is one line; whatever is beyond this is not our daemon. */
#define LINE_MAX_SIZE ((size_t)1 << 30)
#define READ_SIZE     ((size_t)1 << 16)

/* Elsewhere it is an option of the socket: mr_rpc_connect_socket(). */
#ifdef MSG_NOSIGNAL
#define NO_SIGPIPE MSG_NOSIGNAL
#else
#define NO_SIGPIPE 0
#endif

enum mr_exit mr_rpc_fail(struct mr_rpc_error *ret_error, enum mr_exit status, const char *fmt, ...)
{
	va_list args;

	*ret_error = (struct mr_rpc_error){.status = status};
	va_start(args, fmt);
	vsnprintf(ret_error->message, sizeof(ret_error->message), fmt, args);
	va_end(args);
	return status;
}

enum mr_exit mr_rpc_fail_memory(struct mr_rpc_error *ret_error)
{
	return mr_rpc_fail(ret_error, MR_EXIT_FAILED, "cannot talk to the daemon: out of memory");
}

int mr_rpc_connect_socket(const char *path, int timeout_ms, int *ret_fd)
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

int mr_rpc_reserve(struct buffer *buffer, size_t more)
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
	return mr_rpc_fail(ret_error, MR_EXIT_UNREACHABLE, "lost the connection to the daemon: %s",
		error ? strerror(error) : "it closed it; its log says why");
}

/** Writes what the socket takes at once. */
static enum mr_exit write_some(struct mr_rpc *rpc, struct mr_rpc_error *ret_error)
{
	struct buffer *out = &rpc->out;

	while (out->start < out->end) {
		ssize_t n =
			send(rpc->fd, out->data + out->start, out->end - out->start, NO_SIGPIPE);

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
		return mr_rpc_fail(ret_error, MR_EXIT_FAILED,
			"the daemon's answer makes no sense: a line of over %zu octets",
			LINE_MAX_SIZE);
	if (mr_rpc_reserve(in, READ_SIZE) < 0)
		return mr_rpc_fail_memory(ret_error);
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

enum mr_exit mr_rpc_exchange(struct mr_rpc *rpc, int timeout_ms, struct mr_rpc_error *ret_error)
{
	struct pollfd poll_fd = {.fd = rpc->fd, .events = POLLIN};
	int64_t deadline = mr_cli_clock_ms() + timeout_ms;
	int n;

	if (rpc->out.start < rpc->out.end)
		poll_fd.events |= POLLOUT;
	do {
		int64_t left = deadline - mr_cli_clock_ms();

		n = poll(&poll_fd, 1, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail_gone(ret_error, errno);
	if (n == 0)
		return mr_rpc_fail(ret_error, MR_EXIT_UNREACHABLE,
			"the daemon does not answer: nothing for %d s", timeout_ms / 1000);
	/* reading first: a daemon that cuts us off says why before */
	if (poll_fd.revents & (POLLIN | POLLHUP | POLLERR))
		return read_some(rpc, ret_error);
	return write_some(rpc, ret_error);
}

/** A whole line at the start of the input, without its newline, if there is one. */
static bool find_line(struct mr_rpc *rpc, char **ret_line, size_t *ret_length)
{
	size_t length = rpc->in.end - rpc->in.start;
	char *line = rpc->in.data + rpc->in.start, *newline;

	if (length == rpc->scanned)
		return false;
	newline = memchr(line + rpc->scanned, '\n', length - rpc->scanned);
	if (!newline) {
		rpc->scanned = length;
		return false;
	}
	*ret_line = line;
	*ret_length = (size_t)(newline - line);
	return true;
}

/** Removes the line that find_line() found, which stays where it is until more is read. */
static void drop_line(struct mr_rpc *rpc, size_t length)
{
	rpc->in.start += length + 1;
	rpc->scanned = 0;
	if (rpc->in.start == rpc->in.end)
		rpc->in.start = rpc->in.end = 0;
}

enum mr_exit mr_rpc_next_line(struct mr_rpc *rpc, int timeout_ms, char **ret_line,
	size_t *ret_length, struct mr_rpc_error *ret_error)
{
	enum mr_exit status;

	while (!find_line(rpc, ret_line, ret_length)) {
		status = mr_rpc_exchange(rpc, timeout_ms, ret_error);
		if (status)
			return status;
	}
	drop_line(rpc, *ret_length);
	return MR_EXIT_DONE;
}
