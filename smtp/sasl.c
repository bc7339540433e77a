#include "smtp/sasl.h"

#include "base/encode.h"
#include "base/random.h"
#include "smtp/tables.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
	ITERATIONS_MOST = 200000, /* of SCRAM: 0.1 s of our time */
	NONCE_OCTETS = 18,
	CHALLENGES_MOST = 8,
};

/* ---- accounts ---- */

bool sasl_account(struct arena *arena, const struct settings *set,
	struct str sender, struct str host, struct str destination,
	struct account *account)
{
	struct str keys[] = { sender, host, destination }, value;
	enum table_result result = TABLE_NOTHING;
	size_t at;

	*account = (struct account){ STR_NONE, STR_NONE };
	if (!set->sasl_auth_enable || !tables_has(TABLE_PASSWORDS))
		return true;
	for (size_t i = 0; i < COUNT(keys) && result == TABLE_NOTHING; i++)
		if (keys[i].len > 0 &&
			(i > 0 || set->sender_dependent_authentication))
			result = tables_find(arena, TABLE_PASSWORDS, keys[i],
				&value);
	if (result != TABLE_FOUND)
		return result == TABLE_NOTHING;
	at = str_find(value, set->sasl_password_result_delimiter);
	account->user = str_first(value, at);
	account->password = at == SIZE_MAX ?
		STR("") :
		str_skip(value,
			at + set->sasl_password_result_delimiter.len);
	return true;
}

/* ---- digests ---- */

static struct str hmac(struct arena *arena, const char *digest,
	struct str key, struct str text)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!HMAC(EVP_get_digestbyname(digest), key.p, (int)key.len,
		    (const unsigned char *)text.p, text.len, out, &len))
		panic("HMAC");
	return arena_copy(arena, str_of(out, len));
}

static struct str hash(struct arena *arena, const char *digest,
	struct str text)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!EVP_Digest(text.p, text.len, out, &len,
		    EVP_get_digestbyname(digest), NULL))
		panic("EVP_Digest");
	return arena_copy(arena, str_of(out, len));
}

static struct str base64(struct arena *arena, struct str octets)
{
	struct buf out = BUF_IN(arena);

	base64_format(&out, octets);
	return buf_str(&out);
}

struct str sasl_cram_md5(struct arena *arena, const struct account *account,
	struct str challenge)
{
	struct buf out = BUF_IN(arena);

	buf_add(&out, account->user);
	buf_char(&out, ' ');
	hex_format(&out, hmac(arena, "MD5", account->password, challenge));
	return buf_str(&out);
}

/* ---- SCRAM, RFC 5802 ---- */

/* ',' and '=' in user names, RFC 5802 5.1. */
static void format_saslname(struct buf *out, struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] == ',')
			buf_text(out, "=2C");
		else if (name.p[i] == '=')
			buf_text(out, "=3D");
		else
			buf_char(out, name.p[i]);
}

struct str scram_first(struct arena *arena, struct scram *scram,
	const struct account *account, struct str nonce)
{
	struct buf bare = BUF_IN(arena);

	buf_text(&bare, "n=");
	format_saslname(&bare, account->user);
	buf_text(&bare, ",r=");
	buf_add(&bare, nonce);
	scram->bare = buf_str(&bare);
	return arena_join(arena, STR("n,,"), scram->bare);
}

/* "r=...,s=...,i=..." */
static bool parse_first(struct str in, struct str *nonce, struct str *salt,
	uint64_t *iterations)
{
	struct str item = str_take_until(&in, ',');

	if (!str_take_prefix(&item, STR("r=")))
		return false;
	*nonce = item;
	item = str_take_until(&in, ',');
	if (!str_take_prefix(&item, STR("s=")))
		return false;
	*salt = item;
	item = str_take_until(&in, ',');
	return str_take_prefix(&item, STR("i=")) &&
		str_parse_u64(item, ITERATIONS_MOST, iterations) &&
		*iterations > 0;
}

static struct str salted_password(struct arena *arena, const char *digest,
	struct str password, struct str salt, uint64_t iterations)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	const EVP_MD *md = EVP_get_digestbyname(digest);
	int len = EVP_MD_get_size(md);

	if (!PKCS5_PBKDF2_HMAC(password.p, (int)password.len,
		    (const unsigned char *)salt.p, (int)salt.len,
		    (int)iterations, md, len, out))
		panic("PBKDF2");
	return arena_copy(arena, str_of(out, (size_t)len));
}

static struct str exclusive_or(struct arena *arena, struct str a, struct str b)
{
	char *out = arena_alloc(arena, a.len);

	for (size_t i = 0; i < a.len; i++)
		out[i] = (char)(a.p[i] ^ b.p[i]);
	return str_of(out, a.len);
}

