/*
 * PLAIN (RFC 4616) as nearly every client sends it: with its response, for
 * nobody but itself, with a name and a password that a user here can have. What
 * such a response says is the same for every reader, and Cyrus SASL makes and
 * throws away a connection for it. All others are Cyrus' to judge.
 */
#include "auth.h"

static bool is_usual(struct str response, struct str *name,
	struct str *password)
{
	if (str_is_none(response) || !str_take_char(&response, 0))
		return false;
	*name = str_take_until(&response, 0);
	*password = response;
	return user_name_is_good(*name) && user_password_is_good(*password);
}

enum verdict plain_run(struct exchange *x)
{
	struct str name, password;

	if (!is_usual(x->start.initial, &name, &password))
		return cyrus_run(x);
	x->claimed = name;
	return exchange_check_password(x, password);
}
