#include "smtp/settings.h"

struct settings settings_of(const struct conf *conf, bool is_lmtp)
{
	struct settings s = { .conf = conf, .is_lmtp = is_lmtp };

#define SETTING(field, type) \
	s.field = is_lmtp ? conf->lmtp_##field : conf->smtp_##field;
#define SETTING_AS(field, type, smtp, lmtp) \
	s.field = is_lmtp ? conf->lmtp : conf->smtp;
#define SETTING_SMTP(field, type)                                              \
	if (!is_lmtp)                                                          \
		s.field = conf->smtp_##field;
#include "smtp/settings.def"
#undef SETTING
#undef SETTING_AS
#undef SETTING_SMTP
	return s;
}

const enum param settings_params[] = {
#define SETTING(field, type) smtp_##field, lmtp_##field,
#define SETTING_AS(field, type, smtp, lmtp) smtp, lmtp,
#define SETTING_SMTP(field, type) smtp_##field,
#include "smtp/settings.def"
#undef SETTING
#undef SETTING_AS
#undef SETTING_SMTP
	myhostname, inet_interfaces, proxy_interfaces, inet_protocols,
	disable_dns_lookups, use_srv_lookup, allow_srv_lookup_fallback,
	ignore_srv_lookup_error, dnssec_probe, tls_dane_digests, best_mx_transport, soft_bounce,
	delay_logging_resolution_limit, tls_append_default_CA,
	tls_high_cipherlist, tls_medium_cipherlist, tls_low_cipherlist,
	tls_export_cipherlist, tls_null_cipherlist, tls_eecdh_auto_curves,
	tls_ffdhe_auto_groups, disable_mime_output_conversion,
	ignore_mx_lookup_error, config_directory, mydestination, myorigin,
	mydomain, append_at_myorigin, append_dot_mydomain,
	recipient_delimiter, owner_request_special,
	propagate_unmatched_extensions, swap_bangpath, allow_percent_hack,
	body_checks_size_limit, line_length_limit, lmtp_assume_final,
	send_cyrus_sasl_authzid, connection_cache_ttl_limit, debug_peer_list, debug_peer_level, PARAMS_END
};

bool settings_has(struct str list, struct str name)
{
	struct str item;

	while (str_take_item(&list, ", \t\r\n", &item))
		if (str_eq_nocase(item, name))
			return true;
	return false;
}

bool settings_lists(struct str list, const char *name)
{
	return settings_has(list, str_from(name));
}