struct str scram_final(struct arena *arena, struct scram *scram,
	const struct account *account, struct str server_first)
{
	struct str nonce, salt, salted, key, text, without_proof, proof;
	struct str ours = str_skip(scram->bare,
		str_find(scram->bare, STR(",r=")) + 3);
	uint64_t iterations;

	if (!parse_first(server_first, &nonce, &salt, &iterations) ||
		!str_starts(nonce, ours) || nonce.len == ours.len)
		return STR_NONE;
	salt = base64_parse(arena, salt);
	if (str_is_none(salt))
		return STR_NONE;
	without_proof = arena_fmt(arena, "c=biws,r=%.*s", STR_ARG(nonce));
	text = arena_fmt(arena, "%.*s,%.*s,%.*s", STR_ARG(scram->bare),
		STR_ARG(server_first), STR_ARG(without_proof));
	salted = salted_password(arena, scram->digest, account->password, salt,
		iterations);
	key = hmac(arena, scram->digest, salted, STR("Client Key"));
	proof = exclusive_or(arena, key,
		hmac(arena, scram->digest, hash(arena, scram->digest, key),
			text));
	scram->server_signature = hmac(arena, scram->digest,
		hmac(arena, scram->digest, salted, STR("Server Key")), text);
	return arena_fmt(arena, "%.*s,p=%.*s", STR_ARG(without_proof),
		STR_ARG(base64(arena, proof)));
}

bool scram_is_proven(struct arena *arena, const struct scram *scram,
	struct str server_final)
{
	return scram->server_signature.len > 0 &&
		str_take_prefix(&server_final, STR("v=")) &&
		str_eq(str_take_until(&server_final, ','),
			base64(arena, scram->server_signature));
}

/* ---- mechanisms ---- */

struct dialogue {
	struct arena *arena;
	const struct account *account;
	struct scram scram;
	unsigned step;
	bool has_authzid; /* send_cyrus_sasl_authzid */
	bool is_proven; /* nothing is missing from the server's side */
};

/* The answer to a challenge; the first one is empty. NONE: give up. */
typedef struct str answer(struct dialogue *d, struct str challenge);

static struct str plain(struct dialogue *d, struct str challenge)
{
	struct buf out = BUF_IN(d->arena);

	(void)challenge;
	d->is_proven = true;
	if (d->has_authzid)
		buf_add(&out, d->account->user);
	buf_char(&out, 0);
	buf_add(&out, d->account->user);
	buf_char(&out, 0);
	buf_add(&out, d->account->password);
	return d->step == 0 ? buf_str(&out) : STR_NONE;
}

static struct str login(struct dialogue *d, struct str challenge)
{
	(void)challenge;
	d->is_proven = d->step >= 1;
	return d->step == 0 ? d->account->user :
		d->step == 1 ? d->account->password :
			       STR_NONE;
}

static struct str cram_md5(struct dialogue *d, struct str challenge)
{
	d->is_proven = true;
	return d->step == 0 ? sasl_cram_md5(d->arena, d->account, challenge) :
			      STR_NONE;
}

static struct str scram(struct dialogue *d, struct str challenge)
{
	unsigned char octets[NONCE_OCTETS];

	switch (d->step) {
	case 0:
		random_octets(octets, sizeof(octets));
		return scram_first(d->arena, &d->scram, d->account,
			base64(d->arena, str_of(octets, sizeof(octets))));
	case 1:
		return scram_final(d->arena, &d->scram, d->account, challenge);
	case 2:
		d->is_proven = scram_is_proven(d->arena, &d->scram, challenge);
		return d->is_proven ? STR("") : STR_NONE;
	default:
		return STR_NONE;
	}
}

static struct str scram_sha256(struct dialogue *d, struct str challenge)
{
	d->scram.digest = "SHA256";
	return scram(d, challenge);
}

static struct str scram_sha1(struct dialogue *d, struct str challenge)
{
	d->scram.digest = "SHA1";
	return scram(d, challenge);
}

/* Best first. */
static const struct mechanism {
	const char *name;
	answer *answer;
	bool speaks_first; /* the first answer goes with AUTH */
	bool is_plaintext, is_active, is_dictionary, is_mutual;
} mechanisms[] = {
	{ "SCRAM-SHA-256", scram_sha256, true, false, false, false, true },
	{ "SCRAM-SHA-1", scram_sha1, true, false, false, false, true },
	{ "CRAM-MD5", cram_md5, false, false, true, true, false },
	{ "PLAIN", plain, true, true, true, true, false },
	{ "LOGIN", login, false, true, true, true, false },
};

static struct str security_options(const struct session *session)
{
	const struct settings *set = session->set;

	return session->is_verified ? set->sasl_tls_verified_security_options :
		session->talk.is_tls     ? set->sasl_tls_security_options :
				      set->sasl_security_options;
}

static bool is_listed(struct str list, const char *name)
{
	struct str item;

	while (str_take_item(&list, ", \t", &item))
		if (str_is_nocase(item, name))
			return true;
	return false;
}

