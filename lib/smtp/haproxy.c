#include "smtp/haproxy.h"

static bool refuse(struct haproxy *header, const char *problem)
{
	header->problem = problem;
	return false;
}

/* An IPv4 address in IPv6's form is the IPv4 address. */
static void unmap(struct dns_address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	if (!address->v6 || memcmp(address->octets, prefix, sizeof(prefix)))
		return;
	memmove(address->octets, address->octets + sizeof(prefix), 4);
	memset(address->octets + 4, 0, sizeof(prefix));
	address->v6 = false;
}

/* ---- version 1 ---- */

/* Of that family, without any prefix. */
static bool take_address(struct str *in, bool v6, struct dns_address *address)
{
	struct str word = str_take_word(in);

	if (word.len == 0 || ((word.p[0] | 0x20) == 'i') ||
		!dns_address_parse(word, address) || address->v6 != v6)
		return false;
	unmap(address);
	return true;
}

/* Decimal, without zeros in front. */
static bool take_port(struct str *in, uint16_t *port)
{
	struct str word = str_take_word(in);
	uint64_t number;

	if (!str_parse_u64(word, UINT16_MAX, &number) ||
		(word.p[0] == '0' && word.len > 1))
		return false;
	*port = (uint16_t)number;
	return true;
}

bool haproxy_parse_line(struct str line, struct haproxy *header)
{
	struct str type;
	bool v6;

	*header = (struct haproxy){ 0 };
	if (line.len == 0 || line.p[line.len - 1] != '\n')
		return refuse(header, "missing protocol header terminator");
	line.len--;
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (!str_is(str_take_word(&line), "PROXY"))
		return refuse(header, "unrecognized protocol header");
	type = str_take_word(&line);
	v6 = str_is(type, "TCP6");
	if (!v6 && !str_is(type, "TCP4"))
		return refuse(header, "bad or missing protocol type");
	if (!take_address(&line, v6, &header->client))
		return refuse(header, "bad or missing client address");
	if (!take_address(&line, v6, &header->server))
		return refuse(header, "bad or missing server address");
	if (!take_port(&line, &header->client_port))
		return refuse(header, "bad or missing client port");
	if (!take_port(&line, &header->server_port))
		return refuse(header, "bad or missing server port");
	return true;
}

/* ---- version 2 ---- */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	VERSION_2 = 0x20,
	COMMAND_LOCAL = 0,
	COMMAND_PROXY = 1,
	TCP4 = 0x11,
	TCP6 = 0x21,
};

bool haproxy_is_binary(char first)
{
	return first == signature[0];
}

static unsigned octet(struct str in, size_t at)
{
	return (unsigned char)in.p[at];
}

static uint16_t number(struct str in, size_t at)
{
	return (uint16_t)(octet(in, at) << 8 | octet(in, at + 1));
}

bool haproxy_parse_fixed(struct str fixed, size_t *rest,
	struct haproxy *header)
{
	*header = (struct haproxy){ 0 };
	*rest = 0;
	if (fixed.len != HAPROXY_FIXED ||
		memcmp(fixed.p, signature, sizeof(signature)) != 0)
		return refuse(header, "unrecognized protocol header");
	if ((octet(fixed, 12) & 0xf0) != VERSION_2)
		return refuse(header, "unrecognized protocol version");
	if (number(fixed, 14) > HAPROXY_REST_MOST)
		return refuse(header, "protocol header is too long");
	*rest = number(fixed, 14);
	return true;
}

static bool parse_addresses(struct str rest, bool v6, struct haproxy *header)
{
	size_t len = v6 ? 16 : 4;

	if (rest.len < 2 * len + 4)
		return refuse(header, "short address field");
	header->client.v6 = header->server.v6 = v6;
	memcpy(header->client.octets, rest.p, len);
	memcpy(header->server.octets, rest.p + len, len);
	header->client_port = number(rest, 2 * len);
	header->server_port = number(rest, 2 * len + 2);
	unmap(&header->client);
	unmap(&header->server);
	return true;
}

bool haproxy_parse_binary(struct str fixed, struct str rest,
	struct haproxy *header)
{
	size_t len;

	if (!haproxy_parse_fixed(fixed, &len, header))
		return false;
	if (len != rest.len)
		return refuse(header, "short version 2 protocol header");
	switch (octet(fixed, 12) & 0x0f) {
	case COMMAND_LOCAL:
		header->is_local = true;
		return true;
	case COMMAND_PROXY:
		break;
	default:
		return refuse(header, "bad command in proxy header");
	}
	if (octet(fixed, 13) != TCP4 && octet(fixed, 13) != TCP6)
		return refuse(header, "unsupported network protocol");
	return parse_addresses(rest, octet(fixed, 13) == TCP6, header);
}
