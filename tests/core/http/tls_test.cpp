#include <catch2/catch.hpp>

#include "core/http/transport.h"
#include "tests/support/test_data.h"
#include "tests/support/tls_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

Result<HttpResponse> ask_over_tls(const TlsServer& server, const std::string& ca_file) {
  TransportOptions options;
  options.ca_file = ca_file;
  HttpRequest request;
  request.url = server.url();
  request.headers = {{"Authorization", "Bearer sk-test"}};
  request.body = "{}";
  return make_curl_transport(options)->send(request, {});
}

}  // namespace

TEST_CASE("a server whose certificate nobody vouches for gets no request") {
  const TlsServer server("127.0.0.1");
  const auto refused = ask_over_tls(server, "");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == "tls");
  CHECK(server.answered() == 0);
}

TEST_CASE("a server whose certificate the named file vouches for is believed") {
  const TlsServer server("127.0.0.1");
  TempDir folder;
  folder.write("ca.pem", server.certificate_pem());
  const auto response = ask_over_tls(server, (folder.path() / "ca.pem").string());
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->body == "ok");
}

TEST_CASE("a certificate for another host is refused, whoever vouches for it") {
  const TlsServer server("192.0.2.1");
  TempDir folder;
  folder.write("ca.pem", server.certificate_pem());
  const auto refused = ask_over_tls(server, (folder.path() / "ca.pem").string());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == "tls");
  CHECK(server.answered() == 0);
}
