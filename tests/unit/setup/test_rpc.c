/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_rpc.c - the setup socket over a real UNIX socket: framing, order, limits, bad peers.
 *
 * Server and peers live in one process: a peer is a plain socket, and the loop runs until what the
 * test waits for has happened.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc.h"

#define PATIENCE_MS 30000
#define LIMIT_MS    300

static char dir[] = "/tmp/moshrelay-rpc-XXXXXX";
static char path[64];
static uv_loop_t loop;
static struct mr_identities *identities;
static struct mr_rpc_server *server;
static struct mr_rpc_config config;
static struct mr_rpc_request *waiting;   /* what "later" left unanswered */
static struct mr_rpc_client *subscriber; /* NULL: none, or gone */
static unsigned slices_left;
static bool privileged;
static size_t n_taken; /* requests, of everybody */
static uv_timer_t tick;

/* The methods that the tests use. */

static bool next_slice(struct mr_json *json, void *context)
{
	static const char filler[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

	(void)context;
	if (!json->comma && slices_left)
		mr_json_open(json, NULL, '[');
	for (unsigned i = 0; i < 1000; i++)
		mr_json_text(json, NULL, filler);
	if (--slices_left)
		return true;
	mr_json_close(json, ']');
	return false;
}

static void on_subscriber_gone(void *context)
{
	(void)context;
	subscriber = NULL;
}

static void answer(struct mr_rpc_request *request, json_t *params)
{
	mr_json_value(mr_rpc_request_result(request), NULL, params);
	mr_rpc_request_finish(request);
}

static void on_request(
	struct mr_rpc_request *request, const char *method, json_t *params, void *context)
{
	(void)context;
	n_taken++;
	if (!strcmp(method, "echo")) {
		answer(request, params);
	} else if (!strcmp(method, "later")) {
		waiting = request;
	} else if (!strcmp(method, "release")) {
		answer(waiting, NULL);
		answer(request, NULL);
	} else if (!strcmp(method, "long")) {
		slices_left = (unsigned)json_integer_value(json_object_get(params, "slices"));
		mr_rpc_request_stream(request, next_slice, NULL, NULL);
	} else if (!strcmp(method, "watch")) {
		subscriber = mr_rpc_request_subscribe(request, on_subscriber_gone, NULL);
		answer(request, NULL);
	} else {
		mr_rpc_request_fail(request, MR_RPC_METHOD, "no %s", method);
	}
}

static bool is_privileged(const struct mr_identity *who, void *context)
{
	(void)who;
	(void)context;
	return privileged;
}

/* Peers are cut off after so long. Only who waits for that has a short limit: a slow machine needs
 * its time for a line as well. */
static void start_with(unsigned limit_ms)
{
	struct rlimit files = {16384, 16384};
	struct mr_why why;

	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0, "needs 16384 open files");
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/setup.sock", dir);
	cr_assert_eq(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &tick);
	signal(SIGPIPE, SIG_IGN);
	identities = mr_identities_new(&loop);
	config = (struct mr_rpc_config){
		.loop = &loop,
		.path = path,
		.identities = identities,
		.dispatch = on_request,
		.privileged = is_privileged,
		.half_line_ms = limit_ms,
		.stalled_ms = limit_ms,
	};
	cr_assert_eq(mr_rpc_server_open(&config, &server, &why), 0, "%s", why.text);
}

static void start(void)
{
	start_with(2 * PATIENCE_MS);
}

static void start_impatient(void)
{
	start_with(LIMIT_MS);
}

static void stop(void)
{
	mr_rpc_server_close(server);
	mr_identities_free(identities);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0, "something is left on the loop");
	cr_expect_neq(access(path, F_OK), 0, "the socket is still there");
	rmdir(dir);
}

TestSuite(rpc, .init = start, .fini = stop, .timeout = 240);
TestSuite(rpc_impatient, .init = start_impatient, .fini = stop, .timeout = 240);

/* Peers. */

