/*
 * smtp/outcome - what went wrong, or well: what a recipient is told.
 *
 * Memory   text in the arena given
 * Waits    no
 */
#ifndef SMTP_OUTCOME_H
#define SMTP_OUTCOME_H

#include "base/status.h"

struct outcome {
	struct status status;   /* code 0: nothing has happened yet */
	struct str diagnostic;  /* the server's reply; NONE: there was none */
	struct str mta;         /* the server's name; NONE: none was reached */
	struct str relay;       /* as logged; NONE: "none" */
	bool is_site;           /* would be the same for any message there */
};

struct outcome outcome_f(struct arena *arena, int code, int subject,
	int detail, const char *format, ...) printf_like(5, 6);

#endif
