#include "commands/queue.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/span.h"
#include "mail/address.h"

/* ---- does it hold? ---- */

/* "<>" and "" are the null sender; other patterns never match it. */
static bool has_address(const char *pattern, struct str address)
{
	auto_arena struct arena *arena = arena_new(0);
	bool wants_null = !pattern[0] || strcmp(pattern, "<>") == 0;

	if (wants_null || address.len == 0)
		return wants_null && address.len == 0;
	return fnmatch(pattern, arena_cstr(arena, address), FNM_CASEFOLD) == 0;
}

static bool has_domain(struct str wanted, struct str address)
{
	struct str domain = mail_address_domain(address);

	if (str_is_none(domain))
		return false;
	return str_starts(wanted, STR("."))
		? str_ends_nocase(domain, wanted)
		: str_eq_nocase(domain, wanted);
}

/* One recipient for whom all that concerns recipients holds. */
static bool has_recipient(const struct selection *s,
	const struct listed_recipient *r)
{
	return (!s->to || has_address(s->to, r->address) ||
		       has_address(s->to, r->orig)) &&
		(!s->domain.len || has_domain(s->domain, r->address)) &&
		(!s->reason ||
			str_find_nocase(r->reason, str_from(s->reason)) !=
				SIZE_MAX);
}

static bool is_named(struct str list, struct str name)
{
	struct str item;

	while (str_take_item(&list, ", ", &item))
		if (str_eq(item, name))
			return true;
	return false;
}

bool selection_has(const struct selection *s, const struct listed_message *m)
{
	const struct listed *l = &m->listed;
	bool found = !s->to && !s->domain.len && !s->reason;

	if ((s->from && !has_address(s->from, l->sender)) ||
		(s->queues.len && !is_named(s->queues, l->queue_name)) ||
		(s->before_us && l->arrival_us >= s->before_us) ||
		(s->after_us && l->arrival_us < s->after_us) ||
		l->size < s->size_least || l->size > s->size_most ||
		(s->ids && !table_find(s->ids, l->queue_id)))
		return false;
	for (size_t i = 0; i < m->recipient_count && !found; i++)
		found = has_recipient(s, &m->recipients[i]);
	return found;
}

/* ---- values of options ---- */

/* "90", "90s", "15m", "2h", "3d", "1w" */
static int64_t parse_age(const char *text)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	struct str rest = str_from(text);
	uint64_t number;
	int64_t factor = rest.len ? 1 : 0;

	if (!str_take_u64(&rest, 10000000, &number))
		factor = 0;
	else if (rest.len) {
		factor = 0;
		for (size_t i = 0; i < COUNT(units); i++)
			if (rest.len == 1 && rest.p[0] == units[i].unit)
				factor = units[i].seconds;
	}
	if (factor == 0)
		log_fatal("not an age: \"%s\"; write 90s, 15m, 2h, 3d or 1w",
			text);
	return (int64_t)number * factor * 1000000;
}

void selection_older(struct selection *s, const char *text)
{
	s->before_us = wall_us() - parse_age(text);
	s->restricts = true;
}

void selection_newer(struct selection *s, const char *text)
{
	s->after_us = wall_us() - parse_age(text);
	s->restricts = true;
}

/* "+10M": at least; "-10k": at most; without a sign: at least. */
void selection_size(struct selection *s, const char *text)
{
	static const char units[] = "kMG";
	struct str rest = str_from(text);
	bool most = str_take_char(&rest, '-');
	uint64_t number = 0;
	bool fine;

	if (!most)
		str_take_char(&rest, '+');
	fine = str_take_u64(&rest, 1000000000000, &number);
	if (fine && rest.len == 1 && strchr(units, rest.p[0])) {
		for (const char *at = units; ; at++) {
			number *= 1024;
			if (*at == rest.p[0])
				break;
		}
		rest = STR("");
	}
	if (!fine || rest.len)
		log_fatal("not a size: \"%s\"; write +10M (at least) or -10k "
			"(at most)", text);
	if (most)
		s->size_most = number;
	else
		s->size_least = number;
	s->restricts = true;
}

void selection_queue(struct selection *s, struct arena *arena,
	const char *text)
{
	static const char known[] =
		"maildrop,incoming,active,deferred,hold,corrupt";
	struct str rest = str_from(text), item;

	while (str_take_item(&rest, ", ", &item))
		if (!is_named(str_from(known), item))
			log_fatal("no queue \"%.*s\"; they are %s",
				STR_ARG(item), known);
	s->queues = s->queues.len ? arena_fmt(arena, "%.*s,%s",
		STR_ARG(s->queues), text) : str_from(text);
	s->restricts = true;
}

static void add_id(struct selection *s, struct arena *arena, struct str id)
{
	if (id.len)
		table_put(s->ids, arena_copy(arena, id), s);
}

void selection_id(struct selection *s, struct arena *arena, const char *text)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t len;

	if (!s->ids)
		s->ids = table_new();
	s->restricts = true;
	if (strcmp(text, "-") != 0) {
		add_id(s, arena, str_from(text));
		return;
	}
	while ((len = getline(&line, &capacity, stdin)) > 0) {
		struct str rest = str_of(line, (size_t)len);

		add_id(s, arena, str_take_word(&rest));
	}
	free(line);
}