static int connect_peer(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void turn(void)
{
	/* A timer bounds each turn, for peers make no events of their own. */
	uv_timer_start(&tick, on_tick, 5, 0);
	uv_run(&loop, UV_RUN_ONCE);
	uv_timer_stop(&tick);
}

static void send_octets(int fd, const char *octets, size_t len)
{
	uint64_t end = uv_hrtime() + PATIENCE_MS * 1000000ull;

	while (len) {
		ssize_t n = send(fd, octets, len, MSG_NOSIGNAL);

		if (n > 0) {
			octets += n;
			len -= (size_t)n;
		} else {
			cr_assert(
				errno == EAGAIN && uv_hrtime() < end, "send: %s", strerror(errno));
			turn();
		}
	}
}

static void send_text(int fd, const char *text)
{
	send_octets(fd, text, strlen(text));
}

/* Reads a line into `line`, without its newline. False: the connection has ended. */
static bool read_line(int fd, char *line, size_t size)
{
	uint64_t end = uv_hrtime() + PATIENCE_MS * 1000000ull;
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, line + len, 1, 0);

		if (n == 1 && line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
		if (n == 1 && len < size - 1) {
			len++;
		} else if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			return false;
		} else if (n < 0) {
			cr_assert(errno == EAGAIN && uv_hrtime() < end, "no line in time");
			turn();
		}
	}
}

/* The code of the error in the next line, 0: it is a result. */
static int read_code(int fd, char *line, size_t size)
{
	json_t *answer_document;
	int code;

	cr_assert(read_line(fd, line, size), "the connection ended");
	answer_document = json_loads(line, 0, NULL);
	cr_assert(answer_document, "%s", line);
	code = (int)json_integer_value(
		json_object_get(json_object_get(answer_document, "error"), "code"));
	cr_expect(code || json_object_get(answer_document, "result"), "%s", line);
	json_decref(answer_document);
	return code;
}

static void expect_served(int fd)
{
	char line[512];

	send_text(
		fd, "{\"jsonrpc\":\"2.0\",\"id\":\"served\",\"method\":\"echo\",\"params\":{}}\n");
	cr_assert(read_line(fd, line, sizeof(line)), "the connection ended");
	cr_expect_str_eq(line, "{\"jsonrpc\":\"2.0\",\"id\":\"served\",\"result\":{}}");
}

static void wait_closed(int fd)
{
	char line[512];

	while (read_line(fd, line, sizeof(line)))
		;
}

/* Framing. */

Test(rpc, garbage_gets_its_error_and_the_next_request_is_served)
{
	static const struct {
		const char *text;
		int code;
	} rows[] = {
		{"x", -32700},
		{"{", -32700},
		{"\"open", -32700},
		{"{\"a\":1}{\"b\":2}", -32700},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"echo\"}", -32700},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"e\xc3\x28\"}", -32700},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"e\\u0000\"}", -32700},
		{"\xff\xfe", -32700},
		{"[]", -32600},
		{"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}]", -32600},
		{"null", -32600},
		{"42", -32600},
		{"{}", -32600},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}", -32600},
		{"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"echo\"}", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":1}", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"echo\"}", -32600},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":7}", -32602},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}", -32602},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"frobnicate\"}", -32601},
	};
	int fd = connect_peer();
	char line[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		send_text(fd, rows[i].text);
		send_text(fd, "\n");
		cr_expect_eq(read_code(fd, line, sizeof(line)), rows[i].code, "%s: %s",
			rows[i].text, line);
		cr_expect_null(strstr(line, "JSON_"), "a library's words: %s", line);
		expect_served(fd);
	}
	close(fd);
}

