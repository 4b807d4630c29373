#include "poison.h"

#include "pixels.h"

#include <math.h>

#include "must.h"

/* blurha.sh: a cosine transform of linear light, cut to ACROSS * DOWN terms, quantised and written in base
 * 83. */
enum { ACROSS = 4, DOWN = 3, TERMS = ACROSS * DOWN };

static const double pi = 3.14159265358979323846;

static double to_linear(uint8_t value)
{
	double v = value / 255.0;
	return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static unsigned to_srgb(double value)
{
	double v = fmax(0, fmin(1, value));
	return (unsigned)((v <= 0.0031308 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055) * 255 + 0.5);
}

static void transform(const struct pixels *p, unsigned i, unsigned j, double term[3])
{
	term[0] = term[1] = term[2] = 0;
	for (uint32_t y = 0; y < p->height; y++) {
		for (uint32_t x = 0; x < p->width; x++) {
			const uint8_t *rgb = p->data + ((size_t)y * p->width + x) * 3;
			double basis = cos(pi * i * x / p->width) * cos(pi * j * y / p->height);
			for (unsigned c = 0; c < 3; c++) {
				term[c] += basis * to_linear(rgb[c]);
			}
		}
	}
	double scale = (i == 0 && j == 0 ? 1 : 2) / ((double)p->width * p->height);
	for (unsigned c = 0; c < 3; c++) {
		term[c] *= scale;
	}
}

static char *put_base83(char *to, uint32_t value, unsigned digits)
{
	static const char alphabet[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
	for (unsigned i = digits; i > 0; i--) {
		to[i - 1] = alphabet[value % 83];
		value /= 83;
	}
	must(value == 0);
	return to + digits;
}

/* Square-root scale of -1..1 in 19 steps. */
static uint32_t quantise(double value)
{
	double root = copysign(sqrt(fabs(value)), value);
	return (uint32_t)fmax(0, fmin(18, floor(root * 9 + 9.5)));
}

static double largest_of(double terms[TERMS][3])
{
	double largest = 0;
	for (unsigned t = 1; t < TERMS; t++) {
		for (unsigned c = 0; c < 3; c++) {
			largest = fmax(largest, fabs(terms[t][c]));
		}
	}
	return largest;
}

void imaging_blurhash(const struct pixels *tiny, char out[BLURHASH_LEN + 1])
{
	double terms[TERMS][3];
	for (unsigned t = 0; t < TERMS; t++) {
		transform(tiny, t % ACROSS, t / ACROSS, terms[t]);
	}
	uint32_t step = (uint32_t)fmax(0, fmin(82, floor(largest_of(terms) * 166 - 0.5)));
	double scale = (step + 1) / 166.0;
	char *to = put_base83(out, (ACROSS - 1) + (DOWN - 1) * 9, 1);
	to = put_base83(to, step, 1);
	to = put_base83(to, to_srgb(terms[0][0]) << 16 | to_srgb(terms[0][1]) << 8 | to_srgb(terms[0][2]), 4);
	for (unsigned t = 1; t < TERMS; t++) {
		uint32_t value = quantise(terms[t][0] / scale) * 19 * 19 +
				 quantise(terms[t][1] / scale) * 19 + quantise(terms[t][2] / scale);
		to = put_base83(to, value, 2);
	}
	must(to == out + BLURHASH_LEN);
	*to = '\0';
}
