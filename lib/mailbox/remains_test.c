/*
 * Many messages that are expunged at once: their files go behind the answer,
 * and come back for nobody, whatever happens meanwhile.
 */
#include "base/test.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/fiber.h"
#include "mailbox/remains.h"
#include "mailbox/store.h"
#include "mailbox/test_dir.h"
#include "mailbox/verify.h"

enum {
	MESSAGES = 260,
	LEAVING = 120, /* the first ones */
	STAYING = MESSAGES - LEAVING,
};

/* clang-format off */
static const struct {
	const char *text;
	size_t known, count, octets;
} texts[] = {
	/* Confirmed, or within what the index says. */
	{ "cur/a\nnew/b\n= 12 8902def5\n+\n", 0, 2, 26 },
	{ "cur/a\nnew/b\n= 12 8902def5\n+\n", 26, 2, 26 },
	{ "cur/a\nnew/b\n= 12 8902def5\n", 26, 2, 26 },
	/* Not. */
	{ "cur/a\nnew/b\n= 12 8902def5\n", 0, 0, 0 },
	{ "cur/a\nnew/b\n= 12 8902def5\n", 25, 0, 0 },
	{ "cur/a\nnew/b\n= 12 8902def5", 26, 0, 0 },
	/* Damaged. */
	{ "cur/a\nnew/c\n= 12 8902def5\n+\n", 0, 0, 0 },
	{ "cur/a\n= 12 8902def5\n+\n", 0, 0, 0 },
	{ "cur/a\nbin/b\n= 12 8902def5\n+\n", 0, 0, 0 },
	{ "cur/a/b\n= 8 00000000\n+\n", 0, 0, 0 },
	{ "+\n", 0, 0, 0 }, { "=\n", 0, 0, 0 }, { "\n", 0, 0, 0 },
	{ "", 0, 0, 0 },
	/* Two of them; of the second nobody knows, or the index does. */
	{ "cur/a\nnew/b\n= 12 8902def5\n+\ncur/a\nnew/b\n= 12 8902def5\n",
		0, 2, 26 },
	{ "cur/a\nnew/b\n= 12 8902def5\n+\ncur/a\nnew/b\n= 12 8902def5\n",
		26, 2, 26 },
	{ "cur/a\nnew/b\n= 12 8902def5\n+\ncur/a\nnew/b\n= 12 8902def5\n",
		54, 4, 54 },
};
/* clang-format on */

static void parses_what_departed(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct departed departed;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		departed_parse(arena, str_from(texts[i].text), texts[i].known,
			&departed);
		assert_int_equal(departed.count, texts[i].count);
		assert_int_equal(departed.octets, texts[i].octets);
	}
	assert_true(departed_can_say("1.a:2,S"));
	assert_false(departed_can_say("1.a\n:2,S"));
	assert_false(departed_can_say("1.a\r"));
	assert_false(departed_can_say(""));
}

static void put_file(const char *name)
{
	FILE *f = fopen(path_in(name), "we");

	assert_non_null(f);
	fputs("Subject: a\n\na\n", f);
	fclose(f);
}

static void put_messages(void)
{
	static const char *const folders[] = { "cur", "new", "tmp" };
	char name[80];

	for (size_t i = 0; i < COUNT(folders); i++)
		assert_int_equal(mkdir(path_in(folders[i]), 0700), 0);
	for (int i = 1; i <= MESSAGES; i++) {
		snprintf(name, sizeof(name), i % 8 ? "cur/%d.a:2,T" :
			"new/%d.a", i);
		put_file(name);
	}
}

static size_t count_files(void)
{
	static const char *const folders[] = { "cur", "new" };
	size_t count = 0;

	for (size_t i = 0; i < COUNT(folders); i++) {
		DIR *d = opendir(path_in(folders[i]));
		struct dirent *e;

		assert_non_null(d);
		while ((e = readdir(d)))
			count += e->d_name[0] != '.';
		closedir(d);
	}
	return count;
}

static bool is_listed(void)
{
	return access(path_in("posthorn-expunged"), F_OK) == 0;
}

static struct mailbox_store *open_store(struct mailbox **inbox)
{
	struct mailbox_store *store = mailbox_store_open(dir);

	assert_non_null(store);
	assert_int_equal(mailbox_open(store, STR("INBOX"), inbox),
		MAILBOX_OK);
	return store;
}

static void close_store(struct mailbox_store *store, struct mailbox *inbox)
{
	mailbox_close(inbox);
	mailbox_store_close(store);
}

/* Those from uid `from` on. */
static void expunge(struct mailbox *m, uint32_t from)
{
	uint32_t uids[LEAVING];

	for (uint32_t i = 0; i < LEAVING; i++)
		uids[i] = from + i;
	assert_int_equal(mailbox_expunge(m, uids, LEAVING, true), MAILBOX_OK);
	assert_null(mailbox_find(m, from));
	assert_null(mailbox_find(m, from + LEAVING - 1));
}

/* A process of its own that is killed behind what it does: no index is open
 * twice in a process. */
