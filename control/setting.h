/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * setting.h - the form of each setting's value, the same for an option and for the file.
 */
#ifndef MR_CONTROL_SETTING_H
#define MR_CONTROL_SETTING_H

#include "backend.h"
#include "log.h"
#include "policy.h"

/**
 * Is `text` a value for the setting `name` (spelled as in the file)? -EINVAL, and `ret_why` says
 * "name: what is wrong: what it should be". Settings without a rule take everything.
 */
int mr_setting_check(const char *name, const char *text, struct mr_why *ret_why);

/** Reads LO-HI and cuts it to the whole blocks of 16 in it. 0, -EINVAL, or -ERANGE: there are none.
 */
int mr_setting_blocks(const char *text, struct mr_port_range *ret_range);

/** A decimal number of digits alone within lo..hi. 0 or -EINVAL. */
int mr_setting_number(const char *text, uint32_t lo, uint32_t hi, uint32_t *ret_value);

/** The option's spelling of a dataplane, and back (-EINVAL). */
const char *mr_dataplane_option(enum mr_dataplane dataplane);
int mr_dataplane_parse(const char *text, enum mr_dataplane *ret_dataplane);

/** A dataplane's name in `status`. */
const char *mr_dataplane_name(enum mr_dataplane dataplane);

#endif
