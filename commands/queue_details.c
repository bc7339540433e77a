/*
 * commands/queue_details - `posthorn queue show`: what the listing says, and
 * for those who may read the files also the envelope and the header.
 */
#include "commands/queue.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "mail/date.h"
#include "queue/look.h"
#include "queue/submission.h"
#include "queue/walk.h"

enum {
	HEADER_MOST = 8192,
};

struct details {
	struct queue_job *job;
	struct store store;
	struct table *found; /* struct buf by ID */
	struct table *wanted;
};

static void put_member(struct buf *out, bool json, const char *name,
	struct str value)
{
	if (value.len == 0)
		return;
	if (!json) {
		buf_fmt(out, "    %s: ", name);
		for (size_t i = 0; i < value.len; i++) {
			unsigned char c = (unsigned char)value.p[i];

			buf_char(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
		}
		buf_char(out, '\n');
		return;
	}
	buf_fmt(out, "%s\"%s\": ", out->len ? ", " : "", name);
	json_format(out, value);
}

static void put_envelope(struct details *d, struct buf *out,
	const struct envelope *e)
{
	const struct {
		const char *name;
		struct str value;
	} members[] = {
		{ "client_name", e->client_name },
		{ "client_address", e->client_address },
		{ "helo", e->helo },
		{ "protocol", e->protocol },
		{ "sasl_username", e->sasl_username },
		{ "content_filter", e->content_filter },
		{ "envid", e->dsn_envid },
		{ "message_id", e->message_id },
	};
	bool json = d->job->json;

	for (size_t i = 0; i < COUNT(members); i++)
		put_member(out, json, members[i].name, members[i].value);
	if (e->flags & SUBMIT_SMTPUTF8)
		put_member(out, json, "smtputf8", STR("yes"));
}

static void put_time(struct details *d, struct buf *out, const char *name,
	int64_t us)
{
	auto_buf struct buf text = { 0 };

	mail_date_format(&text, us / 1000000);
	put_member(out, d->job->json, name, buf_str(&text));
}

static void put_attempts(struct details *d, struct buf *out,
	const struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);

	put_time(d, out, "arrived", (int64_t)stored->envelope.arrival_us);
	if (stored->queue != QUEUE_DEFERRED)
		return;
	put_member(out, d->job->json, "attempts", arena_fmt(arena, "%ju",
		(uintmax_t)stored->attempts));
	put_time(d, out, "next_attempt", stored->next_us);
}

/* The header block, for people indented by four. */
static void put_header(struct details *d, struct buf *out, struct str content)
{
	struct str header = str_first(content, HEADER_MOST);
	size_t end = str_find(header, STR("\n\n"));
	struct str line;

	if (end != SIZE_MAX)
		header = str_first(header, end + 1);
	if (d->job->json) {
		put_member(out, true, "header", header);
		return;
	}
	while (str_take_line(&header, &line) && line.len) {
		buf_text(out, "    | ");
		for (size_t i = 0; i < line.len; i++) {
			unsigned char c = (unsigned char)line.p[i];

			buf_char(out, (c < 0x20 && c != '\t') || c == 0x7f
				? '?' : (char)c);
		}
		buf_char(out, '\n');
	}
}

static void take(void *context, struct stored *stored)
{
	struct details *d = context;
	struct str id = stored->envelope.queue_id;
	struct buf *out;

	if (!table_find(d->wanted, id))
		return;
	out = arena_new_of(d->job->arena, struct buf);
	*out = BUF_IN(d->job->arena);
	put_attempts(d, out, stored);
	put_envelope(d, out, &stored->envelope);
	put_header(d, out, stored->content);
	table_put(d->found, id, out);
}

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

static void read_files(struct details *d)
{
	struct disk *disk;

	if (!disk_open(&disk, arena_cstr(d->job->arena,
			    d->job->conf->queue_directory)) ||
		!store_open(&d->store, disk, true, nobody, NULL)) {
		log_warning("queue_directory %.*s: %m",
			STR_ARG(d->job->conf->queue_directory));
		return;
	}
	walk_slots(&d->store, take, d);
	walk_files(&d->store, QUEUE_DEFERRED, take, d);
	walk_files(&d->store, QUEUE_HOLD, take, d);
	store_close(&d->store);
}

static void print_one(struct details *d, const struct listed_message *m)
{
	const struct buf *more = table_find(d->found, m->listed.queue_id);
	auto_buf struct buf out = { 0 };

	if (!d->job->json) {
		print_message(m);
		if (more)
			fwrite(more->p, 1, more->len, stdout);
		return;
	}
	format_json(&out, m);
	out.len -= 2; /* "}" and the line's end */
	if (more)
		buf_fmt(&out, ", \"details\": {%.*s}", STR_ARG(buf_str(more)));
	buf_text(&out, "}\n");
	fwrite(out.p, 1, out.len, stdout);
}

int run_show(struct queue_job *job, const struct listed_message *messages,
	size_t count)
{
	struct details d = { .job = job, .found = table_new(),
		.wanted = table_new() };

	mail_date_ready();
	for (size_t i = 0; i < count; i++)
		table_put(d.wanted, messages[i].listed.queue_id, &d);
	if (count && look_is_allowed(job->conf))
		read_files(&d);
	for (size_t i = 0; i < count; i++)
		print_one(&d, &messages[i]);
	table_free(d.found);
	table_free(d.wanted);
	return 0;
}
