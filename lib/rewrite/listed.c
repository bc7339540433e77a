/* Which recipients exist, as far as tables know: resolve_listed(). */
#include "rewrite/resolve.h"

#include "base/log.h"
#include "base/span.h"
#include "mail/address.h"
#include "rewrite/inside.h"
#include "rewrite/probe.h"
#include "smtp/reply.h"

struct listing {
	unsigned class;
	const char *table; /* as in "User unknown in ... table" */
	unsigned forms;
};

static const struct listing listings[] = {
	{ RESOLVE_LOCAL, "local recipient", ADDRESS_CANONICAL },
	{ RESOLVE_ALIAS, "virtual alias", 0 },
	{ RESOLVE_MAILBOX, "virtual mailbox", ADDRESS_MAILBOX },
	{ RESOLVE_RELAY, "relay recipient", ADDRESS_MAILBOX },
};

static const struct listing *find_listing(unsigned flags)
{
	for (size_t i = 0; i < COUNT(listings); i++)
		if (flags & listings[i].class)
			return &listings[i];
	return NULL;
}

static int64_t code_of(const struct conf *conf, unsigned class)
{
	switch (class) {
	case RESOLVE_LOCAL:
		return conf->unknown_local_recipient_reject_code;
	case RESOLVE_ALIAS:
		return conf->unknown_virtual_alias_reject_code;
	case RESOLVE_MAILBOX:
		return conf->unknown_virtual_mailbox_reject_code;
	default:
		return conf->unknown_relay_recipient_reject_code;
	}
}

static struct maps *table_of(struct router *router, unsigned class)
{
	return class == RESOLVE_LOCAL  ? router->local_recipients :
	       class == RESOLVE_MAILBOX ? router->mailboxes :
	       class == RESOLVE_RELAY   ? router->relay_recipients :
					  NULL;
}

struct check {
	struct router *router;
	struct arena *arena;
	struct str address; /* as resolved */
	bool is_ours;
};

static enum maps_result find_in(struct check *c, struct maps *maps,
	unsigned forms)
{
	struct address_how how = { .conf = c->router->conf, .forms = forms,
		.domain_is_ours = c->is_ours };
	struct str value;

	return maps_find_address(maps, c->arena, c->address, &how, &value,
		NULL, NULL);
}

/* double-bounce@ is our own, postmaster has to exist (RFC 5321 4.5.1). */
static bool is_special(struct check *c)
{
	struct str local = mail_address_local(c->address);

	return c->is_ours && (str_is_nocase(local, "postmaster") ||
		str_eq_nocase(local, c->router->conf->double_bounce_sender) ||
		str_is_nocase(local, "mailer-daemon"));
}

/* Whoever verifies us is told that there is such an address: else hosts that do
 * it to each other would get nowhere. */
static bool is_probe_sender(struct check *c)
{
	return probe_is_sender(c->arena, c->router->conf, c->address,
		wall_us() / 1000000);
}

static enum maps_result find_rewritten(struct check *c, bool is_sender)
{
	struct router *r = c->router;
	struct maps *const all[] = {
		is_sender ? r->sender_canonical : r->recipient_canonical,
		r->canonical,
		r->aliases,
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		enum maps_result result = find_in(c, all[i],
			ADDRESS_CANONICAL);

		if (result != MAPS_ABSENT)
			return result;
	}
	return MAPS_ABSENT;
}

/* An empty list of a class means: accept them all. */
static enum maps_result find_in_class(struct check *c,
	const struct listing *listing)
{
	struct maps *maps = table_of(c->router, listing->class);

	if (listing->class == RESOLVE_ALIAS)
		return MAPS_ABSENT;
	if (maps_is_empty(maps) || is_special(c) || is_probe_sender(c))
		return MAPS_FOUND;
	return find_in(c, maps, listing->forms);
}

static struct status reject(struct check *c, const struct listing *listing,
	bool is_sender)
{
	const struct conf *conf = c->router->conf;
	int64_t code = code_of(conf, listing->class);
	struct str external = mail_address_external(c->arena, c->address);

	return status_f(c->arena, (int)code, 1, is_sender ? 0 : 1,
		"<%.*s>: %s address rejected: User unknown%s%s%s",
		STR_ARG(external), is_sender ? "Sender" : "Recipient",
		conf->show_user_unknown_table_name ? " in " : "",
		conf->show_user_unknown_table_name ? listing->table : "",
		conf->show_user_unknown_table_name ? " table" : "");
}

/* What the error service would say: an SMTP client can be told at once. */
static struct status refuse(struct check *c, struct str reason, bool is_sender)
{
	struct str external = mail_address_external(c->arena, c->address);
	struct status status = { 0 };
	unsigned class = smtp_enhanced_take(&reason, &status);

	if (class == 0) {
		status.subject = 1;
		status.detail = is_sender ? 0 : 1;
	}
	return status_f(c->arena, class == 4 ? 450 : 550, status.subject,
		status.detail, "<%.*s>: %s address rejected: %.*s",
		STR_ARG(external), is_sender ? "Sender" : "Recipient",
		STR_ARG(reason));
}

static struct status fail(struct check *c)
{
	struct str external = mail_address_external(c->arena, c->address);

	return status_f(c->arena, 451, 3, 0,
		"<%.*s>: Temporary lookup failure", STR_ARG(external));
}

struct status resolve_listed(struct router *router, struct arena *arena,
	struct str address, bool is_sender)
{
	struct check c = { .router = router, .arena = arena };
	const struct listing *listing;
	struct resolved resolved;
	enum maps_result result;
	bool is_refused;

	if (address.len == 0)
		return STATUS_OK;
	resolve(router, arena, STR(""), address, &resolved);
	c.address = resolved.recipient;
	c.is_ours = resolve_is_ours(router, arena,
			    mail_address_domain(c.address)) == MAPS_FOUND;
	if (resolved.flags & RESOLVE_FAIL)
		return fail(&c);
	listing = find_listing(resolved.flags);
	is_refused = !(resolved.flags & RESOLVE_ALIAS) && str_eq(
		resolved.transport, router->conf->error_service_name);
	if (!listing && !is_refused)
		return STATUS_OK;
	result = find_rewritten(&c, is_sender);
	if (result == MAPS_ABSENT && is_refused)
		return refuse(&c, resolved.nexthop, is_sender);
	if (result == MAPS_ABSENT)
		result = find_in_class(&c, listing);
	if (result == MAPS_ERROR)
		return fail(&c);
	return result == MAPS_FOUND ? STATUS_OK
				    : reject(&c, listing, is_sender);
}
