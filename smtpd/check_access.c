/*
 * access(5): tables of clients, names, addresses, and what they say.
 */
#include "smtpd/check.h"

#include "base/log.h"
#include "dns/dns.h"
#include "mail/address.h"
#include "mail/header.h"
#include "maps/address.h"

/* ---- actions ---- */

struct action {
	const struct subject *subject;
	struct str table;
	struct str word;
	struct str text; /* behind the word */
	bool strict;
};

static struct actions *actions_of(struct session *s)
{
	return s->mail ? &s->mail->actions : &s->actions;
}

static struct arena *actions_arena(struct session *s)
{
	return s->mail ? s->mail->arena : s->home;
}

/* "<x>: Sender address rejected: text"; an enhanced code may lead the text. */
static struct status refusal(struct session *s, const struct action *action,
	int code, const char *otherwise)
{
	struct str text = action->text;
	struct status status = { (uint16_t)code, 7, 1, STR_NONE };

	(void)smtp_enhanced_take(&text, &status);
	status.text = arena_fmt(s->arena, "<%.*s>: %s rejected: %.*s",
		STR_ARG(action->subject->name), action->subject->class,
		STR_ARG(text.len > 0 ? text : str_from(otherwise)));
	return status;
}

static enum verdict do_ok(struct session *s, const struct action *action)
{
	if (action->strict) {
		log_warning("%.*s: OK for <%.*s>: use DUNNO instead of OK if "
			"you want to make an exception",
			STR_ARG(action->table),
			STR_ARG(action->subject->name));
		return DUNNO;
	}
	check_log_permit(s, action->word, action->subject, action->table);
	return PERMIT;
}

static enum verdict do_reject(struct session *s, const struct action *action)
{
	return check_refuse_status(s, refusal(s, action,
		(int)s->conf->access_map_reject_code, "Access denied"));
}

static enum verdict do_defer(struct session *s, const struct action *action)
{
	return check_refuse_status(s, refusal(s, action,
		(int)s->conf->access_map_defer_code, "Access denied"));
}

static enum verdict do_defer_if_permit(struct session *s,
	const struct action *action)
{
	return check_in_doubt(s, refusal(s, action,
		(int)s->conf->access_map_defer_code, "Service unavailable"));
}

static enum verdict do_defer_if_reject(struct session *s,
	const struct action *action)
{
	return check_in_favour(s, refusal(s, action,
		(int)s->conf->access_map_defer_code, "Service unavailable"));
}

static enum verdict do_dunno(struct session *s, const struct action *action)
{
	(void)s;
	(void)action;
	return DUNNO;
}

/* "<x>: Sender address triggers HOLD action". */
static void log_trigger(struct session *s, const struct action *action,
	const char *event, const char *what, struct str argument)
{
	struct str text = arena_fmt(s->arena, "<%.*s>: %s triggers %s%s%.*s",
		STR_ARG(action->subject->name), action->subject->class, what,
		argument.len > 0 ? " " : "", STR_ARG(argument));

	log_event(s, event, text);
}

static enum verdict do_hold(struct session *s, const struct action *action)
{
	if (!s->check.warn)
		actions_of(s)->flags |= SUBMIT_HOLD;
	log_trigger(s, action, "hold", action->text.len > 0 ? "HOLD action:" :
		"HOLD action", action->text);
	return DUNNO;
}

static enum verdict do_discard(struct session *s, const struct action *action)
{
	if (s->check.warn)
		return DUNNO;
	actions_of(s)->flags |= SUBMIT_DISCARD;
	log_trigger(s, action, "discard", "DISCARD action", action->text);
	return PERMIT;
}

/* What stands behind the word is not what it takes. */
static enum verdict bad_entry(struct session *s, const struct action *action,
	const char *requires)
{
	return check_config_error(s, arena_fmt(s->arena,
		"access table %.*s entry \"%.*s\" requires %s",
		STR_ARG(action->table), STR_ARG(action->text), requires));
}

