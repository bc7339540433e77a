/*
 * local/local - what the files of this room share.
 *
 * One recipient is a task. Aliases and .forward files expand it; what they
 * name is done at once (mailboxes, files, commands) or collected (addresses)
 * and submitted as new messages before the recipient is reported.
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include "agent/alias.h"
#include "agent/deliver.h"
#include "queue/group.h"
#include "mail/address.h"
#include "base/list.h"
#include "maps/maps.h"
#include "rewrite/rewrite.h"

/* Whose rights. */
struct rights {
	uint32_t sys_uid, sys_gid;
	struct str user; /* for supplementary groups; NONE: none */
};

/* A table of alias_maps, with the rights that its file gives. */
struct alias_table {
	struct maps *maps;
	struct rights rights;
};

/* Opened before the sandbox closes. */
struct room {
	const struct conf *conf;
	struct router *router;
	struct rewriter *rewriter;
	struct alias_table *aliases;
	size_t alias_count;
	struct maps *mailbox_transports, *mailbox_commands,
		*fallback_transports;
	bool has_mailboxes_only; /* no transport, no command in their place */
	struct rights defaults; /* default_privs */
	bool spool_is_shared;   /* writable for its group: files get it */
	uint32_t spool_gid;
	bool is_root;
	int biff; /* a UDP socket to the comsat service; -1: none */
	size_t busy; /* recipients that are being delivered */
};

extern struct room room;

struct user {
	struct str name, home, shell;
	uint32_t sys_uid, sys_gid;
	int home_error; /* errno; 0: the directory is there */
};

/* What was expanded on the way to here, newest first. */
struct chain {
	const struct chain *up;
	char kind; /* 'a' alias, 'u' .forward of a user */
	struct str name;
	unsigned depth;
};

/* Addresses that get the message anew, from one sender. */
struct forward {
	struct list link;
	struct str sender, delivered_to;
	bool is_list; /* an owner takes the reports */
	struct str *addresses;
	size_t count, capacity;
};

struct task {
	struct delivery *delivery;
	struct deliver_recipient *recipient;
	struct mail_address parts; /* of `at`, lower case local-part */
	struct str delivered_to;   /* what Delivered-To says */
	struct str at;             /* the address that is followed now */
	struct str owner;          /* of the list that is run, in the sender's
				      place; NONE: there is none */
	struct arena *arena;
	struct status status;      /* the worst so far; code 0: nothing done */
	enum dsn_action action;
	struct deliver_line *lines; /* of each destination, for the log */
	size_t line_count, line_capacity;
	struct list forwards;
	struct list unsettled;     /* calls that still owe `settled` */
	struct str *seen;          /* destinations that had it already */
	size_t seen_count, seen_capacity;
	bool is_passed;            /* another agent has reported it */
	bool is_lost;              /* what was delivered is not known to be
				      durable, and never will be */
};

enum child_kind {
	CHILD_LOOKUP,  /* passwd */
	CHILD_MAILBOX, /* Landlock: only `home` and the spool */
	CHILD_PLAIN,   /* commands, files, .forward somewhere else */
};

/* Something that a child does with the message. */
struct deed {
	enum child_kind kind;
	struct rights rights;
	struct str home;
	struct msg_local_act act;
};

/* aliases.c */
must_check enum maps_result aliases_find(struct arena *arena, struct str name,
	struct str *value, const struct alias_table **table);

/* recipient.c: from the recipient to its report. */
void recipient_deliver(struct task *task);

/* task.c */
/* Whom failures are told: the sender, or the owner of a list. */
struct str task_sender(const struct task *task);
/* Take the result of one destination in. */
void task_add(struct task *task, struct status status);
/* True the first time. */
bool task_is_new(struct task *task, char kind, struct str what);
bool task_had(const struct task *task, char kind, struct str what);

/* forward.c */
void forward_add(struct task *task, struct str sender, bool is_list,
	struct str address);
/* All that was collected; waits. */
void forward_commit(struct task *task);

/* users.c: who is this? Asked of a child, believed for a second; waits. */
must_check enum maps_result users_find(struct arena *arena, struct str name,
	struct user *user);

/*
 * volume.c: file systems that mailboxes are on, each with a child that does
 * nothing but flush it for all who deliver there; `born` and `device` tell
 * what such a flush covers.
 */
struct volume {
	struct flush_group group;
	uint64_t device; /* 0: everybody flushes by himself */
	uint64_t born;   /* of the child that flushes */
	/* private */
	struct str way; /* the folders above the mailbox's */
	struct moment ask_again;
	struct io_event known;
	bool is_asking;
};
/* Of a mailbox below `base`; NULL: not known, or none that could be trusted.
 * Waits. */
struct volume *volume_find(struct str base);

/* mailbox.c: what becomes of mail that a user keeps; files and commands. */
/* extension: of the address that is this user, NONE. */
void to_mailbox(struct task *task, const struct user *user,
	struct str extension);
/* The mail of that user goes into a mailbox, whatever .forward says: no table
 * and no parameter knows of anything else. */
must_check bool mailbox_deed(struct task *task, const struct user *user,
	struct str extension, struct deed *deed);
/* No user of this system has that name. */
void to_stranger(struct task *task, struct str name);
void to_file(struct task *task, const struct rights *rights,
	struct str path);
void to_command(struct task *task, const struct rights *rights,
	const struct user *user, struct str command);

/* biff.c: tells the comsat service of this host of new mail in a mailbox
 * file. */
void biff_open(const struct conf *conf);
void biff_tell(struct str user, uint64_t at);

/* pass.c: another agent takes it, by "transport:nexthop". False: not (an
 * empty destination). */
must_check bool pass_on(struct task *task, struct str destination);
/* By a table, then by a parameter. */
must_check bool pass_by(struct task *task, struct maps *maps, struct str key,
	struct str destination);

/* values.c: the names that commands and paths may use. `user` may be NULL. */
/* STR_NONE: malformed, logged. Values are filtered by `allowed`, unless that is
 * NONE. */
struct str values_expand(const struct task *task, const struct user *user,
	struct str text, struct str allowed);
/* Environment of a command, as NAME=value. */
struct msg_list values_environment(const struct task *task,
	const struct user *user);

/* children.c: waits. */
/* A conversation with the child of those rights; NULL: there is none. */
struct call *child_call(struct arena *arena, enum child_kind kind,
	const struct rights *rights, struct str home);
/* `deed`, if not NULL, is done when there is no destination to read
 * (MAPS_ABSENT), in the same conversation; its rights and home are those of
 * the child that reads. */
must_check enum maps_result child_read(struct task *task,
	enum child_kind kind, const struct rights *rights, struct str home,
	const struct msg_local_read *what, struct alias_list *list,
	const struct deed *deed, struct status *done);
must_check struct status child_act(
	struct task *task, const struct deed *deed);
/* Wait until all is settled; false: something is not. */
must_check bool child_settle(struct task *task);
/* 250, or why this process cannot be that user. */
must_check struct status child_may_be(struct arena *arena,
	const struct rights *rights);

/* child.c, lookup.c: in the child. */
enum act { /* msg_local_act.act */
	ACT_LOOK,
	ACT_MBOX,
	ACT_MAILDIR,
	ACT_COMMAND,
};
void child_serve(struct call *call, void *context);
void lookup_serve(struct call *call);

#endif
