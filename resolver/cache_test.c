#include "resolver/cache.h"

#include "base/test.h"
#include "io/fiber.h"

static struct dns_answer answer_of(struct str *record, uint32_t ttl)
{
	return (struct dns_answer){ .status = DNS_FOUND, .ttl = ttl,
		.count = 1, .records = record, .canonical = STR("a"),
		.text = STR("Ok") };
}

/* limit: resolver_cache_limit */
static void keeps_and_forgets(void **state)
{
	struct cache *cache = cache_new(2, span_s(3600));
	struct str record = STR("\300\0\2\1");
	struct dns_answer answer = answer_of(&record, 60);
	struct cache_entry *entry;

	(void)state;
	assert_null(cache_find(cache, STR("a"), DNS_A));
	cache_fill(cache, cache_begin(cache, STR("a"), DNS_A), &answer);
	entry = cache_find(cache, STR("a"), DNS_A);
	assert_non_null(entry);
	assert_in_range(cache_ttl(entry), 58, 60);
	assert_null(cache_find(cache, STR("a"), DNS_AAAA));
	cache_fill(cache, cache_begin(cache, STR("b"), DNS_A), &answer);
	assert_non_null(cache_find(cache, STR("a"), DNS_A)); /* used again */
	cache_fill(cache, cache_begin(cache, STR("c"), DNS_A), &answer);
	assert_int_equal(cache_count(cache), 2);
	assert_null(cache_find(cache, STR("b"), DNS_A));
	assert_non_null(cache_find(cache, STR("a"), DNS_A));
	answer.ttl = 0; /* true for those who wait, not for later */
	entry = cache_begin(cache, STR("d"), DNS_A);
	cache_hold(entry);
	cache_fill(cache, entry, &answer);
	assert_null(cache_find(cache, STR("d"), DNS_A));
	assert_int_equal(cache_answer(entry)->count, 1);
	cache_drop(entry);
	cache_free(cache);
}

/* Whoever asks for a name with a NUL in it (a captured process, say) must not
 * answer for the name in front of it. */
static void tells_names_with_nul_apart(void **state)
{
	struct cache *cache = cache_new(2, span_s(3600));
	struct str record = STR("\300\0\2\1");
	struct dns_answer answer = answer_of(&record, 60);

	(void)state;
	cache_fill(cache, cache_begin(cache, STR("a\0b"), DNS_A), &answer);
	assert_null(cache_find(cache, STR("a"), DNS_A));
	assert_null(cache_find(cache, STR("a\0c"), DNS_A));
	assert_non_null(cache_find(cache, STR("a\0b"), DNS_A));
	cache_free(cache);
}

static struct {
	struct cache *cache;
	unsigned served;
} world;

static void wait_for_it(void *context)
{
	struct cache_entry *entry = context;

	cache_hold(entry);
	if (cache_wait(entry) && cache_answer(entry)->status == DNS_NO_NAME)
		world.served++;
	cache_drop(entry);
}

static void fill_it(void *context)
{
	struct dns_answer answer = { .status = DNS_NO_NAME, .ttl = 100000,
		.canonical = STR("a"), .text = STR("no") };
	struct cache_entry *entry = context;

	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(cache_find(world.cache, STR("a"), DNS_A),
			entry);
		io_spawn("waits", wait_for_it, entry);
	}
	io_yield();
	cache_fill(world.cache, entry, &answer);
}

static void serves_all_who_wait(void **state)
{
	struct cache_entry *entry;

	(void)state;
	world.cache = cache_new(10, span_s(24 * 3600));
	entry = cache_begin(world.cache, STR("a"), DNS_A);
	io_run(fill_it, entry);
	assert_int_equal(world.served, 3);
	entry = cache_find(world.cache, STR("a"), DNS_A);
	assert_true(cache_ttl(entry) <= 3 * 3600); /* RFC 2308 5 */
	cache_free(world.cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_and_forgets),
		cmocka_unit_test(tells_names_with_nul_apart),
		cmocka_unit_test(serves_all_who_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
