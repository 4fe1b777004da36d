// SPDX-License-Identifier: BSD-2-Clause
/*
 * vectors.c - see vectors.h.
 */
#include "vectors.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

#define CLOCK_NS  1000000000000ULL
#define BASES_MAX 16
#define WORDS_MAX 12

struct base {
	char name[32];
	struct mr_session session;
};

/** Where the loader is. */
struct loader {
	struct mr_vec_file *file;
	struct base bases[BASES_MAX];
	size_t n_bases, rows_size;
	struct base *base;  /* being defined */
	struct mr_vec *row; /* being read */
	uint8_t *frame;     /* that indented lines go on */
	size_t *frame_len;
	unsigned line;
	char *why;
};

static const char *const reason_names[] = {
#define MR_X(name, verdict, text) [MR_REASON_##name] = #name,
	MR_REASONS(MR_X)
#undef MR_X
};

const char *mr_vec_reason_name(enum mr_reason reason)
{
	return reason < MR_REASON_COUNT ? reason_names[reason] : "no reason at all";
}

__attribute__((format(printf, 2, 3))) static int wrong(struct loader *loader, const char *fmt, ...)
{
	va_list args;
	int n = snprintf(loader->why, MR_VEC_WHY, "line %u: ", loader->line);

	va_start(args, fmt);
	vsnprintf(loader->why + n, MR_VEC_WHY - (size_t)n, fmt, args);
	va_end(args);
	return -EINVAL;
}

/** Splits at blanks, in place. */
static size_t split(char *text, char *words[WORDS_MAX])
{
	size_t n = 0;
	char *rest = NULL;

	for (char *word = strtok_r(text, " \n", &rest); word && n < WORDS_MAX;
		word = strtok_r(NULL, " \n", &rest))
		words[n++] = word;
	return n;
}

static int add_octet(struct loader *loader, unsigned value)
{
	if (*loader->frame_len >= MR_VEC_FRAME_MAX)
		return wrong(loader, "the frame is too long");
	loader->frame[(*loader->frame_len)++] = (uint8_t)value;
	return 0;
}

static int read_octets(struct loader *loader, const char *word)
{
	unsigned value, count;
	int r = 0;

	if (sscanf(word, "body:%u", &count) == 1) {
		for (unsigned i = 0; i < count && !r; i++)
			r = add_octet(loader, 17 + 7 * i);
		return r;
	}
	for (; *word && !r; word += 2) {
		if (sscanf(word, "%2x", &value) != 1 || !word[1])
			return wrong(loader, "not hexadecimal: %s", word);
		r = add_octet(loader, value);
	}
	return r;
}

static int read_frame_line(struct loader *loader, char *text)
{
	char *words[WORDS_MAX];
	size_t n = split(text + strspn(text, "\t"), words);
	int r = 0;

	if (!loader->frame)
		return wrong(loader, "octets of no frame");
	for (size_t i = 0; i < n && !r; i++)
		if (strcmp(words[i], "-"))
			r = read_octets(loader, words[i]);
	return r;
}

static int read_link(struct loader *loader, char **words, size_t n)
{
	struct mr_vec_file *file = loader->file;
	struct mr_link link = {0};

	if (n < 4 || file->n_links >= MR_VEC_LINKS)
		return wrong(loader, "link IFINDEX CARRIER VLAN FLAG...");
	link.ifindex = (uint32_t)atoi(words[2]);
	link.vlan = (uint16_t)atoi(words[3]);
	for (size_t i = 4; i < n; i++)
		link.flags |= !strcmp(words[i], "used") ? MR_LINK_USED : MR_LINK_VLAN_STRIPPED;
	file->links[file->n_links].ifindex = (uint32_t)atoi(words[1]);
	file->links[file->n_links++].link = link;
	return 0;
}

