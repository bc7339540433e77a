/*
 * cleanup/rewriting - what the tables say about the addresses of a message.
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "mail/address.h"
#include "mail/list.h"
#include "maps/address.h"
#include "rewrite/rewrite.h"

/* The tables of this process, opened before the sandbox closed. */
static struct {
	const struct conf *conf;
	struct rewriter *rewriter;
	struct router *router;
	struct maps *sender_bcc, *recipient_bcc;
} tables;

void rewriting_prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* as long as the process */

	tables.conf = conf;
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

static struct status rewrite(struct intake *intake, enum rewrite_where where,
	struct str *address)
{
	struct str given = *address;

	if (rewrite_all(tables.rewriter, intake->arena, REWRITE_LOCAL, where,
		    address) == MAPS_ERROR)
		return lookup_problem(intake, "canonical_maps", given);
	return STATUS_OK;
}

struct status rewriting_sender(struct intake *intake, struct str *sender)
{
	return rewrite(intake, ENVELOPE_SENDER, sender);
}

struct status rewriting_recipient(struct intake *intake, struct str *address)
{
	return rewrite(intake, ENVELOPE_RECIPIENT, address);
}

/* ---- the header ---- */

/* Fields that name who wrote it; the others name who gets it. */
static bool is_sender_field(struct str name)
{
	static const char *const names[] = { "From", "Sender", "Reply-To",
		"Errors-To", "Return-Receipt-To",
		"Disposition-Notification-To", "Resent-From", "Resent-Sender",
		"Resent-Reply-To" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_is_nocase(name, names[i]))
			return true;
	return false;
}

/* One address, in the form in which it stands in headers. */
static struct status rewrite_mailbox(struct intake *intake,
	enum rewrite_where where, const struct mail_mailbox *mailbox,
	struct str *external)
{
	struct str address = mail_mailbox_address(intake->arena, mailbox);
	struct str given = address;
	struct status status;

	*external = STR_NONE;
	if (address.len == 0)
		return STATUS_OK;
	status = rewrite(intake, where, &address);
	if (status_is_ok(status) && !str_eq(given, address))
		*external = mail_address_external(intake->arena, address);
	return status;
}

struct status rewriting_header(struct intake *intake, struct str name,
	struct str body, struct str *changed)
{
	enum rewrite_where where = is_sender_field(name) ? HEADER_SENDER
							 : HEADER_RECIPIENT;
	struct mail_list list = mail_list_of(body);
	struct buf out = BUF_IN(intake->arena);
	struct mail_mailbox mailbox;
	enum mail_list_item item;
	size_t copied = 0;

	*changed = STR_NONE;
	while ((item = mail_list_next(intake->arena, &list, &mailbox)) !=
		MAIL_LIST_END) {
		struct status status = STATUS_OK;
		struct str external = STR_NONE;

		if (item == MAIL_LIST_ADDRESS)
			status = rewrite_mailbox(
				intake, where, &mailbox, &external);
		if (!status_is_ok(status))
			return status;
		if (str_is_none(external))
			continue;
		buf_add(&out, str_of(body.p + copied, mailbox.at - copied));
		buf_add(&out, external);
		copied = mailbox.at + mailbox.len;
	}
	if (copied == 0)
		return STATUS_OK;
	buf_add(&out, str_skip(body, copied));
	*changed = buf_str(&out);
	return STATUS_OK;
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
	struct address_how how = { .conf = tables.conf,
		.forms = ADDRESS_CANONICAL };
	struct str list;

	if (maps_is_empty(maps) || key.len == 0)
		return STATUS_OK;
	how.domain_is_ours = resolve_is_ours(tables.router, intake->arena,
		mail_address_domain(key)) == MAPS_FOUND;
	switch (maps_find_address(maps, intake->arena, key, &how, &list, NULL,
		NULL)) {
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
