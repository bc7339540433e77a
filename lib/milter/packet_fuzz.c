/*
 * A hostile filter: packets, one after the other; the first octet says what was
 * offered.
 */
#include "milter/packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static void look(struct arena *arena, const struct milter_packet *packet,
	unsigned version)
{
	struct milter_options offered = milter_options_of(version), options;
	struct milter_reply reply;
	struct status status;

	if (milter_options_parse(packet->data, &offered, &options) &&
		(options.version > version ||
			(options.steps & ~offered.steps) ||
			(options.actions & ~offered.actions)))
		abort();
	if (!milter_reply_parse(packet, &reply))
		return;
	if (packet->kind != MILTER_REPLACE_BODY && reply.name.p &&
		memchr(reply.name.p, 0, reply.name.len))
		abort();
	if (milter_status_parse(arena, reply.name, &status) &&
		(status.code < 400 || status.code > 599 ||
			str_find_char(status.text, '\r') != SIZE_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	auto_arena struct arena *arena = arena_new(0);
	struct str in = str_of(octets, len);
	struct milter_packet packet;
	unsigned version = len > 0 ? octets[0] % 7 : 6;
	size_t next;

	in = str_skip(in, 1);
	while (milter_length_parse(in, &next) && in.len >= next + 4) {
		in = str_skip(in, MILTER_LENGTH_OCTETS);
		if (milter_packet_parse(str_first(in, next), &packet))
			look(arena, &packet, version);
		in = str_skip(in, next);
	}
	return 0;
}
