/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_news.c - what of sessions' news comes into the log, and how much of it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "news.h"

static struct mr_news news;
static const struct mr_session_info alice = {.id = 1, .uid = 1001, .owner = "alice"};
static const struct mr_session_info bob = {.id = 2, .uid = 1002, .owner = "bob"};

static void tell(const struct mr_session_info *info, enum mr_notice_kind kind, unsigned times)
{
	const struct mr_notice notice = {.kind = kind, .info = info};

	for (unsigned i = 0; i < times; i++)
		mr_news_notice(&notice, &news);
}

struct lines {
	unsigned roamed, closed, silences, bobs;
};

/* Of what has been logged to `log`. */
static struct lines count(FILE *log)
{
	struct lines lines = {0};
	char line[1024];

	rewind(log);
	while (fgets(line, sizeof(line), log)) {
		lines.roamed += strstr(line, "roamed: owner alice") != NULL;
		lines.closed += strstr(line, "closed: owner alice") != NULL;
		lines.silences += strstr(line, "not all of it is logged") != NULL;
		lines.bobs += strstr(line, "owner bob") != NULL;
	}
	return lines;
}

Test(news, one_user_who_roams_without_end_fills_no_log)
{
	const unsigned limit = MR_NEWS_CLIENTS_PER_MINUTE;
	FILE *log = tmpfile();
	int before = dup(STDERR_FILENO);
	struct lines lines;

	cr_assert(log && before >= 0);
	mr_log_init(MR_LOG_INFO);
	cr_assert_geq(dup2(fileno(log), STDERR_FILENO), 0);
	tell(&alice, MR_NOTICE_ROAMED, limit);
	tell(&alice, MR_NOTICE_ROAMED, 20 * limit);
	tell(&alice, MR_NOTICE_CLOSED, limit);
	tell(&bob, MR_NOTICE_PROVEN, 1);
	dup2(before, STDERR_FILENO);
	lines = count(log);
	/* Ten more for each second that the test takes. */
	cr_expect_geq(lines.roamed, limit);
	cr_expect_lt(lines.roamed, 2 * limit);
	cr_expect_eq(lines.closed, limit);
	cr_expect_geq(lines.silences, 1);
	cr_expect_leq(lines.silences, 2);
	cr_expect_eq(lines.bobs, 1);
	mr_news_clear(&news);
	close(before);
	fclose(log);
}
