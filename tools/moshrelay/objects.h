/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * objects.h - the objects of an array in JSON text, one at a time.
 *
 * A list of 50,000 sessions is 26 MB. Read as one document it is as many small allocations at once
 * as it has values; one session after the other it is a few that stay in the cache.
 */
#ifndef MR_MOSHRELAY_OBJECTS_H
#define MR_MOSHRELAY_OBJECTS_H

#include <jansson.h>

/** Called for each object; it is freed afterwards. */
typedef void mr_object_fn(const json_t *object, void *context);

/**
 * Calls `fn` for each object in the array that is the member `name` of the object in `text`, which
 * ends in a NUL. -EINVAL: something else stands there; `fn` may have been called before.
 */
int mr_objects_each(const char *text, const char *name, mr_object_fn *fn, void *context);

#endif
