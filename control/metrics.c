/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.c - the HTTP server of the metrics: libmicrohttpd without threads, driven by the loop
 * through its epoll descriptor.
 */
#include "metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct mr_metrics {
	struct mr_api *api;
	struct mr_subscriber subscriber;
	uint64_t ends[MR_METRICS_ENDS];
	struct MHD_Daemon *http;
	uv_poll_t poll;
	uv_timer_t timer; /* when the library wants to be called without an event */
	unsigned handles; /* that are not closed yet */
};

static void on_notice(const struct mr_notice *notice, void *context)
{
	struct mr_metrics *metrics = context;

	if (notice->kind == MR_NOTICE_CLOSED)
		metrics->ends[notice->end]++;
}

/* Answering. */

/* `mode` says whose `text` is. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type,
	char *text, size_t size, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, mode);
	enum MHD_Result result = MHD_NO;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
	return answer(connection, status, "text/plain", (char *)(uintptr_t)why, strlen(why),
		MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **ret_state)
{
	struct mr_metrics *metrics = context;
	size_t size;
	char *text;

	(void)version;
	(void)upload;
	(void)ret_state;
	if (*upload_size) { /* nobody wants it */
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse(
			connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is possible here\n");
	if (strcmp(url, "/metrics"))
		return refuse(connection, MHD_HTTP_NOT_FOUND, "moshrelayd has only /metrics\n");
	if (mr_metrics_text(metrics->api, metrics->ends, &text, &size))
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"the dataplane's counters can't be read\n");
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text,
		size, MHD_RESPMEM_MUST_FREE);
}

/* Running it on the loop. */

static void on_timer(uv_timer_t *timer);

static unsigned count_connections(const struct mr_metrics *metrics)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(metrics->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

static void run(struct mr_metrics *metrics)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	unsigned before;

	/* At the limit of connections the library does not listen; it does so again in the first
	 * run after one has ended, for which no event and no timeout may come (0.9.75). */
	do {
		before = count_connections(metrics);
		MHD_run(metrics->http);
	} while (count_connections(metrics) < before);
	if (MHD_get_timeout(metrics->http, &wait_ms) == MHD_YES)
		uv_timer_start(&metrics->timer, on_timer, wait_ms, 0);
	else
		uv_timer_stop(&metrics->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_events(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* Opening and closing. */

static int listen_on(const struct mr_addr *addr, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v4 = mr_addr_is_v4(addr);
	const struct sockaddr *name = v4 ? (const void *)&in4 : (const void *)&in6;
	const int on = 1;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	memcpy(&in6.sin6_addr, addr->w, sizeof(in6.sin6_addr));
	memcpy(&in4.sin_addr, &addr->w[3], sizeof(in4.sin_addr));
	/* A restart must not wait for its own old connections. */
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
		!bind(fd, name, v4 ? sizeof(in4) : sizeof(in6)) &&
		!listen(fd, MR_METRICS_CONNECTIONS))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int start_http(struct mr_metrics *metrics, int fd)
{
	metrics->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, metrics,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MR_METRICS_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)MR_METRICS_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)MR_METRICS_MEMORY, MHD_OPTION_END);
	return metrics->http ? 0 : -EIO;
}

static int follow(struct mr_metrics *metrics, uv_loop_t *loop)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(metrics->http, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? uv_poll_init(loop, &metrics->poll, info->epoll_fd) : -EIO;

	if (r)
		return r;
	uv_timer_init(loop, &metrics->timer);
	metrics->handles = 2;
	metrics->poll.data = metrics;
	metrics->timer.data = metrics;
	return uv_poll_start(&metrics->poll, UV_READABLE, on_events);
}

static int explain(struct mr_why *why, const char *endpoint, int error)
{
	snprintf(why->text, sizeof(why->text), "metrics: can't listen on %.80s: %s%s", endpoint,
		strerror(-error),
		error == -EADDRINUSE              ? ": choose another port"
			: error == -EADDRNOTAVAIL ? ": it must be an address of this host"
						  : "");
	return error;
}

int mr_metrics_open(uv_loop_t *loop, const char *endpoint, struct mr_api *api,
	struct mr_metrics **ret_metrics, struct mr_why *ret_why)
{
	struct mr_metrics *metrics;
	struct mr_addr addr;
	uint16_t port;
	int fd, r = mr_endpoint_parse(endpoint, &addr, &port);

	if (r)
		return explain(ret_why, endpoint, r);
	metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		return explain(ret_why, endpoint, -ENOMEM);
	metrics->api = api;
	metrics->subscriber.fn = on_notice;
	metrics->subscriber.context = metrics;
	mr_sessions_subscribe(api->sessions, &metrics->subscriber);
	fd = listen_on(&addr, port);
	r = fd < 0 ? fd : start_http(metrics, fd);
	if (!r)
		r = follow(metrics, loop);
	if (r) {
		mr_metrics_close(metrics);
		return explain(ret_why, endpoint, r);
	}
	*ret_metrics = metrics;
	return 0;
}

static void handle_closed(uv_handle_t *handle)
{
	struct mr_metrics *metrics = handle->data;

	if (--metrics->handles == 0)
		free(metrics);
}

void mr_metrics_close(struct mr_metrics *metrics)
{
	if (!metrics)
		return;
	mr_sessions_unsubscribe(&metrics->subscriber);
	if (metrics->handles) {
		uv_close((uv_handle_t *)&metrics->poll, handle_closed);
		uv_close((uv_handle_t *)&metrics->timer, handle_closed);
	}
	if (metrics->http)
		MHD_stop_daemon(metrics->http);
	if (!metrics->handles)
		free(metrics);
}
