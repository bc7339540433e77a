/*
 * cidr: networks, "192.0.2.0/24 result"; keys that are no addresses are
 * absent.
 */
#include "maps/pattern.h"

#include "base/buf.h"
#include "base/network.h"

static bool is_graphic(unsigned char c)
{
	return !ascii_is_blank(c);
}

static struct str suggest(struct arena *arena, struct str text,
	const struct network *network)
{
	struct network masked = network_mask(*network, network->prefix);
	struct buf out = BUF_IN(arena);

	network_format(&out, &masked, false);
	return arena_fmt(arena, "non-null host address bits in \"%.*s\", "
		"perhaps you should use \"%.*s\" instead",
		STR_ARG(text), STR_ARG(buf_str(&out)));
}

static void *take(struct arena *arena, struct str *line, struct str *error)
{
	struct network *network = arena_new_of(arena, struct network);
	struct str text = str_take_while(line, is_graphic);

	if (!network_parse(text, network)) {
		*error = arena_fmt(arena, "malformed network \"%.*s\"",
			STR_ARG(text));
		return NULL;
	}
	if (network_has_host_bits(network)) {
		*error = suggest(arena, text, network);
		return NULL;
	}
	return network;
}

static bool matches(void *pattern, struct arena *arena, struct str key,
	struct pattern_groups *groups)
{
	struct network address;

	(void)arena;
	(void)groups;
	return network_parse_address(key, &address) &&
		network_has(pattern, &address);
}

static const struct pattern_engine engine = {
	.take = take,
	.matches = matches,
};

static void *cidr_open(struct map_opening *opening)
{
	return pattern_open(opening, &engine);
}

/* A key that is no address must not match a negated rule. */
static enum maps_result cidr_find(struct map *map, struct arena *arena,
	struct str key, struct str *value)
{
	struct network address;

	if (!network_parse_address(key, &address))
		return MAPS_ABSENT;
	return pattern_find(map, arena, key, value);
}

const struct map_driver map_cidr = {
	.type = "cidr",
	.open = cidr_open,
	.find = cidr_find,
	.is_pattern = true,
	.keeps_case = true,
};
