#include "mailbox/background.h"

#include "io/fiber.h"
#include "mailbox/segment.h"
#include "mailbox/text.h"

enum {
	REST_MS = 200,  /* behind the last command */
	YOUNG_MS = 100, /* files that we changed: their stamp is no use yet */
};

bool mailbox_background_rest(struct mailbox_store *store,
	const struct mailbox *mailbox)
{
	for (;;) {
		struct span quiet = moment_between(store->last_command,
			moment_now());

		if (mailbox && mailbox->awaited > 0)
			return true;
		if (store->commands == 0 && quiet.us >= REST_MS * 1000)
			break;
		if (!io_sleep(mailbox ? span_ms(REST_MS / 4) :
			store->commands ? span_ms(REST_MS) :
			span_us(REST_MS * 1000 - quiet.us)))
			return false;
	}
	io_yield();
	return !io_is_cancelled();
}

/* ---- what there is to do ---- */

static uint32_t last_uid(const struct mailbox *m)
{
	return m->count ? m->messages[m->count - 1].is.uid : 0;
}

static bool has_text(const struct mailbox *m)
{
	return !m->is_reading && last_uid(m) > m->text_tried;
}

static bool has_files(const struct mailbox *m)
{
	return m->is_suspect || m->is_doubtful || m->own_cur_ns;
}

static struct mailbox *next_to_do(struct mailbox_store *store)
{
	list_each (at, &store->open) {
		struct mailbox *m = CONTAINER(at, struct mailbox, link);

		if (!m->is_removed && (m->is_followed ||
				str_is(STR("INBOX"), m->name)) &&
			(has_files(m) || mailbox_date_is_wanted(m) ||
				has_text(m) || !m->is_tidied))
			return m;
	}
	return NULL;
}

/* ---- doing it ---- */

/* False: not now, and not again before something happens. */
static bool read_files(struct mailbox *m)
{
	struct span age = moment_between(m->own_at, moment_now());

	if (m->own_cur_ns && age.us < YOUNG_MS * 1000 &&
		!io_sleep(span_ms(YOUNG_MS)))
		return false;
	m->own_cur_ns = 0;
	if (mailbox_refresh(m, false) != MAILBOX_OK)
		return m->is_removed;
	/* Another program is still at it. */
	return !m->is_doubtful || io_sleep(span_ms(YOUNG_MS));
}

/* Whether it works or not, the same is not tried again. */
static void take_text(struct mailbox *m)
{
	uint32_t last = last_uid(m);

	m->is_reading = true;
	while (!m->is_removed && m->awaited == 0 && !io_is_cancelled() &&
		mailbox_text_take_some(m))
		mailbox_keep_learned(m);
	if (m->awaited == 0)
		m->text_tried = last;
	m->is_reading = false;
}

/* False: it is gone, or others want to work. */
static bool take_dates(struct mailbox *m)
{
	while (!m->is_removed && mailbox_date_some(m))
		if (!mailbox_background_rest(m->store, m))
			return false;
	return !m->is_removed;
}

static bool do_mailbox(struct mailbox *m)
{
	bool ok = true;

	if (m->users++ == 0)
		m->store->unused--;
	if (!m->is_tidied)
		m->store->driver->tidy(&m->store->place, m->name);
	m->is_tidied = true;
	if (has_files(m))
		ok = read_files(m);
	if (ok && !m->is_removed && mailbox_date_is_wanted(m))
		ok = take_dates(m);
	if (ok && !m->is_removed && has_text(m))
		take_text(m);
	mailbox_close(m);
	return ok;
}

/* Its files are as the index knows them, and all texts are taken up. */
static bool is_settled(struct mailbox_store *store, const char *name)
{
	struct arena *arena auto_arena = arena_new(0);
	struct index_txn *txn = index_begin(store->index, false);
	struct mailbox_stamp stamp;
	struct index_mailbox row;
	struct segments all;
	bool settled = txn &&
		index_mailbox_find(txn, str_from(name), &row) &&
		row.remains == 0 &&
		segments_read(txn, row.id, arena, &all) &&
		all.is.up_to + 1 >= row.uidnext &&
		store->driver->stamp(&store->place, name, &stamp) &&
		stamp.new_ns == row.new_ns && stamp.cur_ns == row.cur_ns;

	index_abort(txn);
	return settled;
}

/* Into memory, where next_to_do finds it; watched until it goes again. */
static void open_inbox(struct mailbox_store *store)
{
	struct mailbox *m;

	store->wants_inbox = false;
	if (is_settled(store, "INBOX") ||
		mailbox_open(store, STR("INBOX"), &m) != MAILBOX_OK)
		return;
	if (!m->watch)
		m->watch = mailbox_watch_begin(store, m->name);
	mailbox_close(m);
}

static void work(void *context)
{
	struct mailbox_store *store = context;
	struct mailbox *m;

	while (mailbox_background_rest(store, NULL)) {
		if (store->wants_inbox)
			open_inbox(store);
		m = next_to_do(store);
		if (!m || !do_mailbox(m))
			break;
	}
	store->is_taking = false;
}

void mailbox_background(struct mailbox_store *store)
{
	store->takes_text = true;
	if (store->is_taking || store->is_closing || !io_self() ||
		(!store->wants_inbox && !next_to_do(store)))
		return;
	store->is_taking = true;
	store->taker = io_spawn("mailbox background", work, store);
}

void mailbox_background_inbox(struct mailbox_store *store)
{
	store->wants_inbox = true;
	store->last_command = moment_now(); /* who came or left goes first */
	mailbox_background(store);
}

bool mailbox_background_is_behind(const struct mailbox_store *store)
{
	return store->is_taking;
}
