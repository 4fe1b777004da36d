// SPDX-License-Identifier: BSD-2-Clause
/*
 * top.c - moshrelay top: asks the daemon every few seconds, and takes keys. A daemon that goes away
 * is waited for. It takes at most a tenth of a processor, however many sessions there are.
 */
#define NCURSES_WIDECHAR 1
#include <errno.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "format.h"
#include "top.h"

#define INTERVAL_MS 2000
#define BUSY_FACTOR 10   /* of the time that one look takes */
#define TIMEOUT_MS  5000 /* for the daemon's next octet */
#define KEY_ESCAPE  27
#define REASONS_MAX 64

/** How many packets had ended for a reason at the last look. */
struct reason {
	char name[32];
	json_int_t count;
};

struct screen {
	struct mr_top top;
	const char *socket;
	struct mr_rpc *rpc; /* NULL: the daemon is away */
	struct reason reasons[REASONS_MAX];
	size_t n_reasons;
	int64_t looked_ms, next_ms; /* monotonic; 0: never */
	SCREEN *terminal;
};

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

/** The count at the last look, and keeps this one. -1: there was none. */
static json_int_t exchange(struct screen *screen, const char *name, json_int_t count)
{
	for (size_t i = 0; i < screen->n_reasons; i++) {
		struct reason *reason = &screen->reasons[i];
		json_int_t before = reason->count;

		if (strcmp(reason->name, name))
			continue;
		reason->count = count;
		return before;
	}
	if (screen->n_reasons < REASONS_MAX) {
		struct reason *reason = &screen->reasons[screen->n_reasons++];

		snprintf(reason->name, sizeof(reason->name), "%s", name);
		reason->count = count;
	}
	return -1;
}

/** What is relayed a second, and what most other packets end for. */
static void summarize_stats(struct screen *screen, const json_t *stats, double elapsed_s)
{
	double relayed[2] = {0}, most = 0;
	const char *const names[2] = {"to_target", "to_client"};
	const char *key, *which = NULL;
	json_t *value;

	json_object_foreach (json_object_get(stats, "reasons"), key, value) {
		json_int_t count = json_integer_value(value), before = exchange(screen, key, count);
		double rate = before >= 0 && elapsed_s > 0 && count > before
			? (double)(count - before) / elapsed_s
			: 0;

		if (!strcmp(key, names[0]) || !strcmp(key, names[1])) {
			relayed[!strcmp(key, names[1])] = rate;
		} else if (rate > most) {
			most = rate;
			which = key;
		}
	}
	snprintf(screen->top.traffic, sizeof(screen->top.traffic),
		"relayed %.0f/s to targets, %.0f/s to clients", relayed[0], relayed[1]);
	if (which) {
		size_t used = strlen(screen->top.traffic);

		snprintf(screen->top.traffic + used, sizeof(screen->top.traffic) - used,
			"; most of the rest: %s %.1f/s", which, most);
	}
}

static void summarize_status(struct screen *screen, const json_t *status)
{
	const struct mr_top_rows *rows = &screen->top.rows;
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%H:%M:%SZ", gmtime_r(&now, &tm));
	snprintf(screen->top.summary, sizeof(screen->top.summary),
		"moshrelay  %s  %s  sessions %zu: %zu active, %zu silent, %zu waiting; room for "
		"%lld%s",
		when, mr_text(status, "dataplane"), rows->n, rows->n_active, rows->n_silent,
		rows->n_waiting, (long long)mr_number(status, "max_sessions"),
		json_is_true(json_object_get(status, "draining")) ? "; draining" : "");
}

/** Keeps the selected session selected, wherever it is now; or the row, if it is gone. */
static void find_selected(struct mr_top *top)
{
	const struct mr_top_rows *rows = &top->rows;

	for (size_t i = 0; top->selected && i < rows->n_shown; i++) {
		if (rows->shown[i]->id == top->selected) {
			top->at = i;
			return;
		}
	}
	if (top->at >= rows->n_shown)
		top->at = rows->n_shown ? rows->n_shown - 1 : 0;
}

static enum mr_exit ask(struct screen *screen, struct mr_rpc_error *ret_error)
{
	mr_cleanup(mr_json_decrefp) json_t *status = NULL;
	mr_cleanup(mr_json_decrefp) json_t *stats = NULL;
	mr_cleanup(mr_free_text) char *list = NULL;
	int64_t now = mr_cli_clock_ms();
	double elapsed_s = screen->looked_ms ? (double)(now - screen->looked_ms) / 1000 : 0;
	enum mr_exit result = MR_EXIT_DONE;
	size_t length;

