/*
 * mailbox/metadata - annotations of a mailbox, or of the whole store: entries
 * such as /private/comment and their values (RFC 5464).
 *
 * They lie in posthorn-metadata beside the uidlist, a line each, so that they
 * outlive the index; those of the store in posthorn-metadata-server.
 *
 * Memory   the arena given
 * Waits    change: until durable
 * Errors   read: no entries
 */
#ifndef MAILBOX_METADATA_H
#define MAILBOX_METADATA_H

#include "mailbox/store.h"

enum {
	MAILBOX_ENTRIES_MOST = 1000,  /* of one mailbox */
	MAILBOX_VALUE_MOST = 64 * 1024,
};

/* RFC 6154 4. */
#define MAILBOX_SPECIAL_USE "/private/specialuse"

struct mailbox_entry_value {
	struct str name;  /* lower case */
	struct str value; /* NONE, for a change: remove it */
};

struct mailbox_metadata {
	struct mailbox_entry_value *items; /* in order of their names */
	size_t count, capacity;
};

/* mailbox: its name; empty: the store. False: it cannot be read just now. */
must_check bool mailbox_metadata_read(struct mailbox_store *store, struct arena *arena,
	struct str mailbox, struct mailbox_metadata *metadata);
/* Which of these mailboxes have any, or may have: most have none, and of those
 * nothing need be read. met: what is known of each, of this command; NULL:
 * nothing. Waits. */
void mailbox_metadata_have(struct mailbox_store *store,
	const struct str *names, size_t count, const enum mailbox_met *met,
	bool *have);
/* NONE: there is no such entry. */
struct str mailbox_metadata_find(const struct mailbox_metadata *metadata,
	const char *name);
must_check enum mailbox_result mailbox_metadata_change(
	struct mailbox_store *store, struct str mailbox,
	const struct mailbox_entry_value *changes, size_t count);

/* The text of the file. */
void mailbox_metadata_parse(struct arena *arena, struct str text,
	struct mailbox_metadata *metadata);
void mailbox_metadata_format(struct buf *out,
	const struct mailbox_metadata *metadata);

#endif