Test(rpc, a_request_cut_short_at_every_octet_gets_one_error)
{
	static const char whole[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{"
				    "\"a\":\"\xc3\xa4\"}}";
	int fd = connect_peer();
	char line[1024];

	for (size_t len = 1; len < sizeof(whole) - 1; len++) {
		send_octets(fd, whole, len);
		send_text(fd, "\n");
		cr_expect_eq(read_code(fd, line, sizeof(line)), -32700, "%zu: %s", len, line);
	}
	expect_served(fd);
	close(fd);
}

/* An echo request of exactly `len` octets. */
static char *request_of(size_t len)
{
	static const char head[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"";
	char *text = malloc(len + 1);

	cr_assert(text && len > sizeof(head));
	memset(text, ' ', len);
	memcpy(text, head, sizeof(head) - 1);
	text[len - 1] = '}';
	text[len] = '\n';
	return text;
}

Test(rpc, a_line_may_have_64_kib_and_not_one_octet_more)
{
	static const struct {
		size_t len;
		int code;
	} rows[] = {
		{MR_RPC_LINE_MAX - 1, 0},
		{MR_RPC_LINE_MAX, 0},
		{MR_RPC_LINE_MAX + 1, -32600},
		{MR_RPC_LINE_MAX + 2, -32600},
		{3 * MR_RPC_LINE_MAX, -32600},
	};
	int fd = connect_peer();
	char line[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = request_of(rows[i].len);

		send_octets(fd, text, rows[i].len + 1);
		cr_expect_eq(read_code(fd, line, sizeof(line)), rows[i].code, "%zu: %s",
			rows[i].len, line);
		expect_served(fd);
		free(text);
	}
	close(fd);
}

Test(rpc, an_id_may_have_256_octets_and_not_one_more)
{
	int fd = connect_peer();
	char id[300], text[512], line[1024];

	for (size_t len = MR_RPC_ID_MAX - 1; len <= MR_RPC_ID_MAX + 1; len++) {
		memset(id, 'a', sizeof(id));
		id[len - 2] = '\0'; /* two quotes are part of it */
		snprintf(text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"echo\"}\n", id);
		send_text(fd, text);
		cr_expect_eq(read_code(fd, line, sizeof(line)), len > MR_RPC_ID_MAX ? -32600 : 0,
			"%zu", len);
	}
	close(fd);
}

Test(rpc, octets_may_come_one_by_one_and_lines_many_at_once)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\r\n";
	int fd = connect_peer();
	char line[512];

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		send_octets(fd, &text[i], 1);
		turn();
	}
	cr_expect_eq(read_code(fd, line, sizeof(line)), 0);
	send_text(fd, "\n \n\r\n");
	expect_served(fd);
	close(fd);
}

Test(rpc, a_notification_gets_no_answer_and_null_ids_do)
{
	int fd = connect_peer();
	char line[512];

	send_text(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}\n");
	send_text(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"frobnicate\"}\n");
	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"echo\"}\n");
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect_str_eq(line, "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":null}");
	close(fd);
}

Test(rpc, who_closes_his_side_still_gets_his_answers)
{
	int fd = connect_peer();
	char line[512];

	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n");
	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}");
	shutdown(fd, SHUT_WR);
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect(strstr(line, "\"id\":1"), "%s", line);
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect(strstr(line, "\"id\":2"), "%s", line);
	cr_expect_not(read_line(fd, line, sizeof(line)));
	close(fd);
}

/* Order. */

Test(rpc, answers_come_in_the_order_of_their_requests)
{
	int fd = connect_peer();
	char line[512];

	send_text(fd,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"release\"}\n");
	for (unsigned i = 1; i <= 3; i++) {
		char id[16];

		cr_assert(read_line(fd, line, sizeof(line)));
		snprintf(id, sizeof(id), "\"id\":%u,", i);
		cr_expect(strstr(line, id), "%s", line);
	}
	close(fd);
}

Test(rpc, thousands_may_be_in_flight)
{
	enum { N = 2000 };
	int fd = connect_peer();
	char line[512], text[128];

	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"later\"}\n");
	for (unsigned i = 1; i <= N; i++) {
		snprintf(text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"echo\"}\n", i);
		/* What the daemon doesn't take waits in the socket. */
		if (i == 500) {
			while (!waiting)
				turn();
			answer(waiting, NULL);
		}
		send_text(fd, text);
	}
	for (unsigned i = 0; i <= N; i++) {
		cr_assert(read_line(fd, line, sizeof(line)));
		snprintf(text, sizeof(text), "\"id\":%u,", i);
		cr_assert(strstr(line, text), "%s: %s", text, line);
	}
	close(fd);
}

Test(rpc, a_peer_that_leaves_takes_nothing_along)
{
	int fd = connect_peer(), other = connect_peer();

	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n");
	while (!waiting)
		turn();
	close(fd);
	expect_served(other);
	answer(waiting, NULL);
	while (mr_rpc_server_clients(server) > 1)
		turn();
	expect_served(other);
	close(other);
}

