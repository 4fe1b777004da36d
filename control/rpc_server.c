/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_server.c - the setup socket itself: accepting, identities, deadlines, and how many
 * connections there may be.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc_internal.h"

#define BACKLOG  4096
#define SWEEP_MS 1000

/* Connections that wait for their identity count for nobody yet. */
#define UNIDENTIFIED_MAX 1024

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Life of a connection. */

static void client_free(struct mr_rpc_client *client)
{
	mr_identity_clear(&client->who);
	free(client->in);
	mr_json_clear(&client->out);
	mr_json_clear(&client->wire);
	mr_json_clear(&client->notes);
	free(client);
}

static void server_free_when_done(struct mr_rpc_server *server)
{
	if (!server->closing || server->handles || server->clients)
		return;
	free(server->path);
	free(server);
}

void mr_rpc_client_reap(struct mr_rpc_client *client)
{
	struct mr_rpc_server *server = client->server;

	mr_rpc_client_drop_answers(client);
	if (!client->closed || client->head || client->ready || !client->identified)
		return;
	if (client->prev)
		client->prev->next = client->next;
	else
		server->clients = client->next;
	if (client->next)
		client->next->prev = client->prev;
	mr_rpc_user_put(server, client->user);
	client_free(client);
	server_free_when_done(server);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct mr_rpc_client *client = handle->data;

	client->closed = true;
	mr_rpc_client_reap(client);
}

void mr_rpc_client_close(struct mr_rpc_client *client)
{
	if (client->closing)
		return;
	client->closing = true;
	client->server->n_clients--;
	if (client->user)
		client->user->n_clients--;
	if (client->on_close)
		client->on_close(client->on_close_context);
	client->on_close = NULL;
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

/* Deadlines. */

static bool is_late(struct mr_rpc_client *client, uint64_t now_ms)
{
	const struct mr_rpc_config *config = &client->server->config;

	if (client->half_line_ms && now_ms - client->half_line_ms > config->half_line_ms)
		return true;
	if (!client->writing)
		return false;
	if (client->pipe.write_queue_size < client->wire_left) {
		client->wire_left = client->pipe.write_queue_size;
		client->progress_ms = now_ms;
	}
	return now_ms - client->progress_ms > config->stalled_ms;
}

static void on_sweep(uv_timer_t *sweep)
{
	struct mr_rpc_server *server = sweep->data;
	uint64_t now_ms = uv_now(server->config.loop);
	struct mr_rpc_client *client, *next;
	bool more = false;

	for (client = server->clients; client; client = next) {
		next = client->next;
		if (client->closing)
			continue;
		if (is_late(client, now_ms))
			mr_rpc_client_close(client);
		else
			more |= client->half_line_ms || client->writing;
	}
	if (!more)
		uv_timer_stop(sweep);
}

void mr_rpc_server_watch_deadlines(struct mr_rpc_server *server)
{
	uint64_t every = mr_min(server->config.half_line_ms, server->config.stalled_ms) / 4;

	if (!server->closing && !uv_is_active((uv_handle_t *)&server->sweep))
		uv_timer_start(&server->sweep, on_sweep, mr_min(every, (uint64_t)SWEEP_MS),
			mr_min(every, (uint64_t)SWEEP_MS));
}

/* How many there may be. */

static size_t count_unprivileged(const struct mr_rpc_server *server)
{
	size_t n = 0;

	for (struct mr_rpc_client *c = server->clients; c; c = c->next)
		n += !c->closing && c->identified && !c->privileged;
	return n;
}

/* The connection that has been idle for longest, of one uid or of all that have no privilege. */
static struct mr_rpc_client *find_idle(
	const struct mr_rpc_server *server, const struct mr_rpc_client *newcomer, bool same_uid)
{
	struct mr_rpc_client *found = NULL;

	for (struct mr_rpc_client *c = server->clients; c; c = c->next) {
		if (c == newcomer || c->closing || c->privileged || !mr_rpc_client_is_idle(c))
			continue;
		if (same_uid && c->user != newcomer->user)
			continue;
		/* Newer ones come first in the list. */
		if (!found || c->active_ms <= found->active_ms)
			found = c;
	}
	return found;
}

/* Makes room for a newcomer at the cost of an idle connection. -EAGAIN: none is idle. */
static int make_room(struct mr_rpc_server *server, struct mr_rpc_client *newcomer)
{
	bool uid_full = newcomer->user->n_clients > MR_RPC_CLIENTS_UID;
	struct mr_rpc_client *victim;

	if (newcomer->privileged || (!uid_full && count_unprivileged(server) <= MR_RPC_CLIENTS_MAX))
		return 0;
	victim = find_idle(server, newcomer, uid_full);
	if (!victim)
		return -EAGAIN;
	mr_rpc_client_close(victim);
	return 0;
}

/* Accepting. */

static void on_identity(void *context, int error, const struct mr_identity *who)
{
	static const char busy[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32006,\"message\":"
		"\"too many connections to the setup socket: close some and try again\"}}\n";
	static const char unknown[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":"
		"\"the user database of this host does not answer: try again\"}}\n";
	struct mr_rpc_client *client = context;
	struct mr_rpc_server *server = client->server;

	client->identified = true;
	if (client->closing) {
		mr_rpc_client_reap(client);
		return;
	}
	if (error || mr_identity_copy(who, &client->who)) {
		mr_json_raw(&client->out, unknown, sizeof(unknown) - 1);
		client->eof = true;
	} else {
		client->privileged =
			server->config.privileged(&client->who, server->config.context);
		if (make_room(server, client)) {
			mr_json_raw(&client->out, busy, sizeof(busy) - 1);
			client->eof = true;
		}
	}
	mr_rpc_client_turn(client);
}

static int peer_uid(uv_pipe_t *pipe, uid_t *ret_uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd;

	if (uv_fileno((uv_handle_t *)pipe, &fd) ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	*ret_uid = cred.uid;
	return 0;
}

static void link_client(struct mr_rpc_server *server, struct mr_rpc_client *client)
{
	client->next = server->clients;
	if (client->next)
		client->next->prev = client;
	server->clients = client;
	server->n_clients++;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct mr_rpc_server *server = listener->data;
	struct mr_rpc_client *client = status ? NULL : calloc(1, sizeof(*client));
	uid_t uid = (uid_t)-1;

	/* Without memory the connection waits in the kernel's queue. */
	if (!client)
		return;
	client->server = server;
	client->tail = &client->head;
	client->active_ms = uv_now(server->config.loop);
	uv_pipe_init(server->config.loop, &client->pipe, 0);
	client->pipe.data = client;
	link_client(server, client);
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) || peer_uid(&client->pipe, &uid) ||
		!(client->user = mr_rpc_user_get(server, uid)) ||
		(uid && server->n_clients > MR_RPC_CLIENTS_MAX + UNIDENTIFIED_MAX) ||
		mr_identity_by_uid(server->config.identities, uid, on_identity, client)) {
		client->identified = true;
		mr_rpc_client_close(client);
	}
}

/* The listener. */

/* Does somebody answer there? 0: no, and nothing is in the way any more. */
static int clear_path(const char *path, struct mr_why *ret_why)
{
	__attribute__((cleanup(close_fd))) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"%.100s: something that is not a socket is in its place: remove it", path);
		return -EEXIST;
	}
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"%.100s: another daemon answers there: stop it, or use another --run-dir",
			path);
		return -EADDRINUSE;
	}
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(path) ? -errno : 0;
}

