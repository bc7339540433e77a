#include "queue/journal.h"

#include "base/log.h"
#include "base/test.h"
#include "queue/disk_model.h"

static const struct slot_class classes[] = { { 4096, 8 } };

static void quiet(enum log_level level, struct str line)
{
	(void)level, (void)line;
}

static size_t files(struct disk *disk)
{
	auto_arena struct arena *arena = arena_new(0);
	struct disk_names names;

	assert_true(disk_list(disk, arena, "journal", &names));
	return names.count;
}

/* A disk whose flushes fail again and again does not fill up with segments;
 * what was told durable is, and what was refused is not there. */
static void retired_segments_are_bounded(void **state)
{
	struct disk *disk = disk_model_new(1);
	struct journal *journal;
	struct place places[64];
	const struct str octets = STR("as long as a message, of no form");

	(void)state;
	log_sink(quiet);
	assert_true(journal_open(&journal, disk, classes, COUNT(classes)));
	for (uint64_t i = 0; i < COUNT(places); i++) {
		disk_model_fail_flush(disk, 0);
		assert_false(journal_commit(journal, octets, 2 * i + 1,
			&places[i]));
		disk_model_fail_flush(disk, -1);
		assert_true(journal_commit(journal, octets, 2 * i + 2,
			&places[i]));
		if (i >= 3) /* the others stay in use */
			assert_true(journal_free(journal, &places[i]));
	}
	assert_int_equal(journal_used(journal), 3);
	assert_in_range(files(disk), 1, 12);
	journal_close(journal);
	disk_model_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retired_segments_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
