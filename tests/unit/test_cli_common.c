// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_cli_common.c - what all programs share: numbers, endpoints, text for terminals, and the
 * client of the setup socket against a server that lives in a thread here.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "rpc_client.h"

#define MANY 20000

Test(cli, number_keeps_its_limits)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} rows[] = {
		{"10", 0, 10},
		{"9", -ERANGE},
		{"20", 0, 20},
		{"21", -ERANGE},
		{"", -EINVAL},
		{"0012", 0, 12},
		{"+12", -EINVAL},
		{"-12", -EINVAL},
		{" 12", -EINVAL},
		{"12 ", -EINVAL},
		{"1e1", -EINVAL},
		{"18446744073709551616", -ERANGE},
		{"99999999999999999999999", -ERANGE},
		{"99999999999999999999999x", -EINVAL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 77;

		cr_expect_eq(mr_cli_number(rows[i].text, 10, 20, &value), rows[i].result, "%s",
			rows[i].text);
		cr_expect_eq(value, rows[i].result ? 77 : rows[i].value, "%s", rows[i].text);
	}
}

Test(cli, number_reads_the_largest)
{
	uint64_t value;

	cr_expect_eq(mr_cli_number("18446744073709551615", 0, UINT64_MAX, &value), 0);
	cr_expect_eq(value, UINT64_MAX);
}

Test(cli, endpoints)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
		bool bracketed;
	} rows[] = {
		{"10.0.0.1:60001", "10.0.0.1", 60001, false},
		{"name:1", "name", 1, false},
		{"[fd00::2]:65535", "fd00::2", 65535, true},
		{"name:0"},
		{"name:65536"},
		{"name:"},
		{":1"},
		{"name"},
		{"fd00::2:1"},
		{"[fd00::2]"},
		{"[fd00::2]1"},
		{"[fd00::2"},
		{"[]:1"},
		{"[a]b:1"},
		{""},
		{"["},
		{":"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_host_port value;
		const char *why = NULL;
		int r = mr_cli_host_port(rows[i].text, &value, &why);

		cr_expect_eq(r, rows[i].host ? 0 : -EINVAL, "%s", rows[i].text);
		if (r < 0) {
			cr_expect(why && *why);
			continue;
		}
		cr_expect_str_eq(value.host, rows[i].host);
		cr_expect_eq(value.port, rows[i].port);
		cr_expect_eq(value.bracketed, rows[i].bracketed);
	}
}

Test(cli, endpoint_host_length)
{
	char text[MR_HOST_SIZE + 8];
	struct mr_host_port value;
	const char *why;

	memset(text, 'a', sizeof(text));
	strcpy(text + MR_HOST_SIZE - 1, ":1");
	cr_expect_eq(mr_cli_host_port(text, &value, &why), 0);
	cr_expect_eq(strlen(value.host), MR_HOST_SIZE - 1);
	memset(text, 'a', sizeof(text));
	strcpy(text + MR_HOST_SIZE, ":1");
	cr_expect_eq(mr_cli_host_port(text, &value, &why), -EINVAL);
}

Test(cli, printable)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{"plain", "plain"},
		{"\x1b[2J", "?[2J"},
		{"a\nb\tc\r", "a?b?c?"},
		{"\x7f", "?"},
		{"\xc2\x9b", "?"},          /* C1: CSI */
		{"r\xc3\xa4", "r\xc3\xa4"}, /* a letter */
		{"\xe2\x80\xae", "?"},      /* right-to-left override */
		{"\xff\xfe", "??"},
		{"\xc3", "?"},           /* never UTF-8; cut off */
		{"\xc0\xaf", "??"},      /* longer than need be */
		{"\xed\xa0\x80", "???"}, /* a surrogate */
		{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"\xf4\x90\x80\x80", "????"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[32];

		mr_cli_printable(buf, sizeof(buf), rows[i].text);
		cr_expect_str_eq(buf, rows[i].expected, "row %zu: %s", i, buf);
	}
}

Test(cli, printable_never_cuts_a_character)
{
	char buf[8];

	for (size_t size = 1; size <= sizeof(buf); size++) {
		memset(buf, 'x', sizeof(buf));
		mr_cli_printable(buf, size, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4");
		cr_expect_eq(strlen(buf), (size - 1) / 2 * 2);
	}
}

/** A listening socket in a directory of its own. */
struct server {
	char directory[32], path[64];
	int fd;
	pthread_t thread;
};

static void server_start(struct server *server, void *(*serve)(void *))
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	strcpy(server->directory, "/tmp/mr-test-XXXXXX");
	cr_assert(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/sock", server->directory);
	strcpy(addr.sun_path, server->path);
	server->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(server->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cr_assert_eq(listen(server->fd, 1), 0);
	cr_assert_eq(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->fd);
	unlink(server->path);
	rmdir(server->directory);
}

/** Answers each line with a notification and its id, and reads the next line only then. */
static void *echo(void *arg)
{
	const struct server *server = arg;
	FILE *stream = fdopen(accept(server->fd, NULL, NULL), "r+");
	char line[1024];
	sigset_t pipe;

	/* of this thread alone: the client must get by without */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	setvbuf(stream, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), stream)) {
		long long id;

		if (sscanf(strstr(line, "\"id\":"), "\"id\":%lld", &id) == 1)
			fprintf(stream,
				"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":%lld}\n"
				"{\"jsonrpc\":\"2.0\",\"id\":%lld,\"result\":%lld}\n",
				id, id, id);
	}
	fclose(stream);
	return NULL;
}

