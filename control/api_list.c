/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_list.c - the method list: filters, an order, and an answer in slices however long it gets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_internal.h"

/* Sessions looked at in one slice: about a millisecond. */
#define SLICE 256

/* Octets that sessions are compared by; longer texts are in order as far as this. */
#define KEY_SIZE 32

/* What a session is sorted by, so that memcmp() gives the order. */
struct row {
	uint8_t key[KEY_SIZE];
	uint64_t id;
};

typedef void key_fn(const struct mr_session_view *view, uint8_t key[static KEY_SIZE]);

struct listing {
	struct mr_api *api;
	struct mr_rpc_request *request;
	struct mr_session_filter filter;
	uint32_t cursor;
	bool begun;
	key_fn *key; /* NULL: in no order, and no rows are kept */
	/* Rows in the order of their coming; each SLICE of them is sorted as soon as it is full,
	 * and the slices are merged while they are put out: no one step takes long. */
	struct row *rows;
	size_t n_rows, rows_size, n_sorted;
	size_t *heads; /* of each slice the row that is next: a heap, the first one on top */
	size_t n_heads;
	bool merging;
	struct mr_json *json;
	bool failed;
};

/* Keys. */

static void key_number(uint64_t value, uint8_t key[static KEY_SIZE])
{
	uint64_t big_endian = htobe64(value);

	memcpy(key, &big_endian, sizeof(big_endian));
}

static void key_text(const char *text, uint8_t key[static KEY_SIZE])
{
	if (text)
		memcpy(key, text, strnlen(text, KEY_SIZE));
}

static void key_id(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_number(view->info->id, key);
}

static void key_owner(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_text(view->info->owner, key);
}

static void key_label(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_text(view->info->label, key);
}

static void key_state(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_number(view->state, key);
}

static void key_public(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_number(view->info->public_port, key);
}

static void key_target(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	uint16_t port = htons(view->info->target_port);

	memcpy(key, &view->info->target, sizeof(view->info->target));
	memcpy(key + sizeof(view->info->target), &port, sizeof(port));
}

/* The largest first, and so the newest: what one looks for. */
static void key_largest(uint64_t value, uint8_t key[static KEY_SIZE])
{
	key_number(UINT64_MAX - value, key);
}

static void key_opened(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest((uint64_t)view->info->opened_at, key);
}

static void key_client(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest((uint64_t)view->last_client_at, key);
}

static void key_target_heard(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest((uint64_t)view->last_target_at, key);
}

static void key_datagrams(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest(view->to_target.datagrams + view->to_client.datagrams, key);
}

static void key_bytes(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest(view->to_target.bytes + view->to_client.bytes, key);
}

static void key_lost(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest(view->to_target.lost + view->to_client.lost, key);
}

static void key_reordered(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest(view->to_target.reordered + view->to_client.reordered, key);
}

static void key_roams(const struct mr_session_view *view, uint8_t key[static KEY_SIZE])
{
	key_largest(view->roams, key);
}

static const struct {
	const char *name;
	key_fn *key;
} fields[] = {
	{"id", key_id},
	{"owner", key_owner},
	{"label", key_label},
	{"state", key_state},
	{"public", key_public},
	{"target", key_target},
	{"opened_at", key_opened},
	{"last_client_at", key_client},
	{"last_target_at", key_target_heard},
	{"datagrams", key_datagrams},
	{"bytes", key_bytes},
	{"lost", key_lost},
	{"reordered", key_reordered},
	{"roams", key_roams},
};

/* Slices. */

static void put_row(const struct mr_session_view *view, void *context)
{
	struct listing *listing = context;

	mr_session_json(listing->json, view, false);
}

