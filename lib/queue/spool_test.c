#include "queue/spool.h"

#include "base/test.h"
#include "queue/disk_model.h"

/* What was not kept is not there: else a message that stays in its slot would
 * be in the queue twice. */
static void what_is_refused_leaves_nothing(void **state)
{
	const struct str id = STR("ABC123"), octets = STR("of a message");
	bool done = false;

	(void)state;
	for (int at = 0; !done; at++) {
		struct disk *disk = disk_model_new(1);

		assert_true(at < 16);
		disk_model_fail_flush(disk, at);
		done = spool_write(disk, QUEUE_DEFERRED, id, octets);
		disk_model_fail_flush(disk, -1);
		assert_int_equal(
			spool_has(disk, QUEUE_DEFERRED, id), done);
		disk_model_free(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
