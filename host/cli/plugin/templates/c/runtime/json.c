/* See json.h. */

#include "json.h"
#include <stdlib.h>
#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_space(json *rest) {
  while (rest->at < rest->end && is_space(*rest->at))
    rest->at++;
}

/* Behind the string that begins here. */
static const char *string_end(json rest) {
  for (const char *at = rest.at + 1; at < rest.end; at++) {
    if (*at == '\\')
      at++;
    else if (*at == '"')
      return at + 1;
  }
  return rest.end;
}

/* Takes off the value with which the text begins. */
static json take(json *rest) {
  skip_space(rest);
  json value = *rest;
  size_t depth = 0;
  while (rest->at < rest->end) {
    char c = *rest->at;
    if (depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}' || is_space(c)))
      break;
    if (c == '"') {
      rest->at = string_end(*rest);
    } else {
      depth += c == '[' || c == '{';
      depth -= c == ']' || c == '}';
      rest->at++;
    }
    /* Strings and what is in brackets end by themselves. */
    if (depth == 0 && (c == '"' || c == ']' || c == '}'))
      break;
  }
  value.end = rest->at;
  return value;
}

/* Goes past the opening bracket or a comma; false at the end. */
static bool next(json *rest, char opening) {
  skip_space(rest);
  if (rest->at >= rest->end || (*rest->at != opening && *rest->at != ','))
    return false;
  rest->at++;
  skip_space(rest);
  return rest->at < rest->end && *rest->at != ']' && *rest->at != '}';
}

json json_of(const void *text, size_t length) {
  return (json){text, (const char *)text + length};
}

bool json_member(json *object, json *key, json *value) {
  if (!next(object, '{'))
    return false;
  *key = take(object);
  skip_space(object);
  object->at += object->at < object->end; /* : */
  *value = take(object);
  return true;
}

bool json_element(json *array, json *value) {
  if (!next(array, '['))
    return false;
  *value = take(array);
  return true;
}

bool json_is_array(json value) { return value.at < value.end && *value.at == '['; }

bool json_is_object(json value) { return value.at < value.end && *value.at == '{'; }

static uint32_t hex4(const char *digits) {
  uint32_t number = 0;
  for (int i = 0; i < 4; i++) {
    char c = digits[i];
    number = number * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
  return number;
}

static char *put_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  *to++ = (char)((0xff00u >> (more + 1)) | (c >> (6 * more)));
  while (more--)
    *to++ = (char)(0x80 | ((c >> (6 * more)) & 0x3f));
  return to;
}

/* What stands behind a backslash; `*at` is moved behind it. */
static uint32_t escaped(const char **at, const char *end) {
  char c = *(*at)++;
  switch (c) {
  case 'n':
    return '\n';
  case 't':
    return '\t';
  case 'r':
    return '\r';
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'u':
    break;
  default:
    return (unsigned char)c;
  }
  if (end - *at < 4)
    return 0;
  uint32_t unit = hex4(*at);
  *at += 4;
  /* Two of them make a character beyond U+FFFF. */
  if (unit >= 0xd800 && unit < 0xdc00 && end - *at >= 6) {
    unit = 0x10000 + ((unit - 0xd800) << 10) + (hex4(*at + 2) - 0xdc00);
    *at += 6;
  }
  return unit;
}

char *json_string(json value) {
  if (value.end - value.at < 2 || *value.at != '"')
    return NULL;
  const char *at = value.at + 1, *end = value.end - 1;
  /* An escape is never shorter than what it stands for. */
  char *text = malloc((size_t)(end - at) + 1), *to = text;
  if (!text)
    abort();
  while (at < end) {
    if (*at != '\\') {
      *to++ = *at++;
      continue;
    }
    at++;
    uint32_t c = escaped(&at, end);
    if (c == 0) {
      free(text);
      return NULL;
    }
    to = put_utf8(to, c);
  }
  *to = 0;
  return text;
}

bool json_equals(json value, const char *text) {
  char *found = json_string(value);
  bool equal = found && strlen(found) == strlen(text) && memcmp(found, text, strlen(text)) == 0;
  free(found);
  return equal;
}

bool json_integer(json value, int64_t *number) {
  bool negative = value.at < value.end && *value.at == '-';
  const char *at = value.at + negative;
  /* Eighteen digits always fit. */
  if (at == value.end || value.end - at > 18)
    return false;
  int64_t found = 0;
  for (; at < value.end; at++) {
    if (*at < '0' || *at > '9')
      return false;
    found = found * 10 + (*at - '0');
  }
  *number = negative ? -found : found;
  return true;
}

/* "left/right" */
// `~` and `/` are written as `~0` and `~1` (RFC 6901 §3).
static char *step(const char *left, const char *right, size_t count) {
  size_t length = strlen(left);
  char *pointer = malloc(length + 1 + 2 * count + 1);
  if (!pointer)
    abort();
  memcpy(pointer, left, length);
  char *end = pointer + length;
  *end++ = '/';
  for (size_t i = 0; i < count; i++) {
    if (right[i] == '~' || right[i] == '/') {
      *end++ = '~';
      *end++ = right[i] == '~' ? '0' : '1';
    } else {
      *end++ = right[i];
    }
  }
  *end = 0;
  return pointer;
}

char *json_element_pointer(const char *array, size_t index) {
  char digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + index % 10);
    index /= 10;
  } while (index);
  return step(array, digits + first, sizeof digits - first);
}

char *json_member_pointer(const char *object, json key) {
  char *name = json_string(key);
  char *pointer = step(object, name ? name : "", name ? strlen(name) : 0);
  free(name);
  return pointer;
}
