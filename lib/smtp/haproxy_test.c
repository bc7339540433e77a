/*
 * smtp/haproxy_test - both forms of the header, whole and broken.
 */
#include "base/test.h"

#include "smtp/haproxy.h"

static const struct {
	const char *line, *client, *server; /* no client: refused */
	unsigned client_port, server_port;
	const char *problem;
} lines[] = {
	{ "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n", "192.0.2.1",
		"198.51.100.1", 56324, 25 },
	{ "PROXY TCP4 192.0.2.1 198.51.100.1 0 65535\n", "192.0.2.1",
		"198.51.100.1", 0, 65535 },
	{ "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "2001:db8::1",
		"2001:db8::2", 1, 2 },
	{ "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1",
		"192.0.2.2", 1, 2 },
	{ "", .problem = "missing protocol header terminator" },
	{ "PROXY TCP4 192.0.2.1", .problem =
		"missing protocol header terminator" },
	{ "\r\n", .problem = "unrecognized protocol header" },
	{ "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		.problem = "unrecognized protocol header" },
	{ "EHLO x\r\n", .problem = "unrecognized protocol header" },
	{ "PROXY UNKNOWN\r\n", .problem = "bad or missing protocol type" },
	{ "PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n",
		.problem = "bad or missing protocol type" },
	{ "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
		.problem = "bad or missing protocol type" },
	{ "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		.problem = "bad or missing client address" },
	{ "PROXY TCP6 IPv6:2001:db8::1 2001:db8::2 1 2\r\n",
		.problem = "bad or missing client address" },
	{ "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
		.problem = "bad or missing client address" },
	{ "PROXY TCP6 2001:db8::1 192.0.2.2 1 2\r\n",
		.problem = "bad or missing server address" },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
		.problem = "bad or missing client port" },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
		.problem = "bad or missing client port" },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
		.problem = "bad or missing client port" },
	{ "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		.problem = "bad or missing server port" },
};

static void assert_address(const struct dns_address *got, const char *wanted)
{
	struct dns_address address;

	assert_true(dns_address_parse(str_from(wanted), &address));
	assert_true(dns_address_eq(got, &address));
}

static void parses_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct haproxy header;

		if (haproxy_parse_line(str_from(lines[i].line), &header)) {
			assert_non_null(lines[i].client);
			assert_address(&header.client, lines[i].client);
			assert_address(&header.server, lines[i].server);
			assert_int_equal(header.client_port,
				lines[i].client_port);
			assert_int_equal(header.server_port,
				lines[i].server_port);
			assert_false(header.is_local);
		} else {
			assert_non_null(lines[i].problem);
			assert_string_equal(header.problem, lines[i].problem);
		}
	}
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\0\2\1\xc6\x33\x64\1\xdc\4\0\x19"
#define V6 "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" \
	"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2\xdc\4\0\x19"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1" \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\2\xdc\4\0\x19"
#define OCTETS(text) { "" text, sizeof(text) - 1 }

static const struct {
	struct str octets;
	const char *client, *problem; /* neither: LOCAL */
} binaries[] = {
	{ OCTETS(SIGNATURE "\x21\x11\0\xc" V4), "192.0.2.1" },
	{ OCTETS(SIGNATURE "\x21\x11\0\xf" V4 "\4\0\0"), "192.0.2.1" },
	{ OCTETS(SIGNATURE "\x21\x21\0\x24" V6), "2001:db8::1" },
	{ OCTETS(SIGNATURE "\x21\x21\0\x24" MAPPED), "192.0.2.1" },
	{ OCTETS(SIGNATURE "\x20\0\0\0") },
	{ OCTETS(SIGNATURE "\x20\x11\0\xc" V4) },
	{ OCTETS("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\xc" V4), NULL,
		"unrecognized protocol header" },
	{ OCTETS(SIGNATURE "\x31\x11\0\xc" V4), NULL,
		"unrecognized protocol version" },
	{ OCTETS(SIGNATURE "\x22\x11\0\xc" V4), NULL,
		"bad command in proxy header" },
	{ OCTETS(SIGNATURE "\x21\x12\0\xc" V4), NULL,
		"unsupported network protocol" },
	{ OCTETS(SIGNATURE "\x21\0\0\0"), NULL,
		"unsupported network protocol" },
	{ OCTETS(SIGNATURE "\x21\x31\0\1\0"), NULL,
		"unsupported network protocol" },
	{ OCTETS(SIGNATURE "\x21\x11\0\3\0\0\0"), NULL,
		"short address field" },
	{ OCTETS(SIGNATURE "\x21\x21\0\xc" V4), NULL, "short address field" },
	{ OCTETS(SIGNATURE "\x21\x11\0\xd" V4), NULL,
		"short version 2 protocol header" },
	{ OCTETS(SIGNATURE "\x21\x11\x8\1"), NULL,
		"protocol header is too long" },
	{ OCTETS(SIGNATURE), NULL, "unrecognized protocol header" },
};

static void parses_octets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(binaries); i++) {
		struct str fixed = str_first(binaries[i].octets,
			HAPROXY_FIXED);
		struct str rest = str_skip(binaries[i].octets, fixed.len);
		struct haproxy header;

		if (haproxy_parse_binary(fixed, rest, &header)) {
			assert_null(binaries[i].problem);
			assert_int_equal(header.is_local,
				!binaries[i].client);
			if (!binaries[i].client)
				continue;
			assert_address(&header.client, binaries[i].client);
			assert_int_equal(header.client_port, 56324);
			assert_int_equal(header.server_port, 25);
		} else {
			assert_non_null(binaries[i].problem);
			assert_string_equal(header.problem,
				binaries[i].problem);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_lines),
		cmocka_unit_test(parses_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