static enum verdict do_filter(struct session *s, const struct action *action)
{
	if (str_find_char(action->text, ':') == SIZE_MAX)
		return bad_entry(s, action, "transport:destination");
	if (!s->check.warn)
		actions_of(s)->filter = arena_copy(actions_arena(s),
			action->text);
	log_trigger(s, action, "filter", "FILTER", action->text);
	return DUNNO;
}

static enum verdict do_redirect(struct session *s, const struct action *action)
{
	if (str_find_char(action->text, '@') == SIZE_MAX)
		return bad_entry(s, action, "user@domain target");
	if (!s->check.warn)
		actions_of(s)->redirect = arena_copy(actions_arena(s),
			action->text);
	log_trigger(s, action, "redirect", "REDIRECT", action->text);
	return DUNNO;
}

static enum verdict do_bcc(struct session *s, const struct action *action)
{
	struct actions *actions = actions_of(s);

	if (str_find_char(action->text, '@') == SIZE_MAX)
		return bad_entry(s, action, "user@domain target");
	log_trigger(s, action, "bcc", "BCC", action->text);
	if (s->check.warn)
		return DUNNO;
	arena_grow(actions_arena(s), &actions->bcc, &actions->bcc_capacity,
		actions->bcc_count + 1, sizeof(*actions->bcc));
	actions->bcc[actions->bcc_count++] = arena_copy(actions_arena(s),
		action->text);
	return DUNNO;
}

static enum verdict do_prepend(struct session *s, const struct action *action)
{
	struct actions *actions = actions_of(s);
	struct str field = action->text, rest;
	struct mail_header header;

	rest = arena_fmt(s->arena, "%.*s\n", STR_ARG(field));
	if (!mail_header_take(&rest, &header) || rest.len > 0)
		return bad_entry(s, action, "header: text");
	if (!s->check.warn)
		actions->prepend = arena_fmt(actions_arena(s), "%.*s%.*s\n",
			STR_ARG(actions->prepend), STR_ARG(field));
	return DUNNO;
}

static enum verdict do_log(struct session *s, const struct action *action,
	const char *event)
{
	log_event(s, event, action->text);
	return DUNNO;
}

static enum verdict do_warn(struct session *s, const struct action *action)
{
	return do_log(s, action, "warn");
}

static enum verdict do_info(struct session *s, const struct action *action)
{
	return do_log(s, action, "info");
}

static const struct {
	const char *word;
	enum verdict (*run)(struct session *s, const struct action *action);
	bool is_of_queue; /* nothing for mail that goes to a proxy filter */
} words[] = {
	{ "OK", do_ok },
	{ "RELAY", do_ok },
	{ "REJECT", do_reject },
	{ "DEFER", do_defer },
	{ "DEFER_IF_PERMIT", do_defer_if_permit },
	{ "DEFER_IF_REJECT", do_defer_if_reject },
	{ "DUNNO", do_dunno },
	{ "HOLD", do_hold, true },
	{ "DISCARD", do_discard, true },
	{ "FILTER", do_filter, true },
	{ "REDIRECT", do_redirect, true },
	{ "BCC", do_bcc, true },
	{ "PREPEND", do_prepend },
	{ "WARN", do_warn },
	{ "INFO", do_info },
};

/* "550 5.7.1 text"; false: no such code in front. */
static bool take_code(struct str *in, int *code)
{
	uint64_t number;
	struct str rest = *in;

	if (!str_take_u64(&rest, 599, &number) || number < 400 ||
		in->len - rest.len != 3 || (rest.len > 0 && rest.p[0] != ' '))
		return false;
	*code = (int)number;
	*in = str_trim(rest);
	return true;
}

static bool is_number(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_digit((unsigned char)text.p[i]))
			return false;
	return text.len > 0;
}

