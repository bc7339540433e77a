/*
 * pipe/words - the words of the command, with what they say about a delivery.
 *
 * A value never becomes more than one word, and no shell sees it.
 */
#include "pipe/pipe.h"

#include "config/expand.h"
#include "mail/address.h"
#include "service/service.h"

struct expansion {
	struct arena *arena;
	const struct attributes *attributes;
	const struct delivery *delivery; /* NULL: only looking */
	const struct deliver_recipient *recipient;
	bool names_recipient;
	struct str unknown;
};

static struct str quoted(const struct expansion *e, struct str address)
{
	return e->attributes->flags & PIPE_QUOTE ?
		mail_address_external(e->arena, address) :
		address;
}

/* u and h: local-part and domain in lower case. */
static struct str folded(const struct expansion *e, struct str address)
{
	struct str local = mail_address_local(address);
	struct str domain = mail_address_domain(address);

	if (e->attributes->flags & PIPE_FOLD_USER)
		local = arena_lower(e->arena, local);
	if (str_is_none(domain))
		return local;
	if (e->attributes->flags & PIPE_FOLD_DOMAIN)
		domain = arena_lower(e->arena, domain);
	return arena_fmt(e->arena, "%.*s@%.*s", STR_ARG(local),
		STR_ARG(domain));
}

static struct mail_address parts_of(const struct expansion *e)
{
	const struct conf *conf = e->delivery->conf;
	struct mail_address parts;

	mail_address_split(folded(e, e->recipient->address),
		conf->recipient_delimiter, conf->owner_request_special,
		&parts);
	return parts;
}

/* ---- of the message ---- */

static struct str client_address(const struct expansion *e)
{
	return e->delivery->m.client_address;
}

static struct str client_helo(const struct expansion *e)
{
	return e->delivery->m.helo;
}

static struct str client_hostname(const struct expansion *e)
{
	return e->delivery->m.client_name;
}

static struct str client_port(const struct expansion *e)
{
	return e->delivery->m.client_port;
}

static struct str client_protocol(const struct expansion *e)
{
	return e->delivery->m.protocol;
}

static struct str envid(const struct expansion *e)
{
	return e->delivery->m.dsn_envid;
}

static struct str nexthop(const struct expansion *e)
{
	return e->attributes->flags & PIPE_FOLD_DOMAIN ?
		arena_lower(e->arena, e->delivery->m.nexthop) :
		e->delivery->m.nexthop;
}

static struct str queue_id(const struct expansion *e)
{
	return e->delivery->m.queue_id;
}

static struct str sasl_method(const struct expansion *e)
{
	return e->delivery->m.sasl_method;
}

static struct str sasl_sender(const struct expansion *e)
{
	return e->delivery->m.sasl_sender;
}

static struct str sasl_username(const struct expansion *e)
{
	return e->delivery->m.sasl_username;
}

static struct str sender(const struct expansion *e)
{
	return e->delivery->m.sender.len ?
		quoted(e, e->delivery->m.sender) :
		e->attributes->null_sender;
}

static struct str size(const struct expansion *e)
{
	return arena_fmt(e->arena, "%llu",
		(unsigned long long)e->delivery->content.size);
}

/* ---- of a recipient ---- */

static struct str domain(const struct expansion *e)
{
	return parts_of(e).domain;
}

static struct str extension(const struct expansion *e)
{
	return parts_of(e).extension;
}

static struct str mailbox(const struct expansion *e)
{
	return parts_of(e).local;
}

static struct str original_recipient(const struct expansion *e)
{
	return quoted(e, e->recipient->orig.len ? e->recipient->orig :
						  e->recipient->address);
}

static struct str recipient(const struct expansion *e)
{
	return quoted(e, folded(e, e->recipient->address));
}

static struct str user(const struct expansion *e)
{
	return parts_of(e).user;
}

static const struct macro {
	const char *name;
	bool is_recipient;
	struct str (*value)(const struct expansion *e);
} macros[] = {
	{ "client_address", false, client_address },
	{ "client_helo", false, client_helo },
	{ "client_hostname", false, client_hostname },
	{ "client_port", false, client_port },
	{ "client_protocol", false, client_protocol },
	{ "domain", true, domain },
	{ "envid", false, envid },
	{ "extension", true, extension },
	{ "mailbox", true, mailbox },
	{ "nexthop", false, nexthop },
	{ "original_recipient", true, original_recipient },
	{ "queue_id", false, queue_id },
	{ "recipient", true, recipient },
	{ "sasl_method", false, sasl_method },
	{ "sasl_sender", false, sasl_sender },
	{ "sasl_username", false, sasl_username },
	{ "sender", false, sender },
	{ "size", false, size },
	{ "user", true, user },
};

static struct str find(void *context, struct str name)
{
	struct expansion *e = context;

	for (size_t i = 0; i < COUNT(macros); i++) {
		struct str value;

		if (!str_is(name, macros[i].name))
			continue;
		e->names_recipient |= macros[i].is_recipient;
		if (!e->delivery)
			return STR("");
		value = macros[i].value(e);
		return str_is_none(value) ? STR("") : value;
	}
	e->unknown = arena_copy(e->arena, name);
	return STR_NONE;
}

/* False: the name in e->unknown, or the text that is malformed. */
static bool expand_word(struct expansion *e, const char *word, char **to)
{
	struct expand expand = { .find = find, .context = e, .is_flat = true,
		.is_looking = !e->delivery };
	struct buf out = BUF_IN(e->arena);

	if (!expand_text(e->arena, &expand, &out, str_from(word)))
		e->unknown = str_from(word);
	*to = arena_cstr(e->arena, buf_str(&out));
	return str_is_none(e->unknown);
}

char **words_expand(struct arena *arena, const struct attributes *attributes,
	const struct delivery *delivery, struct str *unknown)
{
	struct expansion e = { .arena = arena, .attributes = attributes,
		.delivery = delivery, .unknown = STR_NONE };
	size_t recipients = delivery ? delivery->count : 1, count = 0;
	size_t capacity = 0;
	char **words = NULL;

	for (char *const *word = attributes->words; *word; word++) {
		e.names_recipient = false;
		for (size_t i = 0; i < recipients; i++) {
			if (i > 0 && !e.names_recipient)
				break;
			e.recipient =
				delivery ? &delivery->recipients[i] : NULL;
			arena_grow(arena, &words, &capacity, count + 2,
				sizeof(*words));
			if (!expand_word(&e, *word, &words[count++])) {
				*unknown = e.unknown;
				return NULL;
			}
		}
	}
	words[count] = NULL;
	return words;
}
