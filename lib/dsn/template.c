#include "dsn/template.h"

#include "base/log.h"
#include "config/expand.h"
#include "mail/header.h"
#include "mail/list.h"

enum {
	TEXT_MOST = 64 * 1024, /* octets of one template */
};

static const struct {
	const char *name; /* in the file */
	struct str subject, copy_subject, text;
} built_in[DSN_KINDS] = {
	[DSN_FAILURE] = { "failure_template",
		STR("Undelivered Mail Returned to Sender"),
		STR("Postmaster Copy: Undelivered Mail"),
		STR("This is the mail system of host $myhostname.\n\n"
		    "Your message could not be delivered to the recipients "
		    "that\n"
		    "are listed below, and it will not be tried again. The "
		    "reason\n"
		    "is given for each of them; your message is attached, or "
		    "its\n"
		    "header if it was large.\n\n"
		    "If you need help, write to <postmaster> and enclose this "
		    "report.\n") },
	[DSN_DELAY] = { "delay_template",
		STR("Delayed Mail (still being retried)"),
		STR("Postmaster Warning: Delayed Mail"),
		STR("This is the mail system of host $myhostname.\n\n"
		    "THIS IS ONLY A WARNING. You need not send your message "
		    "again.\n\n"
		    "It could not be delivered yet to the recipients that "
		    "are\n"
		    "listed below. This system goes on trying for\n"
		    "$maximal_queue_lifetime_days days in all; you will hear "
		    "of it\n"
		    "again only if it gives up.\n") },
	[DSN_SUCCESS] = { "success_template",
		STR("Successful Mail Delivery Report"),
		STR("Successful Mail Delivery Report"),
		STR("This is the mail system of host $myhostname.\n\n"
		    "You asked for this report. Your message was delivered, "
		    "or\n"
		    "passed on to a system that does not send such reports, "
		    "for\n"
		    "the recipients that are listed below.\n") },
	[DSN_VERIFY] = { "verify_template",
		STR("Mail Delivery Status Report"),
		STR("Mail Delivery Status Report"),
		STR("This is the mail system of host $myhostname.\n\n"
		    "You asked for this report. It says what would become of "
		    "mail\n"
		    "to the recipients that are listed below; nothing was\n"
		    "delivered.\n") },
};

void dsn_templates_init(struct dsn_template templates[DSN_KINDS])
{
	for (size_t i = 0; i < DSN_KINDS; i++)
		templates[i] = (struct dsn_template){
			.charset = STR("us-ascii"),
			.from = STR("Mail Delivery System <MAILER-DAEMON>"),
			.subject = built_in[i].subject,
			.copy_subject = built_in[i].copy_subject,
			.text = built_in[i].text,
		};
}

/* ---- the file ---- */

/* The fields in front of the text. False: something else is there. */
static bool take_fields(struct arena *arena, struct str *in,
	struct dsn_template *template)
{
	struct mail_header field;

	while (mail_header_take(in, &field)) {
		const struct {
			const char *name;
			struct str *value;
		} known[] = {
			{ "Charset", &template->charset },
			{ "From", &template->from },
			{ "Subject", &template->subject },
			{ "Postmaster-Subject", &template->copy_subject },
		};
		size_t at = 0;

		while (at < COUNT(known) &&
			!mail_header_is(&field, known[at].name))
			at++;
		if (at == COUNT(known))
			return false;
		*known[at].value = mail_header_unfold(arena, field.body);
	}
	return mail_header_take_end(in) || in->len == 0;
}

/* "name = <<WORD": the name and the word. */
static bool parse_opening(struct str line, struct str *name,
	struct str *word)
{
	struct str rest = line;

	*name = str_trim(str_take_until(&rest, '='));
	rest = str_trim(rest);
	if (!str_take_prefix(&rest, STR("<<")))
		return false;
	*word = str_trim(rest);
	return name->len > 0 && word->len > 0;
}

/* The lines up to `word`; false: it does not come. */
static bool take_document(struct str *in, struct str word, struct str *text)
{
	const char *begin = in->p;
	struct str line;

	for (;;) {
		const char *at = in->p;

		if (!str_take_line(in, &line))
			return false;
		if (!str_eq(str_trim(line), word))
			continue;
		*text = str_of(begin, (size_t)(at - begin));
		return true;
	}
}

