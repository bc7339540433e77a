/*
 * smtp/settings - the parameters of this client: smtp_* as smtp, lmtp_* when
 * the program was started as lmtp. Rows of smtp/settings.def.
 *
 * Memory   one struct settings for the life of the process
 */
#ifndef SMTP_SETTINGS_H
#define SMTP_SETTINGS_H

#include "config/config.h"

#define SETTING_AS(field, type, smtp, lmtp) SETTING(field, type)
#define SETTING_SMTP(field, type) SETTING(field, type)

struct settings {
	const struct conf *conf;
	bool is_lmtp;
#define SETTING(field, type) CONF_##type field;
#include "smtp/settings.def"
#undef SETTING
};

#undef SETTING_AS
#undef SETTING_SMTP

struct settings settings_of(const struct conf *conf, bool is_lmtp);

/* All that settings_of reads, and more; for struct service. */
extern const enum param settings_params[];

/* "name" is an element of a list (commas, blanks), without case. */
bool settings_lists(struct str list, const char *name);
bool settings_has(struct str list, struct str name);

#endif
