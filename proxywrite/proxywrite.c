/*
 * proxywrite - changes to lookup tables, one after the other: postmap -i and
 * -d, postalias -i and -d of proxy:type:name.
 *
 * Room       user posthorn (the mail owner); writes the folders of the tables
 *            that proxy_write_maps allows
 * Gets       clients of root and of the mail owner, on private/proxywrite
 * Calls      nobody
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/table.h"
#include "config/list.h"
#include "io/helper.h"
#include "maps/change.h"
#include "maps/survey.h"
#include "service/service.h"

enum {
	IDLE_S = 100,
	WRITERS = 1, /* helper threads; so that changes never meet */
	MODE_DEFAULT = 0644,
};

static const enum param params[] = { proxy_write_maps, PARAMS_END };

/* The process's one state: "type:name" of the tables that may be changed. */
static struct table *approved;

static void allow_folder(struct arena *arena, struct str path)
{
	size_t at = str_rfind_char(path, '/');

	if (at != SIZE_MAX)
		sandbox_allow('w', arena_cstr(arena, str_first(path, at + 1)));
}

static void prepare(const struct conf *conf)
{
	struct arena *arena = arena_new(0);
	struct str list = conf->proxy_write_maps, table, type, name;

	approved = table_new();
	while (maps_take_proxied(&list, &table)) {
		if (!list_split_table(table, &type, &name))
			continue;
		table_put(approved, table, approved);
		allow_folder(arena, name);
	}
}

/* ---- in the helper ---- */

struct job {
	const struct conf *conf;
	const struct change_request *request;
	struct buf *answer;
};

static void refuse(struct job *job, struct str why)
{
	buf_clear(job->answer);
	buf_fmt(job->answer, "FAILED %.*s", STR_ARG(why));
}

static enum change_result result_of(enum build_put put)
{
	return put == BUILD_DUPLICATE ? CHANGE_DUPLICATE : CHANGE_DONE;
}

/* False: ->error. */
static bool make_change(struct build *build, const struct change *change,
	enum change_result *result)
{
	enum build_put put;

	if (change->is_delete) {
		*result = build_delete(build, change->key) ? CHANGE_DONE :
							     CHANGE_ABSENT;
		return str_is_none(build->error);
	}
	put = build_put(build, change->key, change->value);
	*result = result_of(put);
	return put != BUILD_FAILED;
}

static bool make_all(struct job *job, struct build *build)
{
	struct str rest = job->request->changes;
	struct change change;
	enum change_result result;

	buf_text(job->answer, "OK ");
	while (change_take(&rest, &change)) {
		if (!make_change(build, &change, &result))
			return false;
		buf_char(job->answer, (char)result);
	}
	return true;
}

/* Of the file that is changed. */
static mode_t present_mode(const struct build *build)
{
	struct stat st;

	return stat(build->path.p, &st) == 0 ? st.st_mode & 0777
					     : MODE_DEFAULT;
}

static int run_job(void *context)
{
	struct job *job = context;
	auto_arena struct arena *arena = arena_new(0);
	struct str type, name;
	struct build build = { 0 };

	if (!list_split_table(job->request->table, &type, &name) ||
		!build_open(arena, job->conf, type, name,
			job->request->flags | BUILD_CHANGE, &build)) {
		refuse(job, str_is_none(build.error) ?
			STR("tables of this type cannot be changed") :
			build.error);
		return 0;
	}
	if (!make_all(job, &build)) {
		build_abandon(&build);
		refuse(job, build.error);
		return 0;
	}
	if (!build_commit(&build, present_mode(&build)))
		refuse(job, build.error);
	return 0;
}

/* ---- one client ---- */

static bool read_request(struct client *client, struct buf *in)
{
	struct str octets;

	in->limit = CHANGE_REQUEST_MOST;
	while (io_peek(client->io, &octets, span_s(IDLE_S))) {
		buf_add(in, octets);
		stream_consume(client->io, octets.len);
		if (in->failed) {
			errno = EMSGSIZE;
			return false;
		}
	}
	return errno == 0;
}

static bool may_ask(const struct client *client)
{
	return client->is_unix &&
		(client->sys_uid == 0 || client->sys_uid == geteuid());
}

static void answer(const struct conf *conf, struct str in, struct buf *out)
{
	struct change_request request;
	struct job job = { conf, &request, out };

	if (!change_parse(in, &request)) {
		refuse(&job, STR("malformed request"));
	} else if (!table_find(approved, request.table)) {
		log_warning("request for unapproved table: \"%.*s\" (to "
			    "approve it, add it to proxy_write_maps)",
			STR_ARG(request.table));
		refuse(&job, STR("proxy_write_maps does not allow this"));
	} else {
		io_help(run_job, &job);
	}
}

static void session(const struct conf *conf, struct client *client)
{
	auto_buf struct buf in = { 0 }, out = { 0 };

	if (!may_ask(client)) {
		log_warning("refused user id %u: neither root's nor the mail "
			    "owner's", client->sys_uid);
		return;
	}
	if (!read_request(client, &in)) {
		log_warning("request: %m");
		return;
	}
	answer(conf, buf_str(&in), &out);
	buf_char(&out, '\n');
	if (!io_write(client->io, buf_str(&out)) ||
		!io_flush(client->io, span_s(IDLE_S)))
		log_warning("answer: %m");
}

static const struct service service = {
	.name = "proxywrite",
	.fibers = 20,
	.profile = PROFILE_PROXYWRITE,
	.calls = "",
	.params = params,
	.prepare = prepare,
	.session = session,
	.helper_threads = WRITERS,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
