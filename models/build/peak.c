// What a core can multiply at most, so that docs/performance.md can say what share of it the encoders reach:
//
//     cc -O2 -o /tmp/peak models/build/peak.c && taskset -c 0 /tmp/peak
//
// Independent products in registers, nothing loaded or stored: no program gets more. Linux on x86-64 with AVX-512 VNNI.
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMES = 20000000 };

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void report(const char *what, double seconds, double products) { printf("%-28s %7.1f G operations a second\n", what, 2 * products / seconds / 1e9); }

#define TWELVE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define SUM(n) __m512i s##n = zero;
#define VNNI(n) __asm__ volatile("vpdpbusd %1, %1, %0" : "+v"(s##n) : "v"(zero));
#define FMA(n) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(s##n) : "v"(zero));

__attribute__((target("avx512f,avx512vnni"))) static void vectors(void) {
	__m512i zero = _mm512_setzero_si512();
	TWELVE(SUM)
	double start = now();
	for (int i = 0; i < TIMES; i++) {
		TWELVE(VNNI)
	}
	report("8-bit, AVX-512 VNNI", now() - start, 12.0 * 64 * TIMES);
	start = now();
	for (int i = 0; i < TIMES; i++) {
		TWELVE(FMA)
	}
	report("32-bit floats, AVX-512", now() - start, 12.0 * 16 * TIMES);
}

__attribute__((target("amx-tile,amx-int8"))) static void tiles(void) {
	struct {
		uint8_t palette, start, reserved[14];
		uint16_t width[16];
		uint8_t height[16];
	} all = {.palette = 1};
	for (int i = 0; i < 8; i++)
		all.width[i] = 64, all.height[i] = 16;
	__asm__ volatile("" ::"r"(&all) : "memory");
	_tile_loadconfig(&all);
	_tile_zero(4);
	_tile_zero(5);
	double start = now();
	for (int i = 0; i < TIMES / 4; i++) {
		_tile_dpbusd(0, 4, 5);
		_tile_dpbusd(1, 4, 5);
		_tile_dpbusd(2, 4, 5);
		_tile_dpbusd(3, 4, 5);
	}
	report("8-bit, AMX", now() - start, 4.0 * 16 * 16 * 64 * (TIMES / 4));
	_tile_release();
}

int main(void) {
	vectors();
	if (syscall(SYS_arch_prctl, 0x1023, 18) == 0) // ARCH_REQ_XCOMP_PERM of XFEATURE_XTILEDATA
		tiles();
	else
		puts("no AMX");
}