Test(rpc, pipelined_requests_beyond_every_buffer, .timeout = 240)
{
	struct server server;
	struct mr_rpc *rpc;
	struct mr_rpc_error error;
	json_t *result;

	server_start(&server, echo);
	cr_assert_eq(mr_rpc_connect(server.path, 10000, &rpc, &error), MR_EXIT_DONE);
	for (int round = 0; round < 10; round++) {
		for (int i = 1; i <= MR_RPC_NOTIFICATIONS / 10; i++)
			cr_assert_eq(mr_rpc_send(rpc, "some-method-with-a-name", NULL, &error), 0);
		cr_assert_eq(mr_rpc_pending(rpc), MR_RPC_NOTIFICATIONS / 10);
		for (int i = 1; i <= MR_RPC_NOTIFICATIONS / 10; i++) {
			cr_assert_eq(mr_rpc_receive(rpc, &result, &error), 0, "%s", error.message);
			cr_assert_eq(json_integer_value(result),
				round * (MR_RPC_NOTIFICATIONS / 10) + i);
			json_decref(result);
		}
	}
	cr_assert_eq(mr_rpc_pending(rpc), 0);
	cr_assert_eq(mr_rpc_notification(rpc, &result, &error), 0);
	cr_expect_eq(json_integer_value(json_object_get(result, "params")), 1, "oldest first");
	json_decref(result);
	mr_rpc_close(rpc);
	server_stop(&server);
}

Test(rpc, endless_notifications_are_cut_off, .timeout = 240)
{
	struct server server;
	struct mr_rpc *rpc;
	struct mr_rpc_error error;
	json_t *result;
	int answers = 0;

	server_start(&server, echo);
	cr_assert_eq(mr_rpc_connect(server.path, 10000, &rpc, &error), MR_EXIT_DONE);
	for (int i = 0; i < MANY; i++)
		if (mr_rpc_send(rpc, "m", NULL, &error))
			break;
	while (mr_rpc_receive(rpc, &result, &error) == MR_EXIT_DONE) {
		answers++;
		json_decref(result);
	}
	cr_expect_eq(answers, MR_RPC_NOTIFICATIONS);
	cr_expect_eq(error.status, MR_EXIT_FAILED);
	cr_expect(!error.answered);
	mr_rpc_close(rpc);
	server_stop(&server);
}

/** Accepts, and reads until the other side gives up. */
static void *silent(void *arg)
{
	const struct server *server = arg;
	int fd = accept(server->fd, NULL, NULL);
	char buf[256];

	while (read(fd, buf, sizeof(buf)) > 0)
		continue;
	close(fd);
	return NULL;
}

Test(rpc, silence_ends_with_the_timeout, .timeout = 240)
{
	struct server server;
	struct mr_rpc *rpc;
	struct mr_rpc_error error;
	json_t *result = NULL;

	server_start(&server, silent);
	cr_assert_eq(mr_rpc_connect(server.path, 50, &rpc, &error), MR_EXIT_DONE);
	cr_expect_eq(mr_rpc_call(rpc, "status", NULL, &result, &error), MR_EXIT_UNREACHABLE);
	cr_expect_null(result);
	mr_rpc_close(rpc);
	server_stop(&server);
}

Test(rpc, parameters_that_are_not_utf8_are_refused_before_sending, .timeout = 240)
{
	struct server server;
	struct mr_rpc *rpc;
	struct mr_rpc_error error;
	json_t *result;

	server_start(&server, echo);
	cr_assert_eq(mr_rpc_connect(server.path, 10000, &rpc, &error), MR_EXIT_DONE);
	cr_expect_eq(mr_rpc_send(rpc, "bad\xff", NULL, &error), MR_EXIT_USAGE);
	cr_expect_eq(mr_rpc_pending(rpc), 0);
	cr_expect_eq(mr_rpc_call(rpc, "good", NULL, &result, &error), MR_EXIT_DONE);
	json_decref(result);
	mr_rpc_close(rpc);
	server_stop(&server);
}
