#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_octets(void *into, size_t len)
{
	char *p = into;

	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			panic("getrandom: %m");
		p += got;
		len -= (size_t)got;
	}
}

uint64_t random_below(uint64_t below)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % below;
	uint64_t value;

	do
		random_octets(&value, sizeof(value));
	while (value >= limit);
	return value % below;
}
