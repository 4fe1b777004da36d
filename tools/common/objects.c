// SPDX-License-Identifier: BSD-2-Clause
/*
 * objects.c - see objects.h.
 *
 * The daemon's text is believed to be JSON, but never to be whole: nothing is read behind its NUL.
 */
#include "objects.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* Where one object is being gone through. */
struct walk {
	const struct mr_member *members;
	size_t n;
	size_t guess; /* the member that comes next, if the text keeps the order */
	struct mr_value values[MR_MEMBERS];
};

/** Behind the string that begins at `at`; NULL: it has no end. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		if (!*at)
			return NULL;
	}
	return at + 1;
}

/** Behind the object or array that begins at `at`; NULL: it has no end. */
static const char *skip_nested(const char *at)
{
	unsigned depth = 0;

	do {
		switch (*at) {
		case '\0':
			return NULL;
		case '{':
		case '[':
			depth++;
			at++;
			break;
		case '}':
		case ']':
			depth--;
			at++;
			break;
		case '"':
			at = skip_string(at);
			if (!at)
				return NULL;
			break;
		default:
			at++;
		}
	} while (depth > 0);
	return at;
}

static const char *skip_value(const char *at)
{
	if (*at == '"')
		return skip_string(at);
	if (*at == '{' || *at == '[')
		return skip_nested(at);
	while (*at && *at != ',' && *at != '}' && *at != ']')
		at++;
	return at;
}

static bool is_word(const struct mr_value *key, const char *word)
{
	/* the first octet tells most of them apart */
	return key->text[0] == word[0] && !strncmp(key->text, word, key->length) &&
		!word[key->length];
}

static bool is_member(
	const struct mr_member *member, const struct mr_value *outer, const struct mr_value *key)
{
	if (!member->outer != !outer || !is_word(key, member->name))
		return false;
	return !outer || is_word(outer, member->outer);
}

/** Keeps the value if it is one of those that are wanted. */
static void keep(struct walk *walk, const struct mr_value *outer, const struct mr_value *key,
	struct mr_value value)
{
	for (size_t tried = 0, i = walk->guess; tried < walk->n; tried++, i++) {
		if (i == walk->n)
			i = 0;
		if (is_member(&walk->members[i], outer, key)) {
			walk->values[i] = value;
			walk->guess = i + 1 < walk->n ? i + 1 : 0;
			return;
		}
	}
}

/** Goes through the object at `at`, and the objects right inside it. Behind it, or NULL. */
static const char *walk_object(struct walk *walk, const char *at, const struct mr_value *outer)
{
	while (*at == '{' || *at == ',') {
		struct mr_value key = {.text = at + 2};
		const char *value, *end;

		if (at[0] == '{' && at[1] == '}')
			return at + 2;
		end = at[1] == '"' ? skip_string(at + 1) : NULL;
		if (!end || *end != ':')
			return NULL;
		key.length = (size_t)(end - 1 - key.text);
		value = end + 1;
		at = !outer && *value == '{' ? walk_object(walk, value, &key) : skip_value(value);
		if (!at || at == value)
			return NULL;
		keep(walk, outer, &key, (struct mr_value){value, (size_t)(at - value)});
	}
	return *at == '}' ? at + 1 : NULL;
}

/** Goes through what begins with the first object of the array. */
static int each_of(const char *at, struct walk *walk, mr_object_fn *fn, void *context)
{
	while (*at == '{') {
		memset(walk->values, 0, sizeof(walk->values));
		walk->guess = 0;
		at = walk_object(walk, at, NULL);
		if (!at)
			return -EINVAL;
		fn(walk->values, context);
		if (*at == ',')
			at++;
	}
	return *at == ']' ? 0 : -EINVAL;
}

/** The array that is a member of the document, without white space; NULL: there is none. */
static char *compact_array(const char *text, const char *name)
{
	json_t *document = json_loads(text, 0, NULL);
	json_t *array = json_object_get(document, name);
	char *compact = json_is_array(array) ? json_dumps(array, JSON_COMPACT) : NULL;

	json_decref(document);
	return compact;
}

int mr_objects_each(const char *text, const char *array, const struct mr_member *members, size_t n,
	mr_object_fn *fn, void *context)
{
	mr_cleanup(mr_free_text) char *compact = NULL;
	struct walk walk = {.members = members, .n = n};
	char start[64];
	size_t length = (size_t)snprintf(start, sizeof(start), "{\"%s\":[", array);

	assert(n <= MR_MEMBERS && length < sizeof(start));
	/* as our daemon writes it: no white space, and this member first */
	if (!strncmp(text, start, length))
		return each_of(text + length, &walk, fn, context);
	compact = compact_array(text, array);
	return compact ? each_of(compact + 1, &walk, fn, context) : -EINVAL;
}

const char *mr_value_text(
	const struct mr_value *value, char *buf, size_t size, const char *otherwise)
{
	json_t *string;

	if (value->length < 2 || value->text[0] != '"') {
		snprintf(buf, size, "%s", otherwise);
	} else if (!memchr(value->text, '\\', value->length)) {
		size_t length = value->length - 2 < size ? value->length - 2 : size - 1;

		memcpy(buf, value->text + 1, length);
		buf[length] = '\0';
	} else {
		string = json_loadb(value->text, value->length, JSON_DECODE_ANY, NULL);
		snprintf(buf, size, "%s", string ? json_string_value(string) : otherwise);
		json_decref(string);
	}
	return buf;
}

int64_t mr_value_number(const struct mr_value *value)
{
	return value->length ? strtoll(value->text, NULL, 10) : 0;
}
