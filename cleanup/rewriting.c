/*
 * cleanup/rewriting - what the tables say about the addresses of a message.
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "mail/address.h"
#include "rewrite/header.h"

/* The tables of this process, opened before the sandbox closed. */
static struct {
	struct rewriter *rewriter;
	struct router *router;
	struct maps *sender_bcc, *recipient_bcc;
} tables;

void rewriting_prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* as long as the process */

	tables.router = router_open_routes(arena, conf);
	tables.rewriter = rewriter_open(arena, conf, tables.router);
	tables.sender_bcc = maps_open(arena, conf, "sender_bcc_maps",
		conf->sender_bcc_maps, 0);
	tables.recipient_bcc = maps_open(arena, conf, "recipient_bcc_maps",
		conf->recipient_bcc_maps, 0);
}

static struct status lookup_problem(const struct intake *intake,
	const char *what, struct str address)
{
	log_warning("%.*s: %s map lookup problem for %.*s -- message not "
		"accepted, try again later",
		STR_ARG(intake->facts.queue_id), what, STR_ARG(address));
	return STATUS(451, 3, 0, "Error: queue file write error");
}

static struct status rewrite(struct intake *intake,
	enum rewrite_context context, enum rewrite_where where,
	struct str *address)
{
	struct str given = *address;

	if (rewrite_all(tables.rewriter, intake->arena, context, where,
		    address) == MAPS_ERROR)
		return lookup_problem(intake, "canonical_maps", given);
	return STATUS_OK;
}

void rewriting_resolve(struct intake *intake, struct str address,
	struct resolved *resolved)
{
	struct str whole = address.len == 0 ? address :
		rewrite_address(tables.rewriter, intake->arena, REWRITE_LOCAL,
			address);

	resolve(tables.router, intake->arena, intake->facts.sender, whole,
		resolved);
}

struct status rewriting_sender(struct intake *intake, struct str *sender)
{
	return rewrite(intake, REWRITE_LOCAL, ENVELOPE_SENDER, sender);
}

struct status rewriting_recipient(struct intake *intake, struct str *address)
{
	return rewrite(intake, REWRITE_LOCAL, ENVELOPE_RECIPIENT, address);
}

static struct status rewrite_local(void *intake, struct arena *arena,
	enum rewrite_where where, struct str *address)
{
	(void)arena;
	return rewrite(intake, REWRITE_LOCAL, where, address);
}

static struct status rewrite_remote(void *intake, struct arena *arena,
	enum rewrite_where where, struct str *address)
{
	(void)arena;
	return rewrite(intake, REWRITE_REMOTE, where, address);
}

struct status rewriting_header(struct intake *intake,
	enum rewrite_context context, unsigned where, struct str body,
	struct str *changed)
{
	struct str within = header_within(body,
		(size_t)intake->conf->header_address_token_limit);
	struct status status = header_rewrite(intake->arena, where, within,
		context == REWRITE_LOCAL ? rewrite_local : rewrite_remote,
		intake, changed);

	if (status_is_ok(status) && str_is_none(*changed) &&
		within.len < body.len)
		*changed = within;
	return status;
}

/* ---- copies ---- */

static void add_copies(struct intake *intake, struct str list)
{
	struct str address;

	while (str_take_item(&list, ", \t\r\n", &address)) {
		struct msg_recipient *r;

		arena_grow(intake->arena, &intake->recipients,
			&intake->recipient_capacity,
			intake->recipient_count + 1,
			sizeof(*intake->recipients));
		r = &intake->recipients[intake->recipient_count++];
		/* Nobody asked for it: nobody hears of it. */
		*r = (struct msg_recipient){
			.address = rewrite_address(tables.rewriter,
				intake->arena, REWRITE_LOCAL, address),
			.orig = address,
			.notify = DSN_NOTIFY_NEVER,
		};
	}
}

static struct status copy_by(struct intake *intake, struct maps *maps,
	const char *what, struct str key)
{
	struct str list;

	switch (rewrite_find_copies(tables.rewriter, intake->arena, maps, key,
		&list)) {
	case MAPS_ERROR:
		return lookup_problem(intake, what, key);
	case MAPS_FOUND:
		add_copies(intake, list);
		break;
	case MAPS_ABSENT:
		break;
	}
	return STATUS_OK;
}

struct status rewriting_copies(struct intake *intake)
{
	size_t given = intake->recipient_count;
	struct status status = copy_by(intake, tables.sender_bcc,
		"sender_bcc_maps", intake->facts.sender);

	for (size_t i = 0; i < given && status_is_ok(status); i++)
		status = copy_by(intake, tables.recipient_bcc,
			"recipient_bcc_maps", intake->recipients[i].address);
	if (status_is_ok(status))
		add_copies(intake, intake->conf->always_bcc);
	return status;
}

/* ---- aliases ---- */

struct status rewriting_aliases(struct intake *intake,
	const struct msg_recipient *recipient,
	struct status (*add)(struct intake *intake,
		const struct msg_recipient *recipient))
{
	struct rewrite_aliases aliases;
	struct status status = rewrite_aliases(tables.rewriter, intake->arena,
		recipient->address, &aliases);

	if (!status_is_ok(status)) {
		log_warning("%.*s: virtual_alias_maps map lookup problem for "
			"%.*s -- message not accepted, try again later",
			STR_ARG(intake->facts.queue_id),
			STR_ARG(recipient->address));
		return status;
	}
	for (size_t i = 0; i < aliases.count; i++) {
		struct msg_recipient one = *recipient;

		one.address = aliases.addresses[i];
		status = add(intake, &one);
		if (!status_is_ok(status))
			return status;
	}
	return STATUS_OK;
}
