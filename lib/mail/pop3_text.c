#include "mail/pop3_text.h"

static const char *const texts[POP3_TEXTS][POP3_LANGUAGES] = {
#define TEXT(name, code, english, german) \
	[POP3_##name] = { code english, code german },
#include "mail/pop3_text.def"
#undef TEXT
};

static const struct {
	const char *tag, *name; /* the name in the language itself */
} languages[POP3_LANGUAGES] = {
	[POP3_ENGLISH] = { "en", "English" },
	[POP3_GERMAN] = { "de", "Deutsch" },
};

const char *pop3_text(enum pop3_language language, enum pop3_text text)
{
	return texts[text][language];
}

const char *pop3_language_tag(enum pop3_language language)
{
	return languages[language].tag;
}

/* A range matches a tag that is the same or goes on behind a hyphen; our tags
 * have none. */
bool pop3_language_find(struct str range, struct str preferred,
	enum pop3_language *language)
{
	if (str_is(range, "*"))
		range = preferred;
	for (size_t i = 0; i < COUNT(languages); i++) {
		if (!str_is_nocase(range, languages[i].tag))
			continue;
		*language = (enum pop3_language)i;
		return true;
	}
	return false;
}

static void list(struct buf *out, enum pop3_language language)
{
	buf_fmt(out, "%s\r\n", pop3_text(language, POP3_LISTING));
	for (size_t i = 0; i < COUNT(languages); i++)
		buf_fmt(out, "%s %s\r\n", languages[i].tag, languages[i].name);
	buf_text(out, ".\r\n");
}

void pop3_language_change(struct buf *out, struct str range,
	struct str preferred, enum pop3_language *language)
{
	if (range.len == 0)
		list(out, *language);
	else if (pop3_language_find(range, preferred, language))
		buf_fmt(out, "+OK %s %s\r\n", languages[*language].tag,
			pop3_text(*language, POP3_CHANGED));
	else
		buf_fmt(out, "%s\r\n", pop3_text(*language, POP3_NO_LANGUAGE));
}
