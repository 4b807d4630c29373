#include "poison.h"

#include "reader.h"
#include "text.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

/* RFC 3339 has four digits for the year: outside 0000 to 9999 a time is clamped. */
#define TIME_LEAST (INT64_C(-719528) * DAY_MS)
#define TIME_MOST (INT64_C(2932897) * DAY_MS - 1)

struct date {
	int64_t year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

/* Both ways count in eras of 400 years that begin on a 1 March, so that the leap day is the last of its
 * year. */
enum { ERA_DAYS = 146097, EPOCH_FROM_MARCH_0000 = 719468 };

static int64_t days_of_date(struct date d)
{
	int64_t year = d.month <= 2 ? d.year - 1 : d.year;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (d.month > 2 ? d.month - 3 : d.month + 9) + 2) / 5 + d.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * ERA_DAYS + day_of_era - EPOCH_FROM_MARCH_0000;
}

static struct date date_of_days(int64_t days)
{
	int64_t shifted = days + EPOCH_FROM_MARCH_0000;
	int64_t era = (shifted >= 0 ? shifted : shifted - (ERA_DAYS - 1)) / ERA_DAYS;
	int64_t day_of_era = shifted - era * ERA_DAYS;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int month = (int)((5 * day_of_year + 2) / 153);
	struct date d = { year_of_era + era * 400, month < 10 ? month + 3 : month - 9, 0 };
	d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	d.year += d.month <= 2 ? 1 : 0;
	return d;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Each log line and each reply has times: printf() would take longer than all the rest of a line. */
static void put_digits(char *out, size_t count, int64_t value)
{
	for (size_t i = count; i > 0; i--) {
		out[i - 1] = (char)('0' + value % 10);
		value /= 10;
	}
}

void text_time(int64_t ms, char out[TEXT_TIME_MAX])
{
	ms = ms < TIME_LEAST ? TIME_LEAST : ms > TIME_MOST ? TIME_MOST : ms;
	int64_t days = ms / DAY_MS;
	int64_t rest = ms % DAY_MS;
	if (rest < 0) {
		days--;
		rest += DAY_MS;
	}
	struct date d = date_of_days(days);
	memcpy(out, "0000-00-00T00:00:00.000Z", sizeof "0000-00-00T00:00:00.000Z");
	put_digits(out, 4, d.year);
	put_digits(out + 5, 2, d.month);
	put_digits(out + 8, 2, d.day);
	put_digits(out + 11, 2, rest / HOUR_MS);
	put_digits(out + 14, 2, rest / MINUTE_MS % 60);
	put_digits(out + 17, 2, rest / SECOND_MS % 60);
	put_digits(out + 20, 3, rest % SECOND_MS);
}

void text_put_time(struct buf *b, int64_t ms)
{
	char text[TEXT_TIME_MAX];
	text_time(ms, text);
	buf_put_text(b, text);
}

/* Takes exactly `count` digits; a wrong one is a failure of the reader. */
static int take_digits(struct reader *r, size_t count)
{
	uint64_t value = 0;
	if (span_to_u64(reader_bytes(r, count), 9999, &value)) {
		r->is_failed = true;
	}
	return (int)value;
}

static void take_byte(struct reader *r, char byte)
{
	if (reader_u8(r) != (uint8_t)byte) {
		r->is_failed = true;
	}
}

static void expect_range(struct reader *r, int value, int least, int most)
{
	if (value < least || value > most) {
		r->is_failed = true;
	}
}

static int64_t take_date(struct reader *r)
{
	struct date d = { 0, 1, 1 };
	d.year = take_digits(r, 4);
	take_byte(r, '-');
	d.month = take_digits(r, 2);
	take_byte(r, '-');
	d.day = take_digits(r, 2);
	expect_range(r, d.month, 1, 12);
	if (reader_ok(r)) {
		expect_range(r, d.day, 1, days_in_month(d.year, d.month));
	}
	return reader_ok(r) ? days_of_date(d) * DAY_MS : 0;
}

static bool is_next(const struct reader *r, char byte)
{
	return r->rest.len > 0 && r->rest.data[0] == (uint8_t)byte;
}

/* What is finer than a millisecond is cut off. */
static int64_t take_fraction(struct reader *r)
{
	int64_t ms = 0;
	int64_t weight = 100;
	size_t digits = 0;
	if (!is_next(r, '.')) {
		return 0;
	}
	take_byte(r, '.');
	while (r->rest.len > 0 && r->rest.data[0] >= '0' && r->rest.data[0] <= '9') {
		ms += weight * (reader_u8(r) - '0');
		weight /= 10;
		digits++;
	}
	if (digits == 0) {
		r->is_failed = true;
	}
	return ms;
}

/* How far local time is ahead of UTC. */
static int64_t take_offset(struct reader *r)
{
	uint8_t sign = reader_u8(r);
	if (sign == 'Z' || sign == 'z') {
		return 0;
	}
	if (sign != '+' && sign != '-') {
		r->is_failed = true;
	}
	int hours = take_digits(r, 2);
	take_byte(r, ':');
	int minutes = take_digits(r, 2);
	expect_range(r, hours, 0, 23);
	expect_range(r, minutes, 0, 59);
	int64_t ms = hours * HOUR_MS + minutes * MINUTE_MS;
	return sign == '-' ? -ms : ms;
}

/* A 60th second is a leap second only where one can be, before midnight UTC; it is the next day's first. */
static int64_t take_time_of_day(struct reader *r)
{
	int hours = take_digits(r, 2);
	take_byte(r, ':');
	int minutes = take_digits(r, 2);
	take_byte(r, ':');
	int seconds = take_digits(r, 2);
	expect_range(r, hours, 0, 23);
	expect_range(r, minutes, 0, 59);
	expect_range(r, seconds, 0, 60);
	int64_t fraction = take_fraction(r);
	int64_t whole = hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS - take_offset(r);
	if (seconds == 60 && whole % DAY_MS != 0) {
		r->is_failed = true;
	}
	return whole + fraction;
}

enum status text_parse_time(struct span text, int64_t *out)
{
	struct reader r = reader_of(text);
	int64_t ms = take_date(&r);
	if (reader_ok(&r) && r.rest.len > 0) {
		uint8_t separator = reader_u8(&r);
		r.is_failed = separator != 'T' && separator != 't';
		ms += take_time_of_day(&r);
	}
	if (!reader_at_end(&r)) {
		return ST_INVALID;
	}
	*out = ms;
	return ST_OK;
}