/** What stands before the first row. */
static int read_world(struct loader *loader, char **words, size_t n)
{
	struct mr_vec_file *file = loader->file;

	if (!strcmp(words[0], "address") && n == 3 && file->n_addresses < MR_VEC_ADDRESSES &&
		(size_t)atoi(words[1]) == file->n_addresses)
		return mr_field_address(words[2], &file->addresses[file->n_addresses++])
			? wrong(loader, "not an address")
			: 0;
	if (!strcmp(words[0], "generation") && n == 2) {
		file->generation = (uint32_t)atoi(words[1]);
		return 0;
	}
	if (!strcmp(words[0], "link"))
		return read_link(loader, words, n);
	if (!strcmp(words[0], "lookup") && n == 6) {
		struct mr_next_hop *hop = &file->lookup;

		*hop = (struct mr_next_hop){.generation = file->generation,
			.ifindex = (uint32_t)atoi(words[1]),
			.vlan = (uint16_t)atoi(words[2]),
			.mtu = (uint16_t)atoi(words[3])};
		if (!mr_field_mac(words[4], hop->dmac) && !mr_field_mac(words[5], hop->smac))
			return 0;
	}
	if (!strcmp(words[0], "base") && n == 2 && loader->n_bases < BASES_MAX) {
		loader->base = &loader->bases[loader->n_bases++];
		snprintf(loader->base->name, sizeof(loader->base->name), "%s", words[1]);
		loader->base->session.current = MR_NO_SLOT;
		return 0;
	}
	return wrong(loader, "%s: not understood", words[0]);
}

