/*
 * pipe/pipe - what the files of this room share.
 */
#ifndef PIPE_PIPE_H
#define PIPE_PIPE_H

#include "agent/deliver.h"
#include "agent/run_as.h"

/* Letters of flags=. */
enum pipe_flag {
	PIPE_BLANK_LINE = 1 << 0,   /* B */
	PIPE_DELIVERED_TO = 1 << 1, /* D */
	PIPE_FROM_LINE = 1 << 2,    /* F */
	PIPE_ORIGINAL_TO = 1 << 3,  /* O */
	PIPE_RETURN_PATH = 1 << 4,  /* R */
	PIPE_FINAL = 1 << 5,        /* X */
	PIPE_FOLD_DOMAIN = 1 << 6,  /* h */
	PIPE_QUOTE = 1 << 7,        /* q */
	PIPE_FOLD_USER = 1 << 8,    /* u */
	PIPE_DOTS = 1 << 9,         /* . */
	PIPE_QUOTE_FROM = 1 << 10,  /* > */
};

/* The attributes of the row in master.cf. */
struct attributes {
	unsigned flags;
	struct run_as_names user;
	const char *directory, *root; /* may be NULL */
	const char *eol;
	struct str null_sender;
	uint64_t size; /* octets at most, 0: any */
	char *const *words; /* argv=, ended by NULL */
};

/* Read the arguments behind the options. NULL, or what is wrong. */
const char *attributes_parse(struct arena *arena, char *const *args,
	struct attributes *attributes);

/*
 * The words of the command with $name and ${name} in them replaced; a word
 * that names a recipient stands once for each. NULL: a name is unknown, in
 * *unknown. `delivery` NULL: only look whether the names are known.
 */
char **words_expand(struct arena *arena, const struct attributes *attributes,
	const struct delivery *delivery, struct str *unknown);

#endif
