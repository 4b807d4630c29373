/* Exif of any image.  Whatever is read is within its range and its texts are printable ASCII. */
#include "imaging.h"

#include <math.h>
#include <string.h>

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char text[64])
{
	must(memchr(text, 0, 64) != NULL);
	for (; *text; text++) {
		must(*text >= 0x20 && *text < 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_meta m;
	memset(&m, 0xaa, sizeof m);
	imaging_read_exif(span_make(data, size), &m);
	must(m.orientation >= 1 && m.orientation <= 8);
	check_text(m.camera);
	check_text(m.lens);
	must(m.exposure_s >= 0 && isfinite(m.exposure_s));
	must(m.aperture >= 0 && isfinite(m.aperture));
	must(m.focal_mm >= 0 && isfinite(m.focal_mm));
	must(m.taken_at_ms >= -1);
	must(!m.has_gps || (fabs(m.gps_latitude) <= 90 && fabs(m.gps_longitude) <= 180));
	return 0;
}
