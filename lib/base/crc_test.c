#include "base/test.h"

#include "base/crc.h"

/* RFC 3720 B.4, and the check value of CRC-32C. */
static void known_values(void **state)
{
	char octets[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(0, STR("")), 0);
	assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283);
	assert_int_equal(crc32c(0, str_of(octets, 32)), 0x8a9136aa);
	memset(octets, 0xff, 32);
	assert_int_equal(crc32c(0, str_of(octets, 32)), 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		octets[i] = (char)i;
	assert_int_equal(crc32c(0, str_of(octets, 32)), 0x46dd794e);
}

static void pieces_make_the_same(void **state)
{
	char octets[1000];
	uint32_t whole;

	(void)state;
	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (char)(i * 31);
	whole = crc32c(0, str_of(octets, sizeof(octets)));
	for (size_t cut = 0; cut <= sizeof(octets); cut += 7) {
		uint32_t crc = crc32c(0, str_of(octets, cut));

		crc = crc32c(crc, str_of(octets + cut, sizeof(octets) - cut));
		assert_int_equal(crc, whole);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_values),
		cmocka_unit_test(pieces_make_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
