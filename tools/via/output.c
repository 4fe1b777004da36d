// SPDX-License-Identifier: BSD-2-Clause
/*
 * output.c - see output.h.
 */
#include "output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "words.h"

#define OUR_LINE "MOSH-VIA SSH_CONNECTION "

/** What follows `prefix` in `line`, or NULL. */
static const char *after(const char *line, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(line, prefix, length) ? NULL : line + length;
}

int mr_output_server_address(const char *ssh_connection, char ret_address[INET6_ADDRSTRLEN])
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;
	const char *field = ssh_connection;
	size_t length;

	for (int i = 0; i < 2; i++) {
		field = strchr(field, ' ');
		if (!field)
			return -EINVAL;
		field++;
	}
	length = strcspn(field, " ");
	if (length >= sizeof(text))
		return -EINVAL;
	memcpy(text, field, length);
	text[length] = '\0';
	if (inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_V4MAPPED(&v6)) {
		memcpy(&v4, &v6.s6_addr[12], sizeof(v4));
		inet_ntop(AF_INET, &v4, ret_address, INET6_ADDRSTRLEN);
	} else if (inet_pton(AF_INET6, text, &v6) == 1) {
		inet_ntop(AF_INET6, &v6, ret_address, INET6_ADDRSTRLEN);
	} else if (inet_pton(AF_INET, text, &v4) == 1) {
		inet_ntop(AF_INET, &v4, ret_address, INET6_ADDRSTRLEN);
	} else {
		return -EINVAL;
	}
	return 0;
}

char *mr_output_script(const char *server, unsigned idle_s)
{
	mr_cleanup(mr_free_text) char *script =
		mr_format("printf '\\n" OUR_LINE "%%s\\n' \"$SSH_CONNECTION\"; "
			  "MOSH_SERVER_NETWORK_TMOUT=%u; export MOSH_SERVER_NETWORK_TMOUT; %s",
			idle_s, server);
	mr_cleanup(mr_free_text) char *quoted = mr_word_quote(script);

	return mr_format("sh -c %s", quoted);
}

static void bad(struct mr_output *output, const char *why)
{
	output->state = MR_OUTPUT_BAD;
	output->why = why;
}

static void take_address(struct mr_output *output, const char *connection)
{
	if (output->state != MR_OUTPUT_WAITING)
		bad(output, "it tells its address twice");
	else if (output->cut || mr_output_server_address(connection, output->address) < 0)
		bad(output, "it does not tell on which address its sshd was reached");
	else
		output->state = MR_OUTPUT_ADDRESSED;
}

/** "PORT KEY", then perhaps blanks. */
static void take_connect(struct mr_output *output, const char *text)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789/+";
	char digits[6];
	uint64_t port;
	size_t length = strcspn(text, " "), blanks;

	if (output->state != MR_OUTPUT_ADDRESSED)
		return;
	if (output->cut || length >= sizeof(digits) || text[length] != ' ')
		goto malformed;
	memcpy(digits, text, length);
	digits[length] = '\0';
	if (mr_cli_number(digits, 1, UINT16_MAX, &port) < 0)
		goto malformed;
	text += length + 1;
	if (strspn(text, base64) != MR_KEY_LENGTH)
		goto malformed;
	blanks = strspn(text + MR_KEY_LENGTH, " \t\r\f\v");
	if (text[MR_KEY_LENGTH + blanks])
		goto malformed;
	memcpy(output->key, text, MR_KEY_LENGTH);
	output->key[MR_KEY_LENGTH] = '\0';
	output->port = (uint16_t)port;
	output->state = MR_OUTPUT_CONNECT;
	return;
malformed:
	bad(output, "its MOSH CONNECT line is not one of mosh-server's");
}

static void wipe(void *memory, size_t size)
{
	volatile unsigned char *byte = memory;

	while (size-- > 0)
		*byte++ = 0;
}

static void take_line(struct mr_output *output)
{
	char printable[MR_OUTPUT_LINE_SIZE];
	const char *rest;

	while (output->used > 0 && output->line[output->used - 1] == '\r')
		output->used--;
	output->line[output->used] = '\0';
	if ((rest = after(output->line, OUR_LINE)))
		take_address(output, rest);
	else if ((rest = after(output->line, "MOSH CONNECT ")))
		take_connect(output, rest);
	else if (after(output->line, "MOSH IP ") || after(output->line, "MOSH SSH_CONNECTION "))
		; /* mosh would dial what these say, and that is ours to say */
	else if (output->show && output->used > 0 &&
		mr_cli_printable(printable, sizeof(printable), output->line) > 0)
		output->show(output->context, printable);
	wipe(output->line, output->used);
	output->used = 0;
	output->cut = false;
}

void mr_output_feed(struct mr_output *output, const char *data, size_t size)
{
	for (size_t i = 0; i < size && output->state < MR_OUTPUT_CONNECT; i++) {
		if (data[i] == '\n')
			take_line(output);
		else if (output->used + 1 < sizeof(output->line))
			/* a NUL would end the line early and hide what follows it */
			output->line[output->used++] = data[i] ? data[i] : '?';
		else
			output->cut = true;
	}
}

void mr_output_finish(struct mr_output *output)
{
	if (output->state < MR_OUTPUT_CONNECT && output->used > 0)
		take_line(output);
}

void mr_output_wipe(struct mr_output *output)
{
	wipe(output->key, sizeof(output->key));
	wipe(output->line, sizeof(output->line));
}
