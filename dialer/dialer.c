/*
 * dialer - opens connections for those who may not.
 *
 * Room       a fiber per call, which may be many at once; user posthorn-net;
 *            opens sockets; reads and writes nothing on them
 * Gets       dial; gives the connected socket
 * Calls      resolver, for host names in configured endpoints
 *
 * What may be reached is dialer/policy. Who asks is master's label: only
 * delivery agents by SMTP and LMTP name their own addresses.
 */
#include "base/log.h"
#include "dialer/policy.h"
#include "dns/dns.h"
#include "io/packet.h"
#include "ipc/messages.h"
#include "maps/maps.h"
#include "service/programs.h"
#include "service/service.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const enum param params[] = {
	dialer_local_destinations, inet_protocols, queue_directory,
	config_directory, smtpd_milter_maps, PARAMS_END
};

static struct policy *policy;

/* Those tables name places: a new one needs a new policy. */
static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0); /* as long as the process */

	policy = policy_read(arena, conf);
	(void)maps_open(arena, conf, "smtpd_milter_maps",
		conf->smtpd_milter_maps, 0);
}

/* The files of memcache: tables and of smtpd_milter_maps. */
static void start(const struct conf *conf)
{
	(void)conf;
	maps_watch();
}

static void refuse(struct call *call, int error, struct str text)
{
	struct msg_dialed m = { .status = (uint64_t)error, .socket = -1,
		.text = text };

	(void)!msg_dialed_send(call, &m);
}

static void refuse_errno(struct call *call, int error)
{
	refuse(call, error, str_from(strerror(error)));
}

static void refuse_policy(struct call *call, const struct msg_dial *dial,
	const char *why)
{
	struct str who = call_peer_name(call);

	log_warning("%.*s may not connect to %.*s: %s", STR_ARG(who),
		STR_ARG(dial->endpoint), why);
	refuse(call, EACCES,
		arena_fmt(call_arena(call), "refused by dialer: %s", why));
}

static struct span timeout_of(const struct msg_dial *dial)
{
	return dial->timeout_ms == 0 || dial->timeout_ms > INT32_MAX ?
		SPAN_FOREVER :
		span_ms((int64_t)dial->timeout_ms);
}

/* ---- inet ---- */

static bool bind_source(int fd, const struct msg_dial *dial,
	const struct dns_address *to)
{
	struct dns_address source;
	struct sockaddr_storage local;
	socklen_t len;
	int one = 1;

	if (str_is_none(dial->source) || dial->source.len == 0)
		return true;
	if (!dns_address_parse(dial->source, &source) || source.v6 != to->v6) {
		errno = EAFNOSUPPORT;
		return !dial->source_only;
	}
	len = dns_address_to(&source, 0, &local);
	(void)!setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		sizeof(one));
	if (bind(fd, (struct sockaddr *)&local, len) == 0)
		return true;
	log_warning("bind %.*s: %m", STR_ARG(dial->source));
	return !dial->source_only;
}

/* A connected socket, or -1 with errno. */
static int connect_inet(const struct msg_dial *dial,
	const struct dns_address *to, uint16_t port)
{
	struct sockaddr_storage remote;
	socklen_t len = dns_address_to(to, port, &remote);
	auto_close int fd = socket(to->v6 ? AF_INET6 : AF_INET,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0 || !bind_source(fd, dial, to))
		return -1;
	/* SMTP writes whole groups of commands: nothing is gained by Nagle */
	(void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!io_connect(fd, (struct sockaddr *)&remote, len,
		    timeout_of(dial))) {
		int error = errno;

		io_forget(fd);
		errno = error;
		return -1;
	}
	io_forget(fd);
	return fd_keep(&fd);
}

/* "[v6]:port", "v4:port", "name:port"; of this host, ":port" or "port" */
static bool parse_endpoint(struct str text, struct str *host, uint16_t *port)
{
	size_t colon = str_rfind_char(text, ':');

	*port = dns_port_parse(colon == SIZE_MAX ? text :
		str_skip(text, colon + 1));
	*host = str_first(text, colon == SIZE_MAX ? 0 : colon);
	if (host->len == 0)
		*host = STR("localhost");
	if (host->len > 2 && host->p[0] == '[' &&
		host->p[host->len - 1] == ']')
		*host = str_of(host->p + 1, host->len - 2);
	return *port > 0 && host->len > 0;
}

static void give(struct call *call, int fd)
{
	struct msg_dialed m = { .socket = fd, .text = STR_NONE };

	if (fd < 0)
		refuse_errno(call, errno);
	else
		(void)!msg_dialed_send(call, &m);
}

/* For smtp and lmtp: the address is literal. */
static void dial_mail(struct call *call, const struct msg_dial *dial,
	struct str endpoint)
{
	struct dns_address address;
	struct str host;
	uint16_t port;
	const char *why;
	auto_close int fd = -1;

	if (!parse_endpoint(endpoint, &host, &port) ||
		!dns_address_parse(host, &address)) {
		refuse_policy(call, dial, "not a literal address and port");
		return;
	}
	why = policy_refuses_inet(policy, &address, port);
	if (why) {
		refuse_policy(call, dial, why);
		return;
	}
	fd = connect_inet(dial, &address, port);
	give(call, fd);
}

