/* SPDX-License-Identifier: BSD-2-Clause */
/* new/assert.h - the comparisons of Criterion's newer assertions, for numbers and pointers. */
#ifndef CRITERION_NEW_ASSERT_H
#define CRITERION_NEW_ASSERT_H

#define eq(type, a, b) ((a) == (b))
#define ne(type, a, b) ((a) != (b))
#define lt(type, a, b) ((a) < (b))
#define le(type, a, b) ((a) <= (b))
#define gt(type, a, b) ((a) > (b))
#define ge(type, a, b) ((a) >= (b))
#define zero(type, a)  ((a) == 0)
#define not(a) (!(a))

#endif
