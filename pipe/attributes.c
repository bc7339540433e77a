/*
 * pipe/attributes - flags=DRhu user=vmail argv=/usr/bin/program ${recipient}
 */
#include "pipe/pipe.h"

#include <stdlib.h>

static const struct {
	char letter;
	unsigned flag;
} letters[] = {
	{ 'B', PIPE_BLANK_LINE }, { 'D', PIPE_DELIVERED_TO },
	{ 'F', PIPE_FROM_LINE }, { 'O', PIPE_ORIGINAL_TO },
	{ 'R', PIPE_RETURN_PATH }, { 'X', PIPE_FINAL },
	{ 'h', PIPE_FOLD_DOMAIN }, { 'q', PIPE_QUOTE },
	{ 'u', PIPE_FOLD_USER }, { '.', PIPE_DOTS },
	{ '>', PIPE_QUOTE_FROM },
};

static const char *set_flags(struct arena *arena, struct attributes *a,
	struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		size_t at = 0;

		while (at < COUNT(letters) && letters[at].letter != value.p[i])
			at++;
		if (at == COUNT(letters))
			return arena_fmt(
				arena, "unknown flag: %c", value.p[i]).p;
		a->flags |= letters[at].flag;
	}
	return NULL;
}

static const char *set_user(struct arena *arena, struct attributes *a,
	struct str value)
{
	return run_as_parse(arena, value, &a->user);
}

static const char *set_directory(struct arena *arena, struct attributes *a,
	struct str value)
{
	a->directory = arena_cstr(arena, value);
	return NULL;
}

static const char *set_root(struct arena *arena, struct attributes *a,
	struct str value)
{
	a->root = arena_cstr(arena, value);
	return NULL;
}

static const char *set_size(struct arena *arena, struct attributes *a,
	struct str value)
{
	(void)arena;
	return str_parse_u64(value, INT64_MAX, &a->size) ?
		NULL :
		"size= is no number";
}

/* "015": an octet in octal. */
static bool take_octal(struct str text, size_t at, char *octet)
{
	unsigned value = 0;

	for (size_t i = at; i < at + 3; i++) {
		if (i >= text.len || text.p[i] < '0' || text.p[i] > '7')
			return false;
		value = value * 8 + (unsigned)(text.p[i] - '0');
	}
	if (value > 255)
		return false;
	*octet = (char)value;
	return true;
}

/* \n, \r, \015, \\ and the like, as in C. */
static const char *set_eol(struct arena *arena, struct attributes *a,
	struct str value)
{
	static const char names[] = "nrtabfv", octets[] = "\n\r\t\a\b\f\v";
	struct buf eol = BUF_IN(arena);

	for (size_t i = 0; i < value.len; i++) {
		const char *name;
		char c = value.p[i];

		if (c == '\\' && i + 1 < value.len) {
			c = value.p[++i];
			name = strchr(names, c);
			if (name)
				c = octets[name - names];
			else if (take_octal(value, i, &c))
				i += 2;
		}
		buf_char(&eol, c);
	}
	a->eol = arena_cstr(arena, buf_str(&eol));
	return NULL;
}

static const char *set_null_sender(struct arena *arena, struct attributes *a,
	struct str value)
{
	a->null_sender = arena_copy(arena, value);
	return NULL;
}

static const struct attribute {
	const char *name;
	const char *(*set)(struct arena *arena, struct attributes *a,
		struct str value);
} table[] = {
	{ "flags=", set_flags },
	{ "user=", set_user },
	{ "directory=", set_directory },
	{ "chroot=", set_root },
	{ "size=", set_size },
	{ "eol=", set_eol },
	{ "null_sender=", set_null_sender },
};

static const char *set(struct arena *arena, struct attributes *a,
	struct str text)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (str_take_prefix(&text, str_from(table[i].name)))
			return table[i].set(arena, a, text);
	return arena_fmt(arena, "unknown attribute: %.*s", STR_ARG(text)).p;
}

const char *attributes_parse(struct arena *arena, char *const *args,
	struct attributes *attributes)
{
	*attributes = (struct attributes){
		.eol = "\n",
		.null_sender = STR("MAILER-DAEMON"),
	};
	for (; *args; args++) {
		struct str text = str_from(*args);
		const char *wrong;

		if (str_starts(text, STR("argv="))) {
			wrong = run_as_words(arena, args, &attributes->words);
			if (wrong)
				return wrong;
			break;
		}
		wrong = set(arena, attributes, text);
		if (wrong)
			return wrong;
	}
	if (!attributes->words)
		return "argv= is missing";
	return attributes->user.name ? NULL : "user= is missing";
}
