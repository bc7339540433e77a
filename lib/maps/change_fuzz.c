/*
 * What somebody might send to private/proxywrite.
 */
#include "maps/change.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct change_request request;
	struct change change;

	if (!change_parse(str_of(data, size), &request))
		return 0;
	while (change_take(&request.changes, &change))
		;
	return 0;
}
