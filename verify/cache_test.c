#include "verify/cache.h"

#include <stdio.h>

#include "base/test.h"
#include "maps/change.h"

enum { NOW = 1764430000, DAY = 24 * 60 * 60 };

static struct conf conf_of(void)
{
	return (struct conf){
		.address_verify_positive_expire_time = span_s(31 * DAY),
		.address_verify_positive_refresh_time = span_s(7 * DAY),
		.address_verify_negative_expire_time = span_s(3 * DAY),
		.address_verify_negative_refresh_time = span_s(3 * 60 * 60),
		.address_verify_negative_cache = true,
	};
}

static void keeps_and_expires(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, CACHE_MOST);
	const struct entry *entry;

	(void)state;
	assert_null(cache_find(cache, STR("a@b"), NOW));
	cache_put(cache, STR("a@b"), PROBE_DELIVERABLE, STR("250 Ok"), NOW);
	cache_put(cache, STR("c@d"), PROBE_UNDELIVERABLE, STR("no"), NOW);
	entry = cache_find(cache, STR("a@b"), NOW + 31 * DAY - 1);
	assert_non_null(entry);
	assert_str(entry->text, "250 Ok");
	assert_null(cache_find(cache, STR("c@d"), NOW + 3 * DAY));
	assert_int_equal(cache_count(cache), 1);
	assert_null(cache_find(cache, STR("a@b"), NOW + 31 * DAY));
	assert_int_equal(cache_count(cache), 0);
	assert_false(cache_has_changes(cache)); /* there is no table */
	cache_free(cache);
}

static void is_due_in_time(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, CACHE_MOST);
	const struct entry *entry;

	(void)state;
	cache_put(cache, STR("a"), PROBE_DELIVERABLE, STR(""), NOW);
	entry = cache_find(cache, STR("a"), NOW);
	assert_false(cache_is_due(cache, entry, NOW + 7 * DAY - 1));
	assert_true(cache_is_due(cache, entry, NOW + 7 * DAY));
	cache_put(cache, STR("b"), PROBE_DEFERRED, STR(""), NOW);
	entry = cache_find(cache, STR("b"), NOW);
	assert_false(cache_is_due(cache, entry, NOW + 3 * 60 * 60 - 1));
	assert_true(cache_is_due(cache, entry, NOW + 3 * 60 * 60));
	cache_free(cache);
}

/* A refresh that fails changes nothing but when the next is due. */
static void a_success_stands(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, CACHE_MOST);
	int64_t later = NOW + 8 * DAY;
	const struct entry *entry;

	(void)state;
	cache_put(cache, STR("a"), PROBE_DELIVERABLE, STR("good"), NOW);
	cache_put(cache, STR("a"), PROBE_UNDELIVERABLE, STR("bad"), later);
	entry = cache_find(cache, STR("a"), later);
	assert_int_equal(entry->result, PROBE_DELIVERABLE);
	assert_str(entry->text, "good");
	assert_false(cache_is_due(cache, entry, later + PROBE_AGAIN_S - 1));
	assert_true(cache_is_due(cache, entry, later + PROBE_AGAIN_S));
	later = NOW + 31 * DAY;
	cache_put(cache, STR("a"), PROBE_UNDELIVERABLE, STR("bad"), later);
	entry = cache_find(cache, STR("a"), later);
	assert_int_equal(entry->result, PROBE_UNDELIVERABLE);
	cache_put(cache, STR("a"), PROBE_DELIVERABLE, STR("again"), later);
	entry = cache_find(cache, STR("a"), later);
	assert_int_equal(entry->result, PROBE_DELIVERABLE);
	cache_free(cache);
}

static void may_keep_no_failures(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, CACHE_MOST);

	(void)state;
	cache_put(cache, STR("old"), PROBE_DEFERRED, STR("x"), NOW);
	conf.address_verify_negative_cache = false;
	cache_put(cache, STR("old"), PROBE_DEFERRED, STR("x"), NOW);
	cache_put(cache, STR("a"), PROBE_UNDELIVERABLE, STR("x"), NOW);
	assert_int_equal(cache_count(cache), 0);
	cache_put(cache, STR("a"), PROBE_DELIVERABLE, STR("x"), NOW);
	assert_int_equal(cache_count(cache), 1);
	cache_free(cache);
}

