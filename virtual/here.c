/*
 * virtual/here - delivery as the user that this process is.
 */
#include "virtual/virtual.h"

#include "agent/maildir.h"
#include "agent/mbox.h"
#include "agent/trace.h"
#include "mailbox/extension.h"
#include "service/service.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file system of virtual_mailbox_base and its flushes. */
static struct {
	const struct room *room;
	struct maildir_store store;
} here;

/* The Maildir recipients of one delivery. */
struct batch {
	struct maildir_item *items;
	struct deliver_recipient **recipients;
	size_t count;
};

void here_open(const struct room *room)
{
	here.room = room;
	maildir_store_open(&here.store, room->base, NULL);
}

static void report_as(struct delivery *delivery,
	struct deliver_recipient *recipient, struct status status,
	bool unsettled)
{
	deliver_report(delivery, recipient,
		&(struct deliver_report){
			.status = status,
			.relay = service_row(),
			.unsettled = unsettled,
		});
}

static void report(struct delivery *delivery,
	struct deliver_recipient *recipient, struct status status)
{
	report_as(delivery, recipient, status, false);
}

static struct status check_place(struct arena *arena,
	const struct place *place)
{
	if (place->sys_uid == geteuid())
		return STATUS_OK;
	return status_f(arena, 451, 3, 5,
		"the mailbox belongs to uid %u, and this process, started "
		"without root, can only be uid %u",
		place->sys_uid, geteuid());
}

static struct status deliver_mbox(struct delivery *delivery,
	const struct deliver_recipient *recipient, const struct place *place)
{
	const struct conf *conf = delivery->conf;
	struct buf head = BUF_IN(delivery->arena);

	trace_format(&head, delivery, recipient, TRACE_ALL);
	return mbox_append(delivery,
		&(struct mbox){
			.base = here.room->base,
			.path = place->path,
			.locks = conf->virtual_mailbox_lock,
			.limit = conf->virtual_mailbox_limit,
			.head = buf_str(&head),
			.what = "mailbox",
		});
}

static void add_to_batch(struct delivery *delivery,
	struct deliver_recipient *recipient, const struct place *place,
	struct batch *batch)
{
	struct maildir_item *item = &batch->items[batch->count];
	struct buf head = BUF_IN(delivery->arena);
	bool is_made;

	trace_format(&head, delivery, recipient, TRACE_ALL);
	*item = (struct maildir_item){
		.folder = mailbox_extension_folder(delivery->arena,
			delivery->conf, here.room->base, place->path,
			place->extension, &is_made),
		.head = buf_str(&head),
		.content = &delivery->content,
		.look = (delivery->m.flags & DELIVER_RETRY) != 0,
	};
	item->fresh = is_made;
	item->name = maildir_name(delivery->arena, delivery->conf->myhostname,
		delivery, recipient->number,
		item->head.len + delivery->content.size);
	batch->recipients[batch->count++] = recipient;
}

static void take(struct delivery *delivery,
	struct deliver_recipient *recipient, struct batch *batch)
{
	struct place place = { 0 };
	struct status status =
		lookup(delivery->arena, recipient->address, &place);
	int64_t limit = delivery->conf->virtual_mailbox_limit;

	if (status_is_ok(status))
		status = check_place(delivery->arena, &place);
	if (status_is_ok(status) && limit > 0 &&
		delivery->content.size > (uint64_t)limit)
		status = STATUS(552, 2, 3, "message is too large for a mailbox");
	if (!status_is_ok(status))
		report(delivery, recipient, status);
	else if (delivery->m.flags & DELIVER_VERIFY)
		report_verified(delivery, recipient, place.is_maildir);
	else if (place.is_maildir)
		add_to_batch(delivery, recipient, &place, batch);
	else
		report(delivery, recipient,
			deliver_mbox(delivery, recipient, &place));
}

static void report_batch(struct delivery *delivery, const struct batch *batch,
	bool settled)
{
	for (size_t i = 0; i < batch->count; i++)
		report_as(delivery, batch->recipients[i],
			batch->items[i].status, !settled);
	deliver_done(delivery, settled, DELIVER_SITE_REACHED, STR(""));
}

static void withdraw(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (status_is_ok(batch->items[i].status))
			batch->items[i].status = STATUS(451, 4, 3,
				"the name of the file could not be made "
				"durable");
}

/* Written, flushed, renamed. For the queue reported now, and settled after the
 * next flush; a client waits for both, and hears of them at once. */
static void deliver_batch(struct delivery *delivery, struct batch *batch)
{
	bool at_once = delivery->m.flags & DELIVER_AT_ONCE;
	struct arena *arena = delivery->arena;

	for (size_t i = 0; i < batch->count; i++)
		maildir_write(&here.store, arena, &batch->items[i]);
	maildir_publish(&here.store, arena, batch->items, batch->count,
		at_once);
	if (batch->count == 0 || at_once) {
		if (batch->count > 0 &&
			!maildir_settle(&here.store, arena, batch->items,
				batch->count, true))
			withdraw(batch);
		report_batch(delivery, batch, true);
		return;
	}
	report_batch(delivery, batch, false);
	if (maildir_settle(&here.store, arena, batch->items, batch->count,
		    false))
		deliver_settled(delivery);
}

void here_deliver(struct delivery *delivery)
{
	struct batch batch = {
		.items = arena_array(delivery->arena, delivery->count,
			sizeof(*batch.items)),
		.recipients = arena_array(delivery->arena, delivery->count,
			sizeof(*batch.recipients)),
	};

	for (size_t i = 0; i < delivery->count; i++)
		take(delivery, &delivery->recipients[i], &batch);
	deliver_batch(delivery, &batch);
}