static void in_a_dying_process(void (*deed)(struct mailbox *m))
{
	struct mailbox *m;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		open_store(&m);
		deed(m);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void lose_index(void)
{
	assert_int_equal(unlink(path_in("posthorn-index")), 0);
	assert_int_equal(unlink(path_in("posthorn-index-lock")), 0);
	assert_int_equal(unlink(path_in("posthorn-index-boot")), 0);
}

/* They stay, with their uids, now and later; the others went. */
static void check_staying(uint32_t from, size_t count)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	assert_int_equal(m->count, count);
	assert_int_equal(m->messages[0].is.uid, from);
	close_store(store, m);
	assert_int_equal(count_files(), count);
	assert_false(is_listed());
	store = open_store(&m);
	assert_int_equal(m->count, count);
	assert_int_equal(m->row.remains, 0);
	close_store(store, m);
}

static void tell(void *context, const char *mailbox, struct str problem)
{
	(void)mailbox;
	(void)problem;
	++*(int *)context;
}

static void progress(void *context, const char *mailbox, size_t done,
	size_t all)
{
	(void)context;
	(void)mailbox;
	(void)done;
	(void)all;
}

static void go_behind_the_answer(void **state)
{
	int problems = 0;
	struct mailbox_verify verify = { .tell = tell, .progress = progress,
		.context = &problems };
	struct mailbox *m;
	struct mailbox_store *store;

	(void)state;
	put_messages();
	store = open_store(&m);
	expunge(m, 1);
	assert_int_equal(m->count, STAYING);
	assert_int_equal(count_files(), MESSAGES - 1);
	assert_true(is_listed());
	/* Nobody takes the rest for messages. */
	put_file("cur/1000.a:2,");
	put_file("new/1001.a");
	mailbox_stamp_forget(m);
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	assert_int_equal(m->count, STAYING + 2);
	assert_int_equal(mailbox_verify(store, STR("INBOX"), &verify),
		MAILBOX_OK);
	assert_int_equal(problems, 0);
	mailbox_store_settle(store);
	assert_int_equal(count_files(), STAYING + 2);
	assert_false(is_listed());
	assert_int_equal(mailbox_refresh(m, true), MAILBOX_OK);
	assert_int_equal(m->count, STAYING + 2);
	close_store(store, m);
	check_staying(LEAVING + 1, STAYING + 2);
}

static void follow_in_the_background(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	expunge(m, 1);
	assert_true(is_listed());
	while (is_listed())
		assert_true(io_sleep(span_ms(1)));
	assert_int_equal(count_files(), STAYING);
	close_store(store, m);
}

static void go_while_others_run(void **state)
{
	(void)state;
	put_messages();
	io_run(follow_in_the_background, NULL);
	check_staying(LEAVING + 1, STAYING);
}

static void close_in_the_middle(void *context)
{
	struct mailbox *m;
	struct mailbox_store *store = open_store(&m);

	(void)context;
	expunge(m, 1);
	expunge(m, LEAVING + 1);
	while (count_files() == MESSAGES - 2)
		io_yield();
	assert_true(count_files() > STAYING - LEAVING);
	close_store(store, m);
	assert_int_equal(count_files(), STAYING - LEAVING);
	assert_false(is_listed());
}

static void go_before_the_store_is_closed(void **state)
{
	(void)state;
	put_messages();
	io_run(close_in_the_middle, NULL);
	check_staying(2 * LEAVING + 1, STAYING - LEAVING);
}

static void expunge_first(struct mailbox *m)
{
	expunge(m, 1);
}

static void expunge_twice(struct mailbox *m)
{
	expunge(m, 1);
	expunge(m, LEAVING + 1);
}

static void do_not_outlive_a_kill(void **state)
{
	(void)state;
	put_messages();
	in_a_dying_process(expunge_first);
	assert_int_equal(count_files(), MESSAGES - 1);
	check_staying(LEAVING + 1, STAYING);
}

static void do_not_outlive_the_index(void **state)
{
	(void)state;
	put_messages();
	in_a_dying_process(expunge_twice);
	lose_index();
	assert_int_equal(count_files(), MESSAGES - 2);
	check_staying(2 * LEAVING + 1, STAYING - LEAVING);
}

static void expunge_once_more(struct mailbox *m)
{
	expunge(m, LEAVING + 1);
}

/* What another process left, and what this one adds to it. */
static void are_handed_on(void **state)
{
	(void)state;
	put_messages();
	in_a_dying_process(expunge_first);
	in_a_dying_process(expunge_once_more);
	check_staying(2 * LEAVING + 1, STAYING - LEAVING);
}

/* Killed before the expunge is true: it is none. */
static void only_write_down(struct mailbox *m)
{
	const struct mailbox_message *messages[LEAVING];
	struct index_txn *txn = index_begin(m->store->index, true);

	for (size_t i = 0; i < LEAVING; i++)
		messages[i] = &m->messages[i];
	assert_non_null(txn);
	assert_true(mailbox_load(m, txn));
	assert_true(mailbox_remains_begin(m, messages, LEAVING));
}

