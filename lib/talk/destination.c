#include "talk/destination.h"

#include "dns/address.h"

bool talk_destination_take(struct str *list, struct str *text)
{
	return str_take_item(list, ", \t\r\n", text);
}

static bool take_port(struct str text, uint16_t *port)
{
	*port = dns_port_parse(text);
	return *port != 0;
}

static bool parse_brackets(struct str rest, struct talk_destination *d)
{
	size_t end = str_find_char(rest, ']');

	d->use_mx = false;
	if (end == SIZE_MAX)
		return false;
	d->host = str_first(rest, end);
	(void)str_take_prefix_nocase(&d->host, STR("ipv6:"));
	rest = str_skip(rest, end + 1);
	if (rest.len == 0)
		return d->host.len > 0;
	return d->host.len > 0 && str_take_char(&rest, ':') &&
		take_port(rest, &d->port);
}

bool talk_destination_parse(struct str text, bool is_lmtp,
	struct talk_destination *destination)
{
	struct talk_destination d = { .text = text, .use_mx = !is_lmtp };
	struct dns_address address;
	size_t colon;

	if (is_lmtp && str_take_prefix(&text, STR("unix:"))) {
		d.host = text;
		d.is_unix = true;
		*destination = d;
		return text.len > 0;
	}
	(void)(is_lmtp && str_take_prefix(&text, STR("inet:")));
	colon = str_rfind_char(text, ':');
	if (str_take_char(&text, '[')) {
		if (!parse_brackets(text, &d))
			return false;
	} else if (dns_address_parse(text, &address)) {
		d.host = text;
		d.use_mx = false;
	} else if (colon != SIZE_MAX) {
		d.host = str_first(text, colon);
		if (!take_port(str_skip(text, colon + 1), &d.port))
			return false;
	} else {
		d.host = text;
	}
	*destination = d;
	return d.host.len > 0;
}
