#include "config/readers.h"

static const struct {
	enum param id;
	const char *programs;
} readers[] = {
#define READERS(name, programs) { name, programs },
#include "config/readers.def"
#undef READERS
};

const char *param_readers(enum param id)
{
	for (size_t i = 0; i < COUNT(readers); i++)
		if (readers[i].id == id)
			return readers[i].programs;
	return "";
}
