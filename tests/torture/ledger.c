#include "ledger.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"

static const struct {
	const char *word;
	enum promise_kind kind;
	unsigned fields; /* the moment is the last */
} words[] = {
	{ "mail", PROMISE_MAIL, 5 },
	{ "hold", PROMISE_HOLD, 2 },
	{ "drop", PROMISE_DROP, 2 },
	{ "gone", PROMISE_GONE, 2 },
	{ "box", PROMISE_BOX, 3 },
	{ "there", PROMISE_THERE, 5 },
	{ "leave", PROMISE_LEAVE, 3 },
	{ "left", PROMISE_LEFT, 4 },
	{ "nobox", PROMISE_NOBOX, 2 },
	{ "done", PROMISE_DONE, 4 },
	{ "release", PROMISE_RELEASE, 2 },
	{ "free", PROMISE_FREE, 2 },
	{ "expired", PROMISE_EXPIRED, 2 },
	{ "told", PROMISE_TOLD, 2 },
	{ "made", PROMISE_MADE, 2 },
	{ "unmade", PROMISE_UNMADE, 2 },
	{ "note", PROMISE_NOTE, 4 },
};

static struct str read_file(struct arena *arena, const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *octets;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		panic("%s: %m", path);
	octets = arena_alloc(arena, (size_t)st.st_size + 1);
	got = read(fd, octets, (size_t)st.st_size);
	return str_of(octets, got > 0 ? (size_t)got : 0);
}

static struct str take_field(struct str *line)
{
	size_t end = str_find_char(*line, '\t');
	struct str field = str_first(*line, end == SIZE_MAX ? line->len : end);

	*line = str_skip(*line, field.len + (end != SIZE_MAX));
	return field;
}

static struct str text_of(
	struct ledger *ledger, const char *folder, struct str id)
{
	struct str *text = table_find(ledger->texts, id);

	if (!text) {
		text = arena_new_of(ledger->arena, struct str);
		*text = read_file(
			ledger->arena, arena_fmt(ledger->arena, "%s/text/%.*s",
					       folder, STR_ARG(id))
					       .p);
		table_put(ledger->texts, id, text);
	}
	return *text;
}

static void parse_line(struct ledger *ledger, const char *folder,
	struct str line, struct str *store)
{
	struct str word = take_field(&line);
	struct promise *p = &ledger->promises[ledger->count];

	if (str_is(word, "store")) {
		*store = line;
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!str_is(word, words[i].word))
			continue;
		*p = (struct promise){
			.kind = words[i].kind, .store = *store, .place = NEVER
		};
		for (unsigned k = 0; k < words[i].fields; k++)
			p->fields[k] = take_field(&line);
		if (p->kind == PROMISE_MAIL)
			p->text = text_of(ledger, folder, p->fields[0]);
		if (p->kind == PROMISE_THERE)
			p->text = text_of(ledger, folder, p->fields[2]);
		ledger->count++;
		return;
	}
	panic("ledger: %.*s", STR_ARG(word));
}

struct ledger *ledger_read(const char *folder)
{
	struct arena *arena = arena_new(0);
	struct ledger *ledger = arena_new_of(arena, struct ledger);
	struct str text, line, store = STR_NONE;

	ledger->arena = arena;
	ledger->texts = table_new();
	ledger->promises =
		arena_array(arena, PROMISES_MOST, sizeof(*ledger->promises));
	text = read_file(arena, arena_fmt(arena, "%s/ledger", folder).p);
	while (text.len > 0 && ledger->count < PROMISES_MOST) {
		size_t end = str_find_char(text, '\n');

		line = str_first(text, end == SIZE_MAX ? text.len : end);
		text = str_skip(text, line.len + (end != SIZE_MAX));
		if (line.len)
			parse_line(ledger, folder, line, &store);
	}
	return ledger;
}

static struct str moment_of(const struct promise *p)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].kind == p->kind)
			return p->fields[words[i].fields - 1];
	return STR_NONE;
}

static bool is_moment(struct str moment, const struct record *r)
{
	char number[32];

	if (r->op == OP_START || (r->op == OP_EXIT && r->a == 0)) {
		snprintf(number, sizeof(number), "%s %u",
			r->op == OP_START ? "start" : "exit", r->pid);
		return str_is(moment, number);
	}
	return (r->op == OP_SEND || r->op == OP_WRITE) &&
	       str_take_prefix(&moment, str_from(r->program)) &&
	       str_take_char(&moment, ' ') &&
	       str_find(str_of((const char *)(r + 1), r->len), moment) !=
		       SIZE_MAX;
}

void ledger_moment(
	struct ledger *ledger, uint64_t place, const struct record *r)
{
	for (size_t i = 0; i < ledger->count; i++) {
		struct promise *p = &ledger->promises[i];

		if (p->place == NEVER && is_moment(moment_of(p), r)) {
			p->place = (int64_t)place;
			p->when_us = r->when_us;
		}
	}
}

bool ledger_is_made(const struct now *now, const struct promise *p)
{
	return p->place != NEVER && p->place <= now->place;
}

/* The whole of what was sent stands there, from its first line on. */
bool text_is_in(struct str octets, struct str text)
{
	struct str first = str_first(text, str_find_char(text, '\n') + 1);
	size_t at = str_find(octets, first);

	return at != SIZE_MAX && str_starts(str_skip(octets, at), text);
}

/* A report about it, with its end. */
bool text_is_reported_in(struct str octets, struct str text)
{
	struct str first = str_first(text, str_find_char(text, '\n') + 1);
	size_t end = octets.len;

	while (end > 0 && octets.p[end - 1] == '\n')
		end--;
	return end > 2 && memcmp(octets.p + end - 2, "--", 2) == 0 &&
		str_find(octets, STR("multipart/report")) != SIZE_MAX &&
		str_find(octets, first) != SIZE_MAX;
}

bool ledger_is_said(const struct now *now, enum promise_kind kind,
	struct str store, struct str what)
{
	for (size_t i = 0; i < now->ledger->count; i++) {
		const struct promise *p = &now->ledger->promises[i];

		if (p->kind == kind && ledger_is_made(now, p) &&
			str_eq(p->store, store) && str_eq(p->fields[0], what))
			return true;
	}
	return false;
}

uint64_t ledger_number(struct str text)
{
	uint64_t value = 0;

	(void)!str_parse_u64(text, UINT64_MAX, &value);
	return value;
}

bool ledger_is_due(
	const struct now *now, const struct promise *p, struct str ms)
{
	return now->when_us >= p->when_us + ledger_number(ms) * 1000;
}

const struct str *text_named_in(const struct ledger *ledger, struct str octets)
{
	static const struct str word = STR("X-Power: ");
	struct str head = str_first(octets, str_find(octets, STR("\n\n")));
	size_t at = str_find(octets, word), end;

	if (at > head.len ||
		str_find(head, STR("multipart/report")) != SIZE_MAX)
		return NULL;
	octets = str_skip(octets, at + word.len);
	end = str_find_char(octets, '\n');
	return end == SIZE_MAX ?
		       NULL :
		       table_find(ledger->texts, str_first(octets, end));
}
