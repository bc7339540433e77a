#include "tls/layer.h"

static const struct version {
	const char *name;
	int version;
	uint64_t without;
} versions[] = {
	{ "SSLv2",   0x0002,         0                },
	{ "SSLv3",   SSL3_VERSION,   SSL_OP_NO_SSLv3   },
	{ "TLSv1",   TLS1_VERSION,   SSL_OP_NO_TLSv1   },
	{ "TLSv1.0", TLS1_VERSION,   SSL_OP_NO_TLSv1   },
	{ "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

enum {
	NEWEST_WITHOUT = 0x0400, /* nothing beyond is known by a bit */
};

static bool parse_hex(struct str text, int *version)
{
	*version = 0;
	if (text.len == 0 || text.len > 6)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = ascii_hex((unsigned char)text.p[i]);

		if (digit < 0)
			return false;
		*version = *version * 16 + digit;
	}
	return *version < NEWEST_WITHOUT;
}

/* A name, or a number as on the wire, "0303" or "0x0303". */
static bool parse_version(struct str text, int *version, uint64_t *without)
{
	for (size_t i = 0; i < COUNT(versions); i++)
		if (str_is_nocase(text, versions[i].name)) {
			*version = versions[i].version;
			*without = versions[i].without;
			return true;
		}
	(void)str_take_prefix_nocase(&text, STR("0x"));
	if (!parse_hex(text, version))
		return false;
	*without = 0;
	for (size_t i = 0; i < COUNT(versions); i++)
		if (versions[i].version == *version)
			*without = versions[i].without;
	return true;
}

bool tls_protocols_parse(struct str text, struct tls_protocols *protocols)
{
	struct tls_protocols found = { 0 };
	uint64_t every = 0, included = 0, without;
	bool has_included = false;
	struct str item;
	int version;

	for (size_t i = 0; i < COUNT(versions); i++)
		every |= versions[i].without;
	while (str_take_item(&text, " \t\r\n,:", &item)) {
		bool is_lowest = str_take_prefix(&item, STR(">="));
		bool is_highest = !is_lowest &&
			str_take_prefix(&item, STR("<="));
		bool is_without = !is_lowest && !is_highest &&
			str_take_char(&item, '!');

		if (!parse_version(item, &version, &without))
			return false;
		if (is_lowest)
			found.lowest = version;
		else if (is_highest)
			found.highest = version;
		else if (is_without)
			found.without |= without;
		else
			included |= without;
		has_included = has_included ||
			!(is_lowest || is_highest || is_without);
	}
	if (has_included)
		found.without |= every & ~included;
	*protocols = found;
	return true;
}
