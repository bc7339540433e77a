/*
 * Reading ahead: who reads the messages of a mailbox one after the other, from
 * a disk and not from memory, would wait for each. So the system is asked for
 * the next ones while this one is looked at.
 *
 * Whether a file is in memory is told by a read that may not wait; as long as
 * that succeeds nothing is asked for.
 */
#include "mailbox/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mailbox/store.h"

enum {
	WINDOW = 32,          /* messages */
	STRIDE = 8,           /* those that are passed over at a time */
	OCTETS = 256 * 1024,  /* of each at most */
};

static void ask_for(struct mailbox *mailbox, size_t at)
{
	struct mailbox_entry entry =
		mailbox_entry_of(&mailbox->messages[at]);
	auto_close int fd = entry.name ? mailbox->store->driver->open(
		&mailbox->store->place, mailbox->name, &entry) : -1;

	/* If it cannot be opened, whoever reads it is told. */
	if (fd >= 0)
		(void)!posix_fadvise(fd, 0, OCTETS,
			POSIX_FADV_WILLNEED);
}

static void follow(struct mailbox *mailbox, size_t at)
{
	struct mailbox_prefetch *p = &mailbox->prefetch;
	size_t end = at + WINDOW < mailbox->count ? at + WINDOW :
						    mailbox->count;

	if (p->to <= at || p->to > end)
		p->to = at + 1;
	while (p->to < end)
		ask_for(mailbox, p->to++);
}

ssize_t mailbox_prefetch_read(struct mailbox *mailbox, size_t at, int fd,
	char *octets, size_t size)
{
	struct mailbox_prefetch *p = &mailbox->prefetch;
	const struct iovec whole = { .iov_base = octets, .iov_len = size };
	bool in_order = at > p->last && at - p->last <= STRIDE;
	ssize_t got = preadv2(fd, &whole, 1, -1, RWF_NOWAIT);

	p->last = at;
	if (got < 0 && errno == EAGAIN)
		p->left = 2 * WINDOW;
	if (p->left > 0 && in_order) {
		p->left--;
		follow(mailbox, at);
	}
	return got > 0 ? got : read(fd, octets, size);
}
