#include "dns/srv.h"

#include "base/test.h"

static uint64_t next; /* what chance says, less what is asked for */

static uint64_t below(uint64_t n)
{
	return next < n ? next : n - 1;
}

static const struct {
	struct dns_srv all[4]; /* port tells which; up to port 0 */
	uint64_t chance;
	uint16_t order[4];
} cases[] = {
	{ { { 20, 0, 1, STR_NONE }, { 10, 0, 2, STR_NONE } }, 0, { 2, 1 } },
	{ { { 10, 5, 1, STR_NONE }, { 10, 5, 2, STR_NONE } }, 0, { 1, 2 } },
	{ { { 10, 5, 1, STR_NONE }, { 10, 5, 2, STR_NONE } }, 5, { 1, 2 } },
	{ { { 10, 5, 1, STR_NONE }, { 10, 5, 2, STR_NONE } }, 6, { 2, 1 } },
	{ { { 10, 5, 1, STR_NONE }, { 10, 5, 2, STR_NONE } }, 10, { 2, 1 } },
	/* without weight it comes last, except by chance 0 */
	{ { { 10, 9, 1, STR_NONE }, { 10, 0, 2, STR_NONE } }, 0, { 2, 1 } },
	{ { { 10, 9, 1, STR_NONE }, { 10, 0, 2, STR_NONE } }, 1, { 1, 2 } },
	{ { { 30, 1, 1, STR_NONE }, { 10, 1, 2, STR_NONE },
		  { 10, 65535, 3, STR_NONE }, { 20, 0, 4, STR_NONE } },
		60000, { 3, 2, 4, 1 } },
	{ { { 1, 1, 1, STR_NONE } }, 0, { 1 } },
};

static void sorts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_srv all[4];
		size_t count = 0;

		memcpy(all, cases[i].all, sizeof(all));
		while (count < 4 && all[count].port)
			count++;
		next = cases[i].chance;
		dns_srv_sort(all, count, below);
		for (size_t k = 0; k < count; k++)
			if (all[k].port != cases[i].order[k])
				fail_msg("case %zu, place %zu: %u", i, k,
					all[k].port);
	}
	dns_srv_sort(NULL, 0, below);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sorts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
