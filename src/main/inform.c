/* inform.c - routes, config, version. */
#include "poison.h"

#include <stdio.h>

#include "build_info.h"
#include "commands.h"
#include "http.h"

static int print(struct buf *text)
{
	bool is_good = buf_ok(text);
	(void)printf("%s", buf_text(text));
	buf_fini(text);
	return is_good ? EXIT_DONE : EXIT_SERVER;
}

int command_routes(const struct config *config, int argc, char **argv)
{
	struct buf text;
	bool is_openapi = command_take_flag(&argc, argv, "--openapi");
	int code = command_no_words(argc, argv,
		"usage: darkroom routes [--openapi]   the API's routes, as a table or as OpenAPI JSON\n");
	(void)config;
	if (code >= 0)
		return code;
	buf_init(&text, MIB(1));
	if (!is_openapi)
		http_routes_text(&text);
	else if (http_openapi(&text) == ST_OK)
		buf_put_byte(&text, '\n');
	return print(&text);
}

int command_config(const struct config *config, int argc, char **argv)
{
	struct buf text;
	bool as_json = command_take_flag(&argc, argv, "--json");
	(void)command_take_flag(&argc, argv, "--explain");
	int code = command_no_words(argc, argv,
		"usage: darkroom config [--explain] [--json] [settings]   value, default, unit, meaning\n");
	if (code >= 0)
		return code;
	buf_init(&text, MIB(1));
	config_explain(config, as_json, &text);
	return print(&text);
}

int command_version(const struct config *config, int argc, char **argv)
{
	bool is_verbose = command_take_flag(&argc, argv, "--verbose");
	int code = command_no_words(argc, argv,
		"usage: darkroom version [--verbose]   --verbose: of every component, with its licence\n");
	(void)config;
	if (code >= 0)
		return code;
	(void)printf("darkroom %s (commit %s)\n", DARKROOM_VERSION, DARKROOM_COMMIT);
	if (!is_verbose)
		return EXIT_DONE;
#define COMPONENT(name, version, licence, digest, why) \
	(void)printf("%-14s %-30s %-30s %.12s  %s\n", name, version, licence, digest, why);
	(void)printf("%-14s %-30s %-30s %-12s  %s\n", "COMPONENT", "VERSION", "LICENCE", "SOURCE", "WHY");
#include "components.h"
#undef COMPONENT
	return EXIT_DONE;
}