static int start_row(struct loader *loader, const char *what)
{
	struct mr_vec_file *file = loader->file;

	if (file->n_rows == loader->rows_size) {
		size_t size = loader->rows_size ? loader->rows_size * 2 : 64;
		struct mr_vec *rows = reallocarray(file->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		file->rows = rows;
		loader->rows_size = size;
	}
	loader->row = &file->rows[file->n_rows++];
	*loader->row = (struct mr_vec){
		.line = loader->line, .clock_ns = CLOCK_NS, .reason = MR_REASON_COUNT};
	loader->row->what = strndup(what, strcspn(what, "\n"));
	return loader->row->what ? 0 : -ENOMEM;
}

static int find_base(struct loader *loader, const char *name)
{
	for (size_t i = 0; i < loader->n_bases; i++) {
		if (strcmp(loader->bases[i].name, name))
			continue;
		loader->row->before = loader->bases[i].session;
		loader->row->after = loader->bases[i].session;
		return 0;
	}
	return wrong(loader, "no such base: %s", name);
}

static int find_reason(struct loader *loader, const char *name)
{
	for (size_t i = 0; i < MR_REASON_COUNT; i++) {
		if (strcmp(reason_names[i], name))
			continue;
		loader->row->reason = (enum mr_reason)i;
		return 0;
	}
	return wrong(loader, "no such reason: %s", name);
}

static void start_frame(struct loader *loader, uint8_t *frame, size_t *len)
{
	loader->frame = frame;
	loader->frame_len = len;
}

static int set_field(struct loader *loader, struct mr_session *session, char **words)
{
	int r = mr_field_set(session, words[1], words[2]);

	return r ? wrong(loader, "%s %s: %s", words[1], words[2],
			   r == -ENOENT ? "no such field" : "not a value for it")
		 : 0;
}

static const char *const event_names[MR_EVENT_KINDS] = {
	[MR_EVENT_LEG] = "leg",
	[MR_EVENT_PROVEN] = "proven",
	[MR_EVENT_ROAMED] = "roamed",
	[MR_EVENT_NO_NEIGHBOUR] = "no-neighbour",
	[MR_EVENT_NO_ROUTE] = "no-route",
	[MR_EVENT_TOO_BIG] = "too-big",
	[MR_EVENT_ICMP] = "icmp",
};

static int set_event_field(struct mr_event *event, const char *key, const char *value)
{
	unsigned long number = strtoul(value, NULL, 10);

	if (!strcmp(key, "addr"))
		return mr_field_address(value, &event->addr);
	if (!strcmp(key, "slot"))
		event->slot = (uint8_t)number;
	else if (!strcmp(key, "port"))
		event->port = htons((uint16_t)number);
	else if (!strcmp(key, "type"))
		event->icmp_type = (uint8_t)number;
	else if (!strcmp(key, "code"))
		event->icmp_code = (uint8_t)number;
	else if (!strcmp(key, "ifindex"))
		event->ifindex = (uint32_t)number;
	else if (!strcmp(key, "detail"))
		event->detail = (uint32_t)number;
	else if (strcmp(key, "payload") || strlen(value) != 2 * sizeof(event->payload))
		return -EINVAL;
	for (size_t i = 0; !strcmp(key, "payload") && i < sizeof(event->payload); i++)
		if (sscanf(value + 2 * i, "%2hhx", &event->payload[i]) != 1)
			return -EINVAL;
	return 0;
}

static int read_event(struct loader *loader, char **words, size_t n)
{
	struct mr_vec *row = loader->row;
	struct mr_event event = {.session_id = row->before.id, .index = MR_VEC_INDEX};

	while (event.kind < MR_EVENT_KINDS && strcmp(event_names[event.kind], words[1]))
		event.kind++;
	if (event.kind == MR_EVENT_KINDS || row->n_events == MR_VEC_EVENTS)
		return wrong(loader, "no such event, or too many: %s", words[1]);
	for (size_t i = 2; i < n; i++) {
		char *equals = strchr(words[i], '=');

		if (!equals)
			return wrong(loader, "not NAME=VALUE: %s", words[i]);
		*equals = '\0';
		if (set_event_field(&event, words[i], equals + 1) < 0)
			return wrong(loader, "not understood of an event: %s", words[i]);
	}
	row->events[row->n_events++] = event;
	return 0;
}

static int end_row(struct loader *loader)
{
	const struct mr_vec *row = loader->row;
	bool sends;

	if (row->reason == MR_REASON_COUNT || !row->ingress)
		return wrong(loader, "the row lacks its frame or its reason");
	sends = mr_reason_verdict(row->reason) == MR_VERDICT_SEND;
	if (sends != (row->out_len > 0))
		return wrong(loader, "the reason and the frame that leaves contradict each other");
	loader->row = NULL;
	loader->frame = NULL;
	return 0;
}

static int read_row(struct loader *loader, char **words, size_t n)
{
	struct mr_vec *row = loader->row;

	if (!strcmp(words[0], "session") && n == 2)
		return find_base(loader, words[1]);
	if (!strcmp(words[0], "set") && n == 3) {
		int r = set_field(loader, &row->before, words);

		row->after = row->before;
		return r;
	}
	if (!strcmp(words[0], "after") && n == 3)
		return set_field(loader, &row->after, words);
	if (!strcmp(words[0], "clock") && n == 2) {
		row->clock_ns = strtoull(words[1], NULL, 10);
		return 0;
	}
	if (!strcmp(words[0], "exact") && n == 1) {
		row->exact = true;
		return 0;
	}
	if (!strcmp(words[0], "in") && n == 2) {
		row->ingress = (uint32_t)atoi(words[1]);
		start_frame(loader, row->in, &row->in_len);
		return 0;
	}
	if (!strcmp(words[0], "out") && n == 2) {
		row->egress = (uint32_t)atoi(words[1]);
		start_frame(loader, row->out, &row->out_len);
		return 0;
	}
	if (!strcmp(words[0], "reason") && n == 2)
		return find_reason(loader, words[1]);
	if (!strcmp(words[0], "event") && n >= 2)
		return read_event(loader, words, n);
	if (!strcmp(words[0], "end") && n == 1)
		return end_row(loader);
	return wrong(loader, "%s: not understood in a row", words[0]);
}

static int read_base(struct loader *loader, char **words, size_t n)
{
	if (!strcmp(words[0], "set") && n == 3)
		return set_field(loader, &loader->base->session, words);
	if (strcmp(words[0], "end"))
		return wrong(loader, "%s: not understood in a base", words[0]);
	loader->base = NULL;
	return 0;
}

static int read_line(struct loader *loader, char *text)
{
	char *words[WORDS_MAX];
	size_t n;

	if (text[0] == '\t')
		return read_frame_line(loader, text);
	if (!strncmp(text, "row ", 4))
		return loader->row ? wrong(loader, "a row in a row") : start_row(loader, text + 4);
	n = split(text, words);
	if (n == 0 || words[0][0] == '#')
		return 0;
	if (loader->row)
		return read_row(loader, words, n);
	return loader->base ? read_base(loader, words, n) : read_world(loader, words, n);
}

int mr_vec_load(const char *path, struct mr_vec_file *ret_file, char *why)
{
	struct mr_vec_file file = {0};
	struct loader *loader = calloc(1, sizeof(*loader));
	FILE *stream = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	int r = 0;

	if (!loader || !stream) {
		snprintf(why, MR_VEC_WHY, "cannot open it: %s", strerror(errno));
		r = -errno;
	} else {
		*loader = (struct loader){.file = &file, .why = why};
	}
	while (!r && getline(&text, &size, stream) >= 0) {
		loader->line++;
		r = read_line(loader, text);
	}
	if (!r && loader->row)
		r = wrong(loader, "the last row has no end");
	if (r)
		mr_vec_free(&file);
	else
		*ret_file = file;
	free(text);
	free(loader);
	if (stream)
		fclose(stream);
	return r;
}

void mr_vec_free(struct mr_vec_file *file)
{
	for (size_t i = 0; i < file->n_rows; i++)
		free((char *)file->rows[i].what);
	free(file->rows);
	*file = (struct mr_vec_file){0};
}

struct mr_key mr_vec_public_key(
	const struct mr_vec_file *file, const struct mr_vec *row, size_t slot)
{
	return mr_key_public(&file->addresses[slot], row->before.public_port);
}

struct mr_key mr_vec_target_key(const struct mr_vec *row)
{
	return mr_key_target(
		&row->before.target, row->before.target_port, row->before.upstream_base);
}

void mr_vec_shift(struct mr_session *session, int64_t delta_ns)
{
	mr_fields_shift(session, delta_ns);
}

/** Names the first octet that differs. */
static bool frame_equal(
	const uint8_t *expected, size_t expected_len, const uint8_t *got, size_t got_len, char *why)
{
	size_t i = 0;

	while (i < expected_len && i < got_len && expected[i] == got[i])
		i++;
	if (i == expected_len && i == got_len)
		return true;
	if (i < expected_len && i < got_len)
		snprintf(why, MR_VEC_WHY, "octet %zu of the frame is %02x, expected %02x", i,
			got[i], expected[i]);
	else
		snprintf(why, MR_VEC_WHY, "the frame has %zu octets, expected %zu", got_len,
			expected_len);
	return false;
}

static void print_event(char *buf, size_t size, const struct mr_event *event)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &event->addr, addr, sizeof(addr));
	snprintf(buf, size,
		"%s slot=%u addr=%s port=%u type=%u code=%u ifindex=%u detail=%u "
		"payload=%02x..%02x",
		event->kind < MR_EVENT_KINDS ? event_names[event->kind] : "?", event->slot, addr,
		ntohs(event->port), event->icmp_type, event->icmp_code, event->ifindex,
		event->detail, event->payload[0], event->payload[7]);
}

