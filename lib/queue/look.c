#include "queue/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "queue/ask.h"
#include "queue/maildrop_file.h"
#include "queue/walk.h"

enum {
	LOOK_MOST = 1 << 30, /* octets of a listing */
};

struct offline {
	struct store store;
	struct listing *list;
	struct buf out;
	int maildrop; /* the folder */
	bool (*put)(void *context, struct buf *out);
	void *context;
};

static void flush_out(struct offline *offline)
{
	(void)offline->put(offline->context, &offline->out);
}

static void show(void *context, struct stored *stored)
{
	struct offline *offline = context;
	struct listed listed = {
		.queue_name = str_from(queue_name_text(stored->queue)),
		.queue_id = stored->envelope.queue_id,
		.sender = stored->envelope.sender,
		.arrival_us = (int64_t)stored->envelope.arrival_us,
		.size = message_content_octets(&stored->head,
			&stored->envelope),
		.forced_expire = stored->expire,
	};

	listing_begin(offline->list, &listed);
	for (size_t i = 0; i < stored->envelope.recipient_count; i++) {
		const struct recipient *r = &stored->envelope.recipients[i];

		if (!stored->done[i])
			listing_recipient(offline->list, r->address, r->orig,
				stored->reasons[i].wall_us
					? stored->reasons[i].status.text
					: STR(""));
	}
	listing_end_message(offline->list);
	flush_out(offline);
}

static void show_dropped(void *context, const char *name)
{
	struct offline *offline = context;
	auto_arena struct arena *arena = arena_new(0);
	struct maildrop_file file;
	struct listed listed = { .queue_name = STR("maildrop"),
		.queue_id = str_from(name) };

	if (!maildrop_read(arena, offline->maildrop, name, &file))
		return;
	listed.sender = file.sender;
	listed.arrival_us = file.arrival_us;
	listed.size = file.octets;
	listing_begin(offline->list, &listed);
	for (size_t i = 0; i < file.recipient_count; i++)
		listing_recipient(offline->list, file.recipients[i],
			file.recipients[i], STR(""));
	listing_end_message(offline->list);
	flush_out(offline);
}

static void show_maildrop(struct offline *offline, const struct conf *conf)
{
	char path[4096];
	auto_close int folder = -1;

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	offline->maildrop = folder;
	if (folder < 0 || !maildrop_each(folder, show_dropped, offline))
		log_warning("%s: %m", path);
}

static void nobody(void *context, const struct place *place)
{
	(void)context;
	(void)place;
}

bool look_offline(const struct conf *conf, struct listing *list,
	bool (*put)(void *context, struct buf *out), void *context)
{
	auto_arena struct arena *arena = arena_new(0);
	struct offline *offline = arena_new_of(arena, struct offline);
	struct disk *disk;

	if (!disk_open(&disk, arena_cstr(arena, conf->queue_directory)) ||
		!store_open(&offline->store, disk, true, nobody, NULL))
		return false;
	log_warning("Mail system is down -- accessing queue directly (Connect "
		"to the Postfix showq service: %s)", strerror(ENOENT));
	offline->list = list;
	offline->put = put;
	offline->context = context;
	list->out = &offline->out;
	show_maildrop(offline, conf);
	walk_slots(&offline->store, show, offline);
	walk_files(&offline->store, QUEUE_DEFERRED, show, offline);
	walk_files(&offline->store, QUEUE_HOLD, show, offline);
	listing_end(list);
	flush_out(offline);
	store_close(&offline->store);
	buf_free(&offline->out);
	list->out = NULL;
	return true;
}

bool look_is_allowed(const struct conf *conf)
{
	auto_arena struct arena *arena = arena_new(0);
	struct stat st;

	return geteuid() == 0 ||
		(stat(arena_cstr(arena, conf->queue_directory), &st) == 0 &&
			st.st_uid == geteuid());
}

static bool keep(void *context, struct buf *out)
{
	struct buf *all = context;

	buf_add(all, buf_str(out));
	buf_clear(out);
	return true;
}

/* showq's answer up to its NUL. */
static enum look_result read_answer(struct arena *arena, FILE *ask,
	struct buf *all)
{
	struct str line;
	int c;

	if (!ask_send(ask, STR("raw")) || !ask_line(ask, arena, &line))
		return LOOK_DOWN;
	if (!str_is(line, "+"))
		return LOOK_DENIED;
	while ((c = getc(ask)) != EOF && c != '\0' && !all->failed)
		buf_char(all, (char)c);
	return c == '\0' ? LOOK_DONE : LOOK_PARTIAL;
}

static enum look_result collect(struct arena *arena, const struct conf *conf,
	struct buf *all)
{
	struct listing list = { .is_raw = true };
	FILE *ask = ask_open(conf, "showq");
	enum look_result result;

	if (!ask)
		return look_is_allowed(conf) &&
				look_offline(conf, &list, keep, all)
			? LOOK_DONE : LOOK_DOWN;
	result = read_answer(arena, ask, all);
	fclose(ask);
	return result;
}

enum look_result look_each(struct arena *arena, const struct conf *conf,
	void (*each)(void *context, const struct listed_message *message),
	void *context)
{
	struct buf all = { .arena = arena, .limit = LOOK_MOST };
	enum look_result result = collect(arena, conf, &all);
	struct listed_message message;
	struct str in = buf_str(&all);

	while (listing_take(arena, &in, &message))
		each(context, &message);
	return result == LOOK_DONE && in.len ? LOOK_PARTIAL : result;
}
