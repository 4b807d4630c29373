/* fields.c - applies fields.def. */
#include "poison.h"

#include "fields.h"

#include <stdio.h>

#include "json.h"

static void copy_text(char out[CATALOG_TEXT], const char *in)
{
	if (span_to_text(span_of(in), out, CATALOG_TEXT) != ST_OK)
		out[0] = '\0';
}

static void copy_colour(char out[8], const uint8_t rgb[3])
{
	(void)snprintf(out, 8, "#%02x%02x%02x", (unsigned)rgb[0], (unsigned)rgb[1], (unsigned)rgb[2]);
}

#define COPY_TEXT(name, member) copy_text(out->name, meta->member);
#define COPY_REAL(name, member) out->name = meta->member;
#define COPY_NUMBER(name, member) out->name = meta->member;
#define COPY_COLOUR(name, member) copy_colour(out->name, meta->member);
#define SPLIT_PLAIN(type, name, member) COPY_##type(name, member)
#define SPLIT_SEALED(type, name, member)

void fields_plain(const struct image_meta *meta, struct catalog_meta *out)
{
	*out = (struct catalog_meta){ .taken_at = -1 };
#define FIELD(class, type, name, member, sentence) SPLIT_##class(type, name, member)
#include "fields.def"
#undef FIELD
}

#undef SPLIT_PLAIN
#undef SPLIT_SEALED
#define PUT_GPS(name, member) \
	if (meta->has_gps) \
		json_put_real(&w, #name, meta->member);
#define SPLIT_PLAIN(type, name, member)
#define SPLIT_SEALED(type, name, member) PUT_##type(name, member)

void fields_sealed(const struct image_meta *meta, struct buf *out)
{
	struct json_writer w = json_writer_of(out);
	json_begin_object(&w, NULL);
#define FIELD(class, type, name, member, sentence) SPLIT_##class(type, name, member)
#include "fields.def"
#undef FIELD
	json_end_object(&w);
}
