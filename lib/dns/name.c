/*
 * The part of dns/dns.h that asks nobody: names of types, of addresses, of
 * hosts.
 */
#include "dns/dns.h"

#include "base/buf.h"

static const struct {
	enum dns_type type;
	const char *name;
} types[] = {
	{ DNS_A, "A" }, { DNS_NS, "NS" }, { DNS_CNAME, "CNAME" },
	{ DNS_SOA, "SOA" }, { DNS_PTR, "PTR" }, { DNS_MX, "MX" },
	{ DNS_TXT, "TXT" }, { DNS_AAAA, "AAAA" }, { DNS_SRV, "SRV" },
	{ DNS_TLSA, "TLSA" },
};

bool dns_type_parse(struct str name, enum dns_type *type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (str_is_nocase(name, types[i].name)) {
			*type = types[i].type;
			return true;
		}
	return false;
}

struct str dns_type_name(struct arena *arena, enum dns_type type)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (types[i].type == type)
			return str_from(types[i].name);
	return arena_fmt(arena, "TYPE%d", (int)type);
}

const char *dns_status_text(enum dns_status status)
{
	static const char *const texts[] = {
		[DNS_FOUND] = "Ok",
		[DNS_NO_DATA] =
			"Host found but no data record of requested type",
		[DNS_NO_NAME] = "Host not found",
		[DNS_TEMPORARY] = "Host not found, try again",
		[DNS_MALFORMED] = "Malformed or unexpected name server reply",
	};

	return texts[status];
}

bool dns_is_hostname(struct str name)
{
	struct str label = STR_NONE;

	if (name.len == 0 || name.len > 253)
		return false;
	while (name.len > 0 || label.p == NULL) {
		bool last = str_find_char(name, '.') == SIZE_MAX;

		label = str_take_until(&name, '.');
		if (label.len == 0 || label.len > 63 || label.p[0] == '-' ||
			label.p[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++)
			if (!ascii_is_alnum((unsigned char)label.p[i]) &&
				label.p[i] != '-' && label.p[i] != '_')
				return false;
		if (last)
			break;
		if (name.len == 0)
			return false; /* ends in a dot */
	}
	for (size_t i = 0; i < label.len; i++)
		if (!ascii_is_digit((unsigned char)label.p[i]))
			return true;
	return false;
}

static struct str reversed(struct arena *arena,
	const struct dns_address *address, struct str zone)
{
	struct buf name = BUF_IN(arena);

	for (size_t i = address->v6 ? 16 : 4; i-- > 0;) {
		uint8_t octet = address->octets[i];

		if (address->v6)
			buf_fmt(&name, "%x.%x.", octet & 15, octet >> 4);
		else
			buf_fmt(&name, "%u.", octet);
	}
	buf_add(&name, zone);
	return buf_str(&name);
}

struct str dns_reverse_name(struct arena *arena,
	const struct dns_address *address)
{
	return reversed(arena, address,
		address->v6 ? STR("ip6.arpa") : STR("in-addr.arpa"));
}

struct str dns_list_name(struct arena *arena,
	const struct dns_address *address, struct str zone)
{
	return reversed(arena, address, zone);
}
