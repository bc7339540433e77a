#include "talk/destination.h"
#include "talk/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk_destination destination;
	struct talk_features features;
	struct str in = str_of(data, size), text;

	talk_features_parse(in, STR("dsn"), &features);
	while (talk_destination_take(&in, &text))
		(void)!talk_destination_parse(text, size & 1, &destination);
	return 0;
}
