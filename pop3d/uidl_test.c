#include "base/test.h"

#include "pop3d/uidl.c"

static const struct uidl message = { .uid = 12, .uidvalidity = 0x4b3f2a10,
	.name = STR("1262430736.M1P2.host:2,S") };

static const struct {
	const char *format, *uidl; /* NULL: refused */
} formats[] = {
	{ "%08Xu%08Xv", "0000000c4b3f2a10" },
	{ "%v.%u", "1262430736.12" },
	{ "%u", "12" },
	{ "UID%u-%v", "UID12-1262430736" }, /* Courier's with UIDs */
	{ "%f", "1262430736.M1P2.host" },
	{ "%%%u", "%12" },
	/* no UIDLs by RFC 1939: our own form */
	{ "%u x", "0000000c4b3f2a10" },
	{ "%5u", "0000000c4b3f2a10" },
	{ "%f%f%f%f", "0000000c4b3f2a10" },
	{ "\xc3\xbc%u", "0000000c4b3f2a10" },
	{ "" }, { "%v" }, { "x" }, { "%u%" }, { "%q%u" }, { "%021u" },
};

static void in_every_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(formats); i++) {
		struct buf out = { 0 };
		struct str format = str_from(formats[i].format);

		assert_int_equal(uidl_format_is_good(format),
			formats[i].uidl != NULL);
		if (formats[i].uidl) {
			uidl_format(&out, format, &message);
			assert_str(buf_str(&out), formats[i].uidl);
		}
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_every_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
