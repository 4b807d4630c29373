/* test_config.c - defaults, file, environment and flags, and what each refuses. */
#include "config.h"

#include "check.h"

#include <stdlib.h>
#include <unistd.h>

static struct config c;
static struct buf why;

static void begin(void)
{
	config_init(&c);
	buf_init(&why, 4096);
}

static void end(void)
{
	buf_fini(&why);
}

static bool says(const char *word)
{
	bool found = buf_span(&why).len > 0 && strstr(buf_text(&why), word);
	if (!found)
		fprintf(stderr, "said: %s\n", buf_span(&why).len ? buf_text(&why) : "nothing");
	return found;
}

static enum status load_text(const char *text)
{
	char path[] = "/tmp/test-config-XXXXXX";
	int fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	buf_clear(&why);
	enum status st = config_load_file(&c, path, &why);
	(void)unlink(path);
	return st;
}

static enum status load_variable(const char *variable)
{
	char text[256], *environment[] = { text, NULL };
	(void)snprintf(text, sizeof text, "%s", variable);
	buf_clear(&why);
	return config_load_environment(&c, environment, &why);
}

static enum status load_flags(int *argc, char **argv)
{
	buf_clear(&why);
	return config_load_flags(&c, argc, argv, &why);
}

TEST(defaults_are_lawful_and_say_where_they_come_from)
{
	begin();
	CHECK_STR(c.data, "./data");
	CHECK_EQ(c.retention, RETENTION_MAX_MS);
	CHECK_EQ(c.time_scale, 1);
	CHECK_STR(c.log_format, "text");
	CHECK_EQ(config_check(&c, &why), ST_OK);
	for (size_t i = 0; i < CONFIG_SETTING_COUNT; i++)
		CHECK_EQ(c.origin[i], CONFIG_FROM_DEFAULT);
	end();
}

TEST(a_file_has_comments_units_and_trailing_commas)
{
	begin();
	CHECK_EQ(load_text(
			 "// head\n{ \"workers\": 3, /* in */ \"image_bytes_max\": \"8MiB\",\n\"job_retry\": "
			 "\"90s\", \"log_level\": "
			 "\"warn\", }\n"),
		ST_OK);
	CHECK_EQ(c.workers, 3);
	CHECK_EQ(c.image_bytes_max, MIB(8));
	CHECK_EQ(c.job_retry, 90000);
	CHECK_STR(c.log_level, "warn");
	CHECK_EQ(c.origin[CONFIG_SETTING_workers], CONFIG_FROM_FILE);
	end();
}

TEST(a_bad_file_is_refused_with_its_line)
{
	static const struct {
		const char *text, *line, *word;
	} bad[] = {
		{ "{\n\"wrkers\": 1 }", "line 2", "wrkers" },
		{ "{\n\n\"workers\": 257 }", "line 3", "workers" },
		{ "{ \"workers\": -1 }", "line 1", "workers" },
		{ "{ \"workers\": 1.5 }", "line 1", "workers" },
		{ "{ \"workers\": null }", "line 1", "workers" },
		{ "{ \"data\": 5 }", "line 1", "data" },
		{ "{ \"data\": \"a\\u0000b\" }", "line 1", "" },
		{ "{\n\"log_format\": \"xml\" }", "line 2", "text|json" },
		{ "{\n\"retention\": \"59s\" }", "line 2", "retention" },
		{ "{\n\"image_bytes_max\": \"1GiB\" }", "line 2", "image_bytes_max" },
		{ "{\n\"image_bytes_max\": \"99999999999999999999\" }", "line 2", "image_bytes_max" },
		{ "{\n\"workers\": 1,\n\"workers\": 2 }", "line 3", "repeated" },
		{ "[1]", "line 1", "object" },
		{ "{ \"workers\": 1", "line 1", "object" },
	};
	begin();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_EQ(load_text(bad[i].text), ST_INVALID);
		CHECK(says(bad[i].line));
		CHECK(says(bad[i].word));
	}
	buf_clear(&why);
	CHECK_EQ(config_load_file(&c, "/nonexistent/darkroom.json", &why), ST_NOT_FOUND);
	CHECK(says("/nonexistent/darkroom.json"));
	end();
}

TEST(variables_are_settings_or_those_of_the_client)
{
	begin();
	CHECK_EQ(load_variable("DARKROOM_SQL_ROWS_MAX=12"), ST_OK);
	CHECK_EQ(c.sql_rows_max, 12);
	CHECK_EQ(c.origin[CONFIG_SETTING_sql_rows_max], CONFIG_FROM_ENVIRONMENT);
	CHECK_EQ(load_variable("DARKROOM_KEY=dr_secret"), ST_OK);
	CHECK_EQ(load_variable("PATH=/bin"), ST_OK);
	CHECK_EQ(load_variable("DARKROOM_SQL_ROWS_MAX=many"), ST_INVALID);
	CHECK(says("DARKROOM_SQL_ROWS_MAX"));
	CHECK_EQ(load_variable("DARKROOM_NONSENSE=1"), ST_INVALID);
	CHECK(says("DARKROOM_NONSENSE"));
	end();
}

