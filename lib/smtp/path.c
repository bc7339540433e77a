#include "smtp/path.h"

#include <arpa/inet.h>

#include "mail/address.h"
#include "mail/list.h"

/* Text form of an address, NUL-terminated for inet_pton(3). */
static bool is_ip(int family, struct str text)
{
	char copy[INET6_ADDRSTRLEN + 1];
	unsigned char octets[16];

	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return strlen(copy) == text.len &&
		inet_pton(family, copy, octets) == 1;
}

bool smtp_is_literal(struct str domain)
{
	if (!str_take_char(&domain, '[') || !str_ends(domain, STR("]")))
		return false;
	domain.len--;
	if (str_take_prefix_nocase(&domain, STR("IPv6:")))
		return is_ip(AF_INET6, domain);
	return is_ip(AF_INET, domain);
}

static bool is_label(struct str label)
{
	for (size_t i = 0; i < label.len; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (!ascii_is_alnum(c) && c != '-' && c != '_' && c < 0x80)
			return false;
	}
	return label.len >= 1 && label.len <= 63 && label.p[0] != '-' &&
		label.p[label.len - 1] != '-';
}

bool smtp_is_domain(struct str domain)
{
	if (smtp_is_literal(domain))
		return true;
	if (domain.len == 0 || domain.len > 255 || str_ends(domain, STR(".")))
		return false;
	while (domain.len > 0)
		if (!is_label(str_take_until(&domain, '.')))
			return false;
	return true;
}

static bool has_control(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return true;
	return false;
}

/*
 * Length of the path at the front: up to its ">", or to the next space outside
 * of quotes and comments. 0: none, or it does not end.
 */
static size_t path_length(struct str in)
{
	bool angle = in.len > 0 && in.p[0] == '<', quoted = false;
	unsigned comments = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == '\\')
			i++;
		else if (c == '"' && comments == 0)
			quoted = !quoted;
		else if (quoted)
			continue;
		else if (c == '(')
			comments++;
		else if (c == ')' && comments > 0)
			comments--;
		else if (comments > 0)
			continue;
		else if (angle && c == '>')
			return i + 1;
		else if (!angle && c == ' ')
			return i;
	}
	return angle || quoted || comments ? 0 : in.len;
}

/* By the rules of header fields: lax. */
static bool parse_lax(struct arena *arena, struct str path,
	struct mail_mailbox *mailbox)
{
	struct mail_list list = mail_list_of(path);
	struct mail_mailbox more;

	return mail_list_next(arena, &list, mailbox) == MAIL_LIST_ADDRESS &&
		mailbox->item_at == 0 && mailbox->item_len == path.len &&
		mail_list_next(arena, &list, &more) == MAIL_LIST_END;
}

static struct str take_quoted(struct str *in)
{
	struct str all = *in;

	*in = str_skip(*in, 1);
	while (in->len > 0 && in->p[0] != '"')
		*in = str_skip(*in, in->p[0] == '\\' ? 2 : 1);
	if (!str_take_char(in, '"'))
		return STR_NONE;
	return str_first(all, all.len - in->len);
}

static bool is_dot_atom(unsigned char c)
{
	return ascii_is_alnum(c) || c >= 0x80 ||
		(c != 0 && strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* RFC 5321 4.1.2 Path; only the domain may be missing, as in Postfix. */
static bool parse_strict(struct arena *arena, struct str path,
	struct mail_mailbox *mailbox)
{
	struct str local;
	size_t colon;

	if (!str_take_char(&path, '<') || !str_ends(path, STR(">")))
		return false;
	path.len--;
	*mailbox = (struct mail_mailbox){ .local = STR("") };
	if (path.len == 0)
		return true;
	colon = path.p[0] == '@' ? str_find_char(path, ':') : SIZE_MAX;
	if (colon != SIZE_MAX) {
		mailbox->route = str_first(path, colon);
		path = str_skip(path, colon + 1);
	}
	if (path.len > 0 && path.p[0] == '"') {
		local = take_quoted(&path);
		mailbox->local = mail_address_internal(arena, local);
		if (mailbox->local.len == 0)
			return false;
	} else {
		mailbox->local = str_take_while(&path, is_dot_atom);
		if (!mail_is_dot_string(mailbox->local))
			return false;
	}
	if (path.len == 0) /* ours to complete, as <postmaster> (4.5.1) */
		return true;
	mailbox->domain = str_skip(path, 1);
	return path.p[0] == '@' && smtp_is_domain(mailbox->domain);
}

static bool is_sound(const struct mail_mailbox *mailbox)
{
	if (has_control(mailbox->local) || has_control(mailbox->domain))
		return false;
	if (str_starts(mailbox->domain, STR("[")))
		return smtp_is_literal(mailbox->domain);
	return str_is_none(mailbox->domain) || mailbox->domain.len > 0;
}

bool smtp_path_take(struct arena *arena, struct str *in, bool strict,
	struct str *address, bool *has_route)
{
	size_t len = path_length(*in);
	struct str path = str_first(*in, len), rest = str_skip(*in, len);
	struct mail_mailbox mailbox;

	if (len == 0 || (rest.len > 0 && rest.p[0] != ' '))
		return false;
	if (!(strict ? parse_strict : parse_lax)(arena, path, &mailbox) ||
		!is_sound(&mailbox))
		return false;
	*address = mail_mailbox_address(arena, &mailbox);
	if (address->len > SMTP_ADDRESS_MOST)
		return false;
	*has_route = !str_is_none(mailbox.route);
	while (str_take_char(&rest, ' '))
		;
	*in = rest;
	return true;
}
