#include "maps/pages_lab.h"

#include "base/test.h"

enum { DAMAGES = 20000 };

static char *read_all(int fd, size_t *size)
{
	char *octets;

	*size = (size_t)lseek(fd, 0, SEEK_END);
	octets = mem_new(*size, 1);
	assert_int_equal(pread(fd, octets, *size, 0), *size);
	return octets;
}

/* Whatever passes for whole can be used: else this process would die. */
static void what_passes_can_be_used(void **state)
{
	size_t size, passed = 0;
	int whole = lab_new(), fd;
	char *octets = read_all(whole, &size);
	unsigned dice = 1;

	(void)state;
	for (int i = 0; i < DAMAGES; i++) {
		size_t at = (size_t)rand_r(&dice) % size;
		char before = octets[at];

		octets[at] = (char)rand_r(&dice);
		if (!pages_wrong(str_of(octets, size)) && ++passed % 50 == 0) {
			fd = memfd_create("pages", MFD_CLOEXEC);
			assert_int_equal(write(fd, octets, size), size);
			lab_use(fd);
			close(fd);
		}
		octets[at] = before;
	}
	assert_null(pages_wrong(str_of(octets, size)));
	free(octets);
	close(whole);
}

static void heads_of_pages_are_looked_at(void **state)
{
	static const size_t places[] = { 10, 16, 20, 40, 92, 94, 128 };
	size_t size, page = (size_t)sysconf(_SC_PAGESIZE), wrong = 0;
	int whole = lab_new();
	char *octets = read_all(whole, &size);

	(void)state;
	assert_null(pages_wrong(STR("")));
	assert_non_null(pages_wrong(STR("something else")));
	for (size_t len = 1; len < size / 2; len += page / 2)
		assert_non_null(pages_wrong(str_of(octets, len)));
	for (size_t i = 0; i < COUNT(places); i++) {
		octets[places[i]] ^= 0x55;
		octets[page + places[i]] ^= 0x55;
		wrong += pages_wrong(str_of(octets, size)) != NULL;
		octets[places[i]] ^= 0x55;
		octets[page + places[i]] ^= 0x55;
	}
	assert_int_equal(wrong, COUNT(places));
	free(octets);
	close(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_passes_can_be_used),
		cmocka_unit_test(heads_of_pages_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
