#include "commands/postsuper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "commands/drop.h"
#include "queue/maildrop.h"
#include "queue/maildrop_file.h"
#include "queue/submission.h"

enum {
	BLOCK = 64 * 1024,
};

static uint64_t drop_flags(uint64_t submitted)
{
	static const struct {
		uint64_t from, to;
	} rows[] = {
		{ SUBMIT_SMTPUTF8, MAILDROP_FLAG_SMTPUTF8 },
		{ SUBMIT_VERIFY_ONLY, MAILDROP_FLAG_VERIFY },
		{ SUBMIT_TRACE, MAILDROP_FLAG_TRACE },
		{ SUBMIT_REQUIRETLS, MAILDROP_FLAG_REQUIRETLS },
	};
	uint64_t flags = submitted & SUBMIT_LOCAL_HEADERS ? 0 :
		MAILDROP_FLAG_GATEWAY;

	for (size_t i = 0; i < COUNT(rows); i++)
		if (submitted & rows[i].from)
			flags |= rows[i].to;
	return flags;
}

static void add_recipients(struct buf *lines, const struct stored *stored)
{
	for (size_t i = 0; i < stored->envelope.recipient_count; i++) {
		const struct recipient *r = &stored->envelope.recipients[i];

		if (stored->done[i])
			continue;
		maildrop_text_format(lines, MAILDROP_RECIPIENT, r->orig);
		if (!str_is_none(r->orcpt))
			maildrop_text_format(lines, MAILDROP_ORCPT, r->orcpt);
		if (r->notify)
			maildrop_number_format(lines, MAILDROP_ONLY,
				r->notify);
	}
}

static void add_envelope(struct drop *drop, const struct stored *stored)
{
	const struct envelope *e = &stored->envelope;
	const struct {
		enum maildrop_kind kind;
		struct str text;
	} texts[] = {
		{ MAILDROP_SENDER, e->sender },
		{ MAILDROP_ORIG_ID, e->queue_id },
		{ MAILDROP_ENVID, e->dsn_envid },
		{ MAILDROP_ENCODING, e->encoding },
		{ MAILDROP_VERP, e->verp },
	};
	auto_buf struct buf lines = { 0 };
	uint64_t flags = drop_flags(e->flags);

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!str_is_none(texts[i].text))
			maildrop_text_format(&lines, texts[i].kind,
				texts[i].text);
	if (e->dsn_ret)
		maildrop_number_format(&lines, MAILDROP_RET, e->dsn_ret);
	if (flags)
		maildrop_number_format(&lines, MAILDROP_FLAGS, flags);
	add_recipients(&lines, stored);
	maildrop_word_format(&lines, MAILDROP_CONTENT);
	drop_add(drop, buf_str(&lines));
}

static bool add_large(struct drop *drop, struct store *store,
	const struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);
	char *block = arena_alloc(arena, BLOCK);
	uint64_t at = stored->envelope.skip;
	auto_close int fd = store_large(store, stored);

	while (fd >= 0 && at < stored->head.large_octets) {
		ssize_t got = pread(fd, block, BLOCK, (off_t)at);

		if (got <= 0)
			return false;
		drop_content(drop, str_of(block, (size_t)got));
		at += (uint64_t)got;
	}
	return fd >= 0;
}

bool requeue_offline(const struct conf *conf, struct store *store,
	struct stored *stored)
{
	auto_arena struct arena *arena = arena_new(0);
	struct drop drop;

	if (str_is_none(stored->content) &&
		!store_content(store, arena, stored))
		return false;
	drop_open_file(&drop, conf);
	add_envelope(&drop, stored);
	drop_content(&drop, stored->content);
	if (stored->head.large_octets && !add_large(&drop, store, stored)) {
		drop_cancel(&drop);
		return false;
	}
	if (drop_commit(&drop, (int64_t)stored->envelope.arrival_us))
		return store_over(store, stored, true);
	log_warning("%.*s: not requeued: %s",
		STR_ARG(stored->envelope.queue_id), drop.answer);
	errno = 0;
	return false;
}

/* ---- maildrop/ ---- */

struct deletion {
	int folder;
	struct str name; /* or ALL */
	void (*done)(void *context, struct str name);
	void *context;
};

static void delete_one(void *context, const char *name)
{
	const struct deletion *deletion = context;

	if (!str_is(deletion->name, "ALL") && !str_is(deletion->name, name))
		return;
	if (unlinkat(deletion->folder, name, 0) < 0)
		log_warning("maildrop/%s: %m", name);
	else
		deletion->done(deletion->context, str_from(name));
}

void maildrop_delete(const struct conf *conf, struct str name,
	void (*done)(void *context, struct str name), void *context)
{
	char path[4096];
	struct deletion deletion = { -1, name, done, context };
	auto_close int folder = -1;

	snprintf(path, sizeof(path), "%.*s/maildrop",
		STR_ARG(conf->queue_directory));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	deletion.folder = folder;
	if (folder < 0 || !maildrop_each(folder, delete_one, &deletion))
		log_warning("%s: %m", path);
	if (folder >= 0 && fsync(folder) < 0)
		log_warning("%s: %m", path);
}
