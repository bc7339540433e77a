#include "mail/address.h"

/* atext of RFC 5322 3.2.3, with UTF-8 (RFC 6531 3.3). */
static bool is_atext(unsigned char c)
{
	return ascii_is_alnum(c) || c >= 0x80 ||
		(c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

bool mail_is_dot_string(struct str local)
{
	bool was_dot = true;

	for (size_t i = 0; i < local.len; i++) {
		bool is_dot = local.p[i] == '.';

		if (is_dot ? was_dot : !is_atext((unsigned char)local.p[i]))
			return false;
		was_dot = is_dot;
	}
	return !was_dot;
}

struct str mail_address_local(struct str address)
{
	size_t at = str_rfind_char(address, '@');

	return at == SIZE_MAX ? address : str_first(address, at);
}

struct str mail_address_domain(struct str address)
{
	size_t at = str_rfind_char(address, '@');

	return at == SIZE_MAX ? STR_NONE : str_skip(address, at + 1);
}

/* Names that no extension is cut from. */
static bool is_whole(struct str local, bool owner_special)
{
	if (str_is_nocase(local, "mailer-daemon") ||
		str_is_nocase(local, "double-bounce"))
		return true;
	return owner_special && (str_starts_nocase(local, STR("owner-")) ||
		str_ends_nocase(local, STR("-request")));
}

/* Position of the delimiter; SIZE_MAX if there is no extension. A delimiter
 * in front is part of the name. */
static size_t find_extension(struct str local, struct str delimiters)
{
	for (size_t i = 1; i < local.len; i++)
		if (str_find_char(delimiters, local.p[i]) != SIZE_MAX)
			return i;
	return SIZE_MAX;
}

void mail_address_split(struct str address, struct str delimiters,
	bool owner_special, struct mail_address *parts)
{
	size_t at = SIZE_MAX;

	*parts = (struct mail_address){
		.local = mail_address_local(address),
		.domain = mail_address_domain(address),
		.extension = STR_NONE,
	};
	parts->user = parts->local;
	if (delimiters.len > 0 && !is_whole(parts->local, owner_special))
		at = find_extension(parts->local, delimiters);
	if (at == SIZE_MAX)
		return;
	parts->user = str_first(parts->local, at);
	parts->delimiter = parts->local.p[at];
	parts->extension = str_skip(parts->local, at + 1);
}

struct str mail_address_strip(struct arena *arena, struct str address,
	struct str delimiters, bool owner_special)
{
	struct mail_address parts;

	mail_address_split(address, delimiters, owner_special, &parts);
	if (str_is_none(parts.extension))
		return address;
	if (str_is_none(parts.domain))
		return parts.user;
	return arena_fmt(arena, "%.*s@%.*s", STR_ARG(parts.user),
		STR_ARG(parts.domain));
}

static void format_quoted(struct buf *out, struct str local)
{
	buf_char(out, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\' ||
			local.p[i] == '\r' || local.p[i] == '\n')
			buf_char(out, '\\');
		buf_char(out, local.p[i]);
	}
	buf_char(out, '"');
}

void mail_address_format(struct buf *out, struct str internal)
{
	struct str local = mail_address_local(internal);

	if (internal.len == 0)
		return;
	if (mail_is_dot_string(local))
		buf_add(out, local);
	else
		format_quoted(out, local);
	buf_add(out, str_skip(internal, local.len));
}

struct str mail_address_external(struct arena *arena, struct str internal)
{
	struct buf out = BUF_IN(arena);

	if (internal.len == 0 ||
		mail_is_dot_string(mail_address_local(internal)))
		return internal;
	mail_address_format(&out, internal);
	return buf_str(&out);
}

struct str mail_address_logged(struct arena *arena, struct str how,
	struct str internal)
{
	return str_is_nocase(how, "internal") ? internal :
		mail_address_external(arena, internal);
}

/* The "@" outside of quotes, from the right end of the quotes on. */
static size_t quoted_end(struct str external)
{
	bool quoted = false;

	for (size_t i = 0; i < external.len; i++) {
		if (external.p[i] == '\\')
			i++;
		else if (external.p[i] == '"')
			quoted = !quoted;
		else if (external.p[i] == '@' && !quoted)
			return i;
	}
	return external.len;
}

struct str mail_address_internal(struct arena *arena, struct str external)
{
	struct buf out = BUF_IN(arena);
	size_t end = quoted_end(external);

	if (str_find_char(external, '"') == SIZE_MAX &&
		str_find_char(external, '\\') == SIZE_MAX)
		return external;
	for (size_t i = 0; i < end; i++) {
		if (external.p[i] == '"')
			continue;
		if (external.p[i] == '\\' && i + 1 < end)
			i++;
		buf_char(&out, external.p[i]);
	}
	buf_add(&out, str_skip(external, end));
	return buf_str(&out);
}

bool mail_address_eq(struct str a, struct str b)
{
	struct str da = mail_address_domain(a), db = mail_address_domain(b);

	return str_eq(mail_address_local(a), mail_address_local(b)) &&
		str_is_none(da) == str_is_none(db) && str_eq_nocase(da, db);
}

struct str mail_address_fold_domain(struct arena *arena, struct str address)
{
	struct str local = mail_address_local(address);
	struct str domain = mail_address_domain(address);
	bool has_upper = false;

	for (size_t i = 0; i < domain.len; i++)
		has_upper |= domain.p[i] >= 'A' && domain.p[i] <= 'Z';
	if (!has_upper)
		return address;
	domain = arena_lower(arena, domain);
	return arena_fmt(arena, "%.*s@%.*s", STR_ARG(local), STR_ARG(domain));
}
