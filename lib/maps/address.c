#include "maps/address.h"

#include "config/list.h"
#include "mail/address.h"

struct search {
	struct maps *maps;
	struct arena *arena;
	const struct address_how *how;
	struct mail_address parts;
	struct str *value;
	unsigned at; /* form that was found */
	bool bare;   /* without the extension */
};

bool maps_parents_plain(const struct conf *conf, const char *parameter)
{
	return list_has_word(conf->parent_domain_matches_subdomains,
		parameter);
}

/* A local-part and what stands behind it, in external and internal form. */
static enum maps_result find_key(struct search *s, struct str local,
	struct str rest, bool is_part)
{
	struct str internal = arena_join(s->arena, local, rest);
	struct str external = internal;
	enum maps_result result;

	if (!mail_is_dot_string(local))
		external = arena_join(s->arena,
			mail_address_external(s->arena, local), rest);
	result = is_part ?
		maps_find_part(s->maps, s->arena, external, s->value) :
		maps_find(s->maps, s->arena, external, s->value);
	if (result != MAPS_ABSENT || str_eq(internal, external))
		return result;
	return maps_find_part(s->maps, s->arena, internal, s->value);
}

static struct str at_domain(struct search *s)
{
	if (str_is_none(s->parts.domain))
		return STR("");
	return arena_join(s->arena, STR("@"), s->parts.domain);
}

static enum maps_result find_full(struct search *s)
{
	return find_key(s, s->parts.local, at_domain(s), false);
}

static bool has_extension(const struct search *s)
{
	return !str_is_none(s->parts.extension);
}

static enum maps_result find_plain(struct search *s)
{
	s->bare = true;
	return has_extension(s) ?
		find_key(s, s->parts.user, at_domain(s), true) :
		MAPS_ABSENT;
}

static enum maps_result find_local(struct search *s)
{
	enum maps_result result;

	if (!s->how->domain_is_ours || str_is_none(s->parts.domain))
		return MAPS_ABSENT;
	result = find_key(s, s->parts.local, STR(""), true);
	if (result != MAPS_ABSENT || !has_extension(s))
		return result;
	s->bare = true;
	return find_key(s, s->parts.user, STR(""), true);
}

static enum maps_result find_domain(struct search *s)
{
	return maps_find_part(s->maps, s->arena, s->parts.domain, s->value);
}

/* From "a.b.c": ".b.c" or "b.c", then ".c" or "c". */
static enum maps_result find_parents(struct maps *maps, struct arena *arena,
	struct str name, bool plain, struct str *value)
{
	for (;;) {
		size_t dot = str_find_char(name, '.');
		enum maps_result result;

		if (dot == SIZE_MAX || name.p[0] == '[')
			return MAPS_ABSENT;
		name = str_skip(name, dot + 1);
		result = maps_find_part(maps, arena,
			plain ? name : str_of(name.p - 1, name.len + 1), value);
		if (result != MAPS_ABSENT)
			return result;
	}
}

static enum maps_result find_above(struct search *s)
{
	return find_parents(s->maps, s->arena, s->parts.domain,
		s->how->parents_plain, s->value);
}

static enum maps_result find_user_at(struct search *s)
{
	enum maps_result result = find_key(s, s->parts.local, STR("@"), true);

	if (result != MAPS_ABSENT || !has_extension(s))
		return result;
	s->bare = true;
	return find_key(s, s->parts.user, STR("@"), true);
}

static enum maps_result find_at_domain(struct search *s)
{
	return str_is_none(s->parts.domain) ? MAPS_ABSENT :
		maps_find_part(s->maps, s->arena, at_domain(s), s->value);
}

static const struct {
	unsigned form;
	enum maps_result (*find)(struct search *s);
} forms[] = {
	{ ADDRESS_FULL, find_full },
	{ ADDRESS_PLAIN, find_plain },
	{ ADDRESS_LOCAL, find_local },
	{ ADDRESS_DOMAIN, find_domain },
	{ ADDRESS_PARENTS, find_above },
	{ ADDRESS_USER_AT, find_user_at },
	{ ADDRESS_AT_DOMAIN, find_at_domain },
};

enum maps_result maps_find_address(struct maps *maps, struct arena *arena,
	struct str address, const struct address_how *how, struct str *value,
	unsigned *found_at, struct str *extension)
{
	struct search s = { .maps = maps, .arena = arena, .how = how,
		.value = value };

	if (maps_is_empty(maps))
		return MAPS_ABSENT;
	mail_address_split(address, how->conf->recipient_delimiter,
		how->conf->owner_request_special, &s.parts);
	for (size_t i = 0; i < COUNT(forms); i++) {
		enum maps_result result;

		if (!(how->forms & forms[i].form))
			continue;
		s.bare = false;
		result = forms[i].find(&s);
		if (result == MAPS_ABSENT)
			continue;
		if (found_at)
			*found_at = forms[i].form;
		if (extension)
			*extension = s.bare ? s.parts.extension : STR_NONE;
		return result;
	}
	return MAPS_ABSENT;
}

enum maps_result maps_find_host(struct maps *maps, struct arena *arena,
	struct str name, bool parents_plain, struct str *value)
{
	enum maps_result result;

	if (str_ends(name, STR(".")))
		name.len--;
	result = maps_find(maps, arena, name, value);
	if (result != MAPS_ABSENT)
		return result;
	return find_parents(maps, arena, name, parents_plain, value);
}

enum maps_result maps_find_network(struct maps *maps, struct arena *arena,
	struct str address, struct str *value)
{
	char separator = str_find_char(address, ':') == SIZE_MAX ? '.' : ':';
	enum maps_result result = maps_find(maps, arena, address, value);

	while (result == MAPS_ABSENT) {
		size_t end = str_rfind_char(address, separator);

		if (end == SIZE_MAX || end == 0)
			return MAPS_ABSENT;
		address = str_first(address, end);
		if (address.p[address.len - 1] == separator)
			continue; /* the middle of 2001:db8::1 */
		result = maps_find_part(maps, arena, address, value);
	}
	return result;
}
