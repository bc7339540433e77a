/*
 * postconf -b and -t: the texts of notifications, with their $names replaced
 * or as they are.
 */
#include "commands/postconf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "config/file.h"
#include "dsn/template.h"

static const struct {
	const char *name; /* before _template and _text */
	bool has_copy;    /* postmaster gets one */
} kinds[DSN_KINDS] = {
	[DSN_FAILURE] = { "failure", true },
	[DSN_DELAY] = { "delay", true },
	[DSN_SUCCESS] = { "success", false },
	[DSN_VERIFY] = { "verify", false },
};

static void read_templates(struct postconf *p, const char *path,
	struct dsn_template templates[DSN_KINDS])
{
	struct str text, error;

	dsn_templates_init(templates);
	if (!path[0])
		return;
	if (!file_read(p->arena, path, &text))
		log_fatal("open %s: %m", path);
	if (!dsn_templates_parse(p->arena, text, templates, &error))
		log_fatal("%s: %.*s", path, STR_ARG(error));
}

static void show_text(struct postconf *p, size_t kind,
	const struct dsn_template *template)
{
	struct str text = dsn_template_expand(p->arena, p->conf,
		template->text);

	printf("expanded_%s_text = <<EOF\n%.*sEOF\n", kinds[kind].name,
		STR_ARG(text));
}

static void show_template(size_t kind, const struct dsn_template *template)
{
	printf("%s_template = <<EOF\nCharset: %.*s\nFrom: %.*s\n"
	       "Subject: %.*s\n",
		kinds[kind].name, STR_ARG(template->charset),
		STR_ARG(template->from), STR_ARG(template->subject));
	if (kinds[kind].has_copy)
		printf("Postmaster-Subject: %.*s\n",
			STR_ARG(template->copy_subject));
	printf("\n%.*sEOF\n", STR_ARG(template->text));
}

void show_bounces(struct postconf *p, char **arguments)
{
	struct dsn_template templates[DSN_KINDS];
	const char *path = *arguments ? *arguments :
		arena_cstr(p->arena, p->conf->bounce_template_file);

	if (*arguments && arguments[1])
		log_fatal("-%c: one template file at most", p->bounces);
	read_templates(p, path, templates);
	for (size_t i = 0; i < DSN_KINDS; i++) {
		if (i > 0)
			putchar('\n');
		if (p->bounces == 'b')
			show_text(p, i, &templates[i]);
		else
			show_template(i, &templates[i]);
	}
}
