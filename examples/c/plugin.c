// Closes the proxy by the hour of the day. What a request asks for does not matter; when the rest
// of the day lets it pass, the next plugin decides.

#include "json.h"
#include "plugin.h" // Made of wit/ by `wproxy plugin build`, in bindings/.
#include <stdlib.h>
#include <string.h>

#define DAY (24 * 60)

// Minutes since midnight, and the line in the configuration: as it stands there, and where.
static struct span {
  int from, to;
  char *text, *rule;
} *closed;
static size_t closed_count;

static bool wrong(exports_wproxy_plugin_lifecycle_config_error_t *error, const char *at,
                  const char *message) {
  plugin_string_dup(&error->at, at);
  plugin_string_dup(&error->message, message);
  return false;
}

// "06:30"; -1 where it is no time of day.
static int time_of_day(const char *text) {
  for (int i = 0; i < 5; i++)
    if (i == 2 ? text[i] != ':' : text[i] < '0' || text[i] > '9')
      return -1;
  int hours = (text[0] - '0') * 10 + (text[1] - '0');
  int minutes = (text[3] - '0') * 10 + (text[4] - '0');
  int time = hours * 60 + minutes;
  return minutes < 60 && time <= DAY ? time : -1;
}

static bool add_span(json value, exports_wproxy_plugin_lifecycle_config_error_t *error) {
  struct span span = {.rule = json_element_pointer("/closed", closed_count), .text = json_string(value)};
  bool good = span.text && strlen(span.text) == 11 && span.text[5] == '-';
  span.from = good ? time_of_day(span.text) : -1;
  span.to = good ? time_of_day(span.text + 6) : -1;
  if (span.from < 0 || span.to < 0)
    return wrong(error, span.rule, "from when to when, such as \"22:00-06:00\"");
  closed = realloc(closed, (closed_count + 1) * sizeof *closed);
  if (!closed)
    abort();
  closed[closed_count++] = span;
  return true;
}

bool exports_wproxy_plugin_lifecycle_configure(
    plugin_string_t *text, exports_wproxy_plugin_lifecycle_spared_t *spared,
    exports_wproxy_plugin_lifecycle_config_error_t *error) {
  json config = json_of(text->ptr, text->len), key, value, span;
  while (json_member(&config, &key, &value)) {
    if (!json_equals(key, "closed"))
      return wrong(error, json_member_pointer("", key), "`closed` is the only key here");
    if (!json_is_array(value))
      return wrong(error, "/closed", "a list, such as [\"22:00-06:00\"]");
    while (json_element(&value, &span))
      if (!add_span(span, error))
        return false;
  }
  *spared = 0;
  plugin_string_free(text);
  return true;
}

static bool is_in(int now, const struct span *span) {
  if (span->from <= span->to)
    return span->from <= now && now < span->to;
  return span->from <= now || now < span->to;
}

// "closed 22:00-06:00; it is 23:30 here"
static void explain(plugin_string_t *message, const struct span *span, int now) {
  char text[] = "closed 22:00-06:00; it is 23:30 here";
  char *clock = text + strlen(text) - strlen("23:30 here");
  memcpy(text + strlen("closed "), span->text, 11);
  clock[0] = (char)('0' + now / 600);
  clock[1] = (char)('0' + now / 60 % 10);
  clock[3] = (char)('0' + now % 60 / 10);
  clock[4] = (char)('0' + now % 10);
  plugin_string_dup(message, text);
}

void exports_wproxy_plugin_access_authorize(
    exports_wproxy_plugin_access_borrow_request_t request,
    exports_wproxy_plugin_access_verdict_t *verdict) {
  // Every request says when it came: no clock has to be granted.
  wproxy_plugin_http_moment_t received;
  wproxy_plugin_http_method_request_received(request, &received);
  int64_t second = (received.unix + received.utc_offset) % (DAY * 60);
  int now = (int)((second + DAY * 60) % (DAY * 60) / 60);
  for (size_t i = 0; i < closed_count; i++) {
    if (is_in(now, &closed[i])) {
      verdict->tag = EXPORTS_WPROXY_PLUGIN_ACCESS_VERDICT_DENY;
      exports_wproxy_plugin_access_denial_t *denial = &verdict->val.deny;
      plugin_string_dup(&denial->rule, closed[i].rule);
      denial->status = 403;
      denial->message.is_some = true;
      explain(&denial->message.val, &closed[i], now);
      return;
    }
  }
  verdict->tag = EXPORTS_WPROXY_PLUGIN_ACCESS_VERDICT_PASS;
}
