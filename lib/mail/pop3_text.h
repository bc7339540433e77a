/*
 * mail/pop3_text - the texts of POP3 in several languages, and LANG.
 *
 * Source   RFC 6856 3 (LANG), RFC 4647 2.1, 3.3.1 (language ranges)
 * Memory   texts are literals
 * Waits    no
 */
#ifndef MAIL_POP3_TEXT_H
#define MAIL_POP3_TEXT_H

#include "base/buf.h"

enum pop3_text {
#define TEXT(name, code, english, german) POP3_##name,
#include "mail/pop3_text.def"
#undef TEXT
	POP3_TEXTS,
};

enum pop3_language {
	POP3_ENGLISH,
	POP3_GERMAN,
	POP3_LANGUAGES,
};

/* A reply with its status indicator and code, without CRLF. Not ASCII in
 * languages that are not: only for who has asked for one. */
const char *pop3_text(enum pop3_language language, enum pop3_text text);
/* "en". */
const char *pop3_language_tag(enum pop3_language language);
/* The first one that a range is for: "de", "en"; "*": the preferred one.
 * False: none. */
must_check bool pop3_language_find(struct str range, struct str preferred,
	enum pop3_language *language);
/* The whole reply to LANG: *language is what is spoken from now on. */
void pop3_language_change(struct buf *out, struct str range,
	struct str preferred, enum pop3_language *language);

#endif
