/*
 * SCRAM-SHA-256 and -PLUS: lib/sasl's engine and the users' verifiers. A user
 * who does not exist, or has none, gets a challenge all the same.
 */
#include "auth.h"

#include "base/random.h"

static uint8_t secret[32]; /* of the challenges for those who are not there */

void scram_open(void)
{
	random_octets(secret, sizeof(secret));
}

static const char *const binding_types[] = {
	"", "tls-server-end-point", "tls-exporter",
};

static enum verdict judge(struct exchange *x, enum scram_result result)
{
	x->why = result == SCRAM_MALFORMED ? "bad protocol / cancel" : NULL;
	return VERDICT_WRONG;
}

/* True if there is somebody to be. */
static bool find_verifier(struct exchange *x, const struct scram_server *s,
	struct scram_verifier *verifier)
{
	const struct user *user = store_find(x->arena, s->user);

	scram_verifier_fake(str_of(secret, sizeof(secret)),
		arena_lower(x->arena, s->user), verifier);
	if (!user || !user->has_scram)
		return false;
	*verifier = user->scram;
	x->user = arena_copy(x->arena, user->name);
	return true;
}

enum verdict scram_run(struct exchange *x)
{
	bool bound = x->start.binding.len > 0 &&
		x->start.binding_type < COUNT(binding_types);
	struct scram_server s = {
		.arena = x->arena,
		.plus = str_ends_nocase(x->start.mechanism, STR("-PLUS")),
		.plus_offered = bound,
		.binding_type = str_from(bound ?
			binding_types[x->start.binding_type] : ""),
		.binding = x->start.binding,
	};
	struct scram_verifier verifier;
	struct str message = x->start.initial;
	enum scram_result result;
	bool known;

	if (str_is_none(message) && !exchange_ask(x, STR(""), &message))
		return VERDICT_ABORTED;
	result = scram_server_first(&s, message);
	x->claimed = s.user;
	if (result != SCRAM_OK)
		return judge(x, result);
	known = find_verifier(x, &s, &verifier);
	if (!exchange_ask(x, scram_server_challenge(&s, &verifier), &message))
		return VERDICT_ABORTED;
	result = scram_server_final(&s, message, &x->final);
	if (result != SCRAM_OK || !known)
		return judge(x, result);
	if (s.authzid.len > 0 && !str_eq_nocase(s.authzid, s.user)) {
		x->why = "not authorized";
		return VERDICT_WRONG;
	}
	return VERDICT_ACCEPTED;
}
