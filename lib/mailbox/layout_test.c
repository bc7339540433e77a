/*
 * Both layouts: names and directories, and what becomes of those.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mailbox/stand.h"
#include "mailbox/store.h"
#include "mailbox/uidlist.h"

static char dir[64];

static const char *path_in(const char *name)
{
	static char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool is_there(const char *name)
{
	return access(path_in(name), F_OK) == 0;
}

static void put_folder(const char *name)
{
	assert_int_equal(mkdir(path_in(name), 0700), 0);
}

static void put_file(const char *name, const char *text)
{
	FILE *file = fopen(path_in(name), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/posthorn-layout-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return stand_folder_remove(dir);
}

static struct mailbox_store *open_tree(void)
{
	char location[128];
	struct mailbox_store *store;

	snprintf(location, sizeof(location), "maildir:%s:LAYOUT=fs", dir);
	store = mailbox_store_open(location);
	assert_non_null(store);
	return store;
}

static const struct {
	const char *name;
	bool plusplus, fs;
	const char *path; /* of fs, if it is not a swap only */
} names[] = {
	{ "Sent",             true,  true,  "Sent" },
	{ "Sent.2024",        true,  true,  "Sent/2024" },
	{ "a/b",              false, true,  "a.b" },
	{ "lists.a/b.c",      false, true,  "lists/a.b/c" },
	{ "INBOX.kid",        true,  true,  "INBOX/kid" },
	{ "caf&AOk-",         true,  true,  "caf&AOk-" },
	{ "current",          true,  true,  "current" },
	{ "a.subscriptions",  true,  true,  "a/subscriptions" },
	{ "a/",               false, true,  "a." },
	{ "cur",              true,  false, NULL },
	{ "a.new",            true,  false, NULL },
	{ "tmp.b",            true,  false, NULL },
	{ "maildirfolder",    true,  false, NULL },
	{ "subscriptions",    true,  false, NULL },
	{ "subscriptions.x",  true,  false, NULL },
	{ "dovecot-uidlist",  true,  false, NULL },
	{ "a.dovecot/index",  false, false, NULL },
	{ "posthorn-index",   true,  false, NULL },
	{ "a.posthorn-x",     true,  false, NULL },
	{ "/",                false, false, NULL },
	{ "//",               false, false, NULL },
	{ "//./etc",          false, false, NULL },
	{ "a./b",             false, false, NULL },
	{ "a.//.b",           false, false, NULL },
	{ "..",               false, false, NULL },
	{ "a..b",             false, false, NULL },
	{ "a\tb",             false, false, NULL },
	{ "a\nb",             false, false, NULL },
	{ "~root",            false, false, NULL },
	{ "caf\xc3\xa9",      false, false, NULL },
	/* limit: LAYOUT_LEVELS_MOST */
	{ "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20", true, true,
		"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20" },
	{ "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21", false,
		false, NULL },
};

static void knows_good_names(void **state)
{
	struct mailbox_store store = { 0 };
	char path[LAYOUT_PATH], most[202];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct str name = str_from(names[i].name);

		store.place.layout = &layout_plusplus;
		assert_int_equal(mailbox_name_is_good(&store, name),
			names[i].plusplus);
		store.place.layout = &layout_fs;
		assert_int_equal(mailbox_name_is_good(&store, name),
			names[i].fs);
		if (names[i].fs)
			assert_string_equal(layout_path(&store.place,
				names[i].name, path), names[i].path);
	}
	memset(most, 'x', sizeof(most));
	assert_true(mailbox_name_is_good(&store, str_of(most, 200)));
	assert_false(mailbox_name_is_good(&store, str_of(most, 201)));
	assert_false(mailbox_name_is_good(&store, str_of("a\0b", 3)));
}

static const struct {
	const char *location, *path, *layout; /* NULL: refused */
	bool utf8;
} locations[] = {
	{ "/srv/x",                        "/srv/x", "maildir++" },
	{ "maildir:/srv/x",                "/srv/x", "maildir++" },
	{ "maildir:/srv/x:LAYOUT=fs",      "/srv/x", "fs" },
	{ "/srv/x:LAYOUT=FS",              "/srv/x", "fs" },
	{ "/srv/x:LAYOUT=Maildir++",       "/srv/x", "maildir++" },
	{ "/srv/x:UTF-8",                  "/srv/x", "maildir++", true },
	{ "maildir:/srv/x:UTF-8:LAYOUT=fs", "/srv/x", "fs", true },
	{ "/srv/x:LAYOUT=fs:UTF-8",        "/srv/x", "fs", true },
	{ "/srv/x:y",                      "/srv/x:y", "maildir++" },
	{ "/srv/x:LAYOUT=index" }, { "/srv/x:LAYOUT=" },
};

