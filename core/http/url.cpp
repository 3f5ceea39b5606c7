// URLs (RFC 3986) as far as a model server needs them, and the addresses behind them. The parser is stricter than
// libcurl's on purpose: a host that the two could read differently ("http://127.0.0.1\@host/") would make the offline and
// trust checks look at one host while the bytes go to another.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>

#include "core/http/address.h"
#include "core/http/transport.h"

namespace llmops {
namespace {

char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

// Errors never quote the URL: it may hold a password or a key.
Error url_error(std::string message) {
  return Error(ErrorCode::kConfig, std::move(message), "write it as http://host:port/path or https://host/path");
}

Result<int> parse_port(std::string_view text) {
  int port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    return url_error("the port of the url is not a number between 1 and 65535");
  }
  return port;
}

bool is_link_local_v4(const in_addr& address) { return (ntohl(address.s_addr) >> 16) == 0xA9FE; }

bool is_link_local_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) return address.s6_addr[12] == 169 && address.s6_addr[13] == 254;
  in6_addr metadata{};
  inet_pton(AF_INET6, "fd00:ec2::254", &metadata);
  return std::equal(address.s6_addr, address.s6_addr + 16, metadata.s6_addr);
}

}  // namespace

bool is_loopback_host(std::string_view host) {
  const std::string name = lower(host);
  if (name == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, name.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool is_link_local_host(const std::string& host) {
  in_addr v4{};
  if (inet_aton(host.c_str(), &v4) != 0) return is_link_local_v4(v4);  // inet_aton reads hexadecimal and short forms too
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && is_link_local_v6(v6);
}

bool is_loopback_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family != AF_INET6) return false;
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

bool is_link_local_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) return is_link_local_v4(reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  return address->sa_family == AF_INET6 && is_link_local_v6(reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

Result<UrlParts> parse_url(std::string_view url) {
  const auto is_forbidden = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '\\'; };
  if (std::any_of(url.begin(), url.end(), is_forbidden)) {
    return url_error("the url has a space, a backslash or a control character");
  }
  const size_t colon = url.find("://");
  if (colon == std::string_view::npos) return url_error("the url has no scheme");
  UrlParts parts;
  parts.scheme = lower(url.substr(0, colon));
  if (parts.scheme != "http" && parts.scheme != "https") {
    return url_error("the scheme of the url is neither http nor https");
  }
  url.remove_prefix(colon + 3);
  const size_t authority_end = std::min(url.find_first_of("/?#"), url.size());
  std::string_view authority = url.substr(0, authority_end);
  std::string_view rest = url.substr(authority_end);
  rest = rest.substr(0, rest.find('#'));
  parts.path = rest.empty() || rest.front() != '/' ? "/" + std::string(rest) : std::string(rest);

  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    parts.has_userinfo = true;
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  bool has_port = false;
  if (!authority.empty() && authority.front() == '[') {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return url_error("the host of the url has '[' without ']'");
    parts.host = lower(authority.substr(1, close - 1));
    in6_addr v6{};
    if (inet_pton(AF_INET6, parts.host.c_str(), &v6) != 1) {
      return url_error("the host of the url is not an IPv6 address, though it stands in brackets");
    }
    const std::string_view after = authority.substr(close + 1);
    if (!after.empty() && after.front() != ':') return url_error("the url has text between its host and its port");
    has_port = !after.empty();
    port = has_port ? after.substr(1) : after;
  } else {
    const size_t separator = authority.find(':');
    has_port = separator != std::string_view::npos;
    parts.host = lower(authority.substr(0, separator));
    port = has_port ? authority.substr(separator + 1) : std::string_view();
    if (parts.host.empty()) return url_error("the url has no host");
    if (!std::all_of(parts.host.begin(), parts.host.end(), is_host_character)) {
      return url_error("the host of the url has a character other than letters, digits, '.', '-' and '_'");
    }
  }
  parts.port = parts.scheme == "https" ? 443 : 80;
  if (has_port) {
    LLMOPS_ASSIGN(parts.port, parse_port(port));
  }
  return parts;
}

bool is_loopback_url(std::string_view url) {
  const Result<UrlParts> parts = parse_url(url);
  return parts && is_loopback_host(parts->host);
}

}  // namespace llmops
