#include "mailbox/uidlist.h"

static bool take_header_field(struct str *in, char name, uint32_t *value)
{
	struct str word = str_take_word(in);
	uint64_t number;

	if (name && !str_take_char(&word, name))
		return false;
	if (!str_parse_u64(word, UINT32_MAX, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

static bool take_guid(struct str word, struct mailbox_uidlist *list)
{
	unsigned char guid[16];

	if (!str_take_char(&word, 'G') || word.len != 2 * sizeof(guid))
		return false;
	for (size_t i = 0; i < sizeof(guid); i++) {
		int high = ascii_hex((unsigned char)word.p[2 * i]);
		int low = ascii_hex((unsigned char)word.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		guid[i] = (unsigned char)(high << 4 | low);
	}
	memcpy(list->guid, guid, sizeof(guid));
	return list->has_guid = true;
}

/* Version 3: the fields begin with a letter, in any order. */
static bool parse_fields(struct str line, struct mailbox_uidlist *list)
{
	while (line.len > 0) {
		struct str rest = line;

		if (!take_header_field(&line, 'V', &list->uidvalidity)) {
			line = rest;
			if (!take_header_field(&line, 'N', &list->uidnext)) {
				line = rest;
				take_guid(str_take_word(&line), list);
			}
		}
	}
	return list->uidvalidity != 0;
}

static bool parse_header(struct str line, struct mailbox_uidlist *list,
	unsigned *version)
{
	struct str word = str_take_word(&line);

	if (str_is(word, "3")) {
		*version = 3;
		return parse_fields(line, list);
	}
	*version = 1;
	return str_is(word, "1") &&
		take_header_field(&line, 0, &list->uidvalidity) &&
		take_header_field(&line, 0, &list->uidnext) &&
		list->uidvalidity != 0;
}

static bool parse_line(struct str line, unsigned version,
	struct mailbox_uid *item)
{
	size_t colon;

	if (!take_header_field(&line, 0, &item->uid) || item->uid == 0)
		return false;
	if (version == 3) {
		if (!str_starts(line, STR(":"))) {
			size_t at = str_find(line, STR(" :"));

			if (at == SIZE_MAX)
				return false;
			line = str_skip(line, at + 1);
		}
		line = str_skip(line, 1);
	}
	colon = str_find_char(line, ':');
	item->key = colon == SIZE_MAX ? line : str_first(line, colon);
	return item->key.len > 0 && str_find_char(item->key, '/') == SIZE_MAX;
}

bool mailbox_uidlist_parse(struct arena *arena, struct str text,
	struct mailbox_uidlist *list)
{
	size_t capacity = 0;
	struct str line;
	unsigned version;

	*list = (struct mailbox_uidlist){ 0 };
	if (!str_take_line(&text, &line) ||
		!parse_header(line, list, &version))
		return false;
	while (str_take_line(&text, &line)) {
		struct mailbox_uid item;

		if (!parse_line(line, version, &item))
			continue;
		if (item.uid >= list->uidnext && item.uid < UINT32_MAX)
			list->uidnext = item.uid + 1;
		arena_grow(arena, &list->items, &capacity, list->count + 1,
			sizeof(item));
		list->items[list->count++] = item;
	}
	if (list->uidnext == 0)
		list->uidnext = 1;
	return true;
}

void mailbox_uidlist_header_format(struct buf *out, uint32_t uidvalidity,
	uint32_t uidnext, const unsigned char guid[16])
{
	buf_fmt(out, "3 V%u N%u G", uidvalidity, uidnext);
	for (size_t i = 0; i < 16; i++)
		buf_fmt(out, "%02x", guid[i]);
	buf_char(out, '\n');
}

void mailbox_uidlist_line_format(struct buf *out, uint32_t uid,
	struct str key)
{
	buf_u64(out, uid);
	buf_text(out, " :");
	buf_add(out, key);
	buf_char(out, '\n');
}

size_t mailbox_keywords_parse(struct str text, struct str *keywords,
	size_t most)
{
	struct str line;
	size_t count = 0;

	for (size_t i = 0; i < most; i++)
		keywords[i] = STR_NONE;
	while (str_take_line(&text, &line)) {
		uint64_t number;

		if (!str_parse_u64(str_take_word(&line), most - 1, &number) ||
			line.len == 0)
			continue;
		keywords[number] = line;
		if (number >= count)
			count = (size_t)number + 1;
	}
	return count;
}

void mailbox_keywords_format(struct buf *out, const struct str *keywords,
	size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!str_is_none(keywords[i]))
			buf_fmt(out, "%zu %.*s\n", i, STR_ARG(keywords[i]));
}

/* On disk and in a name; that of a tree has dots in levels. */
static const struct {
	char separator;
	bool is_version_2;
	const char *disk, *name;
} subscription_octets[] = {
	{ '.', false, ".", "." },
	{ '.', true, "\t", "." },
	{ '/', false, "/.", "./" },
	{ '/', true, "\t.", "./" },
};

static struct str translate(struct arena *arena, struct str text,
	const struct mailbox_subscriptions *as, bool to_disk)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < COUNT(subscription_octets); i++) {
		const char *from = to_disk ? subscription_octets[i].name :
					     subscription_octets[i].disk;
		const char *to = to_disk ? subscription_octets[i].disk :
					   subscription_octets[i].name;

		if (subscription_octets[i].separator != as->separator ||
			subscription_octets[i].is_version_2 !=
				as->is_version_2)
			continue;
		for (size_t at = 0; at < text.len; at++) {
			const char *found = copy[at] ? strchr(from, copy[at]) :
						       NULL;

			if (found)
				copy[at] = to[found - from];
		}
	}
	return str_of(copy, text.len);
}

bool mailbox_subscription_take(struct arena *arena,
	struct mailbox_subscriptions *in, struct str *name)
{
	struct str line;

	while (str_take_line(&in->text, &line)) {
		if (str_is(line, "V\t2")) {
			in->is_version_2 = true;
			continue;
		}
		if (line.len == 0)
			continue;
		*name = translate(arena, line, in, false);
		return true;
	}
	return false;
}

void mailbox_subscription_format(struct buf *out,
	const struct mailbox_subscriptions *as, struct str name)
{
	struct arena *arena auto_arena = arena_new(0);

	buf_add(out, translate(arena, name, as, true));
	buf_char(out, '\n');
}
