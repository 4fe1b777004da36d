/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * objects.h - some members of each object of an array in JSON text, without a tree of them all.
 *
 * A list of 50,000 sessions is 26 MB. What takes the time of reading it is a small allocation for
 * each of its values, most of which no table shows. So this goes over the text once and hands out
 * where the wanted values stand in it; jansson reads what isn't plain.
 */
#ifndef MR_TOOLS_OBJECTS_H
#define MR_TOOLS_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

/** A member of an object, or of one inside it: {"owner", "name"}; `outer` NULL: of the object. */
struct mr_member {
	const char *outer, *name;
};

#define MR_MEMBERS 16

/** A piece of JSON text, a value as it stands there; `text` NULL: it isn't there. */
struct mr_value {
	const char *text;
	size_t length;
};

/** Called for each object with the values of the wanted members, in their order. */
typedef void mr_object_fn(const struct mr_value *values, void *context);

/**
 * Calls `fn` for each object in the array that is the member `array` of the object in `text`, which
 * ends in a NUL. `n` <= MR_MEMBERS. It is quickest if the members are in the order of the text.
 * -EINVAL: something else stands there; `fn` may have been called before.
 */
int mr_objects_each(const char *text, const char *array, const struct mr_member *members, size_t n,
	mr_object_fn *fn, void *context);

/** A string's text, cut off where `buf` ends; `otherwise` if it is none. Returns `buf`. */
const char *mr_value_text(
	const struct mr_value *value, char *buf, size_t size, const char *otherwise);

/** A whole number; 0 if it is none. */
int64_t mr_value_number(const struct mr_value *value);

#endif
