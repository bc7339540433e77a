/*
 * Stamps of a mailbox's files: has anybody changed them since they were read?
 *
 * Two changes within one tick of the clock leave the same stamp, so a stamp
 * that is younger than a few ticks is not trusted later: the directory is read
 * once more. After a change of our own in cur/, which may be large, that is put
 * off: for a second its stamp counts as known, in this process only, and then,
 * or in the background before (mailbox/background.h), it is read.
 */
#include "mailbox/mailbox.h"

#include "base/span.h"
#include "mailbox/store.h"

enum {
	TICKS_NS = 50000000,
	OWN_MS = 1000,
};

static bool read_stamp(struct mailbox *mailbox, struct mailbox_stamp *stamp)
{
	return mailbox->store->driver->stamp(&mailbox->store->place,
		mailbox->name, stamp);
}

int64_t mailbox_stamp_trusted(int64_t stamp_ns, int64_t looked_us)
{
	return looked_us * 1000 - stamp_ns < TICKS_NS ? stamp_ns - 1 :
							stamp_ns;
}

bool mailbox_stamp_cur_is(const struct mailbox *mailbox, int64_t cur_ns)
{
	if (mailbox->is_doubtful)
		return false;
	if (cur_ns == mailbox->row.cur_ns)
		return true;
	return mailbox->own_cur_ns && cur_ns == mailbox->own_cur_ns &&
		moment_between(mailbox->own_at, moment_now()).us <
			OWN_MS * 1000;
}

bool mailbox_stamp_is_known(struct mailbox *mailbox)
{
	struct mailbox_stamp stamp;

	return read_stamp(mailbox, &stamp) &&
		stamp.new_ns == mailbox->row.new_ns &&
		mailbox_stamp_cur_is(mailbox, stamp.cur_ns);
}

bool mailbox_stamp_cur_is_known(struct mailbox *mailbox)
{
	struct mailbox_stamp stamp;

	return read_stamp(mailbox, &stamp) &&
		mailbox_stamp_cur_is(mailbox, stamp.cur_ns);
}

void mailbox_stamp_own(struct mailbox *mailbox, bool was_known)
{
	struct mailbox_stamp stamp;

	if (!was_known || !read_stamp(mailbox, &stamp) ||
		mailbox_stamp_cur_is(mailbox, stamp.cur_ns))
		return;
	mailbox->own_cur_ns = stamp.cur_ns;
	mailbox->own_at = moment_now();
}

void mailbox_stamp_forget(struct mailbox *mailbox)
{
	mailbox->own_cur_ns = 0;
	mailbox->is_doubtful = true;
}
