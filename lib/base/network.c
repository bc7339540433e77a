#include "base/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>

unsigned network_bits(const struct network *network)
{
	return network->v6 ? 128 : 32;
}

static bool parse_bare(struct str text, struct network *address)
{
	char z[INET6_ADDRSTRLEN + 1];
	bool v6 = str_find_char(text, ':') != SIZE_MAX;

	*address = (struct network){ .v6 = v6, .prefix = v6 ? 128 : 32 };
	if (text.len == 0 || text.len >= sizeof(z) ||
		memchr(text.p, 0, text.len))
		return false;
	memcpy(z, text.p, text.len);
	z[text.len] = 0;
	return inet_pton(v6 ? AF_INET6 : AF_INET, z, address->octets) == 1;
}

bool network_parse_address(struct str text, struct network *address)
{
	if (text.len > 2 && text.p[0] == '[' && text.p[text.len - 1] == ']')
		text = str_of(text.p + 1, text.len - 2);
	return parse_bare(text, address);
}

bool network_parse(struct str text, struct network *network)
{
	size_t slash = str_find_char(text, '/');
	uint64_t prefix;

	if (slash == SIZE_MAX)
		return network_parse_address(text, network);
	if (!network_parse_address(str_first(text, slash), network) ||
		!str_parse_u64(str_skip(text, slash + 1),
			network_bits(network), &prefix))
		return false;
	network->prefix = (unsigned)prefix;
	return true;
}

static bool is_mapped(const uint8_t *octets)
{
	static const uint8_t start[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(octets, start, sizeof(start)) == 0;
}

bool network_from(const struct sockaddr *from, struct network *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	*address = (struct network){ .prefix = 32 };
	if (from->sa_family == AF_INET) {
		memcpy(&in, from, sizeof(in));
		memcpy(address->octets, &in.sin_addr, 4);
		return true;
	}
	if (from->sa_family != AF_INET6)
		return false;
	memcpy(&in6, from, sizeof(in6));
	if (is_mapped(in6.sin6_addr.s6_addr)) {
		memcpy(address->octets, in6.sin6_addr.s6_addr + 12, 4);
		return true;
	}
	memcpy(address->octets, &in6.sin6_addr, 16);
	address->v6 = true;
	address->prefix = 128;
	return true;
}

void network_format_address(struct buf *out, const struct network *network)
{
	char z[INET6_ADDRSTRLEN] = "";

	inet_ntop(network->v6 ? AF_INET6 : AF_INET, network->octets, z,
		sizeof(z));
	buf_text(out, z);
}

void network_format(struct buf *out, const struct network *network,
	bool brackets)
{
	brackets = brackets && network->v6;
	if (brackets)
		buf_char(out, '[');
	network_format_address(out, network);
	if (brackets)
		buf_char(out, ']');
	buf_fmt(out, "/%u", network->prefix);
}

struct network network_mask(struct network network, unsigned prefix)
{
	for (unsigned i = 0; i < COUNT(network.octets); i++) {
		unsigned keep = prefix <= 8 * i ? 0 : prefix - 8 * i;

		if (keep < 8)
			network.octets[i] &= (uint8_t)(0xff00u >> keep);
	}
	network.prefix = prefix;
	return network;
}

bool network_has_host_bits(const struct network *network)
{
	struct network masked = network_mask(*network, network->prefix);

	return memcmp(masked.octets, network->octets, 16) != 0;
}

bool network_has(const struct network *network, const struct network *address)
{
	size_t whole = network->prefix / 8;
	unsigned keep = network->prefix % 8;

	if (network->v6 != address->v6 ||
		memcmp(network->octets, address->octets, whole) != 0)
		return false;
	return keep == 0 || ((network->octets[whole] ^ address->octets[whole]) &
				    (0xff00u >> keep) & 0xff) == 0;
}
