/*
 * SASL between the client and auth; login itself judges nothing.
 */
#include "session.h"

#include <errno.h>

#include "base/encode.h"
#include "base/log.h"

enum {
	CONNECT_S = 10,
	ANSWER_S = 120, /* hashing takes its time, and so do delays */
	OFFER_S = 5,    /* for which what auth offers is believed */
	NAME_MOST = 20, /* octets, RFC 4422 3.1 */
};

/* As in msg_auth_verdict. */
static const enum outcome outcomes[] = {
	OUTCOME_DONE, OUTCOME_WRONG, OUTCOME_UNAVAILABLE, OUTCOME_NO_MECHANISM,
	OUTCOME_ABORTED,
};

bool is_secured(const struct session *s)
{
	return s->has_tls || s->is_loopback ||
		!s->conf->login_disable_plaintext_auth;
}

/* ---- what may be offered ---- */

static bool has_binding(const struct session *s)
{
	return s->has_tls &&
		(s->tls.exporter.len > 0 || s->tls.end_point.len > 0);
}

/* What auth said lately, by whether secured and bound; and as it was last asked
 * for here, as each greeting of a protocol says the same. */
static struct offer {
	char text[512]; /* names and blanks */
	struct moment until;
	const char *before; /* NULL: not asked for since */
	char ready[1024];
	size_t ready_len;
} offers[2][2];

static bool ask_offer(struct session *s, struct buf *names)
{
	const struct msg_auth_mechanisms ask = {
		.service = str_from(s->protocol->service),
		.secured = is_secured(s), .bound = has_binding(s) };
	struct msg_auth_offer offer;
	struct str name;
	struct call *call = service_call(s->arena, "auth", span_s(CONNECT_S));
	bool good = call && msg_auth_mechanisms_send(call, &ask) &&
		msg_auth_offer_recv(call, &offer, span_s(ANSWER_S));

	if (!good)
		log_warning("auth does not answer: %m");
	while (good && msg_list_take(&offer.mechanisms, &name))
		if (name.len > 0 && name.len <= NAME_MOST)
			buf_fmt(names, "%.*s ", STR_ARG(name));
	if (call)
		call_close(call);
	return good;
}

static void make_ready(struct offer *offer, const char *before)
{
	auto_buf struct buf out = { .limit = sizeof(offer->ready) };
	struct str rest = str_from(offer->text), name;

	while (str_take_item(&rest, " ", &name)) {
		buf_text(&out, before);
		buf_add(&out, name);
	}
	memcpy(offer->ready, buf_str(&out).p, out.len);
	offer->ready_len = out.len;
	offer->before = before;
}

struct str mechanisms_text(struct session *s, const char *before)
{
	struct offer *offer = &offers[is_secured(s)][has_binding(s)];
	struct buf names = { .arena = s->arena,
		.limit = sizeof(offer->text) - 1 };

	if (moment_left(offer->until).us <= 0 && ask_offer(s, &names)) {
		memset(offer->text, 0, sizeof(offer->text));
		memcpy(offer->text, buf_str(&names).p, names.len);
		offer->until = moment_after(span_s(OFFER_S));
		offer->before = NULL;
	}
	if (!offer->before || strcmp(offer->before, before) != 0)
		make_ready(offer, before);
	return arena_copy(s->arena,
		str_of(offer->ready, offer->ready_len));
}

/* ---- an exchange ---- */

bool decode_initial(struct session *s, struct str text, struct str *initial)
{
	*initial = str_is(text, "=") ? STR("") : base64_parse(s->arena, text);
	return !str_is_none(*initial);
}

/* Such an exchange has no challenge: the connection can go with it. */
static bool is_one_step(struct str mechanism, struct str initial)
{
	return str_is(mechanism, "PLAIN") && initial.len > 0;
}

static bool start(struct session *s, struct call *call, struct str mechanism,
	struct str initial)
{
	struct msg_auth_start m = {
		.service = str_from(s->protocol->service),
		.mechanism = mechanism, .initial = initial,
		.client_address = s->rip, .secured = is_secured(s),
		.binding = STR_NONE,
		.handover = is_one_step(mechanism, initial),
	};

	if (s->has_tls && s->tls.exporter.len > 0) {
		m.binding_type = 2;
		m.binding = s->tls.exporter;
	} else if (s->has_tls && s->tls.end_point.len > 0) {
		m.binding_type = 1;
		m.binding = s->tls.end_point;
	}
	return msg_auth_start_send(call, &m) &&
		(!m.handover || pass_offer(s, call));
}

/* Ask the client. The challenge has the same form in both protocols. */
static enum outcome ask(struct session *s, struct arena *arena,
	struct str challenge, struct str *response)
{
	struct buf out = BUF_IN(arena);
	struct str line;

	base64_format(&out, challenge);
	if (!io_fmt(s->io, "+ %.*s\r\n", STR_ARG(buf_str(&out))) ||
		!io_line(s->io, &line, s->conf->login_timeout))
		return OUTCOME_GONE;
	if (str_is(line, "*"))
		return OUTCOME_ABORTED;
	*response = line.len == 0 ? STR("") : base64_parse(arena, line);
	return str_is_none(*response) ? OUTCOME_SYNTAX : OUTCOME_DONE;
}

