#include "mailbox/name.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "imap/mutf7.h"
#include "imap/nfc.h"

/* ---- what is good ---- */

/* Controls of C1, and what ends lines: RFC 5198 2. Those of C0 are found by
 * their one octet. */
static const struct str controls[] = { STR("\xe2\x80\xa8"),
	STR("\xe2\x80\xa9") };

static bool has_control(struct str utf8)
{
	const unsigned char *p = (const unsigned char *)utf8.p;

	for (size_t i = 0; i < utf8.len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f ||
			(p[i] == 0xc2 && p[i + 1] < 0xa0))
			return true;
	for (size_t i = 0; i < COUNT(controls); i++)
		if (str_find(utf8, controls[i]) != SIZE_MAX)
			return true;
	return false;
}

static bool is_text(struct str name)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str utf8 = imap_mutf7_to_utf8(arena, name);

	return !str_is_none(utf8) && !has_control(utf8);
}

bool name_is_good(struct str name)
{
	unsigned levels = 1;

	if (name.len == 0 || name.len > MAILBOX_NAME_MOST ||
		name.p[0] == '.' || name.p[name.len - 1] == '.' ||
		name.p[0] == '~' || str_find(name, STR("..")) != SIZE_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if (!ascii_is_print((unsigned char)name.p[i]) ||
			strchr("%*", name.p[i]))
			return false;
		levels += name.p[i] == '.';
	}
	return levels <= LAYOUT_LEVELS_MOST && (!memchr(name.p, '&', name.len)
		|| is_text(name));
}

/* ---- on disk ---- */

/* The same in both spellings. */
static bool is_plain(struct str text)
{
	return str_is_ascii(text) && !memchr(text.p, '&', text.len);
}

static struct str read_level(struct arena *arena, struct str disk)
{
	struct str utf8 = STR_NONE;

	if (is_plain(disk))
		return disk;
	if (str_is_ascii(disk))
		utf8 = imap_mutf7_to_utf8(arena, disk);
	else if (!str_is_utf8(disk))
		return STR_NONE;
	if (str_is_none(utf8))
		utf8 = disk;
	return imap_mutf7_of_utf8(arena, imap_nfc(arena, utf8));
}

/* In modified UTF-7 if the other would be read as another name. */
static struct str write_level(struct arena *arena, struct str level)
{
	struct str utf8 = imap_mutf7_to_utf8(arena, level), back;

	back = str_is_none(utf8) ? STR_NONE : read_level(arena, utf8);
	return !str_is_none(back) && str_eq(back, level) ? utf8 : level;
}

static struct str each_level(struct arena *arena, struct str name,
	struct str (*translate)(struct arena *arena, struct str level))
{
	struct buf out = BUF_IN(arena);

	if (is_plain(name))
		return name;
	for (;;) {
		bool last = !memchr(name.p, '.', name.len);
		struct str level = translate(arena,
			str_take_until(&name, '.'));

		if (str_is_none(level))
			return STR_NONE;
		buf_add(&out, level);
		if (last)
			return buf_str(&out);
		buf_char(&out, '.');
	}
}

struct str name_read(struct arena *arena, struct str disk)
{
	return each_level(arena, disk, read_level);
}

struct str name_written(struct arena *arena, struct str name, bool utf8)
{
	return utf8 ? each_level(arena, name, write_level) : name;
}

/* In a directory, behind `front`; what somebody wrote in his own way. */
static bool look_through(struct arena *arena, int dir, const char *parent,
	struct str front, struct str name, struct str *found)
{
	DIR *opened = layout_open(dir, parent);
	struct dirent *e;

	*found = STR_NONE;
	while (opened && str_is_none(*found) && (e = readdir(opened))) {
		struct str disk = str_from(e->d_name), inner;

		if (!str_take_prefix(&disk, front) || is_plain(disk))
			continue;
		inner = name_read(arena, disk);
		if (!str_is_none(inner) && str_eq(inner, name))
			*found = arena_copy(arena, disk);
	}
	if (opened)
		closedir(opened);
	return !str_is_none(*found);
}

static bool is_there(int dir, char path[LAYOUT_PATH], size_t at,
	struct str spelled)
{
	snprintf(path + at, LAYOUT_PATH - at, "%.*s", STR_ARG(spelled));
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void name_find(const struct mailbox_place *place, struct str name,
	size_t parent, char path[LAYOUT_PATH])
{
	struct arena *arena auto_arena = NULL;
	size_t at = strlen(path), front = parent ? parent + 1 : 0;
	struct str usual, found;
	const char *above;

	if (is_plain(name)) {
		snprintf(path + at, LAYOUT_PATH - at, "%.*s", STR_ARG(name));
		return;
	}
	arena = arena_new(0);
	usual = name_written(arena, name, place->utf8);
	if (is_there(place->dir, path, at, usual) || is_there(place->dir, path,
		at, name_written(arena, name, !place->utf8)))
		return;
	path[at] = 0;
	above = parent ? arena_cstr(arena, str_of(path, parent)) : ".";
	if (look_through(arena, place->dir, above,
		str_of(path + front, at - front), name, &found))
		usual = found;
	snprintf(path + at, LAYOUT_PATH - at, "%.*s", STR_ARG(usual));
}