static int listen_at(struct mr_rpc_server *server)
{
	__attribute__((cleanup(close_fd))) int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int r;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	/* Everybody may connect: who they are, and what they may, is asked afterwards. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || chmod(server->path, 0666))
		return -errno;
	r = uv_pipe_open(&server->pipe, fd);
	if (r)
		return r;
	fd = -1;
	return uv_listen((uv_stream_t *)&server->pipe, BACKLOG, on_connection);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct mr_rpc_server *server = handle->data;

	server->handles--;
	server_free_when_done(server);
}

static void close_handles(struct mr_rpc_server *server)
{
	server->closing = true;
	uv_close((uv_handle_t *)&server->pipe, on_handle_closed);
	uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
	uv_close((uv_handle_t *)&server->turns, on_handle_closed);
	mr_rpc_server_end_turns(server);
}

static struct mr_rpc_server *server_new(const struct mr_rpc_config *config)
{
	struct mr_rpc_server *server = calloc(1, sizeof(*server));

	if (!server || !(server->path = strdup(config->path))) {
		free(server);
		return NULL;
	}
	server->config = *config;
	if (!server->config.half_line_ms)
		server->config.half_line_ms = MR_RPC_HALF_LINE_MS;
	if (!server->config.stalled_ms)
		server->config.stalled_ms = MR_RPC_STALLED_MS;
	server->ready_tail = &server->ready;
	uv_pipe_init(config->loop, &server->pipe, 0);
	uv_timer_init(config->loop, &server->sweep);
	uv_idle_init(config->loop, &server->turns);
	server->pipe.data = server->sweep.data = server->turns.data = server;
	server->handles = 3;
	return server;
}

int mr_rpc_server_open(const struct mr_rpc_config *config, struct mr_rpc_server **ret_server,
	struct mr_why *ret_why)
{
	struct mr_rpc_server *server;
	int r;

	ret_why->text[0] = '\0';
	if (strlen(config->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return -ENAMETOOLONG;
	r = clear_path(config->path, ret_why);
	server = r ? NULL : server_new(config);
	if (!r)
		r = server ? listen_at(server) : -ENOMEM;
	if (r) {
		if (server)
			close_handles(server);
		if (!ret_why->text[0])
			snprintf(ret_why->text, sizeof(ret_why->text),
				"%.100s: can't listen there: %s", config->path, strerror(-r));
		return r;
	}
	*ret_server = server;
	return 0;
}

void mr_rpc_server_close(struct mr_rpc_server *server)
{
	struct mr_rpc_client *client, *next;

	if (!server)
		return;
	unlink(server->path);
	close_handles(server);
	for (client = server->clients; client; client = next) {
		next = client->next;
		mr_rpc_client_close(client);
	}
}

size_t mr_rpc_server_clients(const struct mr_rpc_server *server)
{
	return server->n_clients;
}

void mr_rpc_server_counts(
	const struct mr_rpc_server *server, uint64_t *ret_requests, uint64_t *ret_denied)
{
	*ret_requests = server->n_requests;
	*ret_denied = server->n_denied;
}