static enum outcome pass_challenge(struct session *s, struct arena *arena,
	struct call *call)
{
	struct msg_auth_challenge challenge;
	struct msg_auth_response response;
	enum outcome outcome;

	if (!msg_auth_challenge_recv(call, &challenge, span_s(ANSWER_S)))
		return OUTCOME_UNAVAILABLE;
	if (s->is_offered) /* who reads the answer? */
		return OUTCOME_LOST;
	outcome = ask(s, arena, challenge.octets, &response.octets);
	if (outcome != OUTCOME_DONE)
		return outcome;
	return msg_auth_response_send(call, &response) ? OUTCOME_DONE :
							 OUTCOME_UNAVAILABLE;
}

static enum outcome no_answer(const struct session *s)
{
	log_warning("auth does not answer: %m");
	return s->is_offered ? OUTCOME_LOST : OUTCOME_UNAVAILABLE;
}

static enum outcome converse(struct session *s, struct arena *arena,
	struct call *call, struct msg_auth_verdict *verdict)
{
	enum outcome outcome = OUTCOME_DONE;
	enum msg_kind kind = MSG_NONE;

	while (outcome == OUTCOME_DONE && kind != MSG_auth_verdict) {
		if (!call_peek(call, &kind, span_s(ANSWER_S)))
			return no_answer(s);
		if (kind == MSG_auth_challenge)
			outcome = pass_challenge(s, arena, call);
		else if (!msg_auth_verdict_recv(call, verdict,
				 span_s(ANSWER_S)))
			return no_answer(s);
	}
	if (outcome != OUTCOME_DONE)
		return outcome;
	return verdict->verdict < COUNT(outcomes) ?
		outcomes[verdict->verdict] : OUTCOME_UNAVAILABLE;
}

static enum outcome conclude(struct session *s, struct arena *arena,
	struct call *call, const struct msg_auth_verdict *verdict)
{
	enum outcome outcome;
	struct str empty;

	/* Neither protocol has data with success: a challenge more. */
	if (!str_is_none(verdict->final)) {
		outcome = ask(s, arena, verdict->final, &empty);
		if (outcome != OUTCOME_DONE)
			return outcome;
	}
	if (!s->is_offered && !pass_offer(s, call))
		return OUTCOME_UNAVAILABLE;
	return pass_wait(s, call);
}

static enum outcome run(struct session *s, struct arena *arena,
	struct str mechanism, struct str initial)
{
	struct call *call = service_call(arena, "auth", span_s(CONNECT_S));
	struct msg_auth_verdict verdict = { .verdict = 2 };
	enum outcome outcome = OUTCOME_UNAVAILABLE;

	s->is_offered = false;
	s->passage = (struct passage){ -1, -1 };
	if (call && start(s, call, mechanism, initial))
		outcome = converse(s, arena, call, &verdict);
	else
		log_warning("auth does not answer: %m");
	if (verdict.user.len > 0)
		s->user = arena_copy(s->arena, verdict.user);
	if (outcome == OUTCOME_DONE)
		outcome = conclude(s, arena, call, &verdict);
	if (call)
		call_close(call);
	if (outcome == OUTCOME_DONE)
		pass_relay(s);
	passage_close(s);
	return outcome;
}

static struct str upper(struct arena *arena, struct str text)
{
	char *copy = arena_cstr(arena, text);

	for (size_t i = 0; i < text.len; i++)
		copy[i] = (char)ascii_upper((unsigned char)copy[i]);
	return str_of(copy, text.len);
}

enum outcome attempt(struct session *s, struct str mechanism,
	struct str initial)
{
	auto_arena struct arena *arena = arena_child(s->arena);
	enum outcome outcome;

	if (mechanism.len == 0 || mechanism.len > NAME_MOST)
		return OUTCOME_NO_MECHANISM;
	s->method = upper(s->arena, mechanism);
	s->user = STR("");
	if (!is_secured(s) && (str_is(s->method, "PLAIN") ||
		str_is(s->method, "LOGIN")))
		return OUTCOME_NOT_IN_CLEAR;
	outcome = run(s, arena, s->method, initial);
	if (outcome == OUTCOME_WRONG)
		s->attempts++;
	s->is_lost = outcome == OUTCOME_LOST;
	if (outcome == OUTCOME_DONE || outcome == OUTCOME_GONE || s->is_lost)
		s->is_gone = true;
	return outcome;
}

enum outcome attempt_plain(struct session *s, struct str user,
	struct str password)
{
	struct buf initial = BUF_IN(s->arena);
	enum outcome outcome;

	if (memchr(user.p ? user.p : "", 0, user.len) ||
		memchr(password.p ? password.p : "", 0, password.len))
		return OUTCOME_SYNTAX;
	buf_char(&initial, 0);
	buf_add(&initial, user);
	buf_char(&initial, 0);
	buf_add(&initial, password);
	outcome = attempt(s, STR("PLAIN"), buf_str(&initial));
	explicit_bzero(initial.p, initial.len);
	return outcome;
}
