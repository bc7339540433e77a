#include "rewrite/rewrite.h"

#include "base/log.h"
#include "base/table.h"
#include "config/list.h"
#include "mail/address.h"
#include "mail/list.h"
#include "rewrite/inside.h"

enum { CANONICAL_STEPS_MOST = 10 };

struct rewriter {
	const struct conf *conf;
	struct router *router;
	struct match *masquerade_exceptions;
	unsigned canonical_where, sender_where, recipient_where,
		masquerade_where;
	bool extends_canonical, extends_virtual, extends_generic;
};

static const struct {
	const char *word;
	enum rewrite_where where;
} places[] = {
	{ "envelope_sender", ENVELOPE_SENDER },
	{ "envelope_recipient", ENVELOPE_RECIPIENT },
	{ "header_sender", HEADER_SENDER },
	{ "header_recipient", HEADER_RECIPIENT },
};

static unsigned places_parse(const char *parameter, struct str list)
{
	unsigned set = 0;
	struct str item;

	while (list_take(&list, &item)) {
		unsigned before = set;

		for (size_t i = 0; i < COUNT(places); i++)
			if (str_is_nocase(item, places[i].word))
				set |= places[i].where;
		if (set == before)
			log_warning("%s: unknown class %.*s", parameter,
				STR_ARG(item));
	}
	return set;
}

struct rewriter *rewriter_open(struct arena *arena, const struct conf *conf,
	struct router *router)
{
	struct rewriter *r = arena_new_of(arena, struct rewriter);

	r->conf = conf;
	r->router = router;
	r->masquerade_exceptions = match_open(arena, conf,
		"masquerade_exceptions", conf->masquerade_exceptions);
	r->canonical_where = places_parse("canonical_classes",
		conf->canonical_classes);
	r->sender_where = places_parse("sender_canonical_classes",
		conf->sender_canonical_classes);
	r->recipient_where = places_parse("recipient_canonical_classes",
		conf->recipient_canonical_classes);
	r->masquerade_where = places_parse("masquerade_classes",
		conf->masquerade_classes);
	r->extends_canonical = list_has_word(
		conf->propagate_unmatched_extensions, "canonical");
	r->extends_virtual = list_has_word(
		conf->propagate_unmatched_extensions, "virtual");
	r->extends_generic = list_has_word(
		conf->propagate_unmatched_extensions, "generic");
	return r;
}

/* ---- trivial-rewrite ---- */

/* "@a,@b:user@domain" */
static struct str without_route(struct str address)
{
	size_t colon = str_find_char(address, ':');

	if (address.len == 0 || address.p[0] != '@' || colon == SIZE_MAX)
		return address;
	return str_skip(address, colon + 1);
}

struct domains {
	struct str origin;    /* for addresses without @; empty: not added */
	struct str dot_domain; /* for names without dot */
};

static struct domains domains_of(const struct conf *conf,
	enum rewrite_context context)
{
	struct str remote = conf->remote_header_rewrite_domain;

	if (context == REWRITE_REMOTE)
		return (struct domains){ remote, remote };
	return (struct domains){
		conf->append_at_myorigin ? conf->myorigin : STR(""),
		conf->append_dot_mydomain ? conf->mydomain : STR(""),
	};
}

