/*
 * Names of mailboxes: inside, and the spellings of them on disk.
 */
#include "base/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imap/nfc.h"
#include "mailbox/name.h"

#define NFD "cafe\xcc\x81"
#define NFC "caf\xc3\xa9"

static const struct {
	const char *disk, *name; /* NULL: it cannot be */
} readings[] = {
	{ "plain",               "plain" },
	{ "caf&AOk-",            "caf&AOk-" },
	{ NFC,                   "caf&AOk-" },
	{ NFD,                   "caf&AOk-" },
	{ "cafe&AwE-",           "caf&AOk-" },
	{ "caf&AOk-." NFC ".x",  "caf&AOk-.caf&AOk-.x" },
	/* An ampersand that is none of modified UTF-7 is itself. */
	{ "a&b",                 "a&-b" },
	{ "a&-b",                "a&-b" },
	{ "caf&AOk-" NFC,        "caf&-AOk-caf&AOk-" },
	{ "\xf0\x9f\x93\xac",    "&2D3c7A-" },
	{ "caf\xe9",             NULL },
	{ "a.\xff",              NULL },
};

static void reads_each_spelling(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(readings); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct str got = name_read(arena, str_from(readings[i].disk));

		if (readings[i].name)
			assert_str(got, readings[i].name);
		else
			assert_true(str_is_none(got));
	}
}

static const struct {
	const char *name, *utf8;
} writings[] = {
	{ "plain",        "plain" },
	{ "a.caf&AOk-.b", "a." NFC ".b" },
	{ "a&-b",         "a&b" },
	/* As UTF-8 these would be read as something else. */
	{ "a&--b",        "a&--b" },
	{ "&-AOk-",       "&-AOk-" },
	{ "&AOk-&--",     "\xc3\xa9&-" },
};

static void writes_what_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(writings); i++) {
		struct arena *arena auto_arena = arena_new(0);
		struct str name = str_from(writings[i].name);
		struct str utf8 = name_written(arena, name, true);

		assert_str(utf8, writings[i].utf8);
		assert_str(name_written(arena, name, false), writings[i].name);
		assert_str(name_read(arena, utf8), writings[i].name);
		assert_str(name_read(arena, name), writings[i].name);
	}
}

static const struct {
	const char *name;
	bool good;
} names[] = {
	{ "caf&AOk-", true }, { "a&-b", true }, { "&2D3c7A-", true },
	{ "caf&AOk", false }, { NFC, false }, { "a&b", false },
	{ "a&AAE-", false },  /* U+0001 */
	{ "a&AAo-", false },  /* the end of a line */
	{ "a&AIU-", false },  /* NEL */
	{ "a&ICg-", false },  /* LINE SEPARATOR */
	{ "a&AC8-etc", false }, { "&AC4ALg-", false }, /* "/" and ".." */
};

static void knows_good_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(name_is_good(str_from(names[i].name)),
			names[i].good);
}

static void composes(void **state)
{
	struct arena *arena auto_arena = arena_new(0);
	char most[IMAP_NFC_MOST + 1];

	(void)state;
	assert_str(imap_nfc(arena, STR(NFD)), NFC);
	assert_str(imap_nfc(arena, STR(NFC)), NFC);
	/* ANGSTROM SIGN is a letter; two marks get their order. */
	assert_str(imap_nfc(arena, STR("\xe2\x84\xab")), "\xc3\x85");
	assert_str(imap_nfc(arena, STR("q\xcc\x87\xcc\xa3")),
		"q\xcc\xa3\xcc\x87");
	/* All that can be given: one that becomes three. */
	for (size_t i = 0; i + 3 < sizeof(most); i += 3)
		memcpy(most + i, "\xe0\xa5\x98", 3);
	assert_int_equal(imap_nfc(arena, str_of(most, 999)).len, 1998);
}

/* What is there is found, whoever wrote it; what is not, is as asked for. */
static void finds_what_is_there(void **state)
{
	char root[64], path[LAYOUT_PATH], folder[400];
	struct mailbox_place place = { .layout = &layout_fs };
	static const char *const spelled[] = { "caf&AOk-", NFC, NFD };

	(void)state;
	snprintf(root, sizeof(root), "%s/posthorn-name-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(root));
	place.dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int utf8 = 0; utf8 < 2; utf8++) {
		place.utf8 = utf8;
		assert_string_equal(layout_path(&place, "caf&AOk-.&AOk-",
			path), utf8 ? NFC "/\xc3\xa9" : "caf&AOk-/&AOk-");
		for (size_t i = 0; i < COUNT(spelled); i++) {
			snprintf(folder, sizeof(folder), "%s/%s", root,
				spelled[i]);
			assert_int_equal(mkdir(folder, 0700), 0);
			layout_path(&place, "caf&AOk-.x", path);
			assert_true(str_starts(str_from(path),
				str_from(spelled[i])));
			assert_int_equal(rmdir(folder), 0);
		}
	}
	close(place.dir);
	assert_int_equal(rmdir(root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_spelling),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(knows_good_characters),
		cmocka_unit_test(composes),
		cmocka_unit_test(finds_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
