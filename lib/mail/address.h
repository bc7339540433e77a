/*
 * mail/address - one address: its two forms and its parts.
 *
 * internal  what the queue, tables and daemons use: joe blow@example.org
 * external  what stands in headers, SMTP and the log: "joe blow"@example.org
 *
 * Source   RFC 5321 4.1.2, RFC 5322 3.4.1, RFC 6531 3.3
 * Memory   parts are slices of the address; forms in the arena (the address
 *          itself if nothing has to change)
 * Waits    no
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/buf.h"

struct mail_address {
	struct str local;     /* before the last "@" */
	struct str user;      /* local without extension */
	struct str extension; /* without its delimiter; NONE: has none */
	char delimiter;       /* that stood before extension, or 0 */
	struct str domain;    /* after the last "@"; NONE if there is none */
};

/* All of it; any octets are taken. The extension begins at the first octet of
 * `delimiters` (recipient_delimiter; NONE or empty: no extensions). Not split:
 * mailer-daemon, double-bounce and, if owner_special (owner_request_special),
 * owner-x and x-request. */
void mail_address_split(struct str address, struct str delimiters,
	bool owner_special, struct mail_address *parts);
/* Local-part and domain only. */
struct str mail_address_local(struct str address);
struct str mail_address_domain(struct str address); /* NONE: has none */
/* The address without its extension: user+ext@domain -> user@domain. */
struct str mail_address_strip(struct arena *arena, struct str address,
	struct str delimiters, bool owner_special);

/* Quotes the local-part if it is no dot-string. */
struct str mail_address_external(struct arena *arena, struct str internal);
/* As log lines have it: by info_log_address_format, "internal" or in external
 * form. */
struct str mail_address_logged(struct arena *arena, struct str how,
	struct str internal);
void mail_address_format(struct buf *out, struct str internal);
/* Removes quotes and backslashes of the local-part. */
struct str mail_address_internal(struct arena *arena, struct str external);
/* True for a local-part that needs no quotes (dot-atom, UTF-8 allowed). */
bool mail_is_dot_string(struct str local);

/* Compare two addresses: local-parts by octets, domains without case. */
bool mail_address_eq(struct str a, struct str b);
/* Lower case domain only (ASCII). */
struct str mail_address_fold_domain(struct arena *arena, struct str address);

#endif
