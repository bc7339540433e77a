/*
 * SORT and THREAD by what is kept give what the plain way gives, whatever
 * happened to the mailbox meanwhile.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox/order.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"

enum {
	ROUNDS = 60,
	SORTS = 8, /* in each round */
	COMING = 40,
};

static unsigned state_of_chance, files;

static unsigned chance(unsigned below)
{
	state_of_chance = state_of_chance * 1103515245 + 12345;
	return (state_of_chance >> 16) % below;
}

/* With few different keys, so that many are equal; some have none. */
static void put_message(void)
{
	struct timespec times[2] = { { .tv_sec = 1000000000 + chance(9) } };
	char path[512];
	FILE *f;

	times[1] = times[0];
	snprintf(path, sizeof(path), "%s/cur/%u.x.host:2,", dir, ++files);
	f = fopen(path, "w");
	assert_non_null(f);
	if (chance(8))
		fprintf(f, "Subject: %s%s %u\n", chance(2) ? "Re: " : "",
			chance(2) ? "long words before" : "a", chance(12));
	if (chance(8))
		fprintf(f, "From: \"n%u\" <u%u@example.org>\n", chance(5),
			chance(7));
	if (chance(3))
		fprintf(f, "To: u%u@example.net\n", chance(4));
	if (chance(3) == 0)
		fprintf(f, "Cc: u%u@example.net\n", chance(4));
	if (chance(6))
		fprintf(f, "Date: %u Nov 2001 10:00:%02u +0000\n",
			1 + chance(4), chance(6));
	if (chance(9))
		fprintf(f, "Message-ID: <%u@example.org>\n",
			chance(10) ? files : chance(files));
	if (chance(2))
		fprintf(f, "References: <%u@example.org> <%u@example.org>\n",
			chance(files + 3), chance(files + 3));
	fprintf(f, "\n%.*s\n", (int)chance(20), "12345678901234567890");
	fclose(f);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void take_in(struct mailbox *m)
{
	mailbox_stamp_forget(m);
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
}

static void expunge_some(struct mailbox *m, unsigned one_in)
{
	struct arena *arena auto_arena = arena_new(0);
	uint32_t *uids = arena_array(arena, m->count + 1, sizeof(*uids));
	size_t count = 0;

	for (size_t i = 0; i < m->count; i++)
		if (chance(one_in) == 0)
			uids[count++] = m->messages[i].is.uid;
	assert_int_equal(mailbox_expunge(m, uids, count, true), MAILBOX_OK);
}

/* A part of the messages, or all. */
static struct mailbox_found find_some(struct mailbox *m, struct arena *arena,
	bool scores)
{
	struct mailbox_found found = { .uids = arena_array(arena,
		m->count + 1, sizeof(*found.uids)) };
	unsigned one_in = 1 + chance(5);

	if (scores)
		found.scores = arena_array(arena, m->count + 1, 1);
	for (size_t i = 0; i < m->count; i++) {
		if (chance(one_in))
			continue;
		if (scores)
			found.scores[found.count] = (uint8_t)chance(4);
		found.uids[found.count++] = m->messages[i].is.uid;
	}
	return found;
}

static struct mailbox_found copy_of(struct arena *arena,
	const struct mailbox_found *found)
{
	struct mailbox_found copy = *found;

	copy.uids = arena_array(arena, found->count + 1,
		sizeof(*copy.uids));
	memcpy(copy.uids, found->uids, found->count * sizeof(*copy.uids));
	if (found->scores) {
		copy.scores = arena_array(arena, found->count + 1, 1);
		memcpy(copy.scores, found->scores, found->count);
	}
	return copy;
}

static void choose_keys(struct imap_sort *sort)
{
	*sort = (struct imap_sort){ .count = 1 + chance(3) };
	for (size_t i = 0; i < sort->count; i++)
		sort->keys[i] = (struct imap_sort_key){
			.kind = (enum imap_sort_kind)chance(
				IMAP_SORT_TEXT + 1),
			.text = (enum imap_digest_text)chance(
				IMAP_DIGEST_ID),
			.reverse = chance(2),
		};
}

static void compare_sorts(struct mailbox *m)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_found kept, plain;
	struct imap_sort sort;

	choose_keys(&sort);
	kept = find_some(m, arena, imap_sort_needs_score(&sort));
	plain = copy_of(arena, &kept);
	assert_int_equal(mailbox_sort(m, arena, &sort, &kept, kept.count),
		MAILBOX_OK);
	assert_int_equal(mailbox_sort_plain(m, arena, &sort, &plain,
		plain.count), MAILBOX_OK);
	assert_memory_equal(kept.uids, plain.uids,
		kept.count * sizeof(*kept.uids));
	if (kept.scores)
		assert_memory_equal(kept.scores, plain.scores, kept.count);
}