static size_t find_kind(struct str name)
{
	size_t kind = 0;

	while (kind < DSN_KINDS && !str_is(name, built_in[kind].name))
		kind++;
	return kind;
}

static bool is_comment(struct str line)
{
	line = str_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

bool dsn_templates_parse(struct arena *arena, struct str file,
	struct dsn_template templates[DSN_KINDS], struct str *error)
{
	struct str in = file, line, name, word, text;
	struct dsn_template template;
	size_t kind;

	while (str_take_line(&in, &line)) {
		if (is_comment(line))
			continue;
		if (!parse_opening(line, &name, &word)) {
			*error = arena_fmt(arena,
				"expected \"name = <<WORD\", found \"%.*s\"",
				STR_ARG(str_first(line, 100)));
			return false;
		}
		kind = find_kind(name);
		if (kind == DSN_KINDS ||
			!take_document(&in, word, &text) ||
			text.len > TEXT_MOST) {
			*error = arena_fmt(arena,
				"%.*s: unknown template, or without its end",
				STR_ARG(str_first(name, 100)));
			return false;
		}
		template = templates[kind];
		if (!take_fields(arena, &text, &template)) {
			*error = arena_fmt(arena,
				"%.*s: only Charset, From, Subject and "
				"Postmaster-Subject stand in front of the text",
				STR_ARG(name));
			return false;
		}
		template.text = text;
		templates[kind] = template;
	}
	return true;
}

/* ---- values ---- */

static const struct {
	const char *suffix;
	int64_t seconds;
} units[] = {
	{ "_seconds", 1 },
	{ "_minutes", 60 },
	{ "_hours", 3600 },
	{ "_days", 86400 },
	{ "_weeks", 7 * 86400 },
};

struct values {
	struct arena *arena;
	const struct conf *conf;
};

/* delay_warning_time_hours; rounded up. */
static struct str find_time(const struct values *v, struct str name)
{
	const struct {
		const char *name;
		struct span span;
	} times[] = {
		{ "bounce_queue_lifetime", v->conf->bounce_queue_lifetime },
		{ "delay_warning_time", v->conf->delay_warning_time },
		{ "maximal_queue_lifetime", v->conf->maximal_queue_lifetime },
	};

	for (size_t i = 0; i < COUNT(times); i++) {
		struct str unit = name;
		int64_t seconds = span_to_s(times[i].span);

		if (!str_take_prefix(&unit, str_from(times[i].name)))
			continue;
		for (size_t k = 0; k < COUNT(units); k++)
			if (str_is(unit, units[k].suffix))
				return arena_fmt(v->arena, "%lld",
					(long long)((seconds +
							    units[k].seconds -
							    1) /
						units[k].seconds));
	}
	return STR_NONE;
}

static struct str find(void *context, struct str name)
{
	const struct values *v = context;
	struct str value = find_time(v, name);

	return str_is_none(value) ? conf_text(v->conf, name) : value;
}

struct str dsn_template_expand(struct arena *arena, const struct conf *conf,
	struct str text)
{
	struct values v = { arena, conf };
	struct expand expand = { .find = find, .context = &v,
		.is_flat = true };
	struct buf out = BUF_IN(arena);

	if (expand_text(arena, &expand, &out, text))
		return buf_str(&out);
	log_warning("bounce template: %.*s", STR_ARG(expand.error));
	return text;
}

struct str dsn_template_from(struct arena *arena, const struct conf *conf,
	struct str from)
{
	struct mail_list list = mail_list_of(from);
	struct mail_mailbox mailbox;
	struct buf out = BUF_IN(arena);
	struct str address;

	if (mail_list_next(arena, &list, &mailbox) != MAIL_LIST_ADDRESS ||
		mailbox.local.len == 0)
		return dsn_template_from(arena, conf,
			STR("Mail Delivery System <MAILER-DAEMON>"));
	address = mail_mailbox_address(arena, &mailbox);
	if (str_is_none(mailbox.domain))
		address = arena_fmt(arena, "%.*s@%.*s", STR_ARG(address),
			STR_ARG(conf->myorigin));
	mail_mailbox_format(&out,
		str_is_none(mailbox.name) ? STR("") : mailbox.name, address);
	return buf_str(&out);
}