/** Everything but the time. */
static bool events_equal(const struct mr_vec *row, const struct mr_vec_result *result, char *why)
{
	char a[256], b[256];

	if (row->n_events != result->n_events) {
		snprintf(why, MR_VEC_WHY, "%zu events, expected %zu", result->n_events,
			row->n_events);
		return false;
	}
	for (size_t i = 0; i < row->n_events; i++) {
		struct mr_event got = result->events[i];

		got.time_ns = 0;
		if (!memcmp(&row->events[i], &got, sizeof(got)))
			continue;
		print_event(a, sizeof(a), &got);
		print_event(b, sizeof(b), &row->events[i]);
		snprintf(why, MR_VEC_WHY, "the event is %s, expected %s", a, b);
		return false;
	}
	return true;
}

bool mr_vec_check(const struct mr_vec *row, const struct mr_vec_result *result,
	const struct mr_session *session, uint64_t tolerance_ns, char *why)
{
	if (result->reason != row->reason) {
		snprintf(why, MR_VEC_WHY, "the reason is %s, expected %s",
			mr_vec_reason_name(result->reason), mr_vec_reason_name(row->reason));
		return false;
	}
	switch (mr_reason_verdict(row->reason)) {
	case MR_VERDICT_PASS:
		if (!frame_equal(row->in, row->in_len, result->frame, result->len, why))
			return false;
		break;
	case MR_VERDICT_SEND:
		if (!frame_equal(row->out, row->out_len, result->frame, result->len, why))
			return false;
		if (result->egress && result->egress != row->egress) {
			snprintf(why, MR_VEC_WHY, "it leaves by interface %u, expected %u",
				result->egress, row->egress);
			return false;
		}
		break;
	case MR_VERDICT_DROP:
		break;
	}
	if (!result->no_events && !events_equal(row, result, why))
		return false;
	return mr_fields_equal(&row->after, session, tolerance_ns, why);
}
