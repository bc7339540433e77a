/*
 * config/value - one value of main.cf: yes, 30s, 10240.
 *
 * Source   postconf(5) of Postfix
 * Waits    no
 * Errors   false: malformed or out of range; nothing is stored then
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/span.h"
#include "base/str.h"

/* "yes" or "no", without case. */
must_check bool conf_bool_parse(struct str text, bool *value);
/* A number and one of s m h d w; a bare number is in `unit`. */
must_check bool conf_span_parse(struct str text, char unit,
	struct span *value);
/* s m h d w at the end of a text, else `otherwise`. */
char conf_unit_of(struct str text, char otherwise);

#endif
