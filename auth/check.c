/*
 * Is a password right: as it was a moment ago, or as a worker computes it. Who
 * is wrong waits for the computation each time.
 */
#include "auth.h"

#include "auth/verified.h"
#include "io/fiber.h"

static struct {
	struct verified *verified; /* NULL: nothing is remembered */
	struct span life;
} check;

void check_open(const struct conf *conf)
{
	check.life = conf->auth_cache_ttl;
	check.verified = verified_new((size_t)conf->auth_cache_size,
		check.life);
}

static void sweep(void *context)
{
	(void)context;
	while (io_sleep(check.life))
		verified_sweep(check.verified, moment_now());
}

void check_start(void)
{
	if (check.verified)
		io_spawn("sweep", sweep, NULL);
}

/* False: no worker could say. */
static bool compute(struct exchange *x, const struct verified_claim *claim,
	bool *fits)
{
	*fits = verified_has(check.verified, moment_now(), claim);
	if (*fits)
		return true;
	if (!workers_check(x->arena, claim->hash, claim->password, fits))
		return false;
	if (*fits)
		verified_put(check.verified, moment_now(), claim);
	return true;
}

enum verdict exchange_check_password(struct exchange *x, struct str password)
{
	const struct user *user = store_find(x->arena, x->claimed);
	bool known = user && user->hash.len > 0, fits = false;
	/* The file may change while the worker computes: `user` is old then. */
	struct verified_claim claim = { .name = STR(""),
		.hash = known ? arena_copy(x->arena, user->hash) :
				store_decoy(x->arena, x->claimed),
		.password = password };

	if (user)
		claim.name = x->user = arena_copy(x->arena, user->name);
	if (known ? !compute(x, &claim, &fits) :
		!workers_check(x->arena, claim.hash, password, &fits)) {
		x->why = "no worker to check the password";
		return VERDICT_TEMPORARY;
	}
	return known && fits ? VERDICT_ACCEPTED : VERDICT_WRONG;
}
