/*
 * sandbox/sandbox - the privilege profile of a daemon, and taking it.
 *
 * sandbox/profiles.def has a row per profile: user, root directory, seccomp
 * rule set, Landlock rights, capabilities kept. Taking a profile applies all
 * of it, in order, and ends the process (log_fatal) if the kernel refuses a
 * part that it knows. Without root, users, chroot and capabilities are left
 * out and everything else stands. What a kernel does not know (Landlock) is
 * said once in the log.
 *
 * Waits    no
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "base/base.h"
#include "config/config.h"

enum profile {
#define PROFILE(name, user, root, calls, paths, capabilities, may)             \
	PROFILE_##name,
#include "sandbox/profiles.def"
#undef PROFILE
	PROFILES_END
};

/*
 * Before the sandbox closes (in .prepare): one more path that Landlock will
 * leave open, with 'r' (read), 'w' (read, write, create, remove) or 'x' (read
 * and execute). For a path that configuration names: maillog_file. A path
 * that does not exist is skipped; a file's rights are those of the file.
 */
void sandbox_allow(char rights, const char *path);

/*
 * Take the profile for good: user, root directory, NO_NEW_PRIVS, Landlock,
 * capabilities, seccomp.
 */
void sandbox_close(enum profile profile, const struct conf *conf);

/* For a forked child that works for one user. */
struct sandbox_child {
	enum profile profile; /* PROFILE_MAILBOX, or PROFILE_DELIVER: commands */
	uint32_t sys_uid, sys_gid;
	const char *user; /* for initgroups; NULL: no supplementary groups */
	/* "w:/home/x/Maildir" and the like, ended by NULL; NULL alone: no
	 * Landlock rules for files (commands, .forward) */
	const char *const *paths;
};

/* In the parent, before it forks: what the child will need no memory for.
 * The first time for a profile a child of its own works for that, and is
 * waited for (some milliseconds). False with errno: no memory, no process. */
must_check bool sandbox_prepare(enum profile profile);

/*
 * Drop to that user for good and take the profile; ends the process with
 * exit status 75 if anything is refused. Without root the ids have to be our
 * own, else false (and nothing has changed).
 */
must_check bool sandbox_become(const struct sandbox_child *child);

/* The Landlock level of this kernel, 0: none. */
int sandbox_landlock_level(void);

/*
 * Try every act of sandbox/acts.def by raw system calls in this very process,
 * and write a line "act refused|succeeded expected-refused|..." for each to
 * the descriptor; the process should end afterwards. `posthorn check sandbox`
 * has master start each daemon so.
 */
void sandbox_probe(enum profile profile, const struct conf *conf, int report);

#endif
