/*
 * A new message: written to a temporary file as it comes, flushed, then given
 * its name and its uid. A small one gets only the uid, and is flushed and named
 * behind the answer (mailbox/arrivals.h).
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/span.h"
#include "io/helper.h"
#include "mailbox/arrivals.h"
#include "mailbox/store.h"

enum {
	PIECE = 32 * 1024,
	LATE_FLUSHES = 4, /* at once */
};

struct mailbox_save {
	struct mailbox *mailbox;
	struct arena *arena;
	int fd;
	const char *temporary; /* NULL: published */
	struct io_job flush;
	bool is_flushing;
	bool is_arrival;       /* its text is in `piece`, and not flushed */
	uint64_t octets, line_ends;
	bool held_cr;          /* a CR that may be half of a CRLF */
	struct imap_flags flags;
	struct index_message is;
	const char *name;      /* published under this one */
	size_t len;
	char piece[PIECE];
};

static int flush_file(void *context)
{
	const struct mailbox_save *save = context;

	return fsync(save->fd);
}

static void begin_flush(struct mailbox_save *save)
{
	io_job_begin(&save->flush, flush_file, save);
	save->is_flushing = true;
}

/* False with errno. */
static bool end_flush(struct mailbox_save *save)
{
	int result = 0, error = 0;

	if (!save->is_flushing)
		return true;
	save->is_flushing = false;
	result = io_job_end(&save->flush);
	error = errno;
	close(save->fd);
	save->fd = -1;
	errno = error;
	return result == 0;
}

static void end(void *context)
{
	struct mailbox_save *save = context;

	if (save->is_flushing && !end_flush(save))
		log_debug("flush of a message that is not kept: %m");
	if (save->fd >= 0)
		close(save->fd);
	if (save->temporary)
		save->mailbox->store->driver->cancel(
			&save->mailbox->store->place,
			save->mailbox->name, save->temporary);
	mailbox_close(save->mailbox);
}

struct mailbox_save *mailbox_save_begin(struct arena *arena,
	struct mailbox *mailbox, enum mailbox_result *result)
{
	struct mailbox_store *store = mailbox->store;
	struct mailbox_save *save =
		arena_new_of(arena, struct mailbox_save);

	save->mailbox = mailbox;
	save->arena = arena;
	save->fd = store->driver->save(&store->place, mailbox->name, arena,
		&save->temporary);
	if (save->fd < 0) {
		*result = mailbox_failed("write to", mailbox->name);
		return NULL;
	}
	mailbox->users++;
	arena_on_free(arena, end, save);
	*result = MAILBOX_OK;
	return save;
}

static bool flush_piece(struct mailbox_save *save)
{
	if (!fd_write_all(save->fd, save->piece, save->len))
		return false;
	save->octets += save->len;
	save->len = 0;
	return true;
}

/* Octets without CR. */
static bool put(struct mailbox_save *save, struct str run)
{
	struct str rest = run;
	size_t lf;

	while ((lf = str_find_char(rest, '\n')) != SIZE_MAX) {
		save->line_ends++;
		rest = str_skip(rest, lf + 1);
	}
	while (run.len > 0) {
		size_t some = PIECE - save->len;

		if (some == 0 && !flush_piece(save))
			return false;
		some = PIECE - save->len;
		if (some > run.len)
			some = run.len;
		memcpy(save->piece + save->len, run.p, some);
		save->len += some;
		run = str_skip(run, some);
	}
	return true;
}

/* Line ends become LF, as all programs that share a Maildir expect; a CR
 * elsewhere a blank, as in mail that comes over SMTP: what takes it for a line
 * end would see another message than we do. */
enum mailbox_result mailbox_save_write(struct mailbox_save *save,
	struct str octets)
{
	while (octets.len > 0) {
		size_t cr = str_find_char(octets, '\r');
		struct str run = str_first(octets,
			cr == SIZE_MAX ? octets.len : cr);

		if (save->held_cr && octets.p[0] != '\n' &&
			!put(save, STR(" ")))
			return mailbox_failed("write to", save->mailbox->name);
		if (!put(save, run))
			return mailbox_failed("write to", save->mailbox->name);
		save->held_cr = cr != SIZE_MAX;
		octets = str_skip(octets, run.len + save->held_cr);
	}
	return MAILBOX_OK;
}

/* Its uid, and *name for its file. */
static enum mailbox_result prepare(struct mailbox_save *save,
	struct index_txn *txn, const char **name)
{
	struct mailbox *m = save->mailbox;
	const struct mailbox_driver *driver = m->store->driver;
	struct index_message *is = &save->is;

