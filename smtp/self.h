/*
 * smtp/self - which addresses and names are our own, to see mail loops.
 *
 * Source   inet_interfaces, proxy_interfaces, myhostname
 * Memory   for the life of the process
 * Waits    no; read before the sandbox closes
 */
#ifndef SMTP_SELF_H
#define SMTP_SELF_H

#include "config/config.h"
#include "dns/address.h"

void self_prepare(const struct conf *conf);
bool self_is_address(const struct dns_address *address);

#endif