static void takes_locations_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(locations); i++) {
		struct mailbox_place place = { .layout = &layout_plusplus };
		struct arena *arena auto_arena = arena_new(0);
		struct str path;
		bool good = layout_of_location(str_from(locations[i].location),
			&path, &place);

		assert_int_equal(good, locations[i].layout != NULL);
		if (!good)
			continue;
		assert_str(path, locations[i].path);
		assert_string_equal(place.layout->name, locations[i].layout);
		assert_int_equal(place.utf8, locations[i].utf8);
		place = (struct mailbox_place){ 0 };
		assert_true(layout_of_location(layout_location(arena, path,
			&(struct mailbox_place){ .utf8 = locations[i].utf8,
				.layout = layout_find(str_from(
					locations[i].layout)) }),
			&path, &place));
		assert_str(path, locations[i].path);
		assert_int_equal(place.utf8, locations[i].utf8);
	}
}

static void must(enum mailbox_result got, enum mailbox_result wanted)
{
	assert_int_equal(got, wanted);
}

static uint32_t uidvalidity_of(struct mailbox_store *store, struct str name)
{
	struct mailbox *m;
	uint32_t is;

	must(mailbox_open(store, name, &m), MAILBOX_OK);
	is = m->row.uidvalidity;
	mailbox_close(m);
	return is;
}

/* Those that are there of all that might be. */
static struct str likely(struct mailbox_store *store, struct arena *arena)
{
	struct buf out = BUF_IN(arena);
	struct mailbox_names all;
	enum mailbox_met *met;
	const char *gap = "";
	bool *have;

	must(mailbox_store_list_unsure(store, arena, &all), MAILBOX_OK);
	met = arena_array(arena, all.count + 1, sizeof(*met));
	have = arena_array(arena, all.count + 1, sizeof(*have));
	mailbox_store_have(store, all.names, all.count, met, have);
	for (size_t i = 0; i < all.count; i++) {
		if (!have[i])
			continue;
		buf_fmt(&out, "%s%.*s", gap, STR_ARG(all.names[i]));
		gap = " ";
	}
	return buf_str(&out);
}

/* "INBOX a a.b" */
static void has(struct mailbox_store *store, const char *wanted)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct mailbox_names all;

	must(mailbox_store_list(store, arena, &all), MAILBOX_OK);
	for (size_t i = 0; i < all.count; i++)
		buf_fmt(&out, "%s%.*s", i ? " " : "", STR_ARG(all.names[i]));
	assert_str(buf_str(&out), wanted);
	assert_str(likely(store, arena), wanted);
}