static struct str complete_domain(struct arena *arena,
	const struct domains *add, struct str domain)
{
	if (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	if (domain.len == 0 || domain.p[0] == '[' || add->dot_domain.len == 0 ||
		str_find_char(domain, '.') != SIZE_MAX)
		return domain;
	return arena_fmt(arena, "%.*s.%.*s", STR_ARG(domain),
		STR_ARG(add->dot_domain));
}

struct str rewrite_address(const struct rewriter *rewriter,
	struct arena *arena, enum rewrite_context context, struct str address)
{
	const struct conf *conf = rewriter->conf;
	struct domains add = domains_of(conf, context);
	struct str local, domain, completed;

	if (context == REWRITE_REMOTE && add.origin.len == 0)
		return address;
	address = without_route(address);
	if (address.len == 0)
		return address;
	local = mail_address_local(address);
	domain = mail_address_domain(address);
	if (str_is_none(domain)) {
		if (address_unroute(conf, arena, local, &address))
			domain = mail_address_domain(address);
		local = mail_address_local(address);
	}
	if (str_is_none(domain) || domain.len == 0) {
		if (add.origin.len == 0)
			return local;
		return address_join(arena, local, add.origin);
	}
	completed = complete_domain(arena, &add, domain);
	if (str_eq(completed, domain))
		return address;
	return address_join(arena, local, completed);
}

/* ---- results of tables ---- */

/* user@domain -> user+extension@domain */
static struct str extend(struct arena *arena, struct str address,
	char delimiter, struct str extension)
{
	struct str local = mail_address_local(address);
	struct str domain = mail_address_domain(address);
	struct str extended = arena_fmt(arena, "%.*s%c%.*s", STR_ARG(local),
		delimiter, STR_ARG(extension));

	return str_is_none(domain) ? extended
				   : address_join(arena, extended, domain);
}

struct lookup {
	const struct rewriter *rewriter;
	struct arena *arena;
	struct maps *maps;
	struct str address;   /* the key */
	struct str extension; /* that the key did not have; NONE: none */
	bool extends;
	struct str value;
};

static enum maps_result look_up(struct lookup *l)
{
	const struct rewriter *r = l->rewriter;
	struct str domain = mail_address_domain(l->address);
	struct address_how how = { .conf = r->conf,
		.forms = ADDRESS_CANONICAL };
	enum maps_result ours;

	if (maps_is_empty(l->maps) || l->address.len == 0)
		return MAPS_ABSENT;
	ours = resolve_is_ours(r->router, l->arena,
		str_is_none(domain) ? r->conf->myorigin : domain);
	if (ours == MAPS_ERROR)
		return ours;
	how.domain_is_ours = ours == MAPS_FOUND;
	return maps_find_address(l->maps, l->arena, l->address, &how,
		&l->value, NULL, &l->extension);
}

static char delimiter_of(const struct lookup *l)
{
	struct mail_address parts;

	mail_address_split(l->address, l->rewriter->conf->recipient_delimiter,
		l->rewriter->conf->owner_request_special, &parts);
	return parts.delimiter ? parts.delimiter : '+';
}

/* One address of a result, made complete. */
static struct str finish(struct lookup *l, struct str address)
{
	if (l->extends && !str_is_none(l->extension))
		address = extend(l->arena, address, delimiter_of(l),
			l->extension);
	return rewrite_address(l->rewriter, l->arena, REWRITE_LOCAL, address);
}

/* The addresses of a result, one after the other: "@other" keeps the local
 * part of the key. */
static bool next_address(struct lookup *l, struct mail_list *list,
	struct str *address)
{
	struct mail_mailbox mailbox;
	enum mail_list_item item;
	struct str text = str_trim(l->value);

	if (text.len > 1 && text.p[0] == '@') {
		if (list->at > 0)
			return false;
		list->at = 1;
		str_take_char(&text, '@');
		text = str_trim(str_take_until(&text, ','));
		*address = rewrite_address(l->rewriter, l->arena,
			REWRITE_LOCAL,
			address_join(l->arena, mail_address_local(l->address),
				text));
		return true;
	}
	while ((item = mail_list_next(l->arena, list, &mailbox)) !=
		MAIL_LIST_END) {
		if (item == MAIL_LIST_ADDRESS && mailbox.local.len > 0) {
			*address = finish(l, mail_mailbox_address(l->arena,
						     &mailbox));
			return true;
		}
		if (item == MAIL_LIST_JUNK)
			log_warning("%.*s: no address in the result \"%.*s\"",
				STR_ARG(l->address), STR_ARG(l->value));
	}
	return false;
}

/* ---- canonical ---- */

/* The first address of what the table has; `what` names the table. */
static enum maps_result map_once(struct lookup *l, const char *what,
	struct str *address)
{
	enum maps_result result = look_up(l);
	struct mail_list list;
	struct str more;

	if (result != MAPS_FOUND)
		return result;
	list = mail_list_of(l->value);
	if (!next_address(l, &list, address))
		return MAPS_ABSENT;
	if (next_address(l, &list, &more))
		log_warning("multi-valued %s result for %.*s: using the first",
			what, STR_ARG(l->address));
	return str_eq(l->address, *address) ? MAPS_ABSENT : MAPS_FOUND;
}

static enum maps_result canonical_step(struct rewriter *rewriter,
	struct arena *arena, struct maps *maps, struct str *address)
{
	struct lookup l = { .rewriter = rewriter, .arena = arena,
		.maps = maps, .address = *address,
		.extends = rewriter->extends_canonical };

	return map_once(&l, "canonical_maps", address);
}

enum maps_result rewrite_generic(struct rewriter *rewriter,
	struct arena *arena, struct maps *maps, const char *parameter,
	struct str *address)
{
	struct lookup l = { .rewriter = rewriter, .arena = arena,
		.maps = maps, .address = *address,
		.extends = rewriter->extends_generic };

	return map_once(&l, parameter, address);
}

/* Until the result is what was looked up. */
static enum maps_result apply_canonical(struct rewriter *rewriter,
	struct arena *arena, struct maps *maps, struct str *address)
{
	struct str first = *address;

	for (int i = 0; i < CANONICAL_STEPS_MOST; i++) {
		struct str before = *address;

		switch (canonical_step(rewriter, arena, maps, address)) {
		case MAPS_ERROR:
			return MAPS_ERROR;
		case MAPS_ABSENT:
			return str_eq(first, *address) ? MAPS_ABSENT
						       : MAPS_FOUND;
		case MAPS_FOUND:
			if (mail_address_eq(before, *address))
				return MAPS_FOUND;
		}
	}
	log_warning("unreasonable canonical_maps map nesting for %.*s",
		STR_ARG(first));
	return MAPS_FOUND;
}

enum maps_result rewrite_canonical(struct rewriter *rewriter,
	struct arena *arena, enum rewrite_where where, struct str *address)
{
	struct router *router = rewriter->router;
	const struct {
		struct maps *maps;
		unsigned where;
	} steps[] = {
		{ router->sender_canonical, rewriter->sender_where &
				(ENVELOPE_SENDER | HEADER_SENDER) },
		{ router->recipient_canonical, rewriter->recipient_where &
				(ENVELOPE_RECIPIENT | HEADER_RECIPIENT) },
		{ router->canonical, rewriter->canonical_where },
	};
	enum maps_result changed = MAPS_ABSENT;

	for (size_t i = 0; i < COUNT(steps); i++) {
		enum maps_result result;

		if (!(steps[i].where & where) || maps_is_empty(steps[i].maps))
			continue;
		result = apply_canonical(rewriter, arena, steps[i].maps,
			address);
		if (result == MAPS_ERROR)
			return result;
		if (result == MAPS_FOUND)
			changed = result;
	}
	return changed;
}

/* ---- masquerade ---- */

static bool is_below(struct str name, struct str domain)
{
	return name.len > domain.len && str_ends_nocase(name, domain) &&
		name.p[name.len - domain.len - 1] == '.';
}

bool rewrite_masquerade(const struct rewriter *rewriter, struct arena *arena,
	enum rewrite_where where, struct str *address)
{
	struct str list = rewriter->conf->masquerade_domains, item;
	struct str domain = mail_address_domain(*address);
	struct str local = mail_address_local(*address);

	if (list.len == 0 || !(rewriter->masquerade_where & where) ||
		domain.len == 0 ||
		match_string(rewriter->masquerade_exceptions, arena, local) !=
			MAPS_ABSENT)
		return false;
	while (list_take(&list, &item)) {
		bool negated = str_take_char(&item, '!');

		if (str_eq_nocase(domain, item))
			return false;
		if (!is_below(domain, item))
			continue;
		if (!negated)
			*address = address_join(arena, local, item);
		return !negated;
	}
	return false;
}

enum maps_result rewrite_all(struct rewriter *rewriter, struct arena *arena,
	enum rewrite_context context, enum rewrite_where where,
	struct str *address)
{
	struct str before = *address;

	*address = rewrite_address(rewriter, arena, context, before);
	if (address->len == 0)
		return MAPS_ABSENT;
	if (rewrite_canonical(rewriter, arena, where, address) == MAPS_ERROR)
		return MAPS_ERROR;
	rewrite_masquerade(rewriter, arena, where, address);
	return str_eq(before, *address) ? MAPS_ABSENT : MAPS_FOUND;
}

/* ---- copies ---- */

enum maps_result rewrite_find_copies(const struct rewriter *rewriter,
	struct arena *arena, struct maps *bcc, struct str address,
	struct str *list)
{
	struct address_how how = { .conf = rewriter->conf,
		.forms = ADDRESS_CANONICAL };

	if (maps_is_empty(bcc) || address.len == 0)
		return MAPS_ABSENT;
	how.domain_is_ours = resolve_is_ours(rewriter->router, arena,
		mail_address_domain(address)) == MAPS_FOUND;
	return maps_find_address(bcc, arena, address, &how, list, NULL, NULL);
}

/* ---- virtual aliases ---- */

/* An address that is still to be looked up. */
struct pending {
	struct str address;
	int64_t depth;
	bool is_final; /* the result of itself: not looked up again */
};

struct expansion {
	struct rewriter *rewriter;
	struct arena *arena;
	struct rewrite_aliases *out;
	size_t room;
	struct pending *stack; /* the next one is the last */
	size_t pending, pending_room, steps;
	struct table *seen; /* results and what was expanded, folded */
	struct status status;
};

static struct str fold(struct arena *arena, struct str address)
{
	return arena_lower(arena, address);
}

/* False: it was there already. */
static bool see(struct expansion *e, const char *what, struct str address)
{
	struct str key = arena_join(e->arena, str_from(what),
		fold(e->arena, address));

	return table_put(e->seen, key, e) == NULL;
}

static void too_much(struct expansion *e, const char *what,
	struct str address)
{
	log_warning("unreasonable virtual_alias_maps map %s for %.*s -- "
		    "message not accepted, try again later",
		what, STR_ARG(address));
	e->status = STATUS(451, 6, 0, "Alias expansion error");
}

static void add_result(struct expansion *e, struct str address)
{
	struct rewrite_aliases *out = e->out;

	if (!see(e, "r ", address))
		return;
	if ((int64_t)out->count >=
		e->rewriter->conf->virtual_alias_expansion_limit) {
		too_much(e, "expansion size", address);
		return;
	}
	arena_grow(e->arena, &out->addresses, &e->room, out->count + 1,
		sizeof(*out->addresses));
	out->addresses[out->count++] = address;
}

static void push(struct expansion *e, struct pending pending)
{
	arena_grow(e->arena, &e->stack, &e->pending_room, e->pending + 1,
		sizeof(*e->stack));
	e->stack[e->pending++] = pending;
}

/* The first result has to be the next: they are pushed in reverse. */
static void reverse(struct pending *from, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct pending kept = from[i];

		from[i] = from[count - 1 - i];
		from[count - 1 - i] = kept;
	}
}

