/*
 * cleanup/checks - header_checks and body_checks: tables of patterns that say
 * what happens to a line, or to the whole message.
 *
 * Source   header_checks(5): BCC DISCARD DUNNO FILTER HOLD IGNORE INFO OK PASS
 *          PREPEND REDIRECT REJECT REPLACE STRIP WARN
 */
#include "cleanup/cleanup.h"

#include "base/log.h"
#include "mail/address.h"

enum {
	LOGGED_MOST = 200, /* octets of the line in the log */
};

/* Set once, by checks_prepare. */
static struct checks *checks;
static struct checks *milter_checks; /* of header lines from filters */

void checks_prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* as long as the process */
	const struct check_table tables[CHECK_KINDS] = {
		[CHECK_HEADER] = { "header_checks", conf->header_checks },
		[CHECK_MIME_HEADER] = { "mime_header_checks",
			conf->mime_header_checks },
		[CHECK_NESTED_HEADER] = { "nested_header_checks",
			conf->nested_header_checks },
		[CHECK_BODY] = { "body_checks", conf->body_checks },
	};

	const struct check_table of_milters[CHECK_KINDS] = {
		[CHECK_HEADER] = { "milter_header_checks",
			conf->milter_header_checks },
	};

	checks = checks_open(arena, conf, tables);
	milter_checks = checks_open(arena, conf, of_milters);
}

/* One line at hand, and the table's word about it. */
struct word {
	struct intake *intake;
	struct checks *of;
	enum check_kind kind;
	struct str line, argument;
};

struct str checks_client(const struct intake *intake)
{
	const struct msg_submission *f = &intake->facts;

	return f->client_address.len == 0 ? STR("local") :
		arena_fmt(intake->arena, "%.*s[%.*s]",
			STR_ARG(f->client_name), STR_ARG(f->client_address));
}

struct str checks_address(const struct intake *intake, struct str address)
{
	return mail_address_logged(intake->arena,
		intake->conf->info_log_address_format, address);
}

struct str checks_envelope(const struct intake *intake)
{
	const struct msg_submission *f = &intake->facts;
	struct str sender = checks_address(intake, f->sender);
	struct str recipient = checks_address(intake,
		intake->recipients[0].address);

	return arena_fmt(intake->arena, "from=<%.*s> to=<%.*s>%s%.*s%s%.*s%s",
		STR_ARG(sender), STR_ARG(recipient),
		f->protocol.len ? " proto=" : "", STR_ARG(f->protocol),
		f->helo.len ? " helo=<" : "", STR_ARG(f->helo),
		f->helo.len ? ">" : "");
}

void checks_log(const struct intake *intake, const char *action,
	const char *what, struct str line, struct str argument)
{
	struct str logged = str_first(line, LOGGED_MOST);

	log_info("%.*s: %s: %s %.*s from %.*s; %.*s%s%.*s",
		STR_ARG(intake->facts.queue_id), action, what, STR_ARG(logged),
		STR_ARG(checks_client(intake)),
		STR_ARG(checks_envelope(intake)), argument.len ? ": " : "",
		STR_ARG(argument));
}

static void log_action(const struct word *word, const char *action)
{
	bool by_milter = word->of == milter_checks;

	checks_log(word->intake, by_milter ? arena_fmt(word->intake->arena,
		"milter-header-%s", action).p : action,
		check_kind_name(word->kind), word->line, word->argument);
}

/* "550 5.7.1 text", "5.7.1 text", "text". */
static struct status take_reply(struct intake *intake, struct str text)
{
	struct status status = STATUS(550, 7, 1, "message content rejected");
	struct str rest = text;
	uint64_t code = 550, class, subject, detail;

	if (str_take_u64(&rest, 599, &code) && code >= 400 &&
		str_take_char(&rest, ' '))
		text = rest;
	else
		code = 550;
	rest = text;
	if (str_take_u64(&rest, 5, &class) && (class == 4 || class == 5) &&
		str_take_char(&rest, '.') &&
		str_take_u64(&rest, 999, &subject) &&
		str_take_char(&rest, '.') &&
		str_take_u64(&rest, 999, &detail) &&
		(rest.len == 0 || str_take_char(&rest, ' '))) {
		status.subject = (uint16_t)subject;
		status.detail = (uint16_t)detail;
		if (code / 100 != class)
			code = class == 4 ? 451 : 550;
		text = rest;
	}
	status.code = (uint16_t)code;
	if (text.len)
		status.text = arena_copy(intake->arena, text);
	return status;
}

