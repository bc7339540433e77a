/*
 * discard - pretends to deliver; the text of the nexthop is what it says.
 *
 * Room       user posthorn, empty root; opens nothing
 * Gets       deliveries from qmgr
 * Calls      nobody
 */
#include "agent/deliver.h"
#include "service/service.h"
#include "smtp/reply.h"

static const enum param params[] = { delay_logging_resolution_limit,
	soft_bounce, PARAMS_END };

static void deliver(struct delivery *delivery)
{
	struct str text = delivery->m.nexthop;
	struct status status = { .code = 250 };

	if (smtp_enhanced_take(&text, &status) > 2)
		status.subject = status.detail = 0;
	status.text = text.len ? text : STR("discarded");
	deliver_report_rest(delivery,
		&(struct deliver_report){
			.status = status,
			.relay = STR("none"),
		});
}

static void serve(const struct conf *conf, struct call *call)
{
	deliver_serve(conf, call, deliver);
}

static const struct service service = {
	.name = "discard",
	.fibers = 100,
	.profile = PROFILE_WORKER,
	.calls = "",
	.params = params,
	.serve = serve,
};

int main(int argc, char **argv)
{
	return service_main(&service, argc, argv);
}
