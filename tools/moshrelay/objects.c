// SPDX-License-Identifier: BSD-2-Clause
/*
 * objects.c - see objects.h.
 */
#include "objects.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/** Length of the object that `text` begins with: its braces match, outside of strings. 0: none. */
static size_t object_length(const char *text)
{
	const char *at = text;
	unsigned depth = 0;

	do {
		at += strcspn(at, "{}\"");
		switch (*at) {
		case '{':
			depth++;
			break;
		case '}':
			if (depth == 0)
				return 0;
			depth--;
			break;
		case '"':
			for (at++; *at && *at != '"'; at++)
				if (*at == '\\' && at[1])
					at++;
			break;
		}
		if (!*at)
			return 0;
		at++;
	} while (depth > 0);
	return (size_t)(at - text);
}

/** True if `text` goes on with `word`; moves behind it. */
static bool skip(const char **text, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length))
		return false;
	*text += length;
	return true;
}

/** As our daemon writes it: compact, and this member first. */
static bool is_compact(const char **text, const char *name)
{
	return skip(text, "{\"") && skip(text, name) && skip(text, "\":[");
}

static int each_of_document(const char *text, const char *name, mr_object_fn *fn, void *context)
{
	json_t *document = json_loads(text, 0, NULL), *array, *object;
	size_t i;
	int r;

	array = json_object_get(document, name);
	r = json_is_array(array) ? 0 : -EINVAL;
	json_array_foreach (array, i, object)
		fn(object, context);
	json_decref(document);
	return r;
}

int mr_objects_each(const char *text, const char *name, mr_object_fn *fn, void *context)
{
	const char *at = text;

	if (!is_compact(&at, name))
		return each_of_document(text, name, fn, context);
	while (*at == '{') {
		size_t length = object_length(at);
		json_t *object = json_loadb(at, length, 0, NULL);

		if (!object)
			return -EINVAL;
		fn(object, context);
		json_decref(object);
		at += length;
		skip(&at, ",");
	}
	return *at == ']' ? 0 : -EINVAL;
}
