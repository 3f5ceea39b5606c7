// Late loading by dlopen(3). Debian ships libcurl in three builds that differ in their TLS library; their functions are
// the same.
#include "core/http/curl_library.h"

#include <dlfcn.h>

#include <array>

namespace llmops {
namespace {

template <class Function>
bool load_function(void* library, const char* name, Function& out) {
  out = reinterpret_cast<Function>(dlsym(library, name));
  return out != nullptr;
}

bool load_functions(void* library, CurlLibrary& out) {
  return load_function(library, "curl_global_init", out.global_init) &&
         load_function(library, "curl_easy_init", out.easy_init) &&
         load_function(library, "curl_easy_cleanup", out.easy_cleanup) &&
         load_function(library, "curl_easy_setopt", out.easy_setopt) &&
         load_function(library, "curl_easy_getinfo", out.easy_getinfo) &&
         load_function(library, "curl_easy_strerror", out.easy_strerror) &&
         load_function(library, "curl_slist_append", out.slist_append) &&
         load_function(library, "curl_slist_free_all", out.slist_free_all) &&
         load_function(library, "curl_multi_init", out.multi_init) &&
         load_function(library, "curl_multi_cleanup", out.multi_cleanup) &&
         load_function(library, "curl_multi_setopt", out.multi_setopt) &&
         load_function(library, "curl_multi_add_handle", out.multi_add_handle) &&
         load_function(library, "curl_multi_remove_handle", out.multi_remove_handle) &&
         load_function(library, "curl_multi_perform", out.multi_perform) &&
         load_function(library, "curl_multi_poll", out.multi_poll) &&
         load_function(library, "curl_multi_wakeup", out.multi_wakeup) &&
         load_function(library, "curl_multi_info_read", out.multi_info_read);
}

Result<CurlLibrary> load_and_initialise() {
  static constexpr std::array<const char*, 3> kNames = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"};
  Result<CurlLibrary> library = load_curl_library(kNames);
  if (library && library->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
    return Error(ErrorCode::kIo, "libcurl cannot be initialised", "reinstall the package 'libcurl4'");
  }
  return library;
}

}  // namespace

Result<CurlLibrary> load_curl_library(std::span<const char* const> names) {
  bool is_old = false;
  for (const char* name : names) {
    // Never unloaded: TLS libraries leave thread-local destructors behind.
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) continue;
    CurlLibrary functions;
    if (load_functions(library, functions)) return functions;
    is_old = true;
  }
  if (is_old) {
    return Error(ErrorCode::kIo, "the installed libcurl is older than 7.68", "upgrade the package 'libcurl4'");
  }
  return Error(ErrorCode::kIo, "libcurl cannot be loaded", "install the package 'libcurl4'");
}

const Result<CurlLibrary>& curl_library() {
  static const Result<CurlLibrary> library = load_and_initialise();
  return library;
}

}  // namespace llmops
