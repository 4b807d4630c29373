/* table.c - keeps cells in one buffer until their widths are known. */
#include "poison.h"

#include "table.h"

#include <stdio.h>

#include "buf.h"
#include "limits.h"
#include "memory.h"

#define TABLE_BYTES_MAX MIB(32)

struct table {
	size_t columns, cells;
	size_t width[TABLE_COLUMNS_MAX];
	struct buf text;
};

struct table *table_new(size_t columns)
{
	struct table *t = columns <= TABLE_COLUMNS_MAX ? memory_alloc(sizeof *t) : NULL;
	if (!t)
		return NULL;
	t->columns = columns;
	buf_init(&t->text, TABLE_BYTES_MAX);
	return t;
}

/* UTF-8 continuation bytes take no column. */
static size_t width_of(struct span text)
{
	size_t width = 0;
	for (size_t i = 0; i < text.len; i++)
		width += (text.data[i] & 0xc0) != 0x80;
	return width;
}

void table_put(struct table *t, struct span text)
{
	size_t column = t->cells++ % t->columns, width = width_of(text);
	if (width > t->width[column])
		t->width[column] = width;
	for (size_t i = 0; i < text.len; i++)
		buf_put_byte(&t->text, text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : text.data[i]);
	buf_put_byte(&t->text, 0);
}

void table_print(const struct table *t)
{
	struct span rest = buf_span(&t->text);
	for (size_t i = 0; i < t->cells && rest.len > 0; i++) {
		struct span cell = span_slice(rest, 0, span_find(rest, 0));
		size_t column = i % t->columns;
		bool is_last = column + 1 == t->columns;
		(void)printf("%.*s", (int)cell.len, (const char *)cell.data);
		if (!is_last)
			(void)printf("%*s", (int)(t->width[column] - width_of(cell) + 2), "");
		else
			(void)printf("\n");
		rest = span_slice(rest, cell.len + 1, rest.len);
	}
	if (!buf_ok(&t->text))
		(void)fprintf(stderr, "darkroom: the table was too long and is cut\n");
}

void table_free(struct table *t)
{
	if (!t)
		return;
	buf_fini(&t->text);
	memory_free(t);
}
