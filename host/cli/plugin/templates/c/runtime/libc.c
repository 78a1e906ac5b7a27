/* In place of a C library: memory, and the functions that compilers call on their own. A component
 * without a C library imports nothing but the proxy's interfaces, and has a few kilobytes. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* === memory ===
 *
 * Blocks of 32, 64, 128, ... octets. One that is freed waits in the list of its size for the next
 * that wants as much: a plugin asks for the same few sizes again with each request. */

typedef struct block {
  _Alignas(16) size_t class; /* It has SMALLEST << class octets, with this header. */
  struct block *next;
} block;

#define SMALLEST 32u
#define CLASSES 26
#define PAGE 65536u

extern unsigned char __heap_base; /* The linker's: here the data ends. */

static block *waiting[CLASSES];
static uintptr_t top; /* From here on, nothing has been used yet. */

/* Memory that has not been used yet; NULL where the host gives no more. */
static block *carve(size_t size) {
  if (top == 0)
    top = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
  uint64_t end = (uint64_t)top + size;
  uint64_t have = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
  if (end > have) {
    size_t pages = (size_t)((end - have + PAGE - 1) / PAGE);
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
      return NULL;
  }
  block *carved = (block *)top;
  top = (uintptr_t)end;
  return carved;
}

void *malloc(size_t size) {
  if (size > (size_t)SMALLEST << (CLASSES - 2))
    return NULL;
  size_t class = 0;
  while (((size_t)SMALLEST << class) - sizeof(block) < size)
    class++;
  block *found = waiting[class];
  if (found)
    waiting[class] = found->next;
  else
    found = carve((size_t)SMALLEST << class);
  if (!found)
    return NULL;
  found->class = class;
  return found + 1;
}

void free(void *pointer) {
  if (!pointer)
    return;
  block *freed = (block *)pointer - 1;
  freed->next = waiting[freed->class];
  waiting[freed->class] = freed;
}

void *realloc(void *pointer, size_t size) {
  if (!pointer)
    return malloc(size);
  size_t has = ((size_t)SMALLEST << ((block *)pointer - 1)->class) - sizeof(block);
  if (size <= has)
    return pointer;
  void *larger = malloc(size);
  if (larger) {
    memcpy(larger, pointer, has);
    free(pointer);
  }
  return larger;
}

void abort(void) { __builtin_trap(); }

/* === octets ===
 *
 * The first three are one instruction each of WebAssembly's. */

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  return __builtin_memcpy(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) {
  return __builtin_memmove(to, from, size);
}

void *memset(void *to, int octet, size_t size) {
  return __builtin_memset(to, octet, size);
}

int memcmp(const void *left, const void *right, size_t size) {
  const unsigned char *l = left, *r = right;
  for (size_t i = 0; i < size; i++)
    if (l[i] != r[i])
      return l[i] < r[i] ? -1 : 1;
  return 0;
}

size_t strlen(const char *text) {
  size_t length = 0;
  while (text[length])
    length++;
  return length;
}
