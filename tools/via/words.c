// SPDX-License-Identifier: BSD-2-Clause
/*
 * words.c - see words.h.
 */
#include "words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
	if (!memory) {
		mr_cli_error("out of memory");
		exit(MR_EXIT_FAILED);
	}
	return memory;
}

static void take(struct mr_words *words, char *word)
{
	words->at = must(realloc(words->at, (words->n + 2) * sizeof(*words->at)));
	words->at[words->n++] = word;
	words->at[words->n] = NULL;
}

void mr_words_free(struct mr_words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->at[i]);
	free(words->at);
	*words = (struct mr_words){0};
}

void mr_words_add(struct mr_words *words, const char *word)
{
	take(words, must(strdup(word)));
}

void mr_words_add_all(struct mr_words *words, ...)
{
	const char *word;
	va_list args;

	va_start(args, words);
	while ((word = va_arg(args, const char *)))
		mr_words_add(words, word);
	va_end(args);
}

void mr_words_add_list(struct mr_words *words, char *const *list)
{
	while (list && *list)
		mr_words_add(words, *list++);
}

static char *format(const char *fmt, va_list args)
{
	va_list again;
	char *text;
	int length;

	va_copy(again, args);
	length = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	text = must(length < 0 ? NULL : malloc((size_t)length + 1));
	vsnprintf(text, (size_t)length + 1, fmt, args);
	return text;
}

char *mr_format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	return text;
}

void mr_words_addf(struct mr_words *words, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	take(words, format(fmt, args));
	va_end(args);
}

/** Whether the shell takes the backslash at `text`, inside of `quote`, for an escape. */
static bool is_escape(const char *text, char quote)
{
	if (text[0] != '\\' || !text[1] || quote == '\'')
		return false;
	return quote != '"' || strchr("\"\\$`", text[1]);
}

/** Reads one word at `*text`, which isn't a blank, into `word`, which has room. */
static int split_word(const char **text, char *word)
{
	const char *in = *text;
	char quote = '\0';

	for (; *in && (quote || !strchr(" \t\n", *in)); in++) {
		if (is_escape(in, quote))
			*word++ = *++in;
		else if (quote ? *in == quote : *in == '\'' || *in == '"')
			quote = quote ? '\0' : *in;
		else
			*word++ = *in;
	}
	*word = '\0';
	*text = in;
	return quote ? -EINVAL : 0;
}

int mr_words_split(struct mr_words *words, const char *text)
{
	mr_cleanup(mr_words_free) struct mr_words found = {0};
	mr_cleanup(mr_free_text) char *word = must(malloc(strlen(text) + 1));

	for (text += strspn(text, " \t\n"); *text; text += strspn(text, " \t\n")) {
		int r = split_word(&text, word);

		if (r < 0)
			return r;
		mr_words_add(&found, word);
	}
	mr_words_add_list(words, found.at);
	return 0;
}

/** Writes `word` quoted to `out`, which has room for four times its length and three. */
static char *quote_to(char *out, const char *word)
{
	*out++ = '\'';
	for (; *word; word++) {
		if (strchr("'\\!", *word)) {
			*out++ = '\'';
			*out++ = '\\';
			*out++ = *word;
			*out++ = '\'';
		} else {
			*out++ = *word;
		}
	}
	*out++ = '\'';
	*out = '\0';
	return out;
}

char *mr_word_quote(const char *word)
{
	char *text = must(malloc(4 * strlen(word) + 3));

	quote_to(text, word);
	return text;
}

char *mr_words_quote(const struct mr_words *words)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; i < words->n; i++)
		size += 4 * strlen(words->at[i]) + 4;
	text = end = must(malloc(size));
	*end = '\0';
	for (size_t i = 0; i < words->n; i++) {
		if (i > 0)
			*end++ = ' ';
		end = quote_to(end, words->at[i]);
	}
	return text;
}

char *mr_words_join(const struct mr_words *words)
{
	size_t size = 1;
	char *text, *end;

	for (size_t i = 0; i < words->n; i++)
		size += strlen(words->at[i]) + 1;
	text = end = must(malloc(size));
	*end = '\0';
	for (size_t i = 0; i < words->n; i++) {
		size_t length = strlen(words->at[i]);

		if (i > 0)
			*end++ = ' ';
		memcpy(end, words->at[i], length + 1);
		end += length;
	}
	return text;
}
