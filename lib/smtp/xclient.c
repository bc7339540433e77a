#include "smtp/xclient.h"

#include "base/encode.h"
#include "dns/address.h"
#include "smtp/command.h"

const char smtp_xclient_names[] =
	"NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT";

/* A name or a login: one word, and no address tag in disguise. */
static bool take_text(struct arena *arena, struct str *value)
{
	(void)arena;
	return smtp_is_hello(*value) && value->p[0] != '[';
}

/* HELO may be an address literal. */
static bool take_helo(struct arena *arena, struct str *value)
{
	(void)arena;
	return smtp_is_hello(*value);
}

static bool take_address(struct arena *arena, struct str *value)
{
	struct dns_address address;

	if (!dns_address_parse(*value, &address))
		return false;
	*value = dns_address_text(arena, &address);
	return true;
}

static bool take_port(struct arena *arena, struct str *value)
{
	uint64_t port;

	(void)arena;
	return str_parse_u64(*value, UINT16_MAX, &port);
}

static bool take_protocol(struct arena *arena, struct str *value)
{
	(void)arena;
	return str_is_nocase(*value, "SMTP") ||
		str_is_nocase(*value, "ESMTP") ||
		str_is_nocase(*value, "LMTP");
}

static bool take_source(struct arena *arena, struct str *value)
{
	(void)arena;
	return str_is_nocase(*value, "LOCAL") ||
		str_is_nocase(*value, "REMOTE");
}

/* For the log: nothing in it can be mistaken for what stands behind it. */
static bool take_ident(struct arena *arena, struct str *value)
{
	char *copy = arena_cstr(arena, *value);

	for (size_t i = 0; i < value->len; i++)
		if (!ascii_is_print((unsigned char)copy[i]) || copy[i] == ' ')
			copy[i] = '?';
	*value = str_of(copy, value->len);
	return value->len > 0;
}

static const struct {
	const char *name;
	bool (*take)(struct arena *arena, struct str *value);
} attributes[XCLIENT_ATTRIBUTES] = {
	[XCLIENT_NAME] = { "NAME", take_text },
	[XCLIENT_ADDR] = { "ADDR", take_address },
	[XCLIENT_PORT] = { "PORT", take_port },
	[XCLIENT_PROTO] = { "PROTO", take_protocol },
	[XCLIENT_HELO] = { "HELO", take_helo },
	[XCLIENT_LOGIN] = { "LOGIN", take_text },
	[XCLIENT_DESTADDR] = { "DESTADDR", take_address },
	[XCLIENT_DESTPORT] = { "DESTPORT", take_port },
	[XCLIENT_REVERSE_NAME] = { "REVERSE_NAME", take_text },
	[XFORWARD_IDENT] = { "IDENT", take_ident },
	[XFORWARD_SOURCE] = { "SOURCE", take_source },
};

/* Sets of attributes, a bit for each. */
enum {
	OF_XCLIENT = (1 << XFORWARD_IDENT) - 1,
	OF_XFORWARD = 1 << XCLIENT_NAME | 1 << XCLIENT_ADDR |
		1 << XCLIENT_PORT | 1 << XCLIENT_PROTO | 1 << XCLIENT_HELO |
		1 << XFORWARD_IDENT | 1 << XFORWARD_SOURCE,
};

static bool take_value(struct arena *arena, struct smtp_xclient *x, size_t at,
	struct str text)
{
	struct str value = xtext_parse(arena, text);

	if (str_is_none(value) || value.len > XCLIENT_VALUE_MOST)
		return false;
	x->given |= 1u << at;
	x->values[at] = STR_NONE;
	x->temporary &= ~(1u << at);
	if (str_is_nocase(value, "[UNAVAILABLE]"))
		return true;
	if (str_is_nocase(value, "[TEMPUNAVAIL]")) {
		x->temporary |= 1u << at;
		return true;
	}
	x->values[at] = value;
	return attributes[at].take(arena, &x->values[at]);
}

static bool take_attribute(struct arena *arena, const char *command,
	unsigned known, struct smtp_xclient *x, struct str word)
{
	struct str name;

	if (str_find_char(word, '=') == SIZE_MAX) {
		x->problem = STR("Error: attribute=value expected");
		return false;
	}
	name = str_take_until(&word, '=');
	for (size_t i = 0; i < COUNT(attributes); i++) {
		if (!(known & 1u << i) ||
			!str_is_nocase(name, attributes[i].name))
			continue;
		if (take_value(arena, x, i, word))
			return true;
		x->problem = arena_fmt(arena, "Bad %s syntax: %.*s",
			attributes[i].name, STR_ARG(str_first(word, 100)));
		return false;
	}
	x->problem = arena_fmt(arena, "Bad %s attribute name: %.*s", command,
		STR_ARG(str_first(name, 100)));
	return false;
}

static bool parse(struct arena *arena, const char *command, unsigned known,
	struct str arguments, struct smtp_xclient *x)
{
	struct str word;

	*x = (struct smtp_xclient){ .problem = arena_fmt(arena,
		"Syntax: %s attribute=value...", command) };
	while (str_take_item(&arguments, " \t", &word))
		if (!take_attribute(arena, command, known, x, word))
			return false;
	return x->given != 0;
}

bool smtp_xclient_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x)
{
	return parse(arena, "XCLIENT", OF_XCLIENT, arguments, x);
}

bool smtp_xforward_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x)
{
	return parse(arena, "XFORWARD", OF_XFORWARD, arguments, x);
}

void smtp_xclient_add(struct smtp_xclient *x, const struct smtp_xclient *later)
{
	for (size_t i = 0; i < XCLIENT_ATTRIBUTES; i++)
		if (later->given & 1u << i)
			x->values[i] = later->values[i];
	x->temporary = (x->temporary & ~later->given) | later->temporary;
	x->given |= later->given;
}
