#include "rewrite/header.h"

#include <string.h>

#include "mail/address.h"
#include "mail/list.h"

static const struct {
	const char *name;
	enum rewrite_where where;
} fields[] = {
	{ "From", HEADER_SENDER },
	{ "Sender", HEADER_SENDER },
	{ "Reply-To", HEADER_SENDER },
	{ "Errors-To", HEADER_SENDER },
	{ "Return-Path", HEADER_SENDER },
	{ "Return-Receipt-To", HEADER_SENDER },
	{ "Disposition-Notification-To", HEADER_SENDER },
	{ "Resent-From", HEADER_SENDER },
	{ "Resent-Sender", HEADER_SENDER },
	{ "Resent-Reply-To", HEADER_SENDER },
	{ "To", HEADER_RECIPIENT },
	{ "Cc", HEADER_RECIPIENT },
	{ "Bcc", HEADER_RECIPIENT },
	{ "Mail-Followup-To", HEADER_RECIPIENT },
	{ "Resent-To", HEADER_RECIPIENT },
	{ "Resent-Cc", HEADER_RECIPIENT },
	{ "Resent-Bcc", HEADER_RECIPIENT },
};

unsigned header_where(struct str name)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (str_is_nocase(name, fields[i].name))
			return fields[i].where;
	return 0;
}

/* ---- tokens ---- */

/* Up to the closing octet, with quoted pairs and, for comments, nesting. */
static void pass_quoted(struct str *in, char open, char close)
{
	size_t depth = 0, i = 0;

	for (; i < in->len; i++) {
		if (in->p[i] == '\\')
			i++;
		else if (in->p[i] == close && (open == close ? i > 0 :
			--depth == 0))
			break;
		else if (in->p[i] == open && open != close)
			depth++;
	}
	*in = str_skip(*in, i < in->len ? i + 1 : in->len);
}

static bool is_between(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(unsigned char c)
{
	return c && strchr("<>()[]:;@\\,.\"", c);
}

static bool is_word(unsigned char c)
{
	return !is_between(c) && !is_special(c);
}

static void pass_token(struct str *in)
{
	static const char pairs[][2] = { "\"\"", "()", "[]" };

	for (size_t i = 0; i < COUNT(pairs); i++)
		if (in->p[0] == pairs[i][0]) {
			pass_quoted(in, pairs[i][0], pairs[i][1]);
			return;
		}
	if (is_special((unsigned char)in->p[0]))
		*in = str_skip(*in, 1);
	else
		str_take_while(in, is_word);
}

struct str header_within(struct str body, size_t tokens)
{
	struct str rest = body;
	size_t element = 0;

	if (body.len <= tokens)
		return body;
	for (size_t count = 0;; count++) {
		str_take_while(&rest, is_between);
		if (rest.len == 0)
			return body;
		if (rest.p[0] == ',')
			element = body.len - rest.len;
		if (count == tokens)
			break;
		pass_token(&rest);
	}
	return str_first(body, element ? element : body.len - rest.len);
}

struct change {
	struct arena *arena;
	enum rewrite_where where;
	header_rule *rule;
	void *context;
};

/* One address, in the form in which it stands in headers; NONE: as it was. */
static struct status change_one(const struct change *change,
	const struct mail_mailbox *mailbox, struct str *external)
{
	struct str address = mail_mailbox_address(change->arena, mailbox);
	struct str given = address;
	struct status status;

	*external = STR_NONE;
	if (address.len == 0)
		return STATUS_OK;
	status = change->rule(change->context, change->arena, change->where,
		&address);
	if (status_is_ok(status) && !str_eq(given, address))
		*external = mail_address_external(change->arena, address);
	return status;
}

struct status header_rewrite(struct arena *arena, enum rewrite_where where,
	struct str body, header_rule *rule, void *context, struct str *changed)
{
	const struct change change = { arena, where, rule, context };
	struct mail_list list = mail_list_of(body);
	struct buf out = BUF_IN(arena);
	struct mail_mailbox mailbox;
	enum mail_list_item item;
	size_t copied = 0;

	*changed = STR_NONE;
	while ((item = mail_list_next(arena, &list, &mailbox)) !=
		MAIL_LIST_END) {
		struct str external = STR_NONE;
		struct status status;

		if (item != MAIL_LIST_ADDRESS)
			continue;
		status = change_one(&change, &mailbox, &external);
		if (!status_is_ok(status))
			return status;
		if (str_is_none(external))
			continue;
		buf_add(&out, str_of(body.p + copied, mailbox.at - copied));
		buf_add(&out, external);
		copied = mailbox.at + mailbox.len;
	}
	if (copied == 0)
		return STATUS_OK;
	buf_add(&out, str_skip(body, copied));
	*changed = buf_str(&out);
	return STATUS_OK;
}
