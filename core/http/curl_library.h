// libcurl as a table of function pointers, filled when the first request is sent. Linking it costs every command, also
// those that never leave the machine, the loading of some thirty shared libraries (TLS, Kerberos, LDAP, HTTP/2).
#pragma once

#include <curl/curl.h>

#include <span>

#include "core/base/result.h"

namespace llmops {

struct CurlLibrary {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
  decltype(&::curl_multi_init) multi_init = nullptr;
  decltype(&::curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&::curl_multi_setopt) multi_setopt = nullptr;
  decltype(&::curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&::curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&::curl_multi_perform) multi_perform = nullptr;
  decltype(&::curl_multi_poll) multi_poll = nullptr;
  decltype(&::curl_multi_wakeup) multi_wakeup = nullptr;
  decltype(&::curl_multi_info_read) multi_info_read = nullptr;
};

// The first of `names` that loads. Errors (kIo): none does, or it is older than 7.68, which has no curl_multi_wakeup.
Result<CurlLibrary> load_curl_library(std::span<const char* const> names);

// The system's, loaded and initialised once. Thread-safe.
const Result<CurlLibrary>& curl_library();

}  // namespace llmops
