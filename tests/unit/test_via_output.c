// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_via_output.c - what mosh-via makes of a target's output: whole, cut anywhere, hostile.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "words.h"

#define KEY  "4NeCCgvZFe2RnPgrcU1PQw"
#define OURS "MOSH-VIA SSH_CONNECTION 192.0.2.9 50000 10.2.0.2 22\r\n"

struct shown {
	char text[8192];
};

static void show(void *context, const char *line)
{
	struct shown *shown = context;

	strncat(shown->text, line, sizeof(shown->text) - strlen(shown->text) - 2);
	strcat(shown->text, "\n");
}

/** Feeds `text` in pieces of `step` octets and ends it. */
static struct mr_output feed(const char *text, size_t length, size_t step, struct shown *shown)
{
	struct mr_output output = {.show = show, .context = shown};

	shown->text[0] = '\0';
	for (size_t i = 0; i < length; i += step)
		mr_output_feed(&output, text + i, step < length - i ? step : length - i);
	mr_output_finish(&output);
	return output;
}

static struct mr_output feed_all(const char *text, struct shown *shown)
{
	return feed(text, strlen(text), strlen(text), shown);
}

Test(via_output, finds_everything_in_what_each_version_of_mosh_server_writes)
{
	static const char *const rows[] = {
		/* 1.4.0 on a pseudo terminal */
		OURS "\r\n\r\nMOSH CONNECT 60001 " KEY
		     "\r\n\r\nmosh-server (mosh 1.4.0) [build mosh "
		     "1.4.0]\r\n[mosh-server detached, pid = 31]\r\n",
		/* 1.3.2 */
		OURS "\r\n\r\nMOSH CONNECT 60001 " KEY
		     "\r\n\r\nmosh-server (mosh 1.3.2) [build mosh "
		     "1.3.2]\r\nCopyright 2012 Keith Winstein <mosh-devel@mit.edu>\r\n",
		/* without one */
		"MOSH-VIA SSH_CONNECTION 192.0.2.9 50000 10.2.0.2 22\n\nMOSH CONNECT 60001 " KEY
		"\n",
		/* carriage returns doubled by a second pseudo terminal; blanks as mosh allows them
		 */
		"MOSH-VIA SSH_CONNECTION 192.0.2.9 50000 10.2.0.2 22\r\r\n\r\r\nMOSH CONNECT "
		"60001 " KEY " \t\r\r\n",
		/* the end of the output ends the line */
		OURS "MOSH CONNECT 60001 " KEY,
		/* a start-up file that prints one of its own comes too early */
		"MOSH CONNECT 1 aaaaaaaaaaaaaaaaaaaaaa\r\n" OURS "MOSH CONNECT 60001 " KEY "\r\n",
		"MOSH CONNECT nonsense\n" OURS "MOSH CONNECT 60001 " KEY "\n",
		/* what comes afterwards changes nothing */
		OURS "MOSH CONNECT 60001 " KEY "\r\nMOSH CONNECT 7 bbbbbbbbbbbbbbbbbbbbbb\r\n" OURS,
	};
	struct shown shown;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step <= strlen(rows[i]); step++) {
			struct mr_output output = feed(rows[i], strlen(rows[i]), step, &shown);

			cr_assert_eq(output.state, MR_OUTPUT_CONNECT, "row %zu, step %zu: %s", i,
				step, output.why ? output.why : "waiting");
			cr_assert_str_eq(output.address, "10.2.0.2");
			cr_assert_eq(output.port, 60001);
			cr_assert_str_eq(output.key, KEY);
			cr_assert_null(strstr(shown.text, KEY));
			cr_assert_null(strstr(shown.text, "MOSH CONNECT"));
		}
	}
}

Test(via_output, is_not_there_until_the_last_octet_of_the_key)
{
	static const char text[] = OURS "\r\nMOSH CONNECT 60001 " KEY;
	struct shown shown;

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		struct mr_output output = feed(text, length, 1, &shown);

		cr_assert_neq(output.state, MR_OUTPUT_CONNECT, "after %zu octets", length);
		cr_assert_str_eq(output.key, "");
	}
}