/* "a@b.example c@d.example" is no list of a field, but in tables people write
 * it, and Postfix sends to both: behind a whole address a blank is a comma. */
static struct str separated(struct arena *arena, struct str value)
{
	char *out = arena_octets_new(arena, value.len);
	bool in_domain = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (strchr("\"(<>[:;", c))
			return value;
		if (in_domain && ascii_is_blank((unsigned char)c) &&
			value.p[i - 1] != '@')
			c = ',';
		in_domain = c == '@' || (in_domain && c != ',');
		out[i] = c;
	}
	return str_of(out, value.len);
}

static void push_results(struct expansion *e, struct lookup *l, int64_t depth)
{
	const struct conf *conf = e->rewriter->conf;
	struct mail_list list = mail_list_of(separated(e->arena, l->value));
	size_t before = e->pending;
	struct str address;

	while (status_is_ok(e->status) && next_address(l, &list, &address)) {
		if ((int64_t)address.len >
				conf->virtual_alias_address_length_limit)
			too_much(e, "result length", l->address);
		else if ((int64_t)(e->pending - before) >
			conf->virtual_alias_expansion_limit)
			too_much(e, "expansion size", l->address);
		else
			push(e, (struct pending){ address, depth + 1,
				str_eq_nocase(address, l->address) });
	}
	reverse(e->stack + before, e->pending - before);
}

