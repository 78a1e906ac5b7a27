/* Prints what is in the JSON at stdin, a line for each value that is neither list nor object. */

#include "json.h"
#include <stdio.h>
#include <stdlib.h>

static void walk(const char *at, json value) {
  json key, inner;
  if (json_is_object(value)) {
    while (json_member(&value, &key, &inner)) {
      char *pointer = json_member_pointer(at, key);
      walk(pointer, inner);
      free(pointer);
    }
  } else if (json_is_array(value)) {
    for (size_t index = 0; json_element(&value, &inner); index++) {
      char *pointer = json_element_pointer(at, index);
      walk(pointer, inner);
      free(pointer);
    }
  } else {
    char *text = json_string(value);
    int64_t number;
    if (text)
      printf("%s \"%s\"\n", at, text);
    else if (json_integer(value, &number))
      printf("%s %lld\n", at, (long long)number);
    else
      printf("%s something else\n", at);
    free(text);
  }
}

int main(void) {
  static char text[4 << 20];
  walk("", json_of(text, fread(text, 1, sizeof text, stdin)));
  return 0;
}
