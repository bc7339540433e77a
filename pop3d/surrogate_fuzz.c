#include "base/base.h"

#include "pop3d/surrogate.c"
#include "pop3d/uidl.c"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str in = str_of(octets, len);
	const struct uidl uidl = { 1, 2, in };
	struct buf out = { 0 };

	surrogate_format(&out, in);
	if (!str_is_ascii(buf_str(&out)))
		panic("not ASCII");
	buf_clear(&out);
	if (uidl_format_is_good(in)) {
		uidl_format(&out, in, &uidl);
		if (!is_uidl(buf_str(&out)))
			panic("no UIDL");
	}
	buf_free(&out);
	return 0;
}