static enum verdict run_word(struct session *s, size_t word,
	const struct action *action)
{
	if (!server.has_proxy || !words[word].is_of_queue)
		return words[word].run(s, action);
	log_warning("access table %.*s: with smtpd_proxy_filter specified, "
		"action %s is unavailable", STR_ARG(action->table),
		words[word].word);
	return DUNNO;
}

enum verdict check_action(struct session *s, const struct subject *subject,
	struct str table, struct str text, bool strict)
{
	struct str rest = text, word = str_take_word(&rest);
	struct action action = { subject, table, word, text, strict };
	int code;

	if (take_code(&action.text, &code))
		return check_refuse_status(s, refusal(s, &action, code,
			"Access denied"));
	action.text = str_trim(rest);
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_is_nocase(word, words[i].word))
			return run_word(s, i, &action);
	if (is_number(text))
		return do_ok(s, &action);
	return check_list(s, restrictions_parse_action(s->arena, s->conf,
		table, text));
}

/* ---- lookups ---- */

static enum verdict lookup_failed(struct session *s,
	const struct restriction *restriction, const struct subject *subject)
{
	log_warning("%.*s lookup error", STR_ARG(restriction->argument));
	return check_refuse(s, 451, 3, 5, "<%.*s>: %s rejected: Server "
		"configuration error", STR_ARG(subject->name), subject->class);
}

static enum maps_result find_client(struct session *s, struct maps *maps,
	struct str name, bool plain, struct str *value)
{
	enum maps_result result = MAPS_ABSENT;

	if (!str_is(name, "unknown"))
		result = maps_find_host(maps, s->arena, name, plain, value);
	if (result == MAPS_ABSENT)
		result = maps_find_network(maps, s->arena, s->address_text,
			value);
	if (result == MAPS_ABSENT && str_is(name, "unknown"))
		result = maps_find(maps, s->arena, name, value);
	return result;
}

static enum maps_result find_address(struct session *s, struct maps *maps,
	struct str address, bool plain, struct str *value)
{
	struct address_how how = {
		.conf = s->conf, .forms = ADDRESS_ACCESS,
		.parents_plain = plain,
	};

	if (address.len == 0)
		return maps_find(maps, s->arena,
			s->conf->smtpd_null_access_lookup_key, value);
	return maps_find_address(maps, s->arena, address, &how, value, NULL,
		NULL);
}

static enum maps_result find(struct session *s,
	const struct restriction *restriction, const struct subject *subject,
	struct str *value)
{
	struct maps *maps = restriction->opened;
	bool plain = maps_parents_plain(s->conf, "smtpd_access_maps");
	enum maps_result result;

	switch (restriction->row->subject) {
	case ABOUT_CLIENT:
		return find_client(s, maps, s->name, plain, value);
	case ABOUT_REVERSE:
		return str_is(s->reverse_name, "unknown") ? MAPS_ABSENT :
			maps_find_host(maps, s->arena, s->reverse_name, plain,
			value);
	case ABOUT_HELO:
		return maps_find_host(maps, s->arena, subject->value, plain,
			value);
	case ABOUT_SENDER:
	case ABOUT_RECIPIENT:
		return find_address(s, maps, subject->value, plain, value);
	case ABOUT_CCERT:
		result = maps_find(maps, s->arena, subject->value, value);
		if (result == MAPS_ABSENT && s->tls.peer_key_fingerprint.len)
			result = maps_find(maps, s->arena,
				s->tls.peer_key_fingerprint, value);
		return result;
	default:
		return maps_find(maps, s->arena, subject->value, value);
	}
}

/* A null sender has a key of its own; others that are empty are not there. */
static bool is_there(struct session *s, enum restriction_subject about,
	const struct subject *subject)
{
	if (about == ABOUT_SENDER)
		return s->mail != NULL;
	return subject->value.len > 0;
}