	if (!screen->rpc)
		result = mr_rpc_connect(screen->socket, TIMEOUT_MS, &screen->rpc, ret_error);
	if (!result)
		result = mr_rpc_call(screen->rpc, "status", NULL, &status, ret_error);
	if (!result)
		result = mr_rpc_call(screen->rpc, "stats", NULL, &stats, ret_error);
	if (!result)
		result = mr_rpc_call_text(screen->rpc, "list", NULL, &list, &length, ret_error);
	if (result)
		return result;
	screen->top.now_ms = mr_now_ms();
	if (mr_top_rows_update(&screen->top.rows, list, screen->top.now_ms, elapsed_s) < 0) {
		*ret_error = (struct mr_rpc_error){.status = MR_EXIT_FAILED,
			.answered = true,
			.message = "the daemon's list can't be taken in"};
		return MR_EXIT_FAILED;
	}
	screen->looked_ms = now;
	find_selected(&screen->top);
	summarize_stats(screen, stats, elapsed_s);
	summarize_status(screen, status);
	return MR_EXIT_DONE;
}

/** One look at the daemon. What fails is shown, and tried again. */
static enum mr_exit look(struct screen *screen, struct mr_rpc_error *ret_error)
{
	int64_t before = mr_cli_clock_ms(), took;
	enum mr_exit status = ask(screen, ret_error);

	if (status && !ret_error->answered) {
		mr_rpc_close(screen->rpc);
		screen->rpc = NULL;
		screen->n_reasons = 0;
	}
	took = (mr_cli_clock_ms() - before) * BUSY_FACTOR;
	screen->next_ms = mr_cli_clock_ms() + (took > INTERVAL_MS ? took : INTERVAL_MS);
	return status;
}

static void look_again(struct screen *screen)
{
	struct mr_rpc_error error;
	bool away = !screen->rpc;

	if (look(screen, &error))
		snprintf(screen->top.message, sizeof(screen->top.message), "%s", error.message);
	else if (away)
		screen->top.message[0] = '\0';
}

static void close_selected(struct screen *screen)
{
	mr_cleanup(mr_json_decrefp) json_t *result = NULL;
	struct mr_rpc_error error = {.message = "the daemon is away"};
	char id[17];

	snprintf(id, sizeof(id), "%016llx", (unsigned long long)screen->top.selected);
	if (!screen->rpc ||
		mr_rpc_call(screen->rpc, "close", json_pack("{s:s}", "id", id), &result, &error))
		snprintf(screen->top.message, sizeof(screen->top.message),
			"cannot close %s: %.400s", id, error.message);
	else
		snprintf(screen->top.message, sizeof(screen->top.message), "%s closed", id);
	if (screen->rpc && !result && !error.answered) {
		mr_rpc_close(screen->rpc);
		screen->rpc = NULL;
	}
	screen->next_ms = 0;
}

static void arrange(struct mr_top *top)
{
	if (top->rows.n)
		mr_top_rows_arrange(&top->rows);
	find_selected(top);
}

static void sort_by(struct mr_top *top, enum mr_top_sort sort)
{
	top->rows.sort = sort;
	top->selected = 0; /* from the first row on */
	top->at = 0;
	arrange(top);
}

static void move_by(struct mr_top *top, long rows)
{
	long at = (long)top->at + rows, last = (long)top->rows.n_shown - 1;

	if (at > last)
		at = last;
	if (at < 0)
		at = 0;
	top->at = (size_t)at;
	top->selected = top->rows.n_shown ? top->rows.shown[at]->id : 0;
}

static void type_filter(struct mr_top *top, int key)
{
	char *filter = top->rows.filter;
	size_t length = strlen(filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		top->mode = MR_TOP_BROWSE;
		return;
	}
	if (key == KEY_ESCAPE) {
		filter[0] = '\0';
		top->mode = MR_TOP_BROWSE;
	} else if (key == KEY_BACKSPACE || key == '\b' || key == 127) {
		/* a whole character, however many octets it has */
		while (length > 0 && ((unsigned char)filter[--length] & 0xc0) == 0x80)
			;
		filter[length] = '\0';
	} else if (key >= ' ' && key < 256 && length + 1 < sizeof(top->rows.filter)) {
		filter[length] = (char)key;
		filter[length + 1] = '\0';
	}
	arrange(top);
}

