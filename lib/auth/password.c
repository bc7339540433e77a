#include "auth/password.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static const char *const methods[] = { "$y$", "$6$" };

struct str password_setting(struct arena *arena)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	for (size_t i = 0; i < COUNT(methods); i++)
		if (crypt_gensalt_rn(methods[i], 0, NULL, 0, setting,
			    sizeof(setting)))
			return arena_copy(arena, str_from(setting));
	return STR_NONE;
}

/* A copy with a NUL; NULL: it has one inside. */
static char *terminated(struct str s)
{
	char *copy;

	if (!s.p || memchr(s.p, 0, s.len)) {
		errno = EINVAL;
		return NULL;
	}
	copy = mem_new(1, s.len + 1);
	memcpy(copy, s.p, s.len);
	return copy;
}

static void forget(char *secret)
{
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

/* crypt_r(3); into the arena, or NONE. */
static struct str run_crypt(struct arena *arena, struct str password,
	struct str setting)
{
	struct crypt_data *data = mem_new(1, sizeof(*data));
	char *phrase = terminated(password), *with = terminated(setting);
	const char *hash = phrase && with ? crypt_r(phrase, with, data) : NULL;
	struct str result = STR_NONE;

	if (hash && hash[0] != '*')
		result = arena_copy(arena, str_from(hash));
	forget(phrase);
	free(with);
	OPENSSL_cleanse(data, sizeof(*data));
	free(data);
	return result;
}

struct str password_hash(struct arena *arena, struct str password)
{
	struct str setting = password_setting(arena);

	if (str_is_none(setting)) {
		errno = ENOSYS;
		return setting;
	}
	return run_crypt(arena, password, setting);
}

bool password_fits(struct str hash, struct str password)
{
	struct arena *arena auto_arena = arena_new(0);
	struct str got = run_crypt(arena, password, hash);

	return got.len > 0 && got.len == hash.len &&
		CRYPTO_memcmp(got.p, hash.p, hash.len) == 0;
}
