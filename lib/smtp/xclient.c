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

static bool take_attribute(struct arena *arena, struct smtp_xclient *x,
	struct str word)
{
	struct str name = str_take_until(&word, '=');

	for (size_t i = 0; i < COUNT(attributes); i++)
		if (str_is_nocase(name, attributes[i].name))
			return take_value(arena, x, i, word);
	return false;
}

bool smtp_xclient_parse(struct arena *arena, struct str arguments,
	struct smtp_xclient *x)
{
	struct str word;

	*x = (struct smtp_xclient){ 0 };
	while (str_take_item(&arguments, " \t", &word))
		if (!take_attribute(arena, x, word))
			return false;
	return x->given != 0;
}