static void sweeps(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, true, CACHE_MOST);
	struct cache_counts counts;

	(void)state;
	cache_put(cache, STR("a"), PROBE_DELIVERABLE, STR(""), NOW);
	cache_put(cache, STR("b"), PROBE_DEFERRED, STR(""), NOW);
	cache_put(cache, STR("c"), PROBE_UNDELIVERABLE, STR(""), NOW);
	counts = cache_sweep(cache, NOW + 3 * DAY);
	assert_int_equal(counts.retained, 1);
	assert_int_equal(counts.dropped, 2);
	cache_free(cache);
}

static void has_room_for_so_many(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, 32);

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i);
		cache_put(cache, str_from(name), PROBE_DELIVERABLE, STR(""),
			NOW);
		assert_non_null(cache_find(cache, str_from(name), NOW));
		assert_in_range(cache_count(cache), 1, 32);
	}
	cache_free(cache);
}

static void takes_no_endless_address(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, false, CACHE_MOST);
	char name[ENTRY_ADDRESS_MOST + 1];

	(void)state;
	memset(name, 'a', sizeof(name));
	cache_put(cache, str_of(name, sizeof(name)), PROBE_DELIVERABLE,
		STR(""), NOW);
	assert_int_equal(cache_count(cache), 0);
	cache_free(cache);
}

/* ---- what is to be written ---- */

static void expect(struct str *rows, const char *key, const char *value)
{
	struct change change;

	assert_true(change_take(rows, &change));
	assert_str(change.key, key);
	assert_int_equal(change.is_delete, value == NULL);
	if (value)
		assert_str(change.value, value);
}

static void notes_changes(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, true, CACHE_MOST);
	struct entry old = { PROBE_DELIVERABLE, 0, 5, STR("old") };
	struct entry good = { PROBE_DELIVERABLE, 0, NOW, STR("good") };
	auto_buf struct buf first = { 0 }, second = { 0 };
	struct str rows;

	(void)state;
	cache_load(cache, STR("good"), &good, NOW);
	assert_false(cache_has_changes(cache));
	cache_load(cache, STR("old"), &old, NOW);
	cache_put(cache, STR("a"), PROBE_DEFERRED, STR("x"), NOW);
	assert_true(cache_has_changes(cache));
	assert_false(cache_take(cache, &first));
	assert_false(cache_has_changes(cache));
	change_end(&first);
	rows = buf_str(&first);
	expect(&rows, "old", NULL);
	expect(&rows, "a", "1:0:1764430000:x");
	assert_null(cache_find(cache, STR("a"), NOW + 3 * DAY));
	assert_false(cache_take(cache, &second));
	change_end(&second);
	rows = buf_str(&second);
	expect(&rows, "a", NULL);
	cache_free(cache);
}

static void gives_the_whole(void **state)
{
	struct conf conf = conf_of();
	struct cache *cache = cache_new(&conf, true, CACHE_MOST);
	struct entry good = { PROBE_DELIVERABLE, 0, NOW, STR("good") };
	auto_buf struct buf all = { 0 };
	struct str rows;

	(void)state;
	cache_load(cache, STR("good"), &good, NOW);
	cache_note_all(cache);
	assert_true(cache_has_changes(cache));
	assert_true(cache_take(cache, &all));
	change_end(&all);
	rows = buf_str(&all);
	expect(&rows, "good", "0:0:1764430000:good");
	assert_false(cache_has_changes(cache));
	cache_free(cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_and_expires),
		cmocka_unit_test(is_due_in_time),
		cmocka_unit_test(a_success_stands),
		cmocka_unit_test(may_keep_no_failures),
		cmocka_unit_test(sweeps),
		cmocka_unit_test(has_room_for_so_many),
		cmocka_unit_test(takes_no_endless_address),
		cmocka_unit_test(notes_changes),
		cmocka_unit_test(gives_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
