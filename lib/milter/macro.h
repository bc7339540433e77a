/*
 * milter/macro - the macros that go with an event: "i {client_addr} _".
 *
 * Source   MILTER_README of Postfix
 * Memory   appended to what is given
 * Waits    if find does
 */
#ifndef MILTER_MACRO_H
#define MILTER_MACRO_H

#include "base/buf.h"

/* Whoever knows what macros say; the name is "i", "{client_addr}". NONE: has
 * no value. Good until the next call. */
struct milter_finder {
	struct str (*find)(void *context, struct str name);
	void *context;
};

/* name NUL value NUL, for each of the list that has a value: from the finder,
 * else from `defaults` ("name=value {name} = value"; milter_macro_defaults). */
void milter_macros_format(struct buf *out, struct str list,
	struct str defaults, const struct milter_finder *finder);

#endif