enum verdict check_access(struct session *s,
	const struct restriction *restriction)
{
	struct subject subject = check_subject(s, restriction->row->subject);
	struct str value;

	if (!is_there(s, restriction->row->subject, &subject))
		return DUNNO;
	switch (find(s, restriction, &subject, &value)) {
	case MAPS_FOUND:
		return check_action(s, &subject, restriction->argument, value,
			false);
	case MAPS_ERROR:
		return lookup_failed(s, restriction, &subject);
	default:
		return DUNNO;
	}
}

/* ---- hosts behind a name: check_..._{a,mx,ns}_access ---- */

struct hosts {
	struct session *s;
	const struct restriction *restriction;
	struct subject subject;
};

static enum verdict look_at(struct hosts *h, enum maps_result result,
	struct str value)
{
	if (result == MAPS_FOUND)
		return check_action(h->s, &h->subject,
			h->restriction->argument, value, true);
	if (result == MAPS_ERROR)
		return lookup_failed(h->s, h->restriction,
			&h->subject);
	return DUNNO;
}

/* The name itself, then its addresses. */
static enum verdict look_at_host(struct hosts *h, struct str host)
{
	struct session *s = h->s;
	bool plain = maps_parents_plain(s->conf, "smtpd_access_maps");
	struct dns_hosts found;
	enum verdict verdict;
	struct str value = STR_NONE;
	enum maps_result result;

	result = maps_find_host(h->restriction->opened, s->arena, host, plain,
		&value);
	verdict = look_at(h, result, value);
	if (verdict != DUNNO)
		return verdict;
	dns_addresses(s->arena, host, DNS_IPV4 | DNS_IPV6, &found);
	for (size_t i = 0; i < found.count && verdict == DUNNO; i++) {
		result = maps_find_network(h->restriction->opened, s->arena,
			dns_address_text(s->arena, &found.addresses[i]),
			&value);
		verdict = look_at(h, result, value);
	}
	return verdict;
}

static bool begin(struct hosts *h, struct session *s,
	const struct restriction *restriction, struct str *domain)
{
	h->s = s;
	h->restriction = restriction;
	h->subject = check_subject(s, restriction->row->subject);
	*domain = check_domain_of(s, &h->subject);
	return !str_is_none(*domain);
}

enum verdict check_a_access(struct session *s,
	const struct restriction *restriction)
{
	struct hosts h;
	struct str domain;

	return begin(&h, s, restriction, &domain) ?
		look_at_host(&h, domain) : DUNNO;
}

/* Names of MX or NS records; a domain without MX is its own. */
static enum verdict look_at_records(struct hosts *h, struct str domain,
	enum dns_type type)
{
	struct session *s = h->s;
	struct dns_answer answer;
	enum verdict verdict = DUNNO;

	dns_lookup(s->arena, domain, type, &answer);
	if (type == DNS_MX && answer.status == DNS_NO_DATA)
		return look_at_host(h, domain);
	for (size_t i = 0; i < answer.count && verdict == DUNNO; i++) {
		struct str host = check_record_host(s->arena, type,
			answer.records[i]);

		if (host.len > 0)
			verdict = look_at_host(h, host);
	}
	return verdict;
}

enum verdict check_mx_access(struct session *s,
	const struct restriction *restriction)
{
	struct hosts h;
	struct str domain;

	return begin(&h, s, restriction, &domain) ?
		look_at_records(&h, domain, DNS_MX) : DUNNO;
}

/* The zone's servers: those of the domain or the nearest parent. */
enum verdict check_ns_access(struct session *s,
	const struct restriction *restriction)
{
	struct hosts h;
	struct str domain;
	struct dns_answer answer;

	if (!begin(&h, s, restriction, &domain))
		return DUNNO;
	for (;;) {
		size_t dot = str_find_char(domain, '.');

		dns_lookup(s->arena, domain, DNS_NS, &answer);
		if (answer.status == DNS_FOUND || dot == SIZE_MAX ||
			str_find_char(str_skip(domain, dot + 1), '.') ==
			SIZE_MAX)
			return look_at_records(&h, domain, DNS_NS);
		domain = str_skip(domain, dot + 1);
	}
}
