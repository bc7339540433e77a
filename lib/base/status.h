/*
 * base/status - what became of something that a sender will hear of.
 *
 * code / 100 is the class: 2 done, 3 go on, 4 try again later, 5 never; doubt
 * is class 4: mail is kept, never lost. `errno` becomes a status in the
 * function that made the call ("%m" works in status_f).
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/arena.h"

struct status {
	uint16_t code;            /* SMTP reply code, RFC 5321 4.2.1 */
	uint16_t subject, detail; /* of the enhanced code, RFC 3463 3 */
	struct str text;          /* no CR LF; a literal, or in an arena */
};

#define STATUS(code_, subject_, detail_, text_) \
	((struct status){ (code_), (subject_), (detail_), STR(text_) })
#define STATUS_OK STATUS(250, 0, 0, "Ok")

struct status status_f(struct arena *arena, int code, int subject, int detail,
	const char *format, ...) printf_like(5, 6);

static inline int status_class(struct status status)
{
	return status.code / 100;
}

static inline bool status_is_ok(struct status status)
{
	return status_class(status) == 2;
}

#endif
