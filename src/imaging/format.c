#include "poison.h"

#include "imaging.h"

#include "must.h"

static const struct format_row {
	const char *text, *media, *ending;
} formats[IMAGE_FORMAT_COUNT] = { [IMAGE_FORMAT_NONE] = { "none", "application/octet-stream", "bin" },
#define X(name, text, media, ending) [IMAGE_FORMAT_##name] = { text, media, ending },
	IMAGE_FORMAT_TABLE(X)
#undef X
};

static const struct format_row *row_of(enum image_format f)
{
	must((unsigned)f < IMAGE_FORMAT_COUNT);
	return &formats[f];
}

const char *imaging_format_text(enum image_format f)
{
	return row_of(f)->text;
}

const char *imaging_media_type(enum image_format f)
{
	return row_of(f)->media;
}

const char *imaging_file_ending(enum image_format f)
{
	return row_of(f)->ending;
}

enum image_format imaging_format_of(struct span text)
{
	for (unsigned f = IMAGE_FORMAT_NONE + 1; f < IMAGE_FORMAT_COUNT; f++) {
		if (span_equal_text(text, formats[f].text)) {
			return (enum image_format)f;
		}
	}
	return IMAGE_FORMAT_NONE;
}
