/* Reads the JSON that the host hands to `configure`.
 *
 *     json config = json_of(text, length), key, value;
 *     while (json_member(&config, &key, &value))
 *       if (json_equals(key, "hosts")) ...
 *
 * The host hands over nothing but valid JSON, so nothing here complains about what is none. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value, as its text. */
typedef struct {
  const char *at, *end;
} json;

/* The value in that text, which has to outlive it. */
json json_of(const void *text, size_t length);

/* The object's next member. `object` is moved behind it; false when there is none, or no object. */
bool json_member(json *object, json *key, json *value);

/* The array's next element. `array` is moved behind it; false when there is none, or no array. */
bool json_element(json *array, json *value);

bool json_is_array(json value);
bool json_is_object(json value);

/* Whether it is this string. */
bool json_equals(json value, const char *text);

/* The string, ended by NUL, to be freed; NULL where it is none, or has a NUL in it. */
char *json_string(json value);

/* The whole number; false where it is none. */
bool json_integer(json value, int64_t *number);

/* "/hosts/3" and "/hosts", to be freed: where the host shows the line in the operator's file. */
char *json_element_pointer(const char *array, size_t index);
char *json_member_pointer(const char *object, json key);

#endif
