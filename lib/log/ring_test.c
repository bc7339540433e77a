#include "log/ring.h"

#include "base/test.h"
#include "log/line.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct pair {
	struct log_ring *writer, *reader;
	int wake, fd;
};

static int set_up(void **state)
{
	static struct pair pair;

	pair.fd = log_ring_create();
	assert_true(pair.fd >= 0);
	pair.writer = log_ring_map(pair.fd);
	pair.reader = log_ring_map(pair.fd);
	pair.wake = eventfd(0, EFD_NONBLOCK);
	*state = &pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	log_ring_unmap(pair->writer);
	log_ring_unmap(pair->reader);
	close(pair->wake);
	close(pair->fd);
	return 0;
}

static bool was_woken(struct pair *pair)
{
	uint64_t count;

	return read(pair->wake, &count, sizeof(count)) == sizeof(count);
}

static void lines_come_out_as_they_went_in(void **state)
{
	struct pair *pair = *state;
	struct log_line line;
	char text[101];

	for (int i = 0; i < 5000; i++) { /* several times around */
		int len = 1 + i % 100;

		memset(text, 'a' + i % 26, sizeof(text));
		log_ring_put(pair->writer, pair->wake, LOG_LEVEL_INFO, 7,
			str_of(text, (size_t)len));
		assert_true(log_ring_take(pair->reader, &line));
		assert_int_equal(line.text.len, len);
		assert_int_equal(line.pid, 7);
		assert_memory_equal(line.text.p, text, (size_t)len);
	}
	assert_false(log_ring_take(pair->reader, &line));
	assert_int_equal(log_ring_lost(pair->reader), 0);
}

static void only_a_sleeping_reader_is_woken(void **state)
{
	struct pair *pair = *state;
	struct log_line line;

	log_ring_put(pair->writer, pair->wake, LOG_LEVEL_INFO, 7,
			STR("one"));
	assert_false(was_woken(pair));
	assert_false(log_ring_sleep(pair->reader));
	assert_true(log_ring_take(pair->reader, &line));
	assert_true(log_ring_sleep(pair->reader));
	log_ring_put(pair->writer, pair->wake, LOG_LEVEL_INFO, 7,
			STR("two"));
	assert_true(was_woken(pair));
	log_ring_put(pair->writer, pair->wake, LOG_LEVEL_INFO, 7,
			STR("three"));
	assert_false(was_woken(pair));
	log_ring_put(pair->writer, pair->wake, LOG_LEVEL_WARNING, 7,
			STR("w"));
	assert_true(was_woken(pair));
}

static void a_full_ring_counts_what_it_loses(void **state)
{
	struct pair *pair = *state;
	char text[RING_LINE_MOST];
	struct log_line line;
	size_t taken = 0;

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < RING_OCTETS / RING_LINE_MOST + 1; i++)
		log_ring_put(pair->writer, pair->wake, LOG_LEVEL_INFO, 7,
			str_of(text, sizeof(text)));
	while (log_ring_take(pair->reader, &line))
		taken++;
	assert_true(taken >= RING_OCTETS / (RING_LINE_MOST + 24) - 1);
	assert_true(log_ring_lost(pair->reader) > 0);
}

static void hostile_rings_are_survived(void **state)
{
	struct pair *pair = *state;
	struct log_line line;
	char into[RING_TAG_MOST + 1];
	uint64_t *words;

	words = mmap(NULL, 4096 + RING_OCTETS, PROT_READ | PROT_WRITE,
		MAP_SHARED, pair->fd, 0);
	assert_true(words != MAP_FAILED);
	words[1] = UINT64_MAX; /* head far ahead of tail */
	assert_false(log_ring_take(pair->reader, &line));
	words[1] = words[2] + 32;
	words[512 + words[2] % RING_OCTETS / 8] = UINT64_MAX; /* a length */
	assert_false(log_ring_take(pair->reader, &line));
	assert_true(log_ring_lost(pair->reader) > 0);
	log_ring_tag(pair->writer, STR("postfix/smtpd[1]: forged"));
	assert_str(log_ring_read_tag(pair->reader, into), "postfix/smtpd");
	munmap(words, 4096 + RING_OCTETS);
}

static void lines_have_the_usual_form(void **state)
{
	struct buf out = { 0 };

	(void)state;
	setenv("TZ", "UTC", 1);
	log_line_format(&out, 1000000000000000, "mx", STR("postfix/qmgr"), 42,
		STR("1234: removed"));
	assert_str(buf_str(&out),
		"Sep  9 01:46:40 mx postfix/qmgr[42]: 1234: removed\n");
	buf_clear(&out);
	log_syslog_format(&out, log_facility_parse(STR("mail")),
		LOG_LEVEL_WARNING, 1000000000000000,
		STR("postfix/qmgr"), 42, STR("warning: x"));
	assert_str(buf_str(&out),
		"<20>Sep  9 01:46:40 postfix/qmgr[42]: warning: x");
	buf_free(&out);
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(lines_come_out_as_they_went_in),
		RING_TEST(only_a_sleeping_reader_is_woken),
		RING_TEST(a_full_ring_counts_what_it_loses),
		RING_TEST(hostile_rings_are_survived),
		cmocka_unit_test(lines_have_the_usual_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