static void expand(struct expansion *e, struct pending item)
{
	const struct conf *conf = e->rewriter->conf;
	struct lookup l = { .rewriter = e->rewriter, .arena = e->arena,
		.maps = e->rewriter->router->aliases,
		.address = item.address,
		.extends = e->rewriter->extends_virtual };

	if (item.depth >= conf->virtual_alias_recursion_limit ||
		(int64_t)++e->steps > 4 * conf->virtual_alias_expansion_limit) {
		too_much(e, "nesting", item.address);
		return;
	}
	switch (item.is_final ? MAPS_ABSENT : look_up(&l)) {
	case MAPS_ABSENT:
		add_result(e, item.address);
		return;
	case MAPS_ERROR:
		e->status = STATUS(451, 3, 0, "Temporary lookup failure");
		return;
	case MAPS_FOUND:
		break;
	}
	e->out->expanded = true;
	if (see(e, "x ", item.address))
		push_results(e, &l, item.depth);
}

struct status rewrite_aliases(struct rewriter *rewriter, struct arena *arena,
	struct str address, struct rewrite_aliases *aliases)
{
	struct expansion e = { .rewriter = rewriter, .arena = arena,
		.out = aliases, .status = STATUS_OK };

	*aliases = (struct rewrite_aliases){ 0 };
	if (maps_is_empty(rewriter->router->aliases)) {
		aliases->addresses = arena_new_of(arena, struct str);
		aliases->addresses[aliases->count++] = address;
		return e.status;
	}
	e.seen = table_new();
	push(&e, (struct pending){ address, 0, false });
	while (e.pending > 0 && status_is_ok(e.status))
		expand(&e, e.stack[--e.pending]);
	table_free(e.seen);
	if (status_is_ok(e.status) && aliases->count == 0)
		too_much(&e, "nesting", address);
	if (aliases->count == 1 && str_eq(aliases->addresses[0], address))
		aliases->expanded = false;
	return e.status;
}
