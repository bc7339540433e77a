#include "smtp/destination.h"
#include "smtp/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct destination destination;
	struct features features;
	struct str in = str_of(data, size), text;

	features_parse(in, STR("dsn"), &features);
	while (destination_take(&in, &text))
		(void)!destination_parse(text, size & 1, &destination);
	return 0;
}