static unsigned families(const struct conf *conf)
{
	struct str list = conf->inet_protocols, item;
	unsigned found = 0;

	while (str_take_item(&list, ", \t\r\n", &item))
		found |= str_is_nocase(item, "ipv4") ? (unsigned)DNS_IPV4 :
			str_is_nocase(item, "ipv6")  ? (unsigned)DNS_IPV6 :
						       DNS_IPV4 | DNS_IPV6;
	return found ? found : DNS_IPV4 | DNS_IPV6;
}

/* For others: the configured host, each of its addresses in turn. */
static void dial_configured(const struct conf *conf, struct call *call,
	const struct msg_dial *dial, struct str endpoint)
{
	struct dns_hosts hosts;
	struct str host;
	uint16_t port;
	auto_close int fd = -1;

	if (!parse_endpoint(endpoint, &host, &port)) {
		refuse_errno(call, EINVAL);
		return;
	}
	dns_addresses(call_arena(call), host, families(conf) | DNS_NATIVE,
		&hosts);
	if (hosts.status != DNS_FOUND) {
		refuse(call, hosts.status == DNS_TEMPORARY ? EAGAIN : ENOENT,
			hosts.text);
		return;
	}
	for (size_t i = 0; i < hosts.count && fd < 0; i++)
		fd = connect_inet(dial, &hosts.addresses[i], port);
	give(call, fd);
}

/* ---- UNIX ---- */

static int connect_unix(const struct msg_dial *dial, struct str path)
{
	struct sockaddr_un remote = { .sun_family = AF_UNIX };
	auto_close int fd = socket(AF_UNIX,
		SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (path.len >= sizeof(remote.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(remote.sun_path, path.p, path.len);
	if (!io_connect(fd, (struct sockaddr *)&remote, sizeof(remote),
		    timeout_of(dial))) {
		int error = errno;

		io_forget(fd);
		errno = error;
		return -1;
	}
	io_forget(fd);
	return fd_keep(&fd);
}

static void dial_unix(const struct conf *conf, struct call *call,
	const struct msg_dial *dial, struct str path)
{
	auto_close int fd = -1;

	if (path.len > 0 && path.p[0] != '/')
		path = arena_fmt(call_arena(call), "%.*s/%.*s",
			STR_ARG(conf->queue_directory), STR_ARG(path));
	fd = connect_unix(dial, path);
	give(call, fd);
}

/* ---- calls ---- */

static bool is_mail(const struct msg_dial *dial)
{
	return str_is(dial->purpose, "smtp") || str_is(dial->purpose, "lmtp");
}

/* The label is the asker's program, whatever its row is called. */
static bool is_agent(struct str who)
{
	return str_is(program_ours(who), "smtp");
}

/* Proxymap's, for tcp:, socketmap: and memcache: tables. */
static bool is_table(const struct msg_dial *dial)
{
	return str_is(dial->purpose, "table");
}

/* A path without a type, as in smtpd_sasl_path. */
static bool is_bare_path(struct str endpoint)
{
	return str_find_char(endpoint, '/') != SIZE_MAX &&
		!str_starts(endpoint, STR("inet:"));
}

/* A place that configuration names. */
static void dial_place(const struct conf *conf, struct call *call,
	const struct msg_dial *dial, struct str endpoint)
{
	if (str_take_prefix(&endpoint, STR("unix:")) ||
		str_take_prefix(&endpoint, STR("local:")) ||
		is_bare_path(endpoint)) {
		dial_unix(conf, call, dial, endpoint);
		return;
	}
	(void)str_take_prefix(&endpoint, STR("inet:"));
	dial_configured(conf, call, dial, endpoint);
}

static void run(const struct conf *conf, struct call *call,
	const struct msg_dial *dial)
{
	struct str endpoint = dial->endpoint;
	const char *why;
	bool is_unix;

	if (is_mail(dial) && !is_agent(call_peer_name(call))) {
		refuse_policy(call, dial, "it delivers no mail");
		return;
	}
	if (is_table(dial)) {
		if (str_is(program_ours(call_peer_name(call)), "proxymap") &&
			policy_names_table(policy, endpoint))
			dial_place(conf, call, dial, endpoint);
		else
			refuse_policy(call, dial, "no table is there");
		return;
	}
	if (!is_mail(dial) &&
		!policy_names(policy, conf, dial->purpose, endpoint)) {
		refuse_policy(call, dial, "not named by that parameter");
		return;
	}
	is_unix = str_take_prefix(&endpoint, STR("unix:")) ||
		str_take_prefix(&endpoint, STR("local:"));
	if (!is_unix)
		(void)str_take_prefix(&endpoint, STR("inet:"));
	if (!is_mail(dial)) {
		dial_place(conf, call, dial, dial->endpoint);
		return;
	}
	if (!is_unix) {
		dial_mail(call, dial, endpoint);
		return;
	}
	why = policy_refuses_unix(policy, endpoint);
	if (why)
		refuse_policy(call, dial, why);
	else
		dial_unix(conf, call, dial, endpoint);
}

static void serve(const struct conf *conf, struct call *call)
{
	struct msg_dial dial;

	while (msg_dial_recv(call, &dial, SPAN_FOREVER))
		run(conf, call, &dial);
}

static const struct service dialer = {
	.name = "dialer",
	.fibers = 1000,
	.profile = PROFILE_NET,
	.calls = "resolver",
	.params = params,
	.prepare = prepare,
	.start = start,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&dialer, argc, argv);
}
