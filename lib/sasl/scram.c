#include "sasl/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/encode.h"
#include "base/random.h"

enum {
	NONCE_OCTETS = 18,
	NONCE_MOST = 512,
	NAME_MOST = 512,
};

static const char scheme[] = "SCRAM-SHA-256$";

/* ---- keys, RFC 5802 3 ---- */

static void hmac(const uint8_t key[SCRAM_KEY], struct str text,
	uint8_t out[SCRAM_KEY])
{
	unsigned len = SCRAM_KEY;

	if (!HMAC(EVP_sha256(), key, SCRAM_KEY,
		    (const unsigned char *)text.p, text.len, out, &len))
		panic("HMAC-SHA-256 is not available");
}

static void hash(const uint8_t in[SCRAM_KEY], uint8_t out[SCRAM_KEY])
{
	if (!SHA256(in, SCRAM_KEY, out))
		panic("SHA-256 is not available");
}

static void set_salt(struct scram_verifier *verifier, struct str salt)
{
	verifier->salt_len =
		salt.len < SCRAM_SALT_MOST ? salt.len : SCRAM_SALT_MOST;
	memcpy(verifier->salt, salt.p, verifier->salt_len);
}

void scram_verifier_derive(struct str password, struct str salt,
	unsigned iterations, struct scram_verifier *verifier)
{
	uint8_t salted[SCRAM_KEY], client_key[SCRAM_KEY];

	*verifier = (struct scram_verifier){ .iterations = iterations };
	set_salt(verifier, salt);
	if (PKCS5_PBKDF2_HMAC(password.p, (int)password.len, verifier->salt,
		    (int)verifier->salt_len, (int)iterations, EVP_sha256(),
		    SCRAM_KEY, salted) != 1)
		panic("PBKDF2 is not available");
	hmac(salted, STR("Client Key"), client_key);
	hash(client_key, verifier->stored_key);
	hmac(salted, STR("Server Key"), verifier->server_key);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client_key, sizeof(client_key));
}

void scram_verifier_fake(struct str secret, struct str user,
	struct scram_verifier *verifier)
{
	uint8_t key[SCRAM_KEY], salt[SCRAM_KEY];

	if (!SHA256((const unsigned char *)secret.p, secret.len, key))
		panic("SHA-256 is not available");
	hmac(key, user, salt);
	*verifier = (struct scram_verifier){ .iterations = SCRAM_ITERATIONS };
	set_salt(verifier, str_of(salt, SCRAM_SALT));
	random_octets(verifier->stored_key, SCRAM_KEY);
	random_octets(verifier->server_key, SCRAM_KEY);
}

/* ---- stored form, RFC 5803 3 ---- */

void scram_verifier_format(struct buf *out,
	const struct scram_verifier *verifier)
{
	buf_fmt(out, "%s%u:", scheme, verifier->iterations);
	base64_format(out, str_of(verifier->salt, verifier->salt_len));
	buf_char(out, '$');
	base64_format(out, str_of(verifier->stored_key, SCRAM_KEY));
	buf_char(out, ':');
	base64_format(out, str_of(verifier->server_key, SCRAM_KEY));
}

static bool decode_into(struct arena *arena, struct str text, size_t least,
	size_t most, uint8_t *into, size_t *len)
{
	struct str octets = base64_parse(arena, text);

	if (str_is_none(octets) || octets.len < least || octets.len > most)
		return false;
	memcpy(into, octets.p, octets.len);
	*len = octets.len;
	return true;
}

bool scram_verifier_parse(struct str text, struct scram_verifier *verifier)
{
	struct arena *arena auto_arena = arena_new(0);
	struct scram_verifier got = { 0 };
	struct str salt, stored;
	uint64_t iterations;
	size_t len;

	if (text.len > SCRAM_MESSAGE_MOST ||
		!str_take_prefix_nocase(&text, str_from(scheme)) ||
		!str_take_u64(&text, SCRAM_ITERATIONS_MOST, &iterations) ||
		iterations == 0 || !str_take_char(&text, ':') ||
		str_find_char(text, '$') == SIZE_MAX)
		return false;
	salt = str_take_until(&text, '$');
	if (str_find_char(text, ':') == SIZE_MAX)
		return false;
	stored = str_take_until(&text, ':');
	got.iterations = (unsigned)iterations;
	if (!decode_into(arena, salt, 1, SCRAM_SALT_MOST, got.salt,
		    &got.salt_len) ||
		!decode_into(arena, stored, SCRAM_KEY, SCRAM_KEY,
			got.stored_key, &len) ||
		!decode_into(arena, text, SCRAM_KEY, SCRAM_KEY, got.server_key,
			&len))
		return false;
	*verifier = got;
	return true;
}