Test(via_output, refuses_each_malformed_connect_line)
{
	static const char *const rows[] = {
		"0 " KEY,
		"65536 " KEY,
		"600011 " KEY,
		"-1 " KEY,
		"+1 " KEY,
		"0x1 " KEY,
		"99999999999999999999 " KEY,
		"6000 1 " KEY,
		" 60001 " KEY,
		"60001  " KEY,
		"60001\t" KEY,
		"60001",
		"60001 ",
		"",
		KEY,
		"60001 4NeCCgvZFe2RnPgrcU1PQ",
		"60001 4NeCCgvZFe2RnPgrcU1PQww",
		"60001 " KEY "==",
		"60001 " KEY " and more",
		"60001 4NeCCgvZFe2RnPgrcU1PQ-",
		"60001 4NeCCgvZFe2RnPgrcU1PQ\033",
		"60001 4NeCCgvZFe2RnPgrcU1P\303\251",
	};
	struct shown shown;
	char text[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_output output;

		snprintf(text, sizeof(text), OURS "MOSH CONNECT %s\r\n", rows[i]);
		output = feed_all(text, &shown);
		cr_assert_eq(output.state, MR_OUTPUT_BAD, "row %zu: %s", i, rows[i]);
		cr_assert_not_null(output.why);
		cr_assert_null(strstr(output.why, KEY));
		cr_assert_str_eq(output.key, "");
		cr_assert_str_eq(shown.text, "");
	}
}

Test(via_output, takes_the_lowest_and_the_highest_port)
{
	static const struct {
		const char *text;
		uint16_t port;
	} rows[] = {{"1", 1}, {"65535", 65535}, {"00080", 80}};
	struct shown shown;
	char text[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_output output;

		snprintf(text, sizeof(text), OURS "MOSH CONNECT %s " KEY "\n", rows[i].text);
		output = feed_all(text, &shown);
		cr_assert_eq(output.state, MR_OUTPUT_CONNECT);
		cr_assert_eq(output.port, rows[i].port);
	}
}

Test(via_output, knows_connect_only_at_the_start_of_a_line)
{
	static const char *const rows[] = {
		OURS " MOSH CONNECT 60001 " KEY "\n",
		OURS "x MOSH CONNECT 60001 " KEY "\n",
		OURS "\rMOSH CONNECT 60001 " KEY "\n",
		OURS "\033[0mMOSH CONNECT 60001 " KEY "\n",
		OURS "mosh connect 60001 " KEY "\n",
		OURS "MOSH CONNECTION 60001 " KEY "\n",
	};
	struct shown shown;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mr_output output = feed_all(rows[i], &shown);

		cr_assert_eq(output.state, MR_OUTPUT_ADDRESSED, "row %zu", i);
	}
}

Test(via_output, reads_every_form_of_address)
{
	static const struct {
		const char *connection, *address; /* NULL: none */
	} rows[] = {
		{"192.0.2.9 50000 10.2.0.2 22", "10.2.0.2"},
		{"2001:db8::9 50000 fd00:2::2 22", "fd00:2::2"},
		{"::ffff:192.0.2.9 50000 ::ffff:10.2.0.2 22", "10.2.0.2"},
		{"a b FD00:0002:0:0::2", "fd00:2::2"},
		{"192.0.2.9 50000 fe80::1%eth0 22", NULL},
		{"192.0.2.9 50000 target.example 22", NULL},
		{"192.0.2.9 50000 10.2.0.256 22", NULL},
		{"192.0.2.9 50000 10.2.0.2.1 22", NULL},
		{"192.0.2.9 50000  10.2.0.2 22", NULL},
		{"192.0.2.9 50000 ", NULL},
		{"192.0.2.9 50000", NULL},
		{"10.2.0.2", NULL},
		{"", NULL},
		{"a b 0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000 22", NULL},
	};
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(address, "untouched");
		cr_assert_eq(mr_output_server_address(rows[i].connection, address),
			rows[i].address ? 0 : -EINVAL, "row %zu", i);
		cr_assert_str_eq(address, rows[i].address ? rows[i].address : "untouched");
	}
}

Test(via_output, refuses_no_address_and_a_second_one)
{
	struct shown shown;

	cr_assert_eq(feed_all("MOSH-VIA SSH_CONNECTION \r\n", &shown).state, MR_OUTPUT_BAD);
	cr_assert_eq(feed_all("MOSH-VIA SSH_CONNECTION a b c d\r\n", &shown).state, MR_OUTPUT_BAD);
	cr_assert_eq(feed_all(OURS OURS, &shown).state, MR_OUTPUT_BAD);
}