static bool is_permitted(const struct mechanism *m, struct str options)
{
	return !(m->is_plaintext && settings_lists(options, "noplaintext")) &&
		!(m->is_active && settings_lists(options, "noactive")) &&
		!(m->is_dictionary &&
			settings_lists(options, "nodictionary")) &&
		!(!m->is_mutual && settings_lists(options, "mutual_auth")) &&
		!settings_lists(options, "forward_secrecy");
}

/* "!gssapi, plain, static:all": the last word is never a table here. */
static bool passes_filter(const struct mechanism *m, struct str filter)
{
	struct str item;

	if (filter.len == 0)
		return true;
	while (str_take_item(&filter, ", \t\r\n", &item)) {
		bool excludes = str_take_char(&item, '!');

		if (str_is_nocase(item, m->name) ||
			str_is_nocase(item, "static:all"))
			return !excludes;
	}
	return false;
}

static const struct mechanism *choose(const struct session *session)
{
	struct str options = security_options(session);

	for (size_t i = 0; i < COUNT(mechanisms); i++)
		if (is_listed(session->talk.features.mechanisms,
			    mechanisms[i].name) &&
			is_permitted(&mechanisms[i], options) &&
			passes_filter(&mechanisms[i],
				session->set->sasl_mechanism_filter))
			return &mechanisms[i];
	return NULL;
}

/* ---- the exchange ---- */

static struct outcome sasl_trouble(const struct session *session,
	struct outcome trouble)
{
	trouble.mta = session->site.host;
	trouble.is_site = true;
	return trouble;
}

static void refused(struct session *session, const struct opening *o,
	const struct smtp_reply *reply, struct outcome *trouble)
{
	bool soft = session->set->sasl_auth_soft_bounce ||
		reply->code / 100 != 5;

	*trouble = sasl_trouble(session,
		outcome_f(o->arena, soft ? 454 : 535, 7, 8,
			"SASL authentication failed; server %.*s said: %.*s",
			STR_ARG(session->site.where),
			STR_ARG(talk_text(o->arena, reply))));
	trouble->diagnostic = talk_text(o->arena, reply);
}

static struct str first_line(struct dialogue *d, const struct mechanism *m)
{
	struct str initial;

	if (!m->speaks_first)
		return arena_fmt(d->arena, "AUTH %s", m->name);
	initial = m->answer(d, STR(""));
	d->step++;
	return arena_fmt(d->arena, "AUTH %s %.*s", m->name,
		STR_ARG(base64(d->arena, initial)));
}

/* The line that answers a 334; "*" gives up. */
static struct str next_line(struct dialogue *d, const struct mechanism *m,
	struct str challenge)
{
	struct str octets = base64_parse(d->arena, str_trim(challenge));
	struct str response = STR_NONE;

	if (!str_is_none(octets) && d->step < CHALLENGES_MOST)
		response = m->answer(d, octets);
	d->step++;
	return str_is_none(response) ? STR("*") : base64(d->arena, response);
}

static bool exchange(struct session *session, const struct opening *o,
	const struct mechanism *m, struct outcome *trouble)
{
	struct dialogue d = { .arena = o->arena, .account = &o->account,
		.has_authzid = o->set->conf->send_cyrus_sasl_authzid };
	struct str line = first_line(&d, m);
	struct smtp_reply reply;

	for (;;) {
		if (!session_command(session, o->arena, line,
			    session->set->helo_timeout,
			    "performing the AUTH handshake", &reply, trouble))
			return false;
		if (reply.code != 334 || str_is(line, "*"))
			break;
		line = next_line(&d, m, reply.text);
	}
	if (reply.code == 334) /* after "*": it could ask for ever */
		session->talk.is_broken = true;
	if (reply.code / 100 == 2 && m->is_mutual && !d.is_proven) {
		/* the proof may come with the success, RFC 4954 4 */
		*trouble = sasl_trouble(session,
			outcome_f(o->arena, 454, 7, 8,
				"SASL authentication failed; server %.*s has "
				"not proven who it is",
				STR_ARG(session->site.where)));
		return false;
	}
	if (reply.code / 100 == 2) {
		session->is_authenticated = true;
		return true;
	}
	refused(session, o, &reply, trouble);
	return false;
}

bool sasl_login(struct session *session, const struct opening *o,
	struct outcome *trouble)
{
	const struct mechanism *mechanism;

	if (o->account.user.len == 0 ||
		!(session->talk.features.set & FEATURE_AUTH))
		return true;
	mechanism = choose(session);
	if (mechanism) {
		bool is_debugged = session->is_debugged, done;

		session->is_debugged = false; /* passwords are in no log */
		done = exchange(session, o, mechanism, trouble);
		session->is_debugged = is_debugged;
		return done;
	}
	*trouble = sasl_trouble(session,
		outcome_f(o->arena, 454, 7, 0,
			"SASL authentication failed; cannot authenticate to "
			"server %.*s: no mechanism available",
			STR_ARG(session->site.where)));
	return false;
}