/* ---- the messages, RFC 5802 7 ---- */

/* saslname: "=2C" is a comma, "=3D" an equals sign, nothing else. */
static bool decode_name(struct arena *arena, struct str in, struct str *name)
{
	struct buf out = BUF_IN(arena);

	if (in.len > NAME_MOST || memchr(in.p ? in.p : "", 0, in.len) ||
		!str_is_utf8(in))
		return false;
	while (in.len > 0) {
		if (str_take_prefix(&in, STR("=2C")))
			buf_char(&out, ',');
		else if (str_take_prefix(&in, STR("=3D")))
			buf_char(&out, '=');
		else if (*in.p == '=')
			return false;
		else {
			buf_char(&out, *in.p);
			in = str_skip(in, 1);
		}
	}
	*name = buf_str(&out);
	return true;
}

static bool is_nonce_octet(unsigned char c)
{
	return c >= 0x21 && c <= 0x7e && c != ',';
}

/* "x=value," or "x=value" at the end. */
static bool take_attribute(struct str *in, char name, struct str *value)
{
	struct str rest = *in;

	if (!str_take_char(&rest, name) || !str_take_char(&rest, '='))
		return false;
	*value = str_take_until(&rest, ',');
	*in = rest;
	return true;
}

static bool take_nonce(struct str *in, struct str *nonce)
{
	struct str rest;

	if (!take_attribute(in, 'r', nonce))
		return false;
	rest = *nonce;
	str_take_while(&rest, is_nonce_octet);
	return nonce->len > 0 && nonce->len <= NONCE_MOST && rest.len == 0;
}

/* gs2-cbind-flag: what the client says about channel binding. */
static enum scram_result take_binding_flag(struct scram_server *s,
	struct str *in)
{
	struct str type;

	if (str_take_prefix(in, STR("n,")))
		return s->plus ? SCRAM_MALFORMED : SCRAM_OK;
	if (str_take_prefix(in, STR("y,"))) {
		if (s->plus)
			return SCRAM_MALFORMED;
		/* Somebody took our -PLUS out of the list: RFC 5802 6. */
		return s->plus_offered ? SCRAM_WRONG : SCRAM_OK;
	}
	if (!str_take_prefix(in, STR("p=")) || !s->plus)
		return SCRAM_MALFORMED;
	type = str_take_until(in, ',');
	if (s->binding.len == 0 || !str_eq(type, s->binding_type))
		return SCRAM_WRONG;
	return SCRAM_OK;
}

static bool take_gs2(struct scram_server *s, struct str *in,
	enum scram_result *result)
{
	struct str start = *in, name;

	if (str_find_char(*in, ',') == SIZE_MAX)
		return false;
	*result = take_binding_flag(s, in);
	if (*result != SCRAM_OK)
		return false;
	*result = SCRAM_MALFORMED;
	if (str_take_prefix(in, STR("a="))) {
		if (str_find_char(*in, ',') == SIZE_MAX)
			return false;
		name = str_take_until(in, ',');
		if (name.len == 0 || !decode_name(s->arena, name, &s->authzid))
			return false;
	} else if (!str_take_char(in, ',')) {
		return false;
	}
	s->gs2 = arena_copy(s->arena, str_first(start, start.len - in->len));
	return true;
}

static struct str random_nonce(struct arena *arena)
{
	uint8_t octets[NONCE_OCTETS];
	struct buf out = BUF_IN(arena);

	random_octets(octets, sizeof(octets));
	base64_format(&out, str_of(octets, sizeof(octets)));
	return buf_str(&out);
}

enum scram_result scram_server_first(struct scram_server *s,
	struct str message)
{
	enum scram_result result = SCRAM_MALFORMED;
	struct str name, nonce;

