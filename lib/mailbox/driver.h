/*
 * mailbox/driver - how messages lie on disk. One table per format; the index,
 * UIDs and everything above know nothing of it. Where a mailbox lies is the
 * layout's (mailbox/layout.h).
 *
 * Names    of mailboxes as in mailbox/layout.h; they were checked
 * Entries  a message is one entry with a name; its key is the part that does
 *          not change with flags.
 * Memory   results in the arena given
 * Waits    save, publish and flush: for the disk, by helper threads
 */
#ifndef MAILBOX_DRIVER_H
#define MAILBOX_DRIVER_H

#include "mailbox/layout.h"

enum {
	MAILBOX_ENTRY_MOST = 255, /* octets of an entry's name */
	MAILBOX_LETTERS = 26,     /* keywords that an entry's name can carry */
};

struct mailbox_entry {
	const char *name;
	bool is_new;    /* no reader has seen it yet */
	bool is_file;   /* result of scan: not a link or the like */
	bool is_known;  /* for the caller */
};

/* Changes when anything in the mailbox changes; ns of the wall clock. */
struct mailbox_stamp {
	int64_t new_ns, cur_ns;
};

/* All that a mailbox has, and the stamp that each folder had before it was
 * read. */
struct mailbox_looks {
	struct mailbox_entry *entries;
	size_t count;
	struct mailbox_stamp stamp;
	/* Nothing was beside its folders after that; found out if it is set. */
	bool is_bare;
};

struct mailbox_driver {
	const char *scheme;

	/* Before a store makes new names. */
	void (*begin)(struct mailbox_place *place);
	/* What processes that died long ago left in the mailbox goes. */
	void (*tidy)(const struct mailbox_place *place, const char *mailbox);
	bool (*stamp)(const struct mailbox_place *place, const char *mailbox,
		struct mailbox_stamp *stamp);
	/* The two directories to watch for changes. */
	void (*watched)(const struct mailbox_place *place, const char *mailbox,
		struct arena *arena, const char *paths[2]);
	/* new_only: those that no reader has seen. */
	enum mailbox_result (*scan)(const struct mailbox_place *place,
		const char *mailbox, bool new_only, struct arena *arena,
		struct mailbox_entry **entries, size_t *count);

	/* The same of all. For helper threads: nothing is logged. False with
	 * errno. */
	bool (*look)(const struct mailbox_place *place, const char *mailbox,
		struct arena *arena, struct mailbox_looks *looks);

	/* Length of the key of a name; its flags (IMAP_* bits), keyword
	 * letters (bit 0: a), sizes (0: does not say; CRLF size wins). */
	size_t (*key)(const char *name);
	void (*flags)(const char *name, unsigned *flags, uint32_t *letters);
	uint64_t (*size)(const char *name);
	/* The name of the same message with other flags. */
	const char *(*with_flags)(struct arena *arena, const char *name,
		unsigned flags, uint32_t letters);
	/* A name that was never used, and the same with sizes. */
	const char *(*fresh)(struct mailbox_place *place,
		struct arena *arena);
	const char *(*sized)(struct arena *arena, const char *fresh,
		uint64_t octets, uint64_t crlf_octets);

	/* A descriptor to read; -1 with errno. */
	int (*open)(const struct mailbox_place *place, const char *mailbox,
		const struct mailbox_entry *entry);
	/* The same in two steps, for many: what the entries lie in, which is not
	 * looked for each time then; -1 with errno. */
	int (*open_folder)(const struct mailbox_place *place,
		const char *mailbox, bool is_new);
	int (*open_in)(int folder, const struct mailbox_entry *entry);
	/* False with errno; ENOENT: it is not there any more. */
	bool (*times)(const struct mailbox_place *place, const char *mailbox,
		const struct mailbox_entry *entry, int64_t *internal_s,
		int64_t *saved_s, uint64_t *octets);
	bool (*unlink)(const struct mailbox_place *place, const char *mailbox,
		const struct mailbox_entry *entry);
	/* Within a mailbox, or to another one. */
	bool (*move)(const struct mailbox_place *place, const char *from,
		const struct mailbox_entry *entry, const char *to,
		const char *name);
	bool (*copy)(const struct mailbox_place *place, const char *from,
		const struct mailbox_entry *entry, const char *to,
		const char *name);

	/* A file to write a new message to, and its temporary name. */
	int (*save)(struct mailbox_place *place, const char *mailbox,
		struct arena *arena, const char **temporary);
	/* Give it its name. It is not durable before flush. */
	bool (*publish)(const struct mailbox_place *place, const char *mailbox,
		const char *temporary, const char *name);
	void (*cancel)(const struct mailbox_place *place, const char *mailbox,
		const char *temporary);
	/* Both at once, with this text and date, durable but for the name. What
	 * has the temporary name goes. False with errno. Does not wait. */
	bool (*restore)(const struct mailbox_place *place, const char *mailbox,
		const char *temporary, const char *name, struct str text,
		int64_t internal_s);
	/* The names in a mailbox survive a power cut from here on; `new`:
	 * also those of messages that no session has seen. Waits. */
	bool (*flush)(const struct mailbox_place *place, const char *mailbox,
		bool new);
};

extern const struct mailbox_driver mailbox_maildir;

#endif
