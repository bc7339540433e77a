/*
 * auth/users - the users file: who may log in, and what proves it.
 *
 * A line per user, "NAME:HASH:VERIFIER"; a line that is empty or begins with
 * "#" says nothing. HASH is of crypt(3), VERIFIER as in sasl/scram.h (RFC
 * 5803); either may be empty, which closes that way in. Names are compared
 * without case.
 *
 * Memory   in the arena given
 * Waits    no
 */
#ifndef AUTH_USERS_H
#define AUTH_USERS_H

#include "base/arena.h"
#include "base/buf.h"
#include "sasl/scram.h"

enum {
	USERS_OCTETS_MOST = 16 << 20, /* of the file */
	USERS_LINE_MOST = 1024,
	USERS_NAME_MOST = 255,
	USERS_PASSWORD_MOST = 512,
};

struct user {
	struct str name, hash;
	bool has_scram;
	struct scram_verifier scram;
};

/* A login name: UTF-8 without blanks, control octets, ":" and "#" in front;
 * 1 to USERS_NAME_MOST octets. */
bool user_name_is_good(struct str name);
/* A password that all mechanisms can carry: UTF-8 without control octets. */
bool user_password_is_good(struct str password);

/* A line that names a user. Slices of the line. */
must_check bool user_parse(struct str line, struct user *user);
/* The line, with its LF. */
void user_format(struct buf *out, const struct user *user);
/* True if the line is empty or a comment. */
bool user_line_is_comment(struct str line);

struct users;

/* All lines; `bad`: number of the first line that is none or names somebody
 * again (it is passed over), 0: all are good. The text must stay. */
struct users *users_parse(struct arena *arena, struct str text, size_t *bad);
const struct user *users_find(const struct users *users, struct str name);
size_t users_count(const struct users *users);
/* In the order of the file, 0 to users_count - 1. */
const struct user *users_at(const struct users *users, size_t at);
/* True if one of them at least has a verifier. */
bool users_have_scram(const struct users *users);

#endif
