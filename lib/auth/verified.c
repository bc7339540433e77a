#include "auth/verified.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/random.h"

enum {
	KEY = 32,
	MAC = 32,
	WAYS = 4, /* places that an entry may have */
};

struct entry {
	struct moment until; /* 0: none */
	uint8_t mac[MAC];
};

struct verified {
	uint8_t key[KEY];
	struct span life;
	size_t octets; /* of all of this */
	size_t sets, count;
	struct entry entries[];
};

struct verified *verified_new(size_t octets, struct span life)
{
	struct verified *v;

	if (octets > VERIFIED_OCTETS_MOST)
		octets = VERIFIED_OCTETS_MOST;
	if (life.us <= 0 ||
		octets < sizeof(*v) + WAYS * sizeof(v->entries[0]))
		return NULL;
	v = mmap(NULL, octets, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED)
		starved("no memory for passwords that were verified: %m");
	/* Workers are forked: they have no use for it. */
	if (madvise(v, octets, MADV_WIPEONFORK) < 0 ||
		madvise(v, octets, MADV_DONTDUMP) < 0) {
		munmap(v, octets);
		return NULL;
	}
	random_octets(v->key, sizeof(v->key));
	v->life = life;
	v->octets = octets;
	v->sets = (octets - sizeof(*v)) / (WAYS * sizeof(v->entries[0]));
	return v;
}

void verified_free(struct verified *v)
{
	size_t octets = v ? v->octets : 0;

	if (!v)
		return;
	OPENSSL_cleanse(v, octets);
	munmap(v, octets);
}

static void add_counted(struct buf *out, struct str s)
{
	uint64_t len = s.len;

	buf_add(out, str_of((const char *)&len, sizeof(len)));
	buf_add(out, s);
}

/* Each with its length in front: no two claims make the same text. */
static void mac_of(const struct verified *v, const struct verified_claim *claim,
	uint8_t mac[MAC])
{
	auto_buf struct buf text = { 0 };
	unsigned len = MAC;

	/* In one piece from the start: nothing is left where it grew. */
	if (!buf_room(&text, claim->name.len + claim->hash.len +
		claim->password.len + 3 * sizeof(uint64_t)))
		starved("out of memory");
	add_counted(&text, claim->name);
	add_counted(&text, claim->hash);
	add_counted(&text, claim->password);
	/* HMAC-SHA-256 is always there: what may be missing is memory. */
	if (!HMAC(EVP_sha256(), v->key, KEY, (const unsigned char *)text.p,
		    text.len, mac, &len))
		starved("out of memory: HMAC");
	OPENSSL_cleanse(text.p, text.len);
}

/* The places for it; by the key, nobody outside can choose them. */
static struct entry *set_of(struct verified *v, const uint8_t mac[MAC])
{
	uint64_t number;

	memcpy(&number, mac, sizeof(number));
	return &v->entries[number % v->sets * WAYS];
}

static void wipe(struct verified *v, struct entry *entry)
{
	if (entry->until.us == 0)
		return;
	OPENSSL_cleanse(entry, sizeof(*entry));
	v->count--;
}

static bool is_over(const struct entry *entry, struct moment now)
{
	return entry->until.us <= now.us;
}

bool verified_has(struct verified *v, struct moment now,
	const struct verified_claim *claim)
{
	uint8_t mac[MAC];
	struct entry *set;
	bool has = false;

	if (!v || v->count == 0)
		return false;
	mac_of(v, claim, mac);
	set = set_of(v, mac);
	for (size_t i = 0; i < WAYS; i++)
		if (!is_over(&set[i], now) &&
			CRYPTO_memcmp(set[i].mac, mac, MAC) == 0)
			has = true;
	return has;
}

void verified_put(struct verified *v, struct moment now,
	const struct verified_claim *claim)
{
	struct entry *set, *place;
	uint8_t mac[MAC];

	if (!v)
		return;
	mac_of(v, claim, mac);
	set = place = set_of(v, mac);
	for (size_t i = 0; i < WAYS; i++) {
		if (CRYPTO_memcmp(set[i].mac, mac, MAC) == 0) {
			place = &set[i];
			break;
		}
		if (set[i].until.us < place->until.us)
			place = &set[i];
	}
	if (place->until.us == 0)
		v->count++;
	memcpy(place->mac, mac, MAC);
	place->until = (struct moment){ now.us + v->life.us };
}

void verified_sweep(struct verified *v, struct moment now)
{
	if (!v || v->count == 0)
		return;
	for (size_t i = 0; i < v->sets * WAYS; i++)
		if (is_over(&v->entries[i], now))
			wipe(v, &v->entries[i]);
}

size_t verified_count(const struct verified *v)
{
	return v ? v->count : 0;
}
