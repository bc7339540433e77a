/*
 * smtp/relay - a delivery from its beginning to its end: each destination, each
 * of its servers, until nobody is left to be reported.
 *
 * Memory   the arena of the delivery
 * Waits    relay_deliver
 */
#ifndef SMTP_RELAY_H
#define SMTP_RELAY_H

#include "agent/deliver.h"
#include "smtp/settings.h"

/* `set` stays. */
void relay_prepare(const struct settings *set);
/* For deliver_serve: reports every recipient. */
void relay_deliver(struct delivery *delivery);

#endif