	if (message.len > SCRAM_MESSAGE_MOST || !take_gs2(s, &message, &result))
		return result;
	s->first_bare = arena_copy(s->arena, message);
	if (!take_attribute(&message, 'n', &name) || name.len == 0 ||
		!decode_name(s->arena, name, &s->user) ||
		!take_nonce(&message, &nonce))
		return SCRAM_MALFORMED;
	if (s->nonce.len == 0)
		s->nonce = random_nonce(s->arena);
	s->full_nonce = arena_join(s->arena, nonce, s->nonce);
	return SCRAM_OK;
}

struct str scram_server_challenge(struct scram_server *s,
	const struct scram_verifier *verifier)
{
	struct buf out = BUF_IN(s->arena);

	s->verifier = *verifier;
	buf_fmt(&out, "r=%.*s,s=", STR_ARG(s->full_nonce));
	base64_format(&out, str_of(verifier->salt, verifier->salt_len));
	buf_fmt(&out, ",i=%u", verifier->iterations);
	s->first = buf_str(&out);
	return s->first;
}

/* c= repeats the GS2 header, and with -PLUS the channel's data. */
static enum scram_result check_binding(const struct scram_server *s,
	struct str value)
{
	struct str got = base64_parse(s->arena, value);

	if (str_is_none(got) || !str_take_prefix(&got, s->gs2))
		return SCRAM_MALFORMED;
	if (!s->plus)
		return got.len == 0 ? SCRAM_OK : SCRAM_MALFORMED;
	if (got.len != s->binding.len ||
		CRYPTO_memcmp(got.p, s->binding.p, got.len) != 0)
		return SCRAM_WRONG;
	return SCRAM_OK;
}

static struct str server_final(const struct scram_server *s,
	struct str auth_message)
{
	uint8_t signature[SCRAM_KEY];
	struct buf out = BUF_IN(s->arena);

	hmac(s->verifier.server_key, auth_message, signature);
	buf_text(&out, "v=");
	base64_format(&out, str_of(signature, sizeof(signature)));
	return buf_str(&out);
}

/* ClientKey := proof XOR HMAC(StoredKey, AuthMessage); H(it) = StoredKey. */
static bool is_proof_good(const struct scram_server *s, struct str auth_message,
	struct str proof)
{
	uint8_t key[SCRAM_KEY], hashed[SCRAM_KEY];
	bool good;

	hmac(s->verifier.stored_key, auth_message, key);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		key[i] ^= (uint8_t)proof.p[i];
	hash(key, hashed);
	good = CRYPTO_memcmp(hashed, s->verifier.stored_key, SCRAM_KEY) == 0;
	OPENSSL_cleanse(key, sizeof(key));
	return good;
}

/* "c=...,r=...[,extensions],p=..."; `bare` is what stands before ",p=". */
static bool split_final(struct str message, struct str *bare,
	struct str *binding, struct str *nonce, struct str *proof)
{
	size_t at = str_rfind_char(message, ',');
	struct str rest;

	if (message.len > SCRAM_MESSAGE_MOST || at == SIZE_MAX)
		return false;
	rest = str_skip(message, at + 1);
	*bare = str_first(message, at);
	if (!take_attribute(&rest, 'p', proof) || rest.len > 0)
		return false;
	rest = *bare;
	return take_attribute(&rest, 'c', binding) && take_nonce(&rest, nonce);
}

enum scram_result scram_server_final(struct scram_server *s,
	struct str message, struct str *final)
{
	struct str bare, binding, nonce, proof, octets, auth_message;
	enum scram_result result;

	if (!split_final(message, &bare, &binding, &nonce, &proof))
		return SCRAM_MALFORMED;
	octets = base64_parse(s->arena, proof);
	if (str_is_none(octets) || octets.len != SCRAM_KEY ||
		!str_eq(nonce, s->full_nonce))
		return SCRAM_MALFORMED;
	result = check_binding(s, binding);
	if (result != SCRAM_OK)
		return result;
	auth_message = arena_fmt(s->arena, "%.*s,%.*s,%.*s",
		STR_ARG(s->first_bare), STR_ARG(s->first), STR_ARG(bare));
	if (!is_proof_good(s, auth_message, octets))
		return SCRAM_WRONG;
	*final = server_final(s, auth_message);
	return SCRAM_OK;
}