Test(rpc, others_are_served_while_a_long_answer_goes_out)
{
	int fd = connect_peer(), other = connect_peer();
	size_t total = 0;
	unsigned rounds = 0;
	char buf[65536];
	ssize_t n = 0;

	send_text(fd,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"long\",\"params\":{\"slices\":400}}\n"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n");
	while (!total || !memmem(buf, (size_t)n, "\"id\":2", 6)) {
		n = recv(fd, buf, sizeof(buf), 0);
		cr_assert(n > 0 || (n < 0 && errno == EAGAIN));
		if (n < 0) {
			turn();
			n = 0;
		}
		total += (size_t)n;
		if (++rounds % 50 == 0)
			expect_served(other);
	}
	cr_expect_eq(slices_left, 0);
	/* 400 slices of 1,000 texts of 64 octets, two quotes and a comma each. */
	cr_expect_geq(total, 400u * 1000u * 67u);
	expect_served(other);
	close(fd);
	close(other);
}

/* Bad peers. */

Test(rpc_impatient, half_a_line_is_cut_off_in_time)
{
	int fd = connect_peer(), slow = connect_peer(), other = connect_peer();
	uint64_t start_ns = uv_hrtime();

	send_text(fd, "{\"jsonrpc\":");
	send_text(slow, "{");
	wait_closed(fd);
	cr_expect_geq(uv_hrtime() - start_ns, LIMIT_MS * 1000000ull);
	/* One octet now and then doesn't help. */
	while (send(slow, " ", 1, MSG_NOSIGNAL) == 1)
		turn();
	expect_served(other);
	close(fd);
	close(slow);
	close(other);
}

Test(rpc_impatient, who_stops_reading_is_cut_off_in_time)
{
	int fd = connect_peer(), other = connect_peer();

	send_text(fd,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"long\","
		"\"params\":{\"slices\":100000}}\n");
	while (mr_rpc_server_clients(server) < 2)
		turn();
	expect_served(other);
	while (mr_rpc_server_clients(server) > 1)
		turn();
	cr_expect_gt(slices_left, 90000, "its answer was written on and on");
	expect_served(other);
	close(fd);
	close(other);
}

Test(rpc, a_thousand_idle_connections_leave_room_for_the_next_user)
{
	enum { N = 1000 };
	int fds[N], other;

	for (unsigned i = 0; i < N; i++)
		fds[i] = connect_peer();
	other = connect_peer();
	expect_served(other);
	cr_expect_eq(mr_rpc_server_clients(server), N + 1);
	expect_served(fds[0]);
	expect_served(fds[N - 1]);
	for (unsigned i = 0; i < N; i++)
		close(fds[i]);
	close(other);
}

Test(rpc, over_a_users_share_the_longest_idle_connection_makes_room)
{
	enum { N = MR_RPC_CLIENTS_UID };
	int *fds = calloc(N, sizeof(*fds)), other;

	for (unsigned i = 0; i < N; i++) {
		fds[i] = connect_peer();
		if (i < 2)
			expect_served(fds[i]);
	}
	while (mr_rpc_server_clients(server) < N)
		turn();
	/* The first one is busy, and stays. */
	send_text(fds[0], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n");
	while (!waiting)
		turn();
	for (unsigned i = 0; i < 5; i++) {
		other = connect_peer();
		expect_served(other);
		cr_expect_eq(mr_rpc_server_clients(server), N);
		close(other);
		while (mr_rpc_server_clients(server) == N)
			turn();
		other = connect_peer();
		expect_served(other);
	}
	answer(waiting, NULL);
	expect_served(fds[N - 1]);
	for (unsigned i = 0; i < N; i++)
		close(fds[i]);
	free(fds);
}

Test(rpc, administrators_always_get_in)
{
	enum { N = MR_RPC_CLIENTS_UID };
	int *fds = calloc(N, sizeof(*fds)), other;

	/* None of them is idle. */
	for (unsigned i = 0; i < N; i++) {
		fds[i] = connect_peer();
		waiting = NULL;
		send_text(fds[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n");
		while (!waiting)
			turn();
	}
	other = connect_peer();
	char line[512];
	cr_expect_eq(read_code(other, line, sizeof(line)), MR_RPC_LIMIT);
	wait_closed(other);
	close(other);
	privileged = true;
	other = connect_peer();
	expect_served(other);
	cr_expect_eq(mr_rpc_server_clients(server), N + 1);
	for (unsigned i = 0; i < N; i++)
		close(fds[i]);
	free(fds);
	close(other);
}

Test(rpc, answers_that_wait_for_an_earlier_one_are_bounded)
{
	enum { N = 1000, SIZE = 8192 };
	int fd = connect_peer(), other = connect_peer();
	char line[2 * SIZE], *request = request_of(SIZE);
	size_t before = n_taken, sent = 0, others = 0;

	/* Its answer is as long. */
	memcpy(strchr(request, ' '), ",\"params\":{\"a\":\"", 16);
	memset(strchr(request, ' '), 'x', SIZE - (size_t)(strchr(request, ' ') - request) - 3);
	memcpy(request + SIZE - 3, "\"}}", 3);
	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"later\"}\n");
	for (unsigned served = 0; sent < N * (SIZE + 1ul) && served < 5; served++) {
		ssize_t n;

		while ((n = send(fd, request + sent % (SIZE + 1), SIZE + 1 - sent % (SIZE + 1),
				MSG_NOSIGNAL)) > 0) {
			sent += (size_t)n;
			served = 0;
		}
		expect_served(other);
		others++;
	}
	cr_expect_lt(n_taken - before - others, 50, "%zu are held", n_taken - before - others);
	answer(waiting, NULL);
	cr_expect_eq(read_code(fd, line, sizeof(line)), 0);
	cr_expect_eq(read_code(fd, line, sizeof(line)), 0);
	cr_expect_gt(strlen(line), SIZE - 100u);
	close(fd);
	close(other);
	free(request);
}

/* Of this thread alone: the C library would make all threads follow, and some have given that up.
 */
static void become(uid_t uid)
{
	cr_assert_eq(syscall(SYS_setresuid, -1, uid, -1), 0, "needs root");
}

/* As another user, whom the kernel tells apart by his effective uid. */
static int connect_stranger(void)
{
	int fd;

	become(64999);
	fd = connect_peer();
	become(0);
	return fd;
}

Test(rpc, who_has_many_busy_connections_keeps_nobody_else_waiting)
{
	enum { N = 300, REQUESTS = 1000 };
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n";
	const size_t size = sizeof(request) - 1;
	char *requests = malloc(REQUESTS * size);
	int fds[N], other = connect_peer();
	size_t before;

	cr_assert(requests);
	cr_assert_eq(chmod(dir, 0755), 0);
	for (size_t i = 0; i < REQUESTS; i++)
		memcpy(requests + i * size, request, size);
	expect_served(other);
	for (unsigned i = 0; i < N; i++) {
		fds[i] = connect_stranger();
		expect_served(fds[i]);
	}
	/* As much of it as the sockets take: no turn of the loop in between. */
	for (unsigned i = 0; i < N; i++)
		cr_assert_gt(send(fds[i], requests, REQUESTS * size, MSG_NOSIGNAL), 0);
	before = n_taken;
	expect_served(other);
	/* A few stretches of turns, where one turn of each connection alone would be 19,200. */
	cr_expect_lt(n_taken - before, 10000);
	for (unsigned i = 0; i < N; i++)
		close(fds[i]);
	close(other);
	free(requests);
}

/* Notifications. */

Test(rpc, notifications_follow_the_answer)
{
	int fd = connect_peer();
	char line[512];

	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"watch\"}\n");
	while (!subscriber)
		turn();
	mr_rpc_client_notify(subscriber, "{\"n\":1}\n", 8);
	mr_rpc_client_notify(subscriber, "{\"n\":2}\n", 8);
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect(strstr(line, "\"id\":1"), "%s", line);
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect_str_eq(line, "{\"n\":1}");
	cr_assert(read_line(fd, line, sizeof(line)));
	cr_expect_str_eq(line, "{\"n\":2}");
	expect_served(fd);
	close(fd);
	while (subscriber)
		turn();
}

Test(rpc, a_watcher_that_does_not_read_is_cut_off)
{
	int fd = connect_peer(), other = connect_peer();
	char note[1024];
	size_t sent = 0;

	memset(note, 'x', sizeof(note));
	note[sizeof(note) - 1] = '\n';
	send_text(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"watch\"}\n");
	while (!subscriber)
		turn();
	while (subscriber && sent < 64 * MR_RPC_NOTES_MAX) {
		for (unsigned i = 0; i < 256; i++)
			mr_rpc_client_notify(subscriber, note, sizeof(note));
		sent += 256 * sizeof(note);
		turn();
	}
	cr_expect_not(subscriber, "%zu octets were taken", sent);
	expect_served(other);
	close(fd);
	close(other);
}

/* The socket itself. */

Test(rpc, a_second_daemon_is_told_and_a_stale_socket_is_replaced)
{
	struct mr_rpc_server *second;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct mr_rpc_config other = config;
	struct mr_why why;
	char stale[80];
	struct stat st;
	int fd;

	cr_expect_eq(mr_rpc_server_open(&config, &second, &why), -EADDRINUSE);
	cr_expect(strstr(why.text, "another daemon"), "%s", why.text);
	snprintf(stale, sizeof(stale), "%s.stale", path);
	strcpy(address.sun_path, stale);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	other.path = stale;
	cr_assert_eq(mr_rpc_server_open(&other, &second, &why), 0, "%s", why.text);
	cr_assert_eq(stat(stale, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0666);
	mr_rpc_server_close(second);

	fd = open(stale, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_expect_eq(mr_rpc_server_open(&other, &second, &why), -EEXIST);
	cr_expect(strstr(why.text, "not a socket"), "%s", why.text);
	unlink(stale);
	expect_served(connect_peer());
}
