#include "mailbox/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "mailbox/spread.h"

/* In a value, so that it stands in one line. */
static const struct {
	char octet, letter;
} escapes[] = {
	{ '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' }, { 0, '0' },
};

static void value_format(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		char letter = 0;

		for (size_t e = 0; e < COUNT(escapes); e++)
			if (value.p[i] == escapes[e].octet)
				letter = escapes[e].letter;
		if (letter)
			buf_char(out, '\\');
		buf_char(out, letter ? letter : value.p[i]);
	}
}

static struct str value_parse(struct arena *arena, struct str text)
{
	struct buf out = BUF_IN(arena);

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		if (c == '\\' && i + 1 < text.len) {
			c = text.p[++i];
			for (size_t e = 0; e < COUNT(escapes); e++)
				if (text.p[i] == escapes[e].letter)
					c = escapes[e].octet;
		}
		buf_char(&out, c);
	}
	return buf_str(&out);
}

static void put(struct arena *arena, struct mailbox_metadata *m,
	struct str name, struct str value)
{
	size_t at = 0;

	while (at < m->count && str_cmp(m->items[at].name, name) < 0)
		at++;
	if (at < m->count && str_eq(m->items[at].name, name)) {
		m->items[at].value = value;
		return;
	}
	arena_grow(arena, &m->items, &m->capacity, m->count + 1,
		sizeof(*m->items));
	memmove(m->items + at + 1, m->items + at,
		(m->count - at) * sizeof(*m->items));
	m->items[at] = (struct mailbox_entry_value){ name, value };
	m->count++;
}

/* RFC 5464 3: /a/b of printing US-ASCII; others are another program's. */
static bool is_entry_name(struct str name)
{
	if (name.len == 0 || name.p[0] != '/')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_print((unsigned char)name.p[i]))
			return false;
	return true;
}

void mailbox_metadata_parse(struct arena *arena, struct str text,
	struct mailbox_metadata *metadata)
{
	struct str line;

	*metadata = (struct mailbox_metadata){ 0 };
	while (metadata->count < MAILBOX_ENTRIES_MOST &&
		str_take_line(&text, &line)) {
		struct str name = str_take_until(&line, '\t');

		if (is_entry_name(name))
			put(arena, metadata, name, value_parse(arena, line));
	}
}

void mailbox_metadata_format(struct buf *out,
	const struct mailbox_metadata *metadata)
{
	for (size_t i = 0; i < metadata->count; i++) {
		if (str_is_none(metadata->items[i].value))
			continue;
		buf_fmt(out, "%.*s\t", STR_ARG(metadata->items[i].name));
		value_format(out, metadata->items[i].value);
		buf_char(out, '\n');
	}
}

static const char *path_of(struct mailbox_store *store, struct arena *arena,
	struct str mailbox)
{
	const char *name = arena_cstr(arena, mailbox_name_of(mailbox));

	if (mailbox.len == 0)
		return "posthorn-metadata-server";
	return arena_fmt(arena, "%sposthorn-metadata",
		layout_prefix(&store->place, arena, name)).p;
}

struct having {
	const struct mailbox_place *place;
	const struct str *names;
	const enum mailbox_met *met;
	bool *have;
};

/* For helpers, too. */
static void look(void *context, size_t i)
{
	const struct having *h = context;
	struct str name = mailbox_name_of(h->names[i]);
	char text[MAILBOX_NAME_MOST + 1], directory[LAYOUT_PATH];
	char path[LAYOUT_PATH + 32];
	struct stat st;

	h->have[i] = !h->met || h->met[i] != MAILBOX_MET_BARE;
	if (!h->have[i] || name.len > MAILBOX_NAME_MOST)
		return;
	snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
	snprintf(path, sizeof(path), "%s/posthorn-metadata",
		layout_path(h->place, text, directory));
	h->have[i] = fstatat(h->place->dir, path, &st, 0) == 0 ||
		(errno != ENOENT && errno != ENOTDIR);
}

void mailbox_metadata_have(struct mailbox_store *store,
	const struct str *names, size_t count, const enum mailbox_met *met,
	bool *have)
{
	struct having h = { .place = &store->place, .names = names,
		.met = met, .have = have };

	mailbox_spread(count, look, &h);
}

bool mailbox_metadata_read(struct mailbox_store *store, struct arena *arena,
	struct str mailbox, struct mailbox_metadata *metadata)
{
	struct str text;
	bool done = mailbox_store_read(store, arena,
		path_of(store, arena, mailbox), &text);

	mailbox_metadata_parse(arena, text, metadata);
	return done;
}

struct str mailbox_metadata_find(const struct mailbox_metadata *metadata,
	const char *name)
{
	for (size_t i = 0; i < metadata->count; i++)
		if (str_is(metadata->items[i].name, name))
			return metadata->items[i].value;
	return STR_NONE;
}

enum mailbox_result mailbox_metadata_change(struct mailbox_store *store,
	struct str mailbox, const struct mailbox_entry_value *changes,
	size_t count)
{
	struct arena *arena auto_arena = arena_new(0);
	struct buf out = BUF_IN(arena);
	struct mailbox_metadata metadata;

	if (mailbox.len > 0 && !mailbox_store_has(store, mailbox))
		return MAILBOX_NONEXISTENT;
	if (!mailbox_metadata_read(store, arena, mailbox, &metadata))
		return MAILBOX_TRY_LATER;
	for (size_t i = 0; i < count; i++)
		put(arena, &metadata, changes[i].name, changes[i].value);
	if (metadata.count > MAILBOX_ENTRIES_MOST)
		return MAILBOX_LIMIT;
	mailbox_metadata_format(&out, &metadata);
	if (!mailbox_store_write(store, path_of(store, arena, mailbox),
		buf_str(&out), true))
		return mailbox_failed("write metadata of", store->path);
	for (size_t i = 0; i < count; i++)
		mailbox_tell(store, MAILBOX_EVENT_METADATA,
			mailbox.len ? mailbox_name_of(mailbox) : mailbox,
			changes[i].name);
	return MAILBOX_OK;
}