Test(via_output, keeps_for_itself_what_mosh_would_obey)
{
	struct shown shown;
	struct mr_output output = feed_all("MOSH IP 203.0.113.66\r\n"
					   "MOSH SSH_CONNECTION 1.2.3.4 1 203.0.113.66 22\r\n"
					   "motd\r\n" OURS "MOSH IP 203.0.113.66\n"
					   "Warning: SSH_CONNECTION not found\r\n",
		&shown);

	cr_assert_eq(output.state, MR_OUTPUT_ADDRESSED);
	cr_assert_str_eq(shown.text, "motd\nWarning: SSH_CONNECTION not found\n");
}

Test(via_output, shows_nothing_that_a_terminal_would_obey)
{
	static const char text[] = "\033]0;title\007\033[2J red\r\nover\rwritten\n\0hidden\n"
				   "\302\233 C1\n\377\376\nna\303\257ve\n\r\n";
	struct shown shown;

	feed(text, sizeof(text) - 1, 7, &shown);
	cr_assert_str_eq(shown.text,
		"?]0;title??[2J red\nover?written\n?hidden\n? C1\n??\n"
		"na\303\257ve\n");
}

Test(via_output, cuts_a_line_of_any_length_and_goes_on)
{
	static char text[3 * 1024 * 1024];
	const size_t lengths[] = {MR_OUTPUT_LINE_SIZE - 2, MR_OUTPUT_LINE_SIZE - 1,
		MR_OUTPUT_LINE_SIZE, MR_OUTPUT_LINE_SIZE + 1, 2 * 1024 * 1024};
	struct shown shown;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct mr_output output;
		size_t kept =
			lengths[i] < MR_OUTPUT_LINE_SIZE - 1 ? lengths[i] : MR_OUTPUT_LINE_SIZE - 1;

		memset(text, 'x', lengths[i]);
		strcpy(text + lengths[i], "\r\n" OURS "MOSH CONNECT 60001 " KEY "\n");
		output = feed(text, strlen(text), 4096, &shown);
		cr_assert_eq(output.state, MR_OUTPUT_CONNECT, "%zu", lengths[i]);
		cr_assert_eq(
			strlen(shown.text), kept + 1, "%zu: %zu", lengths[i], strlen(shown.text));
	}
}

Test(via_output, does_not_believe_a_line_that_was_cut)
{
	static char text[2 * MR_OUTPUT_LINE_SIZE];
	struct shown shown;

	/* behind the blanks, out of sight, is what makes the line another one */
	strcpy(text, OURS "MOSH CONNECT 60001 " KEY);
	memset(text + strlen(text), ' ', MR_OUTPUT_LINE_SIZE);
	strcat(text, "x\n");
	cr_assert_eq(feed_all(text, &shown).state, MR_OUTPUT_BAD);
}

Test(via_output, wipes_the_key)
{
	struct shown shown;
	struct mr_output output = feed_all(OURS "MOSH CONNECT 60001 " KEY "\n", &shown);
	const char *octets = (const char *)&output;

	mr_output_wipe(&output);
	for (size_t i = 0; i + 8 < sizeof(output); i++)
		cr_assert(memcmp(octets + i, KEY, 8), "at %zu", i);
}

/** What sh makes of our script, with its MOSH_SERVER_NETWORK_TMOUT. */
static struct mr_output run_script(const char *server, const char *connection, struct shown *shown)
{
	mr_cleanup(mr_free_text) char *script = mr_output_script(server, 4711);
	static char text[4096];
	size_t length;
	FILE *pipe;

	setenv("SSH_CONNECTION", connection, 1);
	pipe = popen(script, "r");
	length = fread(text, 1, sizeof(text), pipe);
	pclose(pipe);
	return feed(text, length, length, shown);
}

Test(via_output, its_script_runs_the_server_with_the_timeout_behind_our_line)
{
	struct shown shown;
	struct mr_output output = run_script(
		"printf '%s\\n' \"it's \\\\ $MOSH_SERVER_NETWORK_TMOUT\" 'MOSH CONNECT 60001 " KEY
		"'",
		"192.0.2.9 50000 fd00:2::2 22", &shown);

	cr_assert_eq(output.state, MR_OUTPUT_CONNECT);
	cr_assert_str_eq(output.address, "fd00:2::2");
	cr_assert_str_eq(shown.text, "it's \\ 4711\n");
}

Test(via_output, its_script_takes_nothing_in_the_connection_for_a_command)
{
	struct shown shown;
	struct mr_output output =
		run_script("true", "$(echo a) `echo b` 10.2.0.2 ; echo injected", &shown);

	cr_assert_str_eq(shown.text, "");
	cr_assert_eq(output.state, MR_OUTPUT_BAD); /* the third field is "`echo" */
}