static void keep_row(const struct mr_session_view *view, void *context)
{
	struct listing *listing = context;
	struct row *row;

	if (listing->n_rows == listing->rows_size) {
		size_t size = listing->rows_size ? listing->rows_size * 2 : SLICE;
		struct row *rows = reallocarray(listing->rows, size, sizeof(*rows));

		if (!rows) {
			listing->failed = true;
			return;
		}
		listing->rows = rows;
		listing->rows_size = size;
	}
	row = &listing->rows[listing->n_rows++];
	*row = (struct row){.id = view->info->id};
	listing->key(view, row->key);
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *row_a = a, *row_b = b;
	int order = memcmp(row_a->key, row_b->key, KEY_SIZE);

	if (order)
		return order;
	return row_a->id < row_b->id ? -1 : row_a->id > row_b->id;
}

/* Sorts the slices that are full; at the end, the one that isn't, too. */
static void sort_slices(struct listing *listing, bool all)
{
	size_t n;

	while ((n = mr_min(listing->n_rows - listing->n_sorted, (size_t)SLICE)) == SLICE ||
		(all && n)) {
		qsort(listing->rows + listing->n_sorted, n, sizeof(*listing->rows), compare_rows);
		listing->n_sorted += n;
	}
}

static bool is_before(const struct listing *listing, size_t a, size_t b)
{
	return compare_rows(&listing->rows[listing->heads[a]], &listing->rows[listing->heads[b]]) <
		0;
}

/* Moves the head at `at` down to where none below comes before it. */
static void sift_down(struct listing *listing, size_t at)
{
	size_t first, head;

	while ((first = 2 * at + 1) < listing->n_heads) {
		if (first + 1 < listing->n_heads && is_before(listing, first + 1, first))
			first++;
		if (!is_before(listing, first, at))
			break;
		head = listing->heads[at];
		listing->heads[at] = listing->heads[first];
		listing->heads[first] = head;
		at = first;
	}
}

static void begin_merge(struct listing *listing)
{
	sort_slices(listing, true);
	listing->merging = true;
	listing->heads = calloc(listing->n_rows / SLICE + 1, sizeof(*listing->heads));
	if (!listing->heads) {
		listing->failed = true;
		return;
	}
	for (size_t row = 0; row < listing->n_rows; row += SLICE)
		listing->heads[listing->n_heads++] = row;
	for (size_t at = listing->n_heads / 2; at-- > 0;)
		sift_down(listing, at);
}

/* The next row of all that are left. */
static const struct row *take_first(struct listing *listing)
{
	size_t row = listing->heads[0], next = row + 1;

	if (next % SLICE && next < listing->n_rows)
		listing->heads[0] = next;
	else
		listing->heads[0] = listing->heads[--listing->n_heads];
	sift_down(listing, 0);
	return &listing->rows[row];
}

/* Puts out some of the rows in their order. False: those were the last. */
static bool put_merged(struct listing *listing)
{
	struct mr_session_view view;

	for (unsigned i = 0; i < SLICE && listing->n_heads; i++) {
		uint64_t id = take_first(listing)->id;

		/* It may be gone by now. */
		if (!mr_sessions_show(listing->api->sessions, id, &view))
			mr_session_json(listing->json, &view, false);
	}
	return listing->n_heads;
}

static bool run(struct listing *listing)
{
	struct mr_sessions *sessions = listing->api->sessions;
	bool more;

	if (listing->merging)
		return put_merged(listing);
	more = mr_sessions_list(sessions, &listing->cursor, SLICE, &listing->filter,
		listing->key ? keep_row : put_row, listing);
	if (!listing->key)
		return more;
	sort_slices(listing, false);
	if (!more)
		begin_merge(listing);
	return true;
}

static bool on_slice(struct mr_json *json, void *context)
{
	struct listing *listing = context;

	listing->json = json;
	if (!listing->begun) {
		mr_json_open(json, NULL, '{');
		mr_json_open(json, "sessions", '[');
		listing->begun = true;
	}
	if (listing->api->stopping)
		listing->failed = true;
	else if (run(listing) && !listing->failed)
		return true;
	mr_json_close(json, ']');
	mr_json_close(json, '}');
	/* Better the connection cut than a list that only looks whole. */
	json->failed |= listing->failed;
	return false;
}

