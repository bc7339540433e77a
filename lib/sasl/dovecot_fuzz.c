#include "sasl/dovecot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines: of the greeting until DONE, then replies. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena auto_arena = arena_new(0);
	struct dovecot_greeting greeting = { 0 };
	struct str in = str_of(data, size), line;
	struct dovecot_reply reply;

	while (!greeting.is_done && str_take_line(&in, &line))
		if (!dovecot_greet(arena, &greeting, line))
			return 0;
	if (greeting.count > DOVECOT_NAMES_MOST)
		panic("too many names");
	while (str_take_line(&in, &line))
		if (dovecot_reply_parse(arena, line, &reply) &&
			reply.kind == DOVECOT_CONT && str_is_none(reply.data))
			panic("a challenge without octets");
	return 0;
}
