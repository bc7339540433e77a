#include "maps/key_digest.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>

#include "base/encode.h"

#define TEXT_OF(number) #number
#define LIBRARY(version) "libcrypto.so." TEXT_OF(version)

struct key_digest {
	const EVP_MD *type;
	__typeof__(EVP_Digest) *make;
};

/* POSIX has dlsym give functions, C has no conversion to them. */
static void find(void *library, const char *name, void *pointer)
{
	void *symbol = dlsym(library, name);

	memcpy(pointer, &symbol, sizeof(symbol));
}

const struct key_digest *key_digest_open(struct arena *arena, struct str name,
	const char **why)
{
	struct key_digest *digest = arena_new_of(arena, struct key_digest);
	__typeof__(EVP_get_digestbyname) *find_type = NULL;
	/* For the life of the process, as tables are. */
	void *library = dlopen(LIBRARY(OPENSSL_SHLIB_VERSION),
		RTLD_NOW | RTLD_LOCAL);

	if (library) {
		find(library, "EVP_get_digestbyname", &find_type);
		find(library, "EVP_Digest", &digest->make);
	}
	if (!find_type || !digest->make) {
		*why = "no libcrypto of this release is installed";
		return NULL;
	}
	digest->type = find_type(arena_cstr(arena, name));
	*why = "unknown";
	return digest->type ? digest : NULL;
}

bool key_digest_format(const struct key_digest *digest, struct str key,
	struct buf *out)
{
	unsigned char octets[EVP_MAX_MD_SIZE];
	unsigned len;

	if (digest->make(key.p, key.len, octets, &len, digest->type, NULL) !=
		1)
		return false;
	hex_format(out, str_of(octets, len));
	return true;
}
