#include "tls/tls.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct tls_protocols protocols;

	if (tls_protocols_parse(str_of(octets, len), &protocols) &&
		(protocols.lowest < 0 || protocols.lowest > 0xffff ||
			protocols.highest < 0 || protocols.highest > 0xffff))
		abort();
	return 0;
}
