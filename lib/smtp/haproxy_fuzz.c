#include "smtp/haproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* What is taken is something; what is refused has a reason. */
static void look(bool is_taken, const struct haproxy *header)
{
	if (is_taken != !header->problem)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str in = str_of(octets, len), fixed, rest;
	struct haproxy header;
	size_t more;

	look(haproxy_parse_line(in, &header), &header);
	fixed = str_first(in, HAPROXY_FIXED);
	rest = str_skip(in, fixed.len);
	if (haproxy_parse_fixed(fixed, &more, &header) && more <= rest.len)
		look(haproxy_parse_binary(fixed, str_first(rest, more),
			     &header), &header);
	return 0;
}
