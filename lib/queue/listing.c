/*
 * queue/listing - the queue as mailq(1) and postqueue -j show it.
 */
#include "queue/listing.h"

#include <stdio.h>
#include <time.h>

#include "base/encode.h"
#include "base/json.h"
#include "mail/address.h"

enum {
	REASON_COLUMN = 76, /* where it ends, without its () */
};

/* The columns for IDs of either form. */
static const struct layout {
	const char *header;
	int id, size, time;
} layouts[] = {
	{ "-Queue ID-  --Size-- ----Arrival Time---- "
	  "-Sender/Recipient-------\n", 11, 7, 20 },
	{ "----Queue ID----- --Size-- ---Arrival Time---- "
	  "--Sender/Recipient------\n", 17, 8, 19 },
};

static const struct layout *layout_of(const struct listing *list)
{
	return &layouts[list->long_ids];
}

/* `memory` is for the few that need quotes. */
static struct str shown(struct buf *memory, struct str address)
{
	if (address.len == 0)
		return STR("MAILER-DAEMON");
	if (mail_is_dot_string(mail_address_local(address)))
		return address;
	buf_clear(memory);
	mail_address_format(memory, address);
	return buf_str(memory);
}

/* ---- text ---- */

/* What people read goes to a terminal: no control octets. */
static void put_clean(struct buf *out, struct str text)
{
	size_t from = out->len;

	buf_add(out, text);
	from += json_usual_length(str_skip(buf_str(out), from));
	for (size_t i = from; i < out->len; i++)
		if ((unsigned char)out->p[i] < 0x20 || out->p[i] == 0x7f)
			out->p[i] = '?';
}

static void put_blanks(struct buf *out, int count)
{
	static const struct str blanks = { "                                ",
		32 };

	for (; count > 0; count -= (int)blanks.len)
		buf_add(out, str_first(blanks, (size_t)count));
}

static void put_right(struct buf *out, uint64_t number, int width)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	put_blanks(out, width - (int)(sizeof(digits) - at));
	buf_add(out, str_of(digits + at, sizeof(digits) - at));
}

/* Many have come in the same second. */
static const char *arrival_text(struct listing *list, int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	struct tm tm;

	if (list->time[0] && list->time_of == s)
		return list->time;
	list->time_of = s;
	if (!localtime_r(&s, &tm) || strftime(list->time, sizeof(list->time),
					     "%a %b %e %H:%M:%S ", &tm) == 0)
		list->time[0] = '\0';
	return list->time;
}

static char mark_of(struct str queue_name)
{
	if (str_is(queue_name, "active"))
		return '*';
	return str_is(queue_name, "hold") ? '!' : '\0';
}

static void put_id(struct listing *list, const struct listed *m)
{
	struct buf *out = list->out;
	char mark = mark_of(m->queue_name);
	size_t from = out->len;

	buf_add(out, str_first(m->queue_id, 48));
	if (mark)
		buf_char(out, mark);
	if (m->forced_expire)
		buf_char(out, '#');
	put_blanks(out, layout_of(list)->id - (int)(out->len - from));
	buf_char(out, ' ');
}

static void begin_text(struct listing *list, const struct listed *m)
{
	const struct layout *layout = layout_of(list);
	auto_buf struct buf memory = { 0 };
	struct str time;

	if (list->count == 0)
		buf_text(list->out, layout->header);
	else
		buf_char(list->out, '\n');
	put_id(list, m);
	put_right(list->out, m->size, layout->size);
	buf_char(list->out, ' ');
	time = str_first(str_from(arrival_text(list, m->arrival_us)),
		(size_t)layout->time);
	buf_add(list->out, time);
	put_blanks(list->out, layout->time - (int)time.len + 1);
	put_clean(list->out, shown(&memory, m->sender));
	buf_char(list->out, '\n');
	list->reason[0] = '\0';
}

static void put_reason(struct listing *list, struct str reason)
{
	struct str cut = str_first(reason, LISTING_REASON_MOST);

	if (str_is(cut, list->reason))
		return;
	if (cut.len == 0)
		cut = STR("reason unavailable");
	memcpy(list->reason, cut.p, cut.len);
	list->reason[cut.len] = '\0';
	put_blanks(list->out, REASON_COLUMN - (int)cut.len);
	buf_char(list->out, '(');
	put_clean(list->out, cut);
	buf_text(list->out, ")\n");
}

static void recipient_text(struct listing *list, struct str address,
	struct str reason)
{
	auto_buf struct buf memory = { 0 };
	const struct layout *layout = layout_of(list);

	put_reason(list, reason);
	put_blanks(list->out, layout->id + layout->size + layout->time + 3);
	put_clean(list->out, shown(&memory, address));
	buf_char(list->out, '\n');
}

/* ---- JSON, RFC 8259 ---- */

/* With its quotes, and what stands around them: the fewer pieces the better,
 * for there may be many rows. */
static void put_member(struct buf *out, struct str before, struct str value,
	struct str behind)
{
	buf_add(out, before);
	json_escape_format(out, value);
	buf_add(out, behind);
}