/* What is replied is logged, but for the code. */
static enum check_result do_reject(const struct word *word)
{
	struct status status = take_reply(word->intake, word->argument);
	struct word replied = *word;

	replied.argument = arena_fmt(word->intake->arena, "%u.%u.%u %.*s",
		status.code / 100u, status.subject, status.detail,
		STR_ARG(status.text));
	log_action(&replied, "reject");
	word->intake->refusal = status;
	return CHECK_STOP;
}

static enum check_result do_discard(const struct word *word)
{
	log_action(word, "discard");
	word->intake->discard = true;
	return CHECK_KEEP;
}

static enum check_result do_hold(const struct word *word)
{
	if (!word->intake->hold)
		log_action(word, "hold");
	word->intake->hold = true;
	return CHECK_KEEP;
}

static enum check_result do_filter(const struct word *word)
{
	log_action(word, "filter");
	word->intake->facts.content_filter =
		arena_copy(word->intake->arena, word->argument);
	return CHECK_KEEP;
}

static enum check_result do_redirect(const struct word *word)
{
	log_action(word, "redirect");
	word->intake->facts.redirect =
		arena_copy(word->intake->arena, word->argument);
	return CHECK_KEEP;
}

static enum check_result do_bcc(const struct word *word)
{
	struct intake *intake = word->intake;

	log_action(word, "bcc");
	arena_grow(intake->arena, &intake->recipients,
		&intake->recipient_capacity, intake->recipient_count + 1,
		sizeof(*intake->recipients));
	intake->recipients[intake->recipient_count++] = (struct msg_recipient){
		.address = arena_copy(intake->arena, word->argument),
		.notify = DSN_NOTIFY_NEVER };
	return CHECK_KEEP;
}

/* Rules and filters are told no more of it. */
static enum check_result do_pass(const struct word *word)
{
	log_action(word, "pass");
	word->intake->passed = true;
	return CHECK_PASS;
}

/* clang-format off */
/* What concerns the whole message. */
static const struct action {
	const char *name;
	enum check_result (*run)(const struct word *word);
	bool needs_argument;
} actions[] = {
	{ "BCC",      do_bcc,      true },
	{ "DISCARD",  do_discard,  false },
	{ "FILTER",   do_filter,   true },
	{ "HOLD",     do_hold,     false },
	{ "PASS",     do_pass,     false },
	{ "REDIRECT", do_redirect, true },
	{ "REJECT",   do_reject,   false },
};
/* clang-format on */

static struct status check_problem(const struct word *word, const char *why)
{
	log_warning("%.*s: %s: %s", STR_ARG(word->intake->facts.queue_id),
		checks_parameter(word->of, word->kind), why);
	return STATUS(451, 3, 5, "Error: server configuration error");
}

static const struct action *find_action(struct str name)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (str_is_nocase(name, actions[i].name))
			return &actions[i];
	return NULL;
}

/* What a table says of a line. */
struct verdict {
	enum maps_result result;
	struct check_word said; /* MAPS_FOUND */
};

static struct verdict look_up(struct checks *of, const struct intake *intake,
	enum check_kind kind, struct str line)
{
	struct verdict verdict = { 0 };

	verdict.result = checks_find(of, intake->arena, kind, line,
		&verdict.said);
	return verdict;
}

static enum check_result obey(struct word *word, const struct verdict *verdict,
	struct str *text)
{
	const struct line_action *of_line;
	const struct action *action;

