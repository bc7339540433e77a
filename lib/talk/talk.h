/*
 * talk/talk - a dialogue with a server of SMTP or LMTP, over a stream that is
 * connected: replies, commands, EHLO, TLS.
 *
 * RFC      5321 4, 2033 (LHLO), 3207
 * Memory   talk->arena: that of the connection; replies in the arena given
 * Waits    all but talk_is_silent, talk_text
 * Errors   false with errno (as the stream, EPROTO for what is no reply): the
 *          dialogue is broken, and nothing may be said any more
 */
#ifndef TALK_TALK_H
#define TALK_TALK_H

#include "io/stream.h"
#include "smtp/reply.h"
#include "talk/features.h"
#include "tls/tls.h"

struct talk {
	struct arena *arena;
	struct stream *io;
	struct talk_features features;
	struct tls_session tls;
	bool is_tls;
	bool is_broken; /* no more commands; also after a 421 */
	/* Sees each line that is heard, and may put another in its place
	 * (smtp_reply_filter); NULL: nobody. False with errno ends the
	 * dialogue. */
	bool (*heard)(void *context, struct arena *arena, struct str *line);
	void *context;
};

must_check bool talk_reply(struct talk *talk, struct arena *arena,
	struct span timeout, struct smtp_reply *reply);
/* All lines of a reply, a space between them. */
struct str talk_text(struct arena *arena, const struct smtp_reply *reply);
/* Say a line (without its end), and hear the answer. */
must_check bool talk_command(struct talk *talk, struct arena *arena,
	struct str line, struct span timeout, struct smtp_reply *reply);
/*
 * EHLO, LHLO or HELO. With 2xx talk->features are what is offered, less the
 * keywords `without`; nothing after HELO but the name.
 */
must_check bool talk_hello(struct talk *talk, struct arena *arena,
	const char *verb, struct str name, struct str without,
	struct span timeout, struct smtp_reply *reply);
/* Nothing came in the clear behind the answer to STARTTLS: who put it there was
 * not the server, RFC 3207 6. False: broken. */
must_check bool talk_is_silent(struct talk *talk);
/* The handshake. False: broken, talk->tls.failure says why. */
must_check bool talk_tls(struct talk *talk, struct tls_context *context,
	const struct tls_client *client, struct span timeout);

#endif
