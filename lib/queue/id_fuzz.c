/* Queue IDs and places, as peers and administrators send them. */
#include "queue/id.h"
#include "queue/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str in = str_of(octets, len);
	struct place place;
	uint64_t serial;

	(void)!queue_id_parse(in, &serial);
	(void)!place_parse(in, &place);
	return 0;
}
