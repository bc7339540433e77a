/*
 * dsn/template - the texts of notifications, built in or of
 * bounce_template_file.
 *
 * Source   bounce(5) of Postfix: "name = <<WORD", header lines, an empty line,
 *          text, "WORD"
 * Memory   in the arena, or slices of the file's text
 * Waits    no
 */
#ifndef DSN_TEMPLATE_H
#define DSN_TEMPLATE_H

#include "config/config.h"
#include "dsn/report.h"

struct dsn_template {
	struct str charset;      /* of the text */
	struct str from;         /* phrase and address, domain may be missing */
	struct str subject, copy_subject; /* to the sender, to postmaster */
	struct str text;         /* $names in it; ends in a line end */
};

/* The built-in ones. */
void dsn_templates_init(struct dsn_template templates[DSN_KINDS]);
/* Those of a file take the place of the built-in ones. False: *error says what
 * is wrong, and where. */
must_check bool dsn_templates_parse(struct arena *arena, struct str file,
	struct dsn_template templates[DSN_KINDS], struct str *error);
/* The text with $name and ${name} replaced: parameters, and
 * $delay_warning_time_hours and the like. What is malformed stays. */
struct str dsn_template_expand(struct arena *arena, const struct conf *conf,
	struct str text);
/* "Mail Delivery System <MAILER-DAEMON@example.org>": the address completed
 * with myorigin. */
struct str dsn_template_from(struct arena *arena, const struct conf *conf,
	struct str from);

#endif
