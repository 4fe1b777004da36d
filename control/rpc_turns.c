/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rpc_turns.c - whose turn it is at the setup socket: users go round, and each one's connections
 * among themselves. So whoever has a thousand busy ones keeps nobody waiting but himself.
 */
#include <stdlib.h>

#include "rpc_internal.h"

/* Of turns at a stretch; then the loop looks for whatever else there is. */
#define STRETCH_NS 2000000

struct mr_rpc_user *mr_rpc_user_get(struct mr_rpc_server *server, uid_t uid)
{
	struct mr_rpc_user *user = server->users;

	while (user && user->uid != uid)
		user = user->next;
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return NULL;
		user->uid = uid;
		user->ready_tail = &user->ready;
		user->next = server->users;
		server->users = user;
	}
	user->n_links++;
	user->n_clients++;
	return user;
}

void mr_rpc_user_put(struct mr_rpc_server *server, struct mr_rpc_user *user)
{
	struct mr_rpc_user **where = &server->users;

	if (!user || --user->n_links)
		return;
	while (*where != user)
		where = &(*where)->next;
	*where = user->next;
	free(user);
}

static void append_user(struct mr_rpc_server *server, struct mr_rpc_user *user)
{
	user->next_ready = NULL;
	*server->ready_tail = user;
	server->ready_tail = &user->next_ready;
}

/* Takes whose turn it is; NULL: nobody's. */
static struct mr_rpc_client *take_ready(struct mr_rpc_server *server)
{
	struct mr_rpc_user *user = server->ready;
	struct mr_rpc_client *client;

	if (!user)
		return NULL;
	server->ready = user->next_ready;
	if (!server->ready)
		server->ready_tail = &server->ready;
	client = user->ready;
	user->ready = client->next_ready;
	if (user->ready)
		append_user(server, user);
	else
		user->ready_tail = &user->ready;
	client->ready = false;
	return client;
}

static void on_turns(uv_idle_t *turns)
{
	struct mr_rpc_server *server = turns->data;
	uint64_t end_ns = uv_hrtime() + STRETCH_NS;
	struct mr_rpc_client *client;

	do {
		client = take_ready(server);
		if (!client)
			uv_idle_stop(turns);
		else if (client->closing)
			mr_rpc_client_reap(client);
		else
			mr_rpc_client_turn(client);
	} while (client && uv_hrtime() < end_ns);
}

void mr_rpc_client_wake(struct mr_rpc_client *client)
{
	struct mr_rpc_server *server = client->server;
	struct mr_rpc_user *user = client->user;

	/* One that has its turn looks for itself, at its end. */
	if (client->ready || client->running)
		return;
	if (server->closing) {
		mr_rpc_client_reap(client);
		return;
	}
	if (!user->ready)
		append_user(server, user);
	client->ready = true;
	client->next_ready = NULL;
	*user->ready_tail = client;
	user->ready_tail = &client->next_ready;
	uv_idle_start(&server->turns, on_turns);
}

void mr_rpc_server_end_turns(struct mr_rpc_server *server)
{
	while (take_ready(server))
		continue;
}
