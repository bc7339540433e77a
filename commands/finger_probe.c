#include "commands/finger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "talk/talk.h"

static const struct {
	const char *name;
	enum level level;
} levels[] = {
	{ "none", LEVEL_NONE },           { "may", LEVEL_MAY },
	{ "encrypt", LEVEL_ENCRYPT },     { "fingerprint", LEVEL_FINGERPRINT },
	{ "half-dane", LEVEL_HALF_DANE }, { "dane", LEVEL_DANE },
	{ "dane-only", LEVEL_DANE_ONLY }, { "verify", LEVEL_VERIFY },
	{ "secure", LEVEL_SECURE },
};

const char *finger_level_name(enum level level)
{
	return levels[level].name;
}

bool finger_level_find(const char *name, enum level *level)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (levels[i].level != LEVEL_HALF_DANE && /* a finding only */
			strcmp(name, levels[i].name) == 0) {
			*level = levels[i].level;
			return true;
		}
	return false;
}

void finger_say(const char *format, ...)
{
	va_list args;

	fputs("posttls-finger: ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* ---- the dialogue ---- */

struct probe {
	struct finger *finger;
	struct arena *arena;
	const struct finger_site *site;
	enum level level; /* for this server */
	struct talk_dane dane;
	struct talk talk;
	struct smtp_reply reply;
};

/* ---- DANE ---- */

static bool is_dane(enum level level)
{
	return level == LEVEL_HALF_DANE || level == LEVEL_DANE ||
		level == LEVEL_DANE_ONLY;
}

static void show_records(const struct probe *p)
{
	for (size_t i = 0; i < p->dane.tls.count; i++) {
		auto_buf struct buf line = { 0 };

		talk_dane_format(&line, &p->dane.tls.records[i]);
		finger_say("DNSSEC-signed TLSA record: %.*s: %.*s",
			STR_ARG(p->dane.owner), STR_ARG(buf_str(&line)));
	}
}

static void show_unusable(const struct probe *p)
{
	for (size_t i = 0; i < p->dane.unusable_count; i++) {
		const struct tls_tlsa *record = &p->dane.unusable[i];
		auto_buf struct buf line = { 0 };

		talk_dane_format(&line, record);
		finger_say("warning: %.*s %s: %.*s", STR_ARG(p->dane.owner),
			record->usage < 2 ? "unsupported TLSA certificate "
					    "usage" :
					    "unusable TLSA RR",
			STR_ARG(buf_str(&line)));
	}
}

/* -M */
static enum level level_by_insecure_mx(const struct probe *p)
{
	if (str_is_nocase(p->finger->insecure_mx, "dane")) {
		finger_say("MX RRset insecure: log verified as trusted");
		return LEVEL_HALF_DANE;
	}
	if (str_is_nocase(p->finger->insecure_mx, "encrypt")) {
		finger_say("TLSA RRs found, MX RRset insecure: just encrypt");
		return LEVEL_ENCRYPT;
	}
	finger_say("MX RRset is insecure: try to encrypt");
	return LEVEL_MAY;
}

static void lack(struct probe *p, const char *what)
{
	if (p->level == LEVEL_DANE_ONLY)
		finger_say("%s, resorting to \"secure\"", what);
	p->level = LEVEL_SECURE;
}

/* What the DNS says of this server; false: it must not be talked with. */
static bool find_level(struct probe *p)
{
	struct finger *f = p->finger;
	const struct talk_dane_dns dns = { finger_dns_lookup, &f->search.dns };
	struct dns_address literal;

	p->level = f->level;
	if (!is_dane(f->level))
		return true;
	if (f->destination.is_unix ||
		dns_address_parse(p->site->host.name, &literal)) {
		p->level = LEVEL_SECURE;
		return true;
	}
	talk_dane_find(p->arena, &dns, &p->site->host, f->asks_insecure_hosts,
		f->context, &p->dane);
	show_unusable(p);
	switch (p->dane.state) {
	case TALK_DANE_TROUBLE:
		finger_say("Failed to establish session to %.*s via %.*s: "
			"TLSA lookup error for %.*s:%u",
			STR_ARG(f->destination.text),
			STR_ARG(p->site->host.name),
			STR_ARG(p->site->host.name), p->site->host.port);
		return false;
	case TALK_DANE_USABLE:
		if (f->shows & SHOW_DANE)
			show_records(p);
		if (!p->site->is_mx_secure)
			p->level = level_by_insecure_mx(p);
		break;
	case TALK_DANE_UNUSABLE:
		lack(p, "TLSA records unusable");
		break;
	default:
		lack(p, "no TLSA records found");
	}
	return true;
}

static bool heard(void *context, struct arena *arena, struct str *line)
{
	const struct probe *p = context;

	(void)arena;
	if (!p->finger->is_silent)
		finger_say("< %.*s", STR_ARG(str_trim(*line)));
	return true;
}

static bool lost(struct probe *p, const char *phase)
{
	finger_say("%s: %s while %s", p->site->where.p, errno ? strerror(errno) :
		"lost connection", phase);
	return false;
}

static void chat(const struct probe *p, const char *line)
{
	if (!p->finger->is_silent)
		finger_say("> %s", line);
}

static bool ask(struct probe *p, const char *line)
{
	chat(p, line);
	return talk_command(&p->talk, p->arena, str_from(line),
		span_s((int64_t)p->finger->step_s), &p->reply) ||
		lost(p, line);
}

/* Both times: before STARTTLS and after it. */
static bool hello(struct probe *p)
{
	const char *verb = p->finger->is_lmtp ? "LHLO" : "EHLO";
	struct str name = p->finger->conf->myhostname;

	chat(p, arena_fmt(p->arena, "%s %.*s", verb, STR_ARG(name)).p);
	if (!talk_hello(&p->talk, p->arena, verb, name, STR(""),
		    span_s((int64_t)p->finger->step_s), &p->reply))
		return lost(p, verb);
	if (p->reply.code / 100 == 2)
		return true;
	finger_say("%.*s refused %s", STR_ARG(p->site->where), verb);
	return false;
}

/* ---- the certificate ---- */

static void show_peer(const struct probe *p,
	const struct tls_certificate *certificate)
{
	const struct tls_session *tls = &p->talk.tls;

	if (!(p->finger->shows & SHOW_PEER) || !tls->has_peer)
		return;
	finger_say("%.*s: subject_CN=%.*s, issuer_CN=%.*s, fingerprint=%.*s, "
		"pkey_fingerprint=%.*s", STR_ARG(p->site->where),
		STR_ARG(tls->peer_subject), STR_ARG(tls->peer_issuer),
		STR_ARG(tls->peer_fingerprint),
		STR_ARG(tls->peer_key_fingerprint));
	if (certificate->not_after.len > 0)
		finger_say("%.*s: valid from %.*s to %.*s", STR_ARG(p->site->where),
			STR_ARG(certificate->not_before),
			STR_ARG(certificate->not_after));
}

/* Which record it was, as Postfix says it. */
static void show_record(const struct probe *p)
{
	const struct tls_session *tls = &p->talk.tls;
	auto_buf struct buf record = { 0 };

	if (!(p->finger->shows & SHOW_MATCHES) || !is_dane(p->level) ||
		!tls->is_matched || str_is_none(tls->tlsa.data))
		return;
	talk_dane_format(&record, &tls->tlsa);
	finger_say("%.*s: Matched DANE %s certificate at depth %d: %.*s",
		STR_ARG(p->site->where), tls->tlsa.usage == 3 ? "EE" : "TA",
		tls->tlsa_depth, STR_ARG(buf_str(&record)));
}

static void show_names(const struct probe *p,
	const struct tls_certificate *certificate)
{
	if (!(p->finger->shows & SHOW_MATCHES))
		return;
	for (size_t i = 0; i < certificate->name_count; i++)
		finger_say("%.*s: subjectAltName: %.*s", STR_ARG(p->site->where),
			STR_ARG(certificate->names[i]));
}

static bool is_fingerprint(const struct finger *f,
	const struct tls_session *tls)
{
	for (size_t i = 0; i < f->match_count; i++)
		if (str_eq_nocase(f->matches[i], tls->peer_fingerprint) ||
			str_eq_nocase(f->matches[i],
				tls->peer_key_fingerprint))
			return true;
	return false;
}

static bool satisfies(const struct probe *p)
{
	const struct finger *f = p->finger;
	const struct tls_session *tls = &p->talk.tls;

	switch (p->level) {
	case LEVEL_FINGERPRINT:
		return is_fingerprint(f, tls);
	case LEVEL_HALF_DANE:
	case LEVEL_DANE:
	case LEVEL_DANE_ONLY:
	case LEVEL_VERIFY:
	case LEVEL_SECURE:
		return tls->is_matched;
	default:
		return true;
	}
}

static const char *trust_of(const struct probe *p)
{
	const struct tls_session *tls = &p->talk.tls;

	if (p->level == LEVEL_FINGERPRINT && is_fingerprint(p->finger, tls))
		return "Verified";
	/* that it is the right host, nobody has validated */
	if (p->level == LEVEL_HALF_DANE && tls->is_matched)
		return "Trusted";
	return tls_trust(tls);
}

static void show_summary(const struct probe *p)
{
	const struct tls_session *tls = &p->talk.tls;
	auto_buf struct buf summary = { 0 };

	if (!(p->finger->shows & SHOW_SUMMARY))
		return;
	tls_summary_format(&summary, tls);
	finger_say("%s TLS connection %s to %.*s: %.*s", trust_of(p),
		tls->is_resumed ? "reused" : "established",
		STR_ARG(p->site->where), STR_ARG(buf_str(&summary)));
}

static void look_at_peer(struct probe *p)
{
	struct finger *f = p->finger;
	const struct tls_session *tls = &p->talk.tls;
	struct tls_certificate certificate;
	bool has = tls_certificate_find(p->arena, tls, &certificate);

	show_names(p, &certificate);
	show_record(p);
	show_peer(p, &certificate);
	show_summary(p);
	if (f->shows_chain && has)
		printf("%.*s", STR_ARG(certificate.chain_pem));
	f->is_satisfied = satisfies(p);
	if (!f->is_satisfied)
		finger_say("%.*s: the certificate does not satisfy the level %s: %.*s",
			STR_ARG(p->site->where), finger_level_name(p->level),
			STR_ARG(p->level == LEVEL_FINGERPRINT ?
				STR("no fingerprint matches") :
				tls->distrust));
}

/* ---- TLS ---- */

/* The names that the level asks for: given, or of the destination. */
static void find_names(const struct probe *p, struct tls_client *client)
{
	const struct finger *f = p->finger;
	struct str *names = arena_array(p->arena, 2, sizeof(*names));

	if (client->dane) { /* beside the base domain, RFC 7672 3.2.2 */
		client->match = names;
		names[client->match_count++] = f->destination.host;
		if (p->site->is_mx_secure)
			names[client->match_count++] = p->site->domain;
		return;
	}
	client->match = f->matches;
	client->match_count = f->match_count;
	if (f->match_count > 0 || p->level == LEVEL_FINGERPRINT)
		return;
	client->match = names;
	names[client->match_count++] = p->level == LEVEL_SECURE ?
		f->destination.host : p->site->host.name;
	if (p->level == LEVEL_SECURE)
		names[client->match_count++] = arena_fmt(p->arena, ".%.*s",
			STR_ARG(f->destination.host));
}

static bool handshake(struct probe *p)
{
	struct finger *f = p->finger;
	struct tls_client client = {
		.servername = f->servername.len > 0 ? f->servername : STR_NONE,
		.single_label =
			!f->conf->tls_wildcard_matches_multiple_labels,
		.resume = f->resume,
		.dane = is_dane(p->level) ? &p->dane.tls : NULL,
	};

	find_names(p, &client);
	if (!talk_tls(&p->talk, f->context, &client,
		    span_s((int64_t)f->step_s))) {
		finger_say("SSL_connect error to %.*s: %.*s", STR_ARG(p->site->where),
			STR_ARG(p->talk.tls.failure));
		return false;
	}
	look_at_peer(p);
	return true;
}

static bool start_tls(struct probe *p)
{
	enum level level = p->level;

	if (level == LEVEL_NONE || p->talk.is_tls)
		return true;
	if (!(p->talk.features.set & FEATURE_STARTTLS)) {
		finger_say("%.*s: STARTTLS is not offered", STR_ARG(p->site->where));
		p->finger->is_satisfied = level < LEVEL_ENCRYPT;
		return true;
	}
	if (!ask(p, "STARTTLS"))
		return false;
	if (p->reply.code / 100 != 2) {
		p->finger->is_satisfied = level < LEVEL_ENCRYPT;
		return true;
	}
	if (!talk_is_silent(&p->talk)) {
		finger_say("%.*s: plaintext behind the answer to STARTTLS",
			STR_ARG(p->site->where));
		return false;
	}
	return handshake(p) && hello(p);
}

/* False: the dialogue broke off. */
static bool converse(struct probe *p)
{
	struct finger *f = p->finger;

	if (f->is_wrapped && !handshake(p))
		return false;
	if (!talk_reply(&p->talk, p->arena, span_s((int64_t)f->step_s),
		    &p->reply))
		return lost(p, "receiving the greeting");
	if (p->reply.code / 100 != 2)
		return ask(p, "QUIT") && false;
	if (!hello(p) || !start_tls(p))
		return false;
	return ask(p, "QUIT");
}

/* ---- the connection ---- */

static int connect_site(const struct finger *f, const struct finger_site *site)
{
	int fd = endpoint_connect(&site->endpoint,
		span_s((int64_t)f->connect_s));

	if (fd < 0)
		finger_say("Failed to establish session to %.*s: connect: %s",
			STR_ARG(site->where), strerror(errno));
	return fd;
}

bool finger_probe(struct finger *f, const struct finger_site *site)
{
	auto_arena struct arena *arena = arena_new(0);
	struct probe p = { .finger = f, .site = site, .arena = arena };
	int fd = find_level(&p) ? connect_site(f, site) : -1;
	bool done;

	if (fd < 0)
		return false;
	if (!f->is_silent)
		finger_say("Connected to %.*s", STR_ARG(site->where));
	p.talk = (struct talk){ .arena = arena, .io = stream_open(arena, fd),
		.heard = heard, .context = &p };
	f->is_satisfied = p.level < LEVEL_ENCRYPT;
	done = converse(&p);
	if (p.talk.is_tls && done)
		f->resume = tls_resumption(f->arena, &p.talk.tls);
	return done;
}