TEST(variables_of_a_kubernetes_service_are_passed_over)
{
	static const char *const links[] = { "DARKROOM_SERVICE_HOST=10.0.0.11", "DARKROOM_SERVICE_PORT=8443",
		"DARKROOM_SERVICE_PORT_HTTPS=8443", "DARKROOM_PORT=tcp://10.0.0.11:8443",
		"DARKROOM_PORT_8443_TCP=tcp://10.0.0.11:8443", "DARKROOM_PORT_8443_TCP_PROTO=tcp",
		"DARKROOM_PORT_8443_TCP_PORT=8443", "DARKROOM_PORT_8443_TCP_ADDR=10.0.0.11",
		"DARKROOM_PORT_53_UDP=udp://[fd00::1]:53" };
	static const char *const others[] = { "DARKROOM_PORT=8443", "DARKROOM_SERVICE_PORT=high",
		"DARKROOM_PORT_8443=1", "DARKROOM_PORT_HTTPS_TCP=tcp://10.0.0.11:8443",
		"DARKROOM_PORT_8443_TCPS=1", "DARKROOM_PORT_8443_TCP_NAME=x", "DARKROOM_SERVICE=x",
		"DARKROOM_PORT_=x", "DARKROOM_PORT_8443_=x" };
	begin();
	CHECK_EQ(c.service_links, 0);
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		CHECK_EQ(load_variable(links[i]), ST_OK);
	CHECK_EQ(c.service_links, sizeof links / sizeof *links);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		CHECK_EQ(load_variable(others[i]), ST_INVALID);
	CHECK(says("enableServiceLinks"));
	CHECK_EQ(c.service_links, sizeof links / sizeof *links);
	end();
}

TEST(flags_are_taken_out_and_the_rest_is_left)
{
	char a[] = "serve", b[] = "--workers", n[] = "4", d[] = "--job-retry=2m", e[] = "word",
	     f[] = "--parallel", g[] = "8", dashes[] = "--", h[] = "--workers";
	char *argv[] = { a, b, n, d, e, f, g, dashes, h, NULL };
	int argc = 9;
	begin();
	CHECK_EQ(load_flags(&argc, argv), ST_OK);
	CHECK_EQ(c.workers, 4);
	CHECK_EQ(c.job_retry, 120000);
	CHECK_EQ(c.origin[CONFIG_SETTING_job_retry], CONFIG_FROM_FLAG);
	CHECK_EQ(argc, 6);
	CHECK_STR(argv[0], "serve");
	CHECK_STR(argv[1], "word");
	CHECK_STR(argv[2], "--parallel");
	CHECK_STR(argv[5], "--workers");
	end();
}

TEST(bad_flags_are_refused_by_name)
{
	char a[] = "serve", b[] = "--workers", n[] = "x", d[] = "--workers=";
	char *none[] = { a, b, NULL }, *bad[] = { a, b, n, NULL }, *empty[] = { a, d, NULL };
	int two = 2, three = 3, other_two = 2;
	begin();
	CHECK_EQ(load_flags(&two, none), ST_INVALID);
	CHECK(says("--workers"));
	CHECK_EQ(load_flags(&three, bad), ST_INVALID);
	CHECK(says("--workers"));
	CHECK_EQ(load_flags(&other_two, empty), ST_INVALID);
	end();
}

TEST(settings_that_contradict_each_other_are_refused)
{
	begin();
	c.retention = 7200000;
	c.retention_max = 3600000;
	CHECK_EQ(config_check(&c, &why), ST_INVALID);
	CHECK(says("retention_max"));
	config_init(&c);
	(void)snprintf(c.certificate, sizeof c.certificate, "a.pem");
	CHECK_EQ(config_check(&c, &why), ST_INVALID);
	CHECK(says("certificate_key"));
	config_init(&c);
	c.image_bytes_max = c.body_budget;
	CHECK_EQ(config_check(&c, &why), ST_INVALID);
	CHECK(says("body_budget"));
	end();
}

TEST(everything_is_explained_twice)
{
	struct buf text;
	begin();
	buf_init(&text, MIB(1));
	config_explain(&c, false, &text);
	CHECK(strstr(buf_text(&text), "retention_max"));
	buf_clear(&text);
	config_explain(&c, true, &text);
	CHECK(buf_ok(&text));
	CHECK(strstr(buf_text(&text), "\"key\":\"retention_max\""));
	buf_fini(&text);
	end();
}

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(defaults_are_lawful_and_say_where_they_come_from),
		CHECK_TEST(a_file_has_comments_units_and_trailing_commas),
		CHECK_TEST(a_bad_file_is_refused_with_its_line),
		CHECK_TEST(variables_are_settings_or_those_of_the_client),
		CHECK_TEST(variables_of_a_kubernetes_service_are_passed_over),
		CHECK_TEST(flags_are_taken_out_and_the_rest_is_left),
		CHECK_TEST(bad_flags_are_refused_by_name),
		CHECK_TEST(settings_that_contradict_each_other_are_refused),
		CHECK_TEST(everything_is_explained_twice),
	};
	return check_run(tests, sizeof tests / sizeof *tests);
}