static void makes_and_removes(void **state)
{
	struct mailbox_store *store = open_tree();
	uint32_t before;

	(void)state;
	must(mailbox_store_create(store, STR("a.b.c")), MAILBOX_OK);
	assert_true(is_there("a/b/c/cur"));
	assert_true(is_there("a/b/c/dovecot-uidlist"));
	has(store, "INBOX a.b.c");
	must(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	must(mailbox_store_create(store, STR("a")), MAILBOX_EXISTS);
	must(mailbox_store_create(store, STR("a.cur")), MAILBOX_CANNOT);
	must(mailbox_store_create(store, STR("x/y.z")), MAILBOX_OK);
	assert_true(is_there("x.y/z/cur"));
	has(store, "INBOX a a.b.c x/y.z");
	before = uidvalidity_of(store, STR("a"));
	put_file("a/new/1.a.x", "Subject: x\n\n");
	must(mailbox_store_remove(store, STR("a")), MAILBOX_OK);
	has(store, "INBOX a.b.c x/y.z");
	assert_true(is_there("a/b/c/cur"));
	assert_false(is_there("a/new"));
	assert_false(is_there("a/dovecot-uidlist"));
	must(mailbox_store_remove(store, STR("a")), MAILBOX_NONEXISTENT);
	must(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	assert_true(uidvalidity_of(store, STR("a")) > before);
	must(mailbox_store_remove(store, STR("a")), MAILBOX_OK);
	/* Levels go with what was below them. */
	must(mailbox_store_remove(store, STR("a.b.c")), MAILBOX_OK);
	assert_false(is_there("a"));
	must(mailbox_store_remove(store, STR("x/y.z")), MAILBOX_OK);
	assert_false(is_there("x.y"));
	has(store, "INBOX");
	mailbox_store_close(store);
}

static void renames_with_all_below(void **state)
{
	struct mailbox_store *store = open_tree();
	struct mailbox *m;
	uint32_t deep, sub;

	(void)state;
	must(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	must(mailbox_store_create(store, STR("a.b.c")), MAILBOX_OK);
	must(mailbox_store_create(store, STR("other.x")), MAILBOX_OK);
	deep = uidvalidity_of(store, STR("a.b.c"));
	must(mailbox_open(store, STR("a.b.c"), &m), MAILBOX_OK);
	must(mailbox_store_rename(store, STR("a"), STR("a.b.d")),
		MAILBOX_CANNOT);
	/* A directory that is no mailbox, but has one below. */
	must(mailbox_store_rename(store, STR("a"), STR("other")),
		MAILBOX_EXISTS);
	must(mailbox_store_rename(store, STR("a"), STR("n/w.top")),
		MAILBOX_OK);
	has(store, "INBOX n/w.top n/w.top.b.c other.x");
	assert_string_equal(m->name, "n/w.top.b.c");
	assert_false(is_there("a"));
	mailbox_close(m);
	assert_int_equal(uidvalidity_of(store, STR("n/w.top.b.c")), deep);
	/* A level that is no mailbox itself. */
	must(mailbox_store_rename(store, STR("n/w.top.b"), STR("b")),
		MAILBOX_OK);
	has(store, "INBOX b.c n/w.top other.x");
	sub = uidvalidity_of(store, STR("n/w.top"));
	must(mailbox_store_rename(store, STR("n/w.top"), STR("b.c.top")),
		MAILBOX_OK);
	has(store, "INBOX b.c b.c.top other.x");
	assert_int_equal(uidvalidity_of(store, STR("b.c.top")), sub);
	assert_false(is_there("n.w"));
	must(mailbox_store_rename(store, STR("q"), STR("r.s")),
		MAILBOX_NONEXISTENT);
	assert_false(is_there("r"));
	mailbox_store_close(store);
	store = open_tree();
	assert_int_equal(uidvalidity_of(store, STR("b.c")), deep);
	mailbox_store_close(store);
}

/* No name of the result may be too long; nothing is renamed then. */
static void renames_all_or_none(void **state)
{
	struct mailbox_store *stores[2];
	char long_name[191];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	stores[0] = open_tree();
	must(mailbox_store_create(stores[0], STR("a")), MAILBOX_OK);
	must(mailbox_store_create(stores[0], STR("a.a-long-name")),
		MAILBOX_OK);
	must(mailbox_store_rename(stores[0], STR("a"),
		str_of(long_name, sizeof(long_name))), MAILBOX_LIMIT);
	has(stores[0], "INBOX a a.a-long-name");
	mailbox_store_close(stores[0]);
}

/* Somebody died over the removal of "a" and of "b". */
static void finishes_removals(void **state)
{
	struct mailbox_store *store = open_tree();

	(void)state;
	must(mailbox_store_create(store, STR("b")), MAILBOX_OK);
	mailbox_store_close(store);
	put_folder("posthorn-removed-1");
	put_folder("posthorn-removed-1/cur");
	put_file("posthorn-removed-1/cur/1.a", "x");
	put_folder("a");
	put_folder("a/new");
	put_file("a/dovecot-uidlist", "3 V7 N9 Gx\n");
	put_file("a/notes", "not ours");
	store = open_tree();
	assert_false(is_there("posthorn-removed-1"));
	has(store, "INBOX b");
	must(mailbox_store_create(store, STR("a")), MAILBOX_OK);
	assert_true(uidvalidity_of(store, STR("a")) != 7);
	assert_true(is_there("a/notes"));
	mailbox_store_close(store);
}

static void passes_over_what_is_none(void **state)
{
	struct mailbox_store *store = open_tree();

	(void)state;
	put_folder("plain");
	put_folder("plain/mail");
	put_folder("plain/mail/cur");
	put_folder("plain/mail/new");
	put_folder("plain/mail/tmp");
	put_folder(".hidden");
	put_folder(".hidden/cur");
	put_folder("INBOX");
	put_folder("INBOX/cur");
	put_folder("cur/cur");
	put_folder("b*d");
	put_folder("b*d/cur");
	assert_int_equal(symlink(".", path_in("plain/up")), 0);
	assert_int_equal(symlink("mail", path_in("plain/linked")), 0);
	has(store, "INBOX plain.linked plain.mail");
	mailbox_store_close(store);
}

static const struct {
	char separator;
	const char *disk, *names; /* names: each with a blank behind it */
} subscriptions[] = {
	{ '.', "a.b\nc\n",             "a.b c " },
	{ '.', "V\t2\n\na\tb\nc\n",    "a.b c " },
	{ '/', "a/b\nc.d/e\n",         "a.b c/d.e " },
	{ '/', "V\t2\n\na\tb\nc.d\te\n", "a.b c/d.e " },
};

static void reads_and_writes_subscriptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(subscriptions); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct buf again = BUF_IN(arena), out = BUF_IN(arena);
		struct str name;
		struct mailbox_subscriptions in = {
			.text = str_from(subscriptions[i].disk),
			.separator = subscriptions[i].separator,
		};

		while (mailbox_subscription_take(arena, &in, &name)) {
			if (in.is_version_2 && again.len == 0)
				buf_text(&again, "V\t2\n\n");
			mailbox_subscription_format(&again, &in, name);
			buf_fmt(&out, "%.*s ", STR_ARG(name));
		}
		assert_str(buf_str(&out), subscriptions[i].names);
		assert_str(buf_str(&again), subscriptions[i].disk);
	}
}

int main(void)
{
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_good_names),
		cmocka_unit_test(takes_locations_apart),
		IN_DIR(makes_and_removes),
		IN_DIR(renames_with_all_below),
		IN_DIR(renames_all_or_none),
		IN_DIR(finishes_removals),
		IN_DIR(passes_over_what_is_none),
		cmocka_unit_test(reads_and_writes_subscriptions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
