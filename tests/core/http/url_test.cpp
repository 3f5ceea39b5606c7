#include <arpa/inet.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "core/http/address.h"
#include "core/http/transport.h"

using namespace llmops;

namespace {

const char* const kHint = "write it as http://host:port/path or https://host/path";

std::string message_of(const char* url) {
  const Result<UrlParts> parts = parse_url(url);
  REQUIRE_FALSE(parts);
  CHECK(parts.error().code == ErrorCode::kConfig);
  CHECK(parts.error().hint == kHint);
  return parts.error().message;
}

sockaddr_storage address_of(const char* text) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    storage.ss_family = AF_INET;
  } else {
    REQUIRE(inet_pton(AF_INET6, text, &v6->sin6_addr) == 1);
    storage.ss_family = AF_INET6;
  }
  return storage;
}

bool is_refused_address(const char* text) {
  const sockaddr_storage storage = address_of(text);
  return is_link_local_address(reinterpret_cast<const sockaddr*>(&storage));
}

bool is_own_address(const char* text) {
  const sockaddr_storage storage = address_of(text);
  return is_loopback_address(reinterpret_cast<const sockaddr*>(&storage));
}

}  // namespace

TEST_CASE("a url is split into scheme, host, port and path") {
  const Result<UrlParts> parts = parse_url("HTTPS://API.Example.com:8443/v1/chat?a=b#part");
  REQUIRE(parts);
  CHECK(parts->scheme == "https");
  CHECK(parts->host == "api.example.com");
  CHECK(parts->port == 8443);
  CHECK(parts->path == "/v1/chat?a=b");
  CHECK_FALSE(parts->has_userinfo);
}

TEST_CASE("the port and the path of a url have defaults") {
  CHECK(parse_url("http://host")->port == 80);
  CHECK(parse_url("https://host")->port == 443);
  CHECK(parse_url("http://host")->path == "/");
  CHECK(parse_url("http://host?q")->path == "/?q");
}

TEST_CASE("user and password of a url are seen, and are no part of the host") {
  const Result<UrlParts> parts = parse_url("http://127.0.0.1:secret@example.com/");
  REQUIRE(parts);
  CHECK(parts->host == "example.com");
  CHECK(parts->has_userinfo);
}

TEST_CASE("an IPv6 host loses its brackets") {
  const Result<UrlParts> parts = parse_url("http://[::1]:8000/v1");
  REQUIRE(parts);
  CHECK(parts->host == "::1");
  CHECK(parts->port == 8000);
}

TEST_CASE("what is no http url is refused without quoting it") {
  CHECK(message_of("") == "the url has no scheme");
  CHECK(message_of("api.example.com/v1") == "the url has no scheme");
  CHECK(message_of("ftp://example.com") == "the scheme of the url is neither http nor https");
  CHECK(message_of("file:///etc/passwd") == "the scheme of the url is neither http nor https");
  CHECK(message_of("http://") == "the url has no host");
  CHECK(message_of("http:///path") == "the url has no host");
  CHECK(message_of("http://:80/") == "the url has no host");
  CHECK(message_of("http://host:0/") == "the port of the url is not a number between 1 and 65535");
  CHECK(message_of("http://host:65536/") == "the port of the url is not a number between 1 and 65535");
  CHECK(message_of("http://host:/") == "the port of the url is not a number between 1 and 65535");
  CHECK(message_of("http://host:8x/") == "the port of the url is not a number between 1 and 65535");
  CHECK(message_of("http://[::1/") == "the host of the url has '[' without ']'");
  CHECK(message_of("http://[localhost]/") == "the host of the url is not an IPv6 address, though it stands in brackets");
  CHECK(message_of("http://[::1]x/") == "the url has text between its host and its port");
  CHECK(message_of("http://127.0.0.1\\@example.com/") == "the url has a space, a backslash or a control character");
  CHECK(message_of("http://host/a b") == "the url has a space, a backslash or a control character");
  CHECK(message_of("http://host/a\r\nX: y") == "the url has a space, a backslash or a control character");
  CHECK(message_of("http://127.0.0.1%2eexample.com/") ==
        "the host of the url has a character other than letters, digits, '.', '-' and '_'");
}

TEST_CASE("loopback urls are those of this machine") {
  for (const char* url : {"http://127.0.0.1:8000/v1", "http://127.255.3.4", "https://localhost/x", "http://LocalHost:1", "http://[::1]/"}) {
    CAPTURE(url);
    CHECK(is_loopback_url(url));
  }
  for (const char* url : {"http://example.com", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://128.0.0.1",
                          "http://127.1", "http://127.0.0.1@example.com", "http://0.0.0.0", "nonsense", "", "http://[::2]/"}) {
    CAPTURE(url);
    CHECK_FALSE(is_loopback_url(url));
  }
}

TEST_CASE("the addresses of cloud metadata services are known in all their spellings") {
  for (const char* host : {"169.254.169.254", "169.254.0.1", "0xa9fea9fe", "2852039166", "169.254.43518", "fd00:ec2::254",
                           "::ffff:169.254.169.254"}) {
    CAPTURE(host);
    CHECK(is_link_local_host(host));
  }
  for (const char* host : {"169.253.1.1", "example.com", "169.254.example.com", "fd00:ec2::255", "127.0.0.1", "::1"}) {
    CAPTURE(host);
    CHECK_FALSE(is_link_local_host(host));
  }
}

TEST_CASE("resolved addresses are told apart in the same way") {
  CHECK(is_refused_address("169.254.169.254"));
  CHECK(is_refused_address("::ffff:169.254.1.1"));
  CHECK(is_refused_address("fd00:ec2::254"));
  CHECK_FALSE(is_refused_address("10.0.0.1"));
  CHECK_FALSE(is_refused_address("2001:db8::1"));
  CHECK(is_own_address("127.3.2.1"));
  CHECK(is_own_address("::1"));
  CHECK_FALSE(is_own_address("10.0.0.1"));
  CHECK_FALSE(is_own_address("2001:db8::1"));
}