static void are_none_before_the_commit(void **state)
{
	struct mailbox *m;
	struct mailbox_store *store;

	(void)state;
	put_messages();
	in_a_dying_process(only_write_down);
	assert_true(is_listed());
	store = open_store(&m);
	assert_int_equal(m->count, MESSAGES);
	close_store(store, m);
	lose_index();
	store = open_store(&m);
	assert_int_equal(m->count, MESSAGES);
	/* Neither are they when others follow. */
	expunge(m, LEAVING + 1);
	close_store(store, m);
	check_staying(1, STAYING);
}

static void after_others_are_none_before_the_commit(void **state)
{
	(void)state;
	put_messages();
	in_a_dying_process(expunge_once_more);
	in_a_dying_process(only_write_down);
	lose_index();
	check_staying(1, STAYING);
}

static void go_under_another_name(void **state)
{
	struct mailbox *m;
	struct mailbox_store *store;
	char from[512];

	(void)state;
	put_messages();
	store = open_store(&m);
	expunge(m, 1);
	for (int i = 2; i < 8; i++) {
		char name[80], to[80];

		snprintf(name, sizeof(name), "cur/%d.a:2,T", i);
		snprintf(to, sizeof(to), "cur/%d.a:2,ST", i);
		snprintf(from, sizeof(from), "%s", path_in(name));
		assert_int_equal(rename(from, path_in(to)), 0);
	}
	snprintf(from, sizeof(from), "%s", path_in("new/8.a"));
	assert_int_equal(rename(from, path_in("cur/8.a:2,")), 0);
	/* One is removed by somebody else. */
	assert_int_equal(unlink(path_in("cur/9.a:2,T")), 0);
	close_store(store, m);
	check_staying(LEAVING + 1, STAYING);
}

static void of_a_damaged_list_take_nothing_along(void **state)
{
	struct mailbox *m;
	struct mailbox_store *store;
	FILE *f;

	(void)state;
	put_messages();
	in_a_dying_process(expunge_first);
	lose_index();
	f = fopen(path_in("posthorn-expunged"), "r+e");
	assert_non_null(f);
	fputs("cur/200", f);
	fclose(f);
	store = open_store(&m);
	assert_int_equal(m->count, MESSAGES - 1);
	close_store(store, m);
	assert_int_equal(count_files(), MESSAGES - 1);
}

/* What cannot be removed stays hidden, and the list stays for the next who
 * tries. */
static void are_tried_again(void **state)
{
	struct mailbox *m;
	struct mailbox_store *store;

	(void)state;
	put_messages();
	store = open_store(&m);
	expunge(m, 1);
	assert_int_equal(unlink(path_in("cur/2.a:2,T")), 0);
	assert_int_equal(mkdir(path_in("cur/2.a:2,T"), 0700), 0);
	close_store(store, m);
	assert_int_equal(count_files(), STAYING + 1);
	assert_true(is_listed());
	assert_int_equal(rmdir(path_in("cur/2.a:2,T")), 0);
	put_file("cur/2.a:2,T");
	check_staying(LEAVING + 1, STAYING);
}

/* It goes with its mailbox, and moves with it. */
static void belong_to_their_mailbox(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	struct imap_set a, b;
	struct mailbox *m, *box;
	struct mailbox_store *store;
	uint32_t *uids;

	(void)state;
	put_messages();
	store = open_store(&m);
	assert_int_equal(mailbox_store_create(store, STR("Box")), MAILBOX_OK);
	assert_int_equal(mailbox_open(store, STR("Box"), &box), MAILBOX_OK);
	uids = mailbox_uids_all(m, arena);
	assert_int_equal(mailbox_copy(arena, m, uids, m->count, box, false,
		&a, &b), MAILBOX_OK);
	expunge(box, 1);
	mailbox_close(box);
	assert_int_equal(mailbox_store_rename(store, STR("Box"), STR("Xob")),
		MAILBOX_OK);
	assert_int_equal(access(path_in(".Xob/posthorn-expunged"), F_OK), 0);
	mailbox_store_settle(store);
	assert_int_equal(mailbox_open(store, STR("Xob"), &box), MAILBOX_OK);
	assert_int_equal(box->count, STAYING);
	assert_true(access(path_in(".Xob/posthorn-expunged"), F_OK) < 0);
	expunge(box, LEAVING + 1);
	mailbox_close(box);
	assert_int_equal(mailbox_store_remove(store, STR("Xob")), MAILBOX_OK);
	assert_true(access(path_in(".Xob"), F_OK) < 0);
	close_store(store, m);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_departed),
		IN_DIR(go_behind_the_answer),
		IN_DIR(go_while_others_run),
		IN_DIR(go_before_the_store_is_closed),
		IN_DIR(do_not_outlive_a_kill),
		IN_DIR(do_not_outlive_the_index),
		IN_DIR(are_handed_on),
		IN_DIR(are_none_before_the_commit),
		IN_DIR(after_others_are_none_before_the_commit),
		IN_DIR(go_under_another_name),
		IN_DIR(of_a_damaged_list_take_nothing_along),
		IN_DIR(are_tried_again),
		IN_DIR(belong_to_their_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