static void browse(struct mr_top *top, int key)
{
	long page = top->page > 1 ? (long)top->page - 1 : 1;

	switch (key) {
	case 'q':
		stop = 1;
		break;
	case 'b':
		sort_by(top, MR_TOP_BUSIEST);
		break;
	case 'l':
		sort_by(top, MR_TOP_LOSSIEST);
		break;
	case 's':
		sort_by(top, MR_TOP_SILENT);
		break;
	case 'n':
		sort_by(top, MR_TOP_NEWEST);
		break;
	case '/':
		top->mode = MR_TOP_FILTER;
		break;
	case 'c':
		move_by(top, 0);
		if (top->selected)
			top->mode = MR_TOP_CLOSE;
		break;
	case KEY_UP:
		move_by(top, -1);
		break;
	case KEY_DOWN:
		move_by(top, 1);
		break;
	case KEY_PPAGE:
		move_by(top, -page);
		break;
	case KEY_NPAGE:
		move_by(top, page);
		break;
	case KEY_HOME:
		move_by(top, -(long)top->rows.n_shown);
		break;
	case KEY_END:
		move_by(top, (long)top->rows.n_shown);
		break;
	default:
		break;
	}
}

static void take_key(struct screen *screen, int key)
{
	struct mr_top *top = &screen->top;

	if (key == KEY_RESIZE)
		return;
	top->message[0] = '\0';
	switch (top->mode) {
	case MR_TOP_FILTER:
		type_filter(top, key);
		break;
	case MR_TOP_CLOSE:
		top->mode = MR_TOP_BROWSE;
		if (key == 'y')
			close_selected(screen);
		break;
	default:
		browse(top, key);
	}
}

/** Until a key, a signal or the next look. Signals come in here alone, so none is missed. */
static void wait_for_keys(struct screen *screen, const sigset_t *mask)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	int64_t left_ms = screen->next_ms - mr_cli_clock_ms();
	struct timespec timeout = {0};
	int key;

	if (left_ms > 0)
		timeout = (struct timespec){left_ms / 1000, left_ms % 1000 * 1000000};
	(void)ppoll(&input, 1, &timeout, mask);
	if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
		stop = 1; /* the terminal is gone */
	while (!stop && (key = getch()) != ERR)
		take_key(screen, key);
}

static enum mr_exit terminal_open(struct screen *screen, sigset_t *ret_mask)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	screen->terminal = newterm(NULL, stdout, stdin);
	if (!screen->terminal)
		return mr_cli_usage(
			"top: this terminal is of a type that is not known here: set TERM");
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGWINCH);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &action, NULL);
		sigaddset(&blocked, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, ret_mask);
	return MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	struct screen screen = {.socket = call->socket};
	struct mr_rpc_error error;
	enum mr_exit status;
	sigset_t mask;

	if (call->json)
		return mr_cli_usage("top: it is for people: use moshrelay -j list");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return mr_cli_usage("top: it needs a terminal: use moshrelay list");
	/* Before the screen is taken: a daemon that isn't there is said as ever. */
	status = look(&screen, &error);
	if (status)
		mr_cli_error("cannot list the sessions: %s", error.message);
	else
		status = terminal_open(&screen, &mask);
	while (!status && !stop) {
		if (mr_cli_clock_ms() >= screen.next_ms)
			look_again(&screen);
		mr_top_draw(&screen.top);
		wait_for_keys(&screen, &mask);
	}
	if (screen.terminal) {
		endwin();
		delscreen(screen.terminal);
	}
	mr_rpc_close(screen.rpc);
	mr_top_rows_clear(&screen.top.rows);
	return status;
}

const struct mr_command mr_command_top = {
	.name = "top",
	.arguments = "",
	.summary = "live view: busiest, lossiest, silent; filter, sort, close",
	.details =
		"Keys: b busiest, l lossiest, s silent for longest, n newest first; / filter by\n"
		"owner, target, label, state or ID; arrows and pages move; c close; q quit.\n"
		"PKT/S and B/S are of both directions, LOSS is what was lost before the relay,\n"
		"all over the last seconds.",
	.max_args = 0,
	.run = run,
};