	/* RFC 9051 6.3.12: flags should be set; the message is kept anyway. */
	if (mailbox_keywords_of(m, txn, &save->flags, MAILBOX_KEYWORDS_FIT,
		    &is->keywords) != MAILBOX_OK)
		return MAILBOX_TRY_LATER;
	is->uid = mailbox_next_uid(m);
	if (is->uid == 0)
		return MAILBOX_TRY_LATER;
	*name = driver->with_flags(save->arena, driver->sized(save->arena,
			save->temporary, save->octets, is->size),
		is->flags, (uint32_t)(is->keywords &
			((1u << MAILBOX_LETTERS) - 1)));
	return MAILBOX_OK;
}

static enum mailbox_result publish(struct mailbox_save *save,
	struct index_txn *txn)
{
	struct mailbox *m = save->mailbox;
	const char *name;
	enum mailbox_result result = prepare(save, txn, &name);

	if (result != MAILBOX_OK)
		return result;
	save->is.modseq = m->row.modseq + 1;
	if (!mailbox_add(m, txn, &save->is, name))
		return MAILBOX_TRY_LATER;
	if (!m->store->driver->publish(&m->store->place, m->name,
		save->temporary, name))
		return mailbox_failed("write to", m->name);
	save->temporary = NULL;
	save->name = name;
	mailbox_store_unflushed(m->store, m->name, MAILBOX_CUR);
	return MAILBOX_OK;
}

/* All or none: those that have their names already go again. Who is told NO
 * tries again, and would have the message twice. */
static void take_back(struct mailbox_save **saves, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mailbox *m = saves[i]->mailbox;
		struct mailbox_entry entry = { .name = saves[i]->name };

		if (entry.name && !m->store->driver->unlink(&m->store->place,
			m->name, &entry))
			log_warning("%s: remove %s: %m", m->store->path,
				entry.name);
	}
}

static enum mailbox_result publish_all(struct mailbox_save **saves,
	size_t count, struct index_txn *txn)
{
	struct mailbox *m = saves[0]->mailbox;
	enum mailbox_result result = mailbox_arrivals_allow(m) ? MAILBOX_OK :
		MAILBOX_TRY_LATER;
	size_t before = m->count;

	for (size_t i = 0; result == MAILBOX_OK && i < count; i++)
		result = publish(saves[i], txn);
	if (result != MAILBOX_OK)
		return result;
	mailbox_list_uids(m, before);
	m->row.modseq++;
	return MAILBOX_OK;
}

static enum mailbox_result commit(struct mailbox_save **saves, size_t count)
{
	struct mailbox *m = saves[0]->mailbox;
	enum mailbox_result result = MAILBOX_TRY_LATER;
	/* Those before them have smaller uids. */
	struct index_txn *txn = mailbox_arrivals_settle(m) ?
		index_begin(m->store->index, true) : NULL;
	bool known;

	if (!txn)
		return result;
	if (!mailbox_load(m, txn)) {
		index_abort(txn);
		return MAILBOX_NONEXISTENT;
	}
	known = mailbox_stamp_cur_is_known(m);
	result = publish_all(saves, count, txn);
	mailbox_stamp_own(m, known);
	if (result == MAILBOX_OK && !index_mailbox_put(txn, str_from(m->name),
		&m->row))
		result = MAILBOX_TRY_LATER;
	if (result != MAILBOX_OK) {
		take_back(saves, count);
		index_abort(txn);
	} else if (!index_commit(txn)) {
		take_back(saves, count);
		result = MAILBOX_TRY_LATER;
	}
	if (result != MAILBOX_OK)
		mailbox_reload(m);
	else
		mailbox_changed(m);
	return result;
}

/* ---- behind the answer ---- */

/* All have their uids. False: the other way. */
static bool take_uids(struct mailbox_save **saves, size_t count,
	struct mailbox_arrival *items, size_t octets)
{
	struct mailbox *m = saves[0]->mailbox;
	struct index_txn *txn = index_begin(m->store->index, true);
	bool ok;

	if (!txn)
		return false;
	ok = mailbox_load(m, txn) && !m->is_barred &&
		mailbox_arrivals_may(m, txn, count, octets);
	for (size_t i = 0; ok && i < count; i++) {
		struct mailbox_save *save = saves[i];

		ok = prepare(save, txn, &items[i].name) == MAILBOX_OK;
		items[i].temporary = save->temporary;
		items[i].is = save->is;
		items[i].text = str_of(save->piece, (size_t)save->octets);
	}
	ok = ok && index_mailbox_put(txn, str_from(m->name), &m->row);
	if (ok)
		ok = index_commit(txn);
	else
		index_abort(txn);
	if (!ok)
		mailbox_reload(m);
	return ok;
}

