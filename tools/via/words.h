/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.h - argument lists, and the shell's way of writing them as one string.
 *
 * Owns quoting and splitting. Knows nothing of what the words mean. Portable POSIX.
 */
#ifndef MR_VIA_WORDS_H
#define MR_VIA_WORDS_H

#include <stddef.h>

#include "cli.h"

/** A growing list of owned strings; `{0}` is an empty one. Memory that runs out ends the program:
 * these lists hold what stood on a command line.
 */
struct mr_words {
	char **at; /* NULL behind the last; NULL itself while empty */
	size_t n;
};

/** Frees the words. Cleanup for `mr_cleanup(mr_words_free) struct mr_words words = {0};` */
void mr_words_free(struct mr_words *words);

/** Appends a copy of `word`. */
void mr_words_add(struct mr_words *words, const char *word);

/** Appends copies of all the arguments up to a NULL. */
void mr_words_add_all(struct mr_words *words, ...) __attribute__((sentinel));

/** Appends a copy of every word of the NULL-terminated `list`. */
void mr_words_add_list(struct mr_words *words, char *const *list);

/** Appends a word made by printf. */
void mr_words_addf(struct mr_words *words, const char *fmt, ...) mr_printf(2, 3);

/**
 * Splits `text` as a shell does: blanks, '…', "…" and backslashes; no expansion.
 * -EINVAL: a quote is not closed. Nothing is appended then.
 */
int mr_words_split(struct mr_words *words, const char *text);

/**
 * All words as one string (the caller's to free) that a shell splits into them again: sh, csh and
 * fish alike. fish reads backslashes inside of quotes and csh exclamation marks, so none stands
 * there.
 */
char *mr_words_quote(const struct mr_words *words);

/** All words with a blank between two, as ssh makes one command of its arguments. To free. */
char *mr_words_join(const struct mr_words *words);

/** As mr_words_quote(), of the one `word`. */
char *mr_word_quote(const char *word);

/** A string made by printf, the caller's to free; ends the program when memory runs out. */
char *mr_format(const char *fmt, ...) mr_printf(1, 2);

#endif
