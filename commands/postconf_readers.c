/*
 * postconf --readers: which programs read a parameter. Not of Postfix.
 */
#include "commands/postconf.h"

#include "base/log.h"
#include "config/params.h"
#include "config/readers.h"

static const struct param_row *find_row(struct str name)
{
	for (size_t i = 0; i < PARAMS_END; i++)
		if (str_is(name, param_name(param_row((enum param)i))))
			return param_row((enum param)i);
	return param_of_transport(name);
}

void show_readers(struct postconf *p, char **names)
{
	for (size_t i = 0; !*names && i < PARAMS_END; i++) {
		const struct param_row *row = param_row((enum param)i);

		show_one(p, str_from(param_name(row)),
			str_from(param_readers(row->id)));
	}
	for (; *names; names++) {
		const struct param_row *row = find_row(str_from(*names));

		if (row)
			show_one(p, str_from(*names),
				str_from(param_readers(row->id)));
		else
			log_warning("%s: unknown parameter", *names);
	}
}
