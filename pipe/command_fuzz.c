/*
 * A row of master.cf for pipe: its arguments, each ended by NUL, and the
 * words of the command with what a stranger's message says in them.
 */
#include "pipe/pipe.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

enum { ARGUMENTS_MOST = 50 };

static char **arguments(struct arena *arena, struct str *in)
{
	char **args = arena_array(arena, ARGUMENTS_MOST + 1, sizeof(*args));

	for (size_t i = 0; i < ARGUMENTS_MOST && in->len > 0; i++) {
		struct str word = str_take_until(in, '\0');

		if (word.len == 0) /* the rest is the message's */
			break;
		args[i] = arena_cstr(arena, word);
	}
	return args;
}

/* The same text as every part of a message. */
static void fill(struct delivery *delivery, struct str text)
{
	struct msg_deliver *m = &delivery->m;
	struct str *const parts[] = { &m->sender, &m->nexthop, &m->queue_id,
		&m->client_address, &m->client_name, &m->client_port,
		&m->helo, &m->protocol, &m->dsn_envid, &m->sasl_method,
		&m->sasl_sender, &m->sasl_username };

	for (size_t i = 0; i < COUNT(parts); i++)
		*parts[i] = text;
}

static size_t count(char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static const struct conf *conf;
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len), unknown;
	struct attributes attributes;
	struct deliver_recipient recipients[2] = { 0 };
	struct delivery delivery = { .count = COUNT(recipients),
		.recipients = recipients };
	char **words, **names;

	if (!conf)
		conf = conf_for_test(arena_new(0), NULL);
	if (attributes_parse(arena, arguments(arena, &in), &attributes))
		return 0;
	names = words_expand(arena, &attributes, NULL, &unknown);
	delivery.conf = conf;
	fill(&delivery, in);
	recipients[0].address = recipients[1].address = in;
	recipients[1].orig = in;
	words = words_expand(arena, &attributes, &delivery, &unknown);
	if (names && !words) /* no message makes a good row fail */
		abort();
	if (words && count(words) > 2 * count(attributes.words))
		abort();
	return 0;
}