static void begin_json(struct listing *list, const struct listed *m)
{
	auto_buf struct buf memory = { 0 };
	struct buf *out = list->out;

	put_member(out, STR("{\"queue_name\": \""), m->queue_name, STR("\", "));
	put_member(out, STR("\"queue_id\": \""), m->queue_id,
		STR("\", \"arrival_time\": "));
	buf_u64(out, (uint64_t)(m->arrival_us / 1000000));
	buf_text(out, ", \"message_size\": ");
	buf_u64(out, m->size);
	buf_text(out, m->forced_expire ? ", \"forced_expire\": true, " :
					 ", \"forced_expire\": false, ");
	put_member(out, STR("\"sender\": \""), shown(&memory, m->sender),
		STR("\", \"recipients\": ["));
}

static void recipient_json(struct listing *list, struct str address,
	struct str orig, struct str reason)
{
	auto_buf struct buf memory = { 0 };
	struct buf *out = list->out;

	buf_text(out, list->recipients ? ", {" : "{");
	if (orig.len && !str_eq(orig, address))
		put_member(out, STR("\"orig_address\": \""),
			shown(&memory, orig), STR("\", "));
	put_member(out, STR("\"address\": \""), shown(&memory, address),
		reason.len ? STR("\", ") : STR("\""));
	if (reason.len)
		put_member(out, STR("\"delay_reason\": \""), reason,
			STR("\""));
	buf_char(out, '}');
}

/* ---- for programs ---- */

static void put_word(struct buf *out, struct str text)
{
	buf_char(out, ' ');
	xtext_format(out, text);
}

static void begin_raw(struct listing *list, const struct listed *m)
{
	struct buf *out = list->out;

	buf_char(out, 'm');
	put_word(out, m->queue_name);
	put_word(out, m->queue_id);
	buf_fmt(out, " %jd %ju %d", (intmax_t)m->arrival_us,
		(uintmax_t)m->size, m->forced_expire);
	put_word(out, m->sender);
	buf_char(out, '\n');
}

static void recipient_raw(struct listing *list, struct str address,
	struct str orig, struct str reason)
{
	buf_char(list->out, 'r');
	put_word(list->out, address);
	put_word(list->out, orig);
	put_word(list->out, reason);
	buf_char(list->out, '\n');
}

static bool take_word(struct arena *arena, struct str *line, struct str *word)
{
	*word = xtext_parse(arena, str_take_until(line, ' '));
	return !str_is_none(*word);
}

static bool parse_message(struct arena *arena, struct str line,
	struct listed *m)
{
	uint64_t arrival, expire;

	if (!str_take_prefix(&line, STR("m ")) ||
		!take_word(arena, &line, &m->queue_name) ||
		!take_word(arena, &line, &m->queue_id) ||
		!str_parse_u64(str_take_until(&line, ' '), INT64_MAX,
			&arrival) ||
		!str_parse_u64(str_take_until(&line, ' '), UINT64_MAX,
			&m->size) ||
		!str_parse_u64(str_take_until(&line, ' '), 1, &expire))
		return false;
	m->arrival_us = (int64_t)arrival;
	m->forced_expire = expire;
	return take_word(arena, &line, &m->sender);
}

static bool parse_recipient(struct arena *arena, struct str line,
	struct listed_recipient *r)
{
	return str_take_prefix(&line, STR("r ")) &&
		take_word(arena, &line, &r->address) &&
		take_word(arena, &line, &r->orig) &&
		take_word(arena, &line, &r->reason);
}

bool listing_take(struct arena *arena, struct str *in,
	struct listed_message *message)
{
	struct str rest = *in, line;
	size_t capacity = 0;

	*message = (struct listed_message){ 0 };
	if (!str_take_line(&rest, &line) ||
		!parse_message(arena, line, &message->listed))
		return false;
	while (rest.len && rest.p[0] == 'r') {
		size_t at = message->recipient_count;

		arena_grow(arena, &message->recipients, &capacity, at + 1,
			sizeof(*message->recipients));
		if (!str_take_line(&rest, &line) ||
			!parse_recipient(arena, line,
				&message->recipients[at]))
			return false;
		message->recipient_count++;
	}
	*in = rest;
	return true;
}

/* ---- all ---- */

void listing_begin(struct listing *list, const struct listed *message)
{
	if (list->is_raw)
		begin_raw(list, message);
	else if (list->is_json)
		begin_json(list, message);
	else
		begin_text(list, message);
	list->count++;
	list->recipients = 0;
	list->octets += message->size;
}

void listing_recipient(struct listing *list, struct str address,
	struct str orig, struct str reason)
{
	if (list->is_raw)
		recipient_raw(list, address, orig, reason);
	else if (list->is_json)
		recipient_json(list, address, orig, reason);
	else
		recipient_text(list, address, reason);
	list->recipients++;
}

void listing_end_message(struct listing *list)
{
	if (list->is_json)
		buf_text(list->out, "]}\n");
}

void listing_end(struct listing *list)
{
	if (list->is_json || list->is_raw)
		return;
	if (list->count == 0) {
		buf_text(list->out, "Mail queue is empty\n");
		return;
	}
	buf_fmt(list->out, "\n-- %ju Kbytes in %zu Request%s.\n",
		(uintmax_t)(list->octets / 1024), list->count,
		list->count == 1 ? "" : "s");
}