static void listing_free(void *context)
{
	struct listing *listing = context;

	free(listing->heads);
	free(listing->rows);
	free(listing);
}

/* Parameters. */

static bool read_sort(struct mr_rpc_request *request, const char *name, key_fn **ret_key)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!strcmp(name, fields[i].name)) {
			*ret_key = fields[i].key;
			return true;
		}
	}
	mr_rpc_request_fail(request, MR_RPC_PARAMS,
		"list: there is no field \"%.32s\" to sort by: see moshrelay list --help", name);
	return false;
}

/* False: the request has been answered. */
static bool read_filter(struct mr_rpc_request *request, json_t *params, struct listing *listing)
{
	struct mr_session_filter *filter = &listing->filter;
	const char *target = mr_api_text(params, "target");
	const char *state = mr_api_text(params, "state");
	const char *sort = mr_api_text(params, "sort");
	struct mr_prefix prefix;

	if (target && mr_prefix_parse(target, &prefix)) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"list: target \"%.64s\": expected ADDRESS/BITS with no bits set beyond "
			"BITS, like 10.0.0.0/8",
			target);
		return false;
	}
	if (target) {
		filter->by_target = true;
		filter->target = prefix;
	}
	if (state && mr_session_state_parse(state, &filter->state)) {
		mr_rpc_request_fail(request, MR_RPC_PARAMS,
			"list: state \"%.32s\": expected waiting, active, silent or closing",
			state);
		return false;
	}
	filter->by_state = state;
	return !sort || read_sort(request, sort, &listing->key);
}

static void start(struct listing *listing)
{
	mr_rpc_request_stream(listing->request, on_slice, listing_free, listing);
}

static void refuse_others(struct mr_rpc_request *request)
{
	mr_rpc_request_fail(request, MR_RPC_DENIED,
		"denied: only administrators may list the sessions of other users");
}

static void on_user(void *context, int error, const struct mr_identity *who)
{
	struct listing *listing = context;
	struct mr_rpc_request *request = listing->request;

	if (listing->api->stopping)
		error = -ECANCELED;
	if (error) {
		listing_free(listing);
		mr_rpc_request_fail(request, error == -ENOENT ? MR_RPC_PARAMS : MR_RPC_FAILED,
			"there is no user of that name or number%s%s",
			error == -ENOENT ? "" : ", or it can't be found out: ",
			error == -ENOENT ? "" : strerror(-error));
		return;
	}
	if (who->uid != mr_rpc_request_identity(request)->uid &&
		!mr_api_is_admin(listing->api, request)) {
		listing_free(listing);
		refuse_others(request);
		return;
	}
	listing->filter.by_uid = true;
	listing->filter.uid = who->uid;
	start(listing);
}

void mr_api_list(struct mr_api *api, struct mr_rpc_request *request, json_t *params)
{
	const char *user = mr_api_text(params, "user");
	struct listing *listing = calloc(1, sizeof(*listing));
	int r;

	if (!listing) {
		mr_rpc_request_fail(request, MR_RPC_FAILED, "out of memory");
		return;
	}
	listing->api = api;
	listing->request = request;
	if (!read_filter(request, params, listing)) {
		listing_free(listing);
		return;
	}
	if (!user) {
		listing->filter.by_uid = !mr_api_is_admin(api, request);
		listing->filter.uid = mr_rpc_request_identity(request)->uid;
		start(listing);
		return;
	}
	if (!mr_api_may_ask_about(api, request, user)) {
		listing_free(listing);
		refuse_others(request);
		return;
	}
	r = mr_identity_by_name(api->identities, user, on_user, listing);
	if (r) {
		listing_free(listing);
		mr_rpc_request_fail(request, MR_RPC_FAILED, "list: user: %s", strerror(-r));
	}
}
