/*
 * mailbox/layout - where the mailboxes of a store lie: their directories, and
 * what it takes to list, make, rename and remove them. One table per layout.
 *
 *	maildir++  INBOX is the store itself; "Sent.2024" lies in ".Sent.2024"
 *	fs         INBOX is the store itself; "Sent.2024" lies in "Sent/2024"
 *
 * Names    in modified UTF-7, levels joined by "."; "INBOX" is the store
 *          itself. A "/" stands for a dot inside of a level, which only fs
 *          can have: "lists.example/org" lies in "lists/example.org". How
 *          they are written on disk is mailbox/name.h's
 * Source   Maildir++ of Courier; LAYOUT=fs of Dovecot
 * Waits    create, remove and rename: until durable, by helper threads
 */
#ifndef MAILBOX_LAYOUT_H
#define MAILBOX_LAYOUT_H

#include <dirent.h>

#include "mailbox/result.h"

enum {
	LAYOUT_PATH = 300,
	LAYOUT_LEVELS_MOST = 20, /* of a mailbox's name */
	MAILBOX_NAME_MOST = 200, /* octets of it */
};

struct mailbox_layout;

struct mailbox_place {
	int dir; /* the mail's directory */
	const struct mailbox_layout *layout;
	bool utf8; /* new names are in UTF-8, not in modified UTF-7 */
	/* What names of new messages say; the driver's. */
	char host[72];
	int pid;
	uint64_t serial; /* counts them; the first is a random number */
};

struct mailbox_layout {
	const char *name;
	char separator; /* of levels, on disk */
	bool is_tree;   /* a directory has those of the levels below in it */

	/* May a name that is good otherwise lie here? */
	bool (*is_good)(struct str name);
	/* Of any mailbox but INBOX. */
	void (*directory)(const struct mailbox_place *place,
		const char *mailbox, char path[LAYOUT_PATH]);
	/* is_sure: only of what is a mailbox; else any name that may be one,
	 * which layout_exists tells. */
	enum mailbox_result (*list)(const struct mailbox_place *place,
		struct arena *arena, bool is_sure, struct str **names,
		size_t *count);
	enum mailbox_result (*create)(const struct mailbox_place *place,
		const char *mailbox);
	/* With all that is in it, but nothing that is below it. */
	enum mailbox_result (*remove)(const struct mailbox_place *place,
		const char *mailbox);
	/* is_tree: with all that is below it. */
	enum mailbox_result (*rename)(const struct mailbox_place *place,
		const char *from, const char *to);
	/* Each directory below the store in which names of mailboxes may
	 * appear, before it is read; NULL: there is none. */
	void (*walk)(int dir, void (*each)(void *context, const char *path),
		void *context);
};

extern const struct mailbox_layout layout_plusplus, layout_fs;

/* NULL: there is no such layout. */
const struct mailbox_layout *layout_find(struct str name);
/* "maildir:PATH:LAYOUT=fs:UTF-8", "maildir:PATH" or PATH. What it does not
 * say of the place stays as it is. False: a layout that there is not. */
must_check bool layout_of_location(struct str location, struct str *path,
	struct mailbox_place *place);
/* The way back, with all that can be said. */
struct str layout_location(struct arena *arena, struct str path,
	const struct mailbox_place *place);

/* The directory of a mailbox: "." or ".Sent". */
const char *layout_path(const struct mailbox_place *place,
	const char *mailbox, char path[LAYOUT_PATH]);
/* Where its uidlist and keywords lie: "" or ".Sent/". */
const char *layout_prefix(const struct mailbox_place *place,
	struct arena *arena, const char *mailbox);
bool layout_exists(const struct mailbox_place *place, const char *mailbox);
/* INBOX is made, and removals are finished that somebody died over. */
must_check enum mailbox_result layout_prepare(
	const struct mailbox_place *place);

/* ---- what layouts have in common ---- */

/* A name with "." and "/" exchanged: a path of fs, and the way back. */
char *layout_swap(char *name);
bool layout_is_maildir(int dir, const char *path);
DIR *layout_open(int dir, const char *path);
bool layout_flush(int dir, const char *path);
/* tmp/, new/ and, last, cur/. */
bool layout_make_folders(int dir, const char *path);
bool layout_is_folder(const char *name);
/* A new name in the store for what is being removed, and its end. */
const char *layout_away_name(char name[64]);
void layout_remove_away(int dir, const char *away);

/* A list that grows. */
struct layout_names {
	struct arena *arena;
	struct str *items;
	size_t count, capacity;
};

void layout_add(struct layout_names *names, struct str name);

#endif
