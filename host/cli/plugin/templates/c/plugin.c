// Only the hosts that its configuration names can be asked for, with what is below them.

#include "json.h"
#include "plugin.h" // Made of wit/ by `wproxy plugin build`, in bindings/.
#include <stdlib.h>
#include <string.h>

// An instance is configured once, and serves one request at a time.
static struct host {
  char *name;
  char *rule;
} *hosts;
static size_t host_count;

static bool wrong(exports_wproxy_plugin_lifecycle_config_error_t *error, const char *at,
                  const char *message) {
  plugin_string_dup(&error->at, at);
  plugin_string_dup(&error->message, message);
  return false;
}

static bool add_host(json value, exports_wproxy_plugin_lifecycle_config_error_t *error) {
  char *rule = json_element_pointer("/hosts", host_count);
  char *name = json_string(value);
  if (!name || !*name)
    return wrong(error, rule, "a host is a name, such as \"example.com\"");
  hosts = realloc(hosts, (host_count + 1) * sizeof *hosts);
  if (!hosts)
    abort();
  hosts[host_count++] = (struct host){name, rule};
  return true;
}

// False is an error: the host shows it with the line in the operator's file.
bool exports_wproxy_plugin_lifecycle_configure(
    plugin_string_t *text, exports_wproxy_plugin_lifecycle_spared_t *spared,
    exports_wproxy_plugin_lifecycle_config_error_t *error) {
  json config = json_of(text->ptr, text->len), key, value, host;
  bool has_hosts = false;
  while (json_member(&config, &key, &value)) {
    if (!json_equals(key, "hosts"))
      return wrong(error, json_member_pointer("", key), "`hosts` is the only key here");
    if (!json_is_array(value))
      return wrong(error, "/hosts", "a list of hosts, such as [\"example.com\"]");
    has_hosts = true;
    while (json_element(&value, &host))
      if (!add_host(host, error))
        return false;
  }
  if (!has_hosts)
    return wrong(error, "", "`hosts` is missing: a list, such as [\"example.com\"]");
  *spared = 0;
  plugin_string_free(text);
  return true;
}

// "www.example.com" is in "example.com", "anexample.com" is not.
static bool is_in(const plugin_string_t *host, const char *domain) {
  size_t length = strlen(domain);
  if (host->len < length || memcmp(host->ptr + host->len - length, domain, length) != 0)
    return false;
  return host->len == length || host->ptr[host->len - length - 1] == '.';
}

static plugin_string_t concatenated(const plugin_string_t *left, const char *right) {
  size_t length = strlen(right);
  plugin_string_t both = {malloc(left->len + length), left->len + length};
  if (!both.ptr)
    abort();
  memcpy(both.ptr, left->ptr, left->len);
  memcpy(both.ptr + left->len, right, length);
  return both;
}

// What is in `verdict` is the host's to free.
void exports_wproxy_plugin_access_authorize(
    exports_wproxy_plugin_access_borrow_request_t request,
    exports_wproxy_plugin_access_verdict_t *verdict) {
  plugin_string_t host;
  wproxy_plugin_http_method_request_host(request, &host);
  for (size_t i = 0; i < host_count; i++) {
    if (is_in(&host, hosts[i].name)) {
      verdict->tag = EXPORTS_WPROXY_PLUGIN_ACCESS_VERDICT_ALLOW;
      plugin_string_dup(&verdict->val.allow.rule, hosts[i].rule);
      plugin_string_free(&host);
      return;
    }
  }
  verdict->tag = EXPORTS_WPROXY_PLUGIN_ACCESS_VERDICT_DENY;
  exports_wproxy_plugin_access_denial_t *denial = &verdict->val.deny;
  plugin_string_dup(&denial->rule, "no such host");
  denial->status = 403;
  denial->message.is_some = true;
  denial->message.val = concatenated(&host, ": this proxy cannot be asked for that host");
  plugin_string_free(&host);
}
