/*
 * commands/sendmail_smtp - sendmail -bs: SMTP on standard input and output.
 *
 * smtpd(8) speaks it, as `smtpd -S` in its sandbox, with the rights of the
 * user; what it would give to cleanup it gives to us, and we submit it as any
 * other message of this user.
 *
 * Waits    all
 */
#ifndef COMMANDS_SENDMAIL_SMTP_H
#define COMMANDS_SENDMAIL_SMTP_H

#include "config/config.h"

/* The exit status. `directory`: of the configuration. */
int smtp_session(const struct conf *conf, struct str directory);

#endif
