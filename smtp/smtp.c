/*
 * smtp - delivers mail to other hosts; as lmtp, to mailbox servers.
 *
 * Room       a fiber per delivery; user posthorn-out, empty root; opens and
 *            connects nothing
 * Gets       from qmgr a message in a packet, large content as a read-only
 *            descriptor; from dialer connected sockets
 * Calls      resolver, dialer, proxymap (tables)
 * RFC        5321, 1870, 2033 (LMTP), 2920, 3207, 3461, 4954, 6152, 6531,
 *            7505, 8689
 *
 * A nexthop is tried server by server (route), each by a session that is new
 * or kept from before (pool), with one transaction for all recipients that are
 * left. What no server took is deferred, or bounced if the last one said so.
 */
#include "base/log.h"
#include "maps/maps.h"
#include "service/service.h"
#include "smtp/outgoing.h"
#include "smtp/pool.h"
#include "smtp/relay.h"
#include "smtp/self.h"
#include "smtp/tables.h"
#include "smtp/tls_policy.h"

#include <string.h>

static struct settings settings; /* set once, by prepare */
static bool is_lmtp;

static void prepare(const struct conf *conf)
{
	settings = settings_of(conf, is_lmtp);
	self_prepare(conf);
	tables_prepare(&settings);
	tls_policy_prepare(&settings);
	outgoing_prepare(&settings);
	relay_prepare(&settings);
}

static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static void finish(const struct conf *conf)
{
	(void)conf;
	pool_end_all();
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, relay_deliver);
}

static const struct service smtp = {
	.name = "smtp",
	.fibers = 50,
	.profile = PROFILE_OUT,
	.calls = "resolver dialer proxymap querymap",
	.params = settings_params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
	.finish = finish,
};

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	struct service service = smtp;

	is_lmtp = argc > 0 &&
		strcmp(slash ? slash + 1 : argv[0], "lmtp") == 0;
	if (is_lmtp)
		service.name = "lmtp";
	return service_main(&service, argc, argv);
}
