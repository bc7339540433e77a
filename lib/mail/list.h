/*
 * mail/list - the address lists of header fields: From, To, Cc, ...
 *
 * Source   RFC 5322 3.4 and 4.4 (groups, comments, quoted strings, routes,
 *          obsolete forms), RFC 6532 3.2 (UTF-8)
 * Memory   results in the arena given; positions are those of the text
 * Waits    no
 * Errors   MAIL_LIST_JUNK: something that is no address; the walk goes on
 *          behind the next comma or semicolon. Comments nest MAIL_DEPTH_MOST
 *          deep at most.
 *
 *	struct mail_list list = mail_list_of(header.body);
 *	while ((item = mail_list_next(arena, &list, &address)) != MAIL_LIST_END)
 */
#ifndef MAIL_LIST_H
#define MAIL_LIST_H

#include "base/buf.h"

enum {
	MAIL_DEPTH_MOST = 30, /* of comments in comments */
	MAIL_WORDS_MOST = 4000, /* words of one address with its phrase */
};

enum mail_list_item {
	MAIL_LIST_END,
	MAIL_LIST_ADDRESS,
	MAIL_LIST_GROUP,     /* "name:"; address->name is the group's name */
	MAIL_LIST_GROUP_END, /* ";" (or the end of the text) */
	MAIL_LIST_JUNK,      /* at and len tell what was skipped */
};

/* Words are joined and free of comments, folding and quoting. */
struct mail_mailbox {
	struct str name;    /* display name; else the last comment; else NONE */
	struct str comment; /* text of the last comment, NONE if none */
	struct str route;   /* "@a,@b" before the colon, NONE if none */
	struct str local;   /* local-part without quotes; empty for <> */
	struct str domain;  /* with [] if a literal; NONE if there was no "@" */
	bool is_angle;      /* it stood in <> */
	/* Where it stands in the text: the addr-spec (with its route, without
	 * <>), to be replaced in place; for JUNK and GROUP the whole. */
	size_t at, len;
	/* The whole element, from its phrase to its ">" or last comment. */
	size_t item_at, item_len;
};

struct mail_list {
	struct str text;
	size_t at;
	bool in_group;
};

static inline struct mail_list mail_list_of(struct str text)
{
	return (struct mail_list){ .text = text };
}

enum mail_list_item mail_list_next(struct arena *arena, struct mail_list *list,
	struct mail_mailbox *mailbox);

/* local@domain in internal form (mail/address.h), or local alone. */
struct str mail_mailbox_address(struct arena *arena,
	const struct mail_mailbox *mailbox);
/* `Name <local@domain>`, the name as atoms or quoted string as it needs, the
 * address in external form. No name: the address alone. */
void mail_mailbox_format(struct buf *out, struct str name,
	struct str address);
/* A phrase: atoms if it consists of them, else a quoted string. */
void mail_phrase_format(struct buf *out, struct str name);
/* The text as comment, "(" to ")", with its parentheses quoted. */
void mail_comment_format(struct buf *out, struct str text);

#endif
