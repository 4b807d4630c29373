#include "poison.h"

#include "exif.h"

#include "text.h"

/* Exif 2.32, tables 3 to 15. */
enum exif_tag {
	TAG_MAKE = 0x010f,
	TAG_MODEL = 0x0110,
	TAG_ORIENTATION = 0x0112,
	TAG_EXIF = 0x8769,
	TAG_GPS = 0x8825,
	TAG_EXPOSURE = 0x829a,
	TAG_APERTURE = 0x829d,
	TAG_ISO = 0x8827,
	TAG_TAKEN_AT = 0x9003,
	TAG_OFFSET_TAKEN_AT = 0x9011,
	TAG_FOCAL = 0x920a,
	TAG_LENS = 0xa434,
	TAG_GPS_LATITUDE_REF = 1,
	TAG_GPS_LATITUDE = 2,
	TAG_GPS_LONGITUDE_REF = 3,
	TAG_GPS_LONGITUDE = 4
};
enum { NAME_SIZE = sizeof((struct image_meta *)NULL)->camera };

/* Up to the first NUL, without blanks around. */
static struct span text_of(const struct exif *e, uint32_t directory, enum exif_tag tag)
{
	struct exif_value v;
	if (!imaging_exif_find(e, directory, (uint16_t)tag, &v) || v.type != EXIF_ASCII) {
		return (struct span){ NULL, 0 };
	}
	return span_trim(span_slice(v.bytes, 0, span_find(v.bytes, 0)));
}

/* Appends printable ASCII as it is and anything else as '?', as far as there is room: names of cameras are
 * ASCII by the standard, and what is not may be neither valid UTF-8 nor harmless. */
static void append_clean(char out[NAME_SIZE], struct span s)
{
	size_t len = strlen(out);
	for (size_t i = 0; i < s.len && len < NAME_SIZE - 1; i++) {
		out[len++] = s.data[i] >= 0x20 && s.data[i] < 0x7f ? (char)s.data[i] : '?';
	}
	out[len] = '\0';
}

/* "NIKON CORPORATION", "NIKON D70" is one maker said twice: the first word decides. */
static bool repeats_make(struct span model, struct span make)
{
	size_t word = span_find(make, ' ');
	char text[NAME_SIZE];
	if (make.len == 0 || span_to_text(span_slice(make, 0, word), text, sizeof text)) {
		return false;
	}
	return span_equal_nocase(span_slice(model, 0, strlen(text)), text);
}

static void read_names(const struct exif *e, uint32_t first, uint32_t exif, struct image_meta *meta)
{
	struct span make = text_of(e, first, TAG_MAKE), model = text_of(e, first, TAG_MODEL);
	if (make.len > 0 && !repeats_make(model, make)) {
		append_clean(meta->camera, make);
		append_clean(meta->camera, model.len > 0 ? SPAN_LIT(" ") : model);
	}
	append_clean(meta->camera, model);
	append_clean(meta->lens, text_of(e, exif, TAG_LENS));
}

static uint32_t number_of(const struct exif *e, uint32_t directory, enum exif_tag tag)
{
	struct exif_value v;
	uint32_t number = 0;
	return imaging_exif_find(e, directory, (uint16_t)tag, &v) && imaging_exif_number(e, &v, 0, &number)
		       ? number
		       : 0;
}

static double rational_of(const struct exif *e, uint32_t directory, enum exif_tag tag)
{
	struct exif_value v;
	double number = 0;
	return imaging_exif_find(e, directory, (uint16_t)tag, &v) && imaging_exif_rational(e, &v, 0, &number)
		       ? number
		       : 0;
}

/* "2026:11:25 01:02:03" and "+02:00" become RFC 3339; the parser there refuses impossible dates.  Cameras
 * write blanks or zeros when their clock was never set. */
static int64_t taken_at_of(const struct exif *e, uint32_t exif)
{
	enum { DATE_LEN = 19, OFFSET_LEN = 6 };
	struct span date = text_of(e, exif, TAG_TAKEN_AT), offset = text_of(e, exif, TAG_OFFSET_TAKEN_AT);
	char text[DATE_LEN + OFFSET_LEN];
	int64_t at;
	if (date.len != DATE_LEN || date.data[4] != ':' || date.data[7] != ':' || date.data[10] != ' ') {
		return -1;
	}
	memcpy(text, date.data, DATE_LEN);
	text[4] = text[7] = '-';
	text[10] = 'T';
	bool has_offset = offset.len == OFFSET_LEN && (offset.data[0] == '+' || offset.data[0] == '-');
	struct span zone = has_offset ? offset : SPAN_LIT("Z");
	memcpy(text + DATE_LEN, zone.data, zone.len);
	return text_parse_time(span_make(text, DATE_LEN + zone.len), &at) || at < 0 ? -1 : at;
}

/* Degrees, minutes and seconds; false outside 0..max. */
static bool read_angle(const struct exif *e, uint32_t gps, enum exif_tag tag, double max, double *out)
{
	struct exif_value v;
	double part[3] = { 0, 0, 0 };
	if (!imaging_exif_find(e, gps, (uint16_t)tag, &v) || v.count != 3) {
		return false;
	}
	for (uint32_t i = 0; i < 3; i++) {
		if (!imaging_exif_rational(e, &v, i, &part[i])) {
			return false;
		}
	}
	*out = part[0] + part[1] / 60 + part[2] / 3600;
	return *out <= max;
}

static void read_gps(const struct exif *e, uint32_t gps, struct image_meta *meta)
{
	struct span north = text_of(e, gps, TAG_GPS_LATITUDE_REF),
		    east = text_of(e, gps, TAG_GPS_LONGITUDE_REF);
	double latitude, longitude;
	bool is_known = (span_equal_text(north, "N") || span_equal_text(north, "S")) &&
			(span_equal_text(east, "E") || span_equal_text(east, "W"));
	if (!is_known || !read_angle(e, gps, TAG_GPS_LATITUDE, 90, &latitude) ||
		!read_angle(e, gps, TAG_GPS_LONGITUDE, 180, &longitude)) {
		return;
	}
	meta->has_gps = true;
	meta->gps_latitude = span_equal_text(north, "S") ? -latitude : latitude;
	meta->gps_longitude = span_equal_text(east, "W") ? -longitude : longitude;
}

void imaging_read_exif(struct span image, struct image_meta *meta)
{
	struct image_probe probe;
	struct exif e;
	*meta = (struct image_meta){ .orientation = 1, .taken_at_ms = -1 };
	/* An image over the limits still tells its Exif; the format is known either way. */
	enum status st = imaging_probe(image, &probe);
	if ((st && st != ST_TOO_BIG) || !imaging_exif_open(imaging_find_exif(image, probe.format), &e)) {
		return;
	}
	uint32_t first = imaging_exif_first(&e), exif = number_of(&e, first, TAG_EXIF);
	uint32_t orientation = number_of(&e, first, TAG_ORIENTATION);
	meta->orientation = orientation >= 1 && orientation <= 8 ? (uint8_t)orientation : 1;
	read_names(&e, first, exif, meta);
	meta->exposure_s = rational_of(&e, exif, TAG_EXPOSURE);
	meta->aperture = rational_of(&e, exif, TAG_APERTURE);
	meta->focal_mm = rational_of(&e, exif, TAG_FOCAL);
	meta->iso = number_of(&e, exif, TAG_ISO);
	meta->taken_at_ms = taken_at_of(&e, exif);
	read_gps(&e, number_of(&e, first, TAG_GPS), meta);
}
