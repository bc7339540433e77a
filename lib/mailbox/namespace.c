#include "mailbox/namespace.h"

#include <string.h>

enum {
	PREFIX_MOST = 100, /* octets */
};

#define NO_NAME STR("*")
#define INBOX STR("INBOX")

static bool is_inbox(struct str name)
{
	return str_is_nocase(name, "INBOX");
}

static bool is_prefix(struct str prefix, char separator)
{
	for (size_t i = 0; i < prefix.len; i++)
		if (!ascii_is_print((unsigned char)prefix.p[i]) ||
			strchr("%*\"\\&", prefix.p[i]) ||
			(prefix.p[i] == separator &&
				(i == 0 || prefix.p[i - 1] == separator)))
			return false;
	return prefix.len == 0 || prefix.p[prefix.len - 1] == separator;
}

bool mailbox_namespace_make(struct str prefix, struct str separator,
	struct mailbox_namespace *ns, const char **why)
{
	if (!str_is(separator, ".") && !str_is(separator, "/")) {
		*why = "the separator must be . or /";
		return false;
	}
	ns->separator = separator.p[0];
	ns->prefix = prefix;
	if (prefix.len <= PREFIX_MOST && is_prefix(prefix, ns->separator))
		return true;
	*why = "a prefix must be levels in printable ASCII without "
	       "% * \" \\ &, and end with the separator";
	return false;
}

/* "." and "/" exchanged, if the separator is not that of the store. */
static struct str swap(struct arena *arena, const struct mailbox_namespace *ns,
	struct str name)
{
	char *copy;

	if (ns->separator == '.')
		return name;
	copy = arena_cstr(arena, name);
	for (size_t i = 0; i < name.len; i++)
		if (copy[i] == '.' || copy[i] == '/')
			copy[i] = copy[i] == '.' ? '/' : '.';
	return str_of(copy, name.len);
}

bool mailbox_namespace_is_below_inbox(const struct mailbox_namespace *ns)
{
	return ns->prefix.len == INBOX.len + 1 &&
		str_starts_nocase(ns->prefix, INBOX);
}

/* INBOX is the same in any case, also in a prefix. */
static bool take_prefix(const struct mailbox_namespace *ns, struct str *name)
{
	if (mailbox_namespace_is_below_inbox(ns))
		return str_take_prefix_nocase(name, ns->prefix);
	return str_take_prefix(name, ns->prefix);
}

struct str mailbox_namespace_inner(struct arena *arena,
	const struct mailbox_namespace *ns, struct str shown)
{
	struct str name = shown;

	if (name.len == 0 || is_inbox(name))
		return name;
	/* There is one INBOX, and its name has no prefix. */
	if (!take_prefix(ns, &name) || name.len == 0 || is_inbox(name))
		return NO_NAME;
	return swap(arena, ns, name);
}

struct str mailbox_namespace_shown(struct arena *arena,
	const struct mailbox_namespace *ns, struct str inner)
{
	if (inner.len == 0 || is_inbox(inner))
		return inner;
	inner = swap(arena, ns, inner);
	return ns->prefix.len ? arena_join(arena, ns->prefix, inner) : inner;
}
