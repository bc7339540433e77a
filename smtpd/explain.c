/*
 * What a session looks at, said in lines between its replies: for `posthorn
 * explain`, which starts smtpd -s with POSTHORN_EXPLAIN in the environment.
 *
 *	# restriction LIST NAME ARGUMENT dunno|permit|refuse
 *	# table TABLE KEY LINE VALUE
 *
 * Words are xtext (RFC 3461 4). Nothing is submitted.
 */
#include "smtpd/check.h"

#include <stdlib.h>

#include "base/encode.h"
#include "maps/trace.h"
#include "service/service.h"

static void put_word(struct buf *line, struct str word)
{
	buf_char(line, ' ');
	xtext_format(line, word);
}

static void say(struct session *s, struct buf *line)
{
	buf_text(line, "\r\n");
	io_write(s->io, buf_str(line));
}

static void say_hit(void *context, const struct maps_hit *hit)
{
	struct session *s = context;
	struct buf line = BUF_IN(s->arena);

	buf_text(&line, "# table");
	put_word(&line, hit->table);
	put_word(&line, hit->key);
	buf_fmt(&line, " %u", hit->line);
	put_word(&line, hit->value);
	say(s, &line);
}

void explain_begin(struct session *s)
{
	s->explains = service_is_alone() && getenv("POSTHORN_EXPLAIN");
	if (s->explains)
		maps_trace(say_hit, s);
}

void explain_restriction(struct session *s, const struct restriction_list *list,
	const struct restriction *restriction, enum verdict verdict)
{
	static const char *const verdicts[] = {
		[DUNNO] = "dunno", [PERMIT] = "permit", [REFUSE] = "refuse",
	};
	struct buf line = BUF_IN(s->arena);

	if (!s->explains)
		return;
	buf_text(&line, "# restriction");
	put_word(&line, list->name);
	put_word(&line, restriction->name);
	put_word(&line, restriction->argument);
	buf_fmt(&line, " %s", verdicts[verdict]);
	say(s, &line);
}