	if (verdict->result == MAPS_ABSENT)
		return CHECK_KEEP;
	if (verdict->result == MAPS_ERROR) {
		word->intake->refusal = check_problem(word, "lookup problem");
		return CHECK_STOP;
	}
	word->argument = verdict->said.argument;
	of_line = line_action_find(&verdict->said);
	if (of_line && word->of == milter_checks &&
		of_line->result == CHECK_PREPEND)
		of_line = NULL; /* a filter's line has no place of its own */
	if (of_line) {
		if (of_line->logged)
			log_action(word, of_line->logged);
		*text = word->argument;
		return of_line->result;
	}
	action = find_action(verdict->said.action);
	if (action && (word->argument.len > 0 || !action->needs_argument))
		return action->run(word);
	/* A filter that is not understood lets nothing pass. */
	word->intake->refusal = check_problem(word, "unknown action, or one "
		"without its argument");
	return CHECK_STOP;
}

static enum check_result judge_by(struct checks *of, struct intake *intake,
	enum check_kind kind, struct str line, struct str *text)
{
	struct word word = { .intake = intake, .of = of, .kind = kind,
		.line = line };
	struct verdict verdict = look_up(of, intake, kind, line);

	return obey(&word, &verdict, text);
}

static enum check_result judge(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	return judge_by(checks, context, kind, line, text);
}

/* ---- the message's own header: it may say PASS for the parts, which are
 * walked before it. What its tables say is looked up once. ---- */

struct foreseen {
	struct verdict *all; /* of its fields, in their order */
	size_t count, capacity;
	size_t used;
};

static enum check_result foresee(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	struct intake *intake = context;
	struct foreseen *f = intake->foreseen;
	struct verdict verdict = look_up(checks, intake, kind, line);

	(void)text;
	arena_grow(intake->arena, &f->all, &f->capacity, f->count + 1,
		sizeof(*f->all));
	f->all[f->count++] = verdict;
	if (verdict.result != MAPS_FOUND)
		return CHECK_KEEP;
	return str_is_nocase(verdict.said.action, "PASS") ? CHECK_PASS :
							     CHECK_KEEP;
}

static enum check_result judge_header(void *context, enum check_kind kind,
	struct str line, struct str *text)
{
	struct intake *intake = context;
	struct foreseen *f = intake->foreseen;
	struct word word = { .intake = intake, .of = checks, .kind = kind,
		.line = line };

	if (!f || f->used == f->count)
		return judge(context, kind, line, text);
	return obey(&word, &f->all[f->used++], text);
}

static bool header_passes(struct intake *intake, struct str content)
{
	struct walk walk = checks_walk(intake);
	struct buf unused = BUF_IN(intake->arena);
	struct mail_header header;

	if (!walk_has_fields(&walk))
		return false;
	intake->foreseen = arena_new_of(intake->arena, struct foreseen);
	walk.judge = foresee;
	while (!walk.stopped && mail_header_take(&content, &header) &&
		walk_field(&walk, &header, &unused))
		; /* every field stays */
	return walk.stopped;
}

enum milter_line checks_milter_line(struct intake *intake, struct str *line)
{
	struct str text = STR("");

	if (!checks_has(milter_checks, CHECK_HEADER))
		return MILTER_LINE_TAKE;
	switch (judge_by(milter_checks, intake, CHECK_HEADER, *line, &text)) {
	case CHECK_DROP:
		return MILTER_LINE_LEAVE;
	case CHECK_REPLACE:
		*line = text;
		return MILTER_LINE_TAKE;
	case CHECK_STOP:
		return MILTER_LINE_STOP;
	default:
		return MILTER_LINE_TAKE;
	}
}

static bool concerns(const struct intake *intake)
{
	return checks_inspect(intake);
}

struct walk checks_walk(struct intake *intake)
{
	return (struct walk){ .arena = intake->arena, .conf = intake->conf,
		.checks = checks, .judge = judge_header, .context = intake,
		.is_flat = intake->conf->disable_mime_input_processing,
		.stopped = !concerns(intake) };
}

bool checks_have_parts(struct intake *intake)
{
	struct walk walk = checks_walk(intake);

	return !walk.stopped && walk_has_parts(&walk);
}

struct str checks_parts(struct intake *intake, struct str content)
{
	struct walk walk = checks_walk(intake);

	if (header_passes(intake, content))
		return content;
	walk.judge = judge;
	return walk_parts(&walk, content);
}
