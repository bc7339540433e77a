#include "talk/talk.h"

#include <errno.h>

static bool broken(struct talk *talk)
{
	talk->is_broken = true;
	return false;
}

bool talk_reply(struct talk *talk, struct arena *arena, struct span timeout,
	struct smtp_reply *reply)
{
	enum smtp_reply_state state = SMTP_REPLY_MORE;
	struct str line;

	*reply = (struct smtp_reply){ 0 };
	while (state == SMTP_REPLY_MORE) {
		if (!io_line(talk->io, &line, timeout) ||
			(talk->heard &&
				!talk->heard(talk->context, arena, &line)))
			return broken(talk);
		state = smtp_reply_add(arena, reply, line);
	}
	if (state == SMTP_REPLY_BAD) {
		errno = EPROTO;
		return broken(talk);
	}
	if (reply->code == 421) /* it is closing, RFC 5321 3.8 */
		talk->is_broken = true;
	return true;
}

struct str talk_text(struct arena *arena, const struct smtp_reply *reply)
{
	char *text = arena_cstr(arena, reply->whole);

	for (size_t i = 0; i < reply->whole.len; i++)
		if (text[i] == '\n')
			text[i] = ' ';
	return str_of(text, reply->whole.len);
}

bool talk_command(struct talk *talk, struct arena *arena, struct str line,
	struct span timeout, struct smtp_reply *reply)
{
	io_write(talk->io, line);
	io_text(talk->io, "\r\n");
	return talk_reply(talk, arena, timeout, reply);
}

bool talk_hello(struct talk *talk, struct arena *arena, const char *verb,
	struct str name, struct str without, struct span timeout,
	struct smtp_reply *reply)
{
	if (!talk_command(talk, arena, arena_fmt(arena, "%s %.*s", verb,
		    STR_ARG(name)), timeout, reply))
		return false;
	if (reply->code / 100 != 2)
		return true;
	talk_features_parse(arena_copy(talk->arena, reply->whole), without,
		&talk->features);
	if (verb[0] == 'H')
		talk->features.set = 0;
	return true;
}

bool talk_is_silent(struct talk *talk)
{
	return !io_has_input(talk->io) || broken(talk);
}

bool talk_tls(struct talk *talk, struct tls_context *context,
	const struct tls_client *client, struct span timeout)
{
	if (!tls_connect(talk->arena, talk->io, context, client, timeout,
		    &talk->tls))
		return broken(talk);
	talk->is_tls = true;
	return true;
}
