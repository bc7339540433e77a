#include "queue/mark.h"
#include "queue/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

/* A file of marks as a crash may leave it, and names of a queue directory. */
int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct str in = str_of(octets, len);
	struct mark mark;
	struct place place;
	unsigned class;
	uint64_t number, damaged = 0;

	(void)!segment_parse_name(in, &class, &number);
	(void)!place_parse(in, &place);
	while (mark_take(&in, &mark, &damaged))
		;
	if (damaged > len)
		panic("more is damaged than there is");
	return 0;
}
