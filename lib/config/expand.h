/*
 * config/expand - $name, ${name?text}, ${{a} == {b} ? {c} : {d}}.
 *
 *	$name ${name} $(name)   value, itself expanded; empty if undefined
 *	$$                      a literal $
 *	${name?text} ${name?{text}:{other}} ${name:text}
 *	                        by whether the value is empty
 *	${{a} OP {b} ? {c} : {d}}, ${{a} OP {b}}
 *	                        == != < <= > >= (by number if both are digits),
 *	                        the same with "level" behind: <level ...
 *	${domain_to_ascii{text}}
 *
 * Used for main.cf, and by owners of RAW parameters and templates with values
 * of their own (mailbox_command, default_rbl_reply).
 *
 * Memory   results in the buf; `error` in its arena
 * Waits    no
 */
#ifndef CONFIG_EXPAND_H
#define CONFIG_EXPAND_H

#include "base/buf.h"

enum {
	EXPAND_DEPTH_MOST = 100, /* values within values */
	EXPAND_OCTETS_MOST = 1 << 20,
};

struct expand {
	/* The unexpanded value of a name; NONE: undefined. */
	struct str (*find)(void *context, struct str name);
	void *context;
	bool is_flat;     /* values are foreign text: not expanded again, and
			     none makes the whole fail (what is no level is
			     neither less nor more, a domain stays as it is) */
	bool is_looking;  /* for unknown names: both branches are expanded */
	struct str error; /* why it failed, as Postfix words it */
	/* private */
	unsigned depth, steps;
	struct arena *arena;
};

/* Append the expansion of `text`; false with ->error set. `arena` is for
 * intermediate results. */
must_check bool expand_text(struct arena *arena, struct expand *expand,
	struct buf *out, struct str text);

/* "3.6", "2": compared by expand; false: malformed. */
must_check bool expand_level_parse(struct str text, int64_t *level);

#endif