static void compare_threads(struct mailbox *m)
{
	struct arena *arena auto_arena = arena_new(0);
	struct mailbox_found found = find_some(m, arena, false);
	struct imap_thread_item *items = arena_array(arena, found.count + 1,
		sizeof(*items));
	enum imap_thread_kind kind =
		(enum imap_thread_kind)chance(IMAP_THREAD_REFS + 1);
	struct buf outs[2] = { BUF_IN(arena), BUF_IN(arena) };
	const struct imap_thread_names *names;

	for (int plain = 0; plain < 2; plain++) {
		assert_int_equal((plain ? mailbox_threads_plain :
			mailbox_threads)(m, arena, found.uids, found.count,
			items, &names), MAILBOX_OK);
		for (size_t i = 0; i < found.count; i++)
			items[i].number = found.uids[i];
		imap_thread_format(arena, &outs[plain], kind, items,
			found.count, names);
	}
	assert_true(str_eq(buf_str(&outs[0]), buf_str(&outs[1])));
}

/* How many orders there are; all is exactly of the members. */
static size_t orders_of(const struct mailbox *m)
{
	size_t count = 0;

	for (size_t i = 0; m->order && i < ORDER_KEYS; i++)
		count += m->order->keys[i].count > 0;
	return count;
}

static void live(unsigned seed)
{
	struct mailbox_store *store = mailbox_store_open(dir);
	struct mailbox *m;

	state_of_chance = seed;
	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned i = chance(round % 10 ? 4 : COMING); i > 0; i--)
			put_message();
		take_in(m);
		if (chance(3) == 0)
			expunge_some(m, round % 20 == 19 ? 2 : 12);
		for (int i = 0; i < SORTS; i++)
			compare_sorts(m);
		compare_threads(m);
		if (m->order) /* messages that are gone, up to a point */
			assert_true(m->order->count >= m->count);
	}
	assert_int_equal(orders_of(m), ORDER_KEYS);
	mailbox_close(m);
	mailbox_store_close(store);
}

static void as_the_plain_way(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 2; seed++)
		live(seed);
}

/* Where most are gone, so are they from memory. */
static void forgets_what_is_gone(void **state)
{
	struct mailbox_store *store = mailbox_store_open(dir);
	struct arena *arena auto_arena = arena_new(0);
	struct imap_sort sort = { .count = 1 };
	struct mailbox_found found;
	struct mailbox *m;

	(void)state;
	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("INBOX"), &m), MAILBOX_OK);
	for (int i = 0; i < 1100; i++)
		put_message();
	take_in(m);
	found = find_some(m, arena, false);
	assert_int_equal(mailbox_sort(m, arena, &sort, &found, 1),
		MAILBOX_OK);
	assert_true(mailbox_order_follow(m)->count >= 1100);
	expunge_some(m, 1);
	assert_int_equal(m->count, 0);
	assert_int_equal(mailbox_order_follow(m)->count, 0);
	mailbox_close(m);
	mailbox_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_the_plain_way, make_dir,
			remove_dir),
		cmocka_unit_test_setup_teardown(forgets_what_is_gone,
			make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