/* False: the other way, as if nothing had been tried. */
static bool arrive(struct mailbox_save **saves, size_t count,
	enum mailbox_result *result)
{
	struct mailbox *m = saves[0]->mailbox;
	struct mailbox_arrival *items = arena_array(saves[0]->arena, count,
		sizeof(*items));
	size_t octets = 0;

	for (size_t i = 0; i < count; i++) {
		if (!saves[i]->is_arrival)
			return false;
		octets += (size_t)saves[i]->octets;
	}
	if (!mailbox_arrivals_room(m, count, octets) || m->is_removed ||
		!take_uids(saves, count, items, octets))
		return false;
	for (size_t i = 0; i < count; i++)
		saves[i]->temporary = NULL; /* they are the list's */
	*result = mailbox_arrivals_add(m, items, count);
	return true;
}

enum mailbox_result mailbox_save_close(struct mailbox_save *save,
	const struct imap_flags *flags, int64_t internal_s, bool may_arrive)
{
	struct mailbox *m = save->mailbox;
	struct timespec dates[2] = { { .tv_sec = internal_s },
		{ .tv_sec = internal_s } };

	if (save->held_cr && !put(save, STR(" ")))
		return mailbox_failed("write to", m->name);
	save->is_arrival = may_arrive && save->octets == 0 &&
		mailbox_arrivals_want(m, save->fd, save->len);
	/* The date is in the file: before the flush, it is flushed too. */
	if (!flush_piece(save) || futimens(save->fd, dates) < 0)
		return mailbox_failed("write to", m->name);
	if (save->is_arrival) {
		close(save->fd);
		save->fd = -1;
	} else {
		begin_flush(save);
	}
	save->flags = *flags;
	for (size_t i = 0; i < flags->count; i++)
		save->flags.keywords[i] = arena_copy(save->arena,
			flags->keywords[i]);
	save->is = (struct index_message){ .flags = flags->system,
		.internal_s = internal_s, .saved_s = wall_us() / 1000000,
		.size = save->octets + save->line_ends };
	return MAILBOX_OK;
}

enum mailbox_result mailbox_save_settle(struct mailbox_save *save)
{
	return end_flush(save) ? MAILBOX_OK :
		mailbox_failed("write to", save->mailbox->name);
}

/* It was to be flushed behind the answer, and goes the other way. */
static bool flush_late(struct mailbox_save *save)
{
	if (!save->is_arrival)
		return true;
	save->is_arrival = false;
	save->fd = mailbox_arrivals_open(save->mailbox, save->temporary);
	if (save->fd < 0)
		return false;
	begin_flush(save);
	return true;
}

static enum mailbox_result settle_all(struct mailbox_save **saves,
	size_t count)
{
	enum mailbox_result result = MAILBOX_OK;

	for (size_t i = 0; result == MAILBOX_OK && i < count + LATE_FLUSHES;
		i++) {
		if (i < count && !flush_late(saves[i]))
			return mailbox_failed("write to",
				saves[i]->mailbox->name);
		if (i >= LATE_FLUSHES)
			result = mailbox_save_settle(saves[i - LATE_FLUSHES]);
	}
	return result;
}

enum mailbox_result mailbox_save_publish(struct mailbox_save **saves,
	size_t count, uint32_t *uid)
{
	struct mailbox *m = saves[0]->mailbox;
	enum mailbox_result result;

	if (arrive(saves, count, &result)) {
		*uid = saves[0]->is.uid;
		return result;
	}
	result = settle_all(saves, count);
	if (result != MAILBOX_OK)
		return result;
	if (m->is_removed)
		return MAILBOX_NONEXISTENT;
	result = commit(saves, count);
	if (result != MAILBOX_OK)
		return result;
	*uid = saves[0]->is.uid;
	result = mailbox_store_flush(m->store, m->name);
	if (result != MAILBOX_OK)
		take_back(saves, count); /* the next look finds them gone */
	else
		mailbox_arrivals_count(m->store, count);
	return result;
}

enum mailbox_result mailbox_save_end(struct mailbox_save *save,
	const struct imap_flags *flags, int64_t internal_s, uint32_t *uid)
{
	enum mailbox_result result = mailbox_save_close(save, flags,
		internal_s, true);

	return result == MAILBOX_OK ? mailbox_save_publish(&save, 1, uid) :
				      result;
}
