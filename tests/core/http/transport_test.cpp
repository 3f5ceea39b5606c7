#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <thread>

#include "core/http/curl_library.h"
#include "core/http/transport.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

HttpRequest post_to(const std::string& url, std::string body = "{}") {
  HttpRequest request;
  request.url = url;
  request.body = std::move(body);
  request.timeout_ms = 10'000;
  return request;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// A port on which nothing listens: a server had it a moment ago.
int free_port() { return LoopbackServer([](const LoopbackRequest&, LoopbackReply&) {}).port(); }

}  // namespace

TEST_CASE("a request arrives as it was built, and its answer comes back") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    reply.send(201, "got " + request.body, {{"X-Answer", "  spaced  "}, {"Content-Type", "text/plain"}});
  });
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to(server.url("/v1/things?a=1"), "hello");
  request.headers = {{"Content-Type", "text/plain"}, {"X-One", "1"}, {"X-Empty", ""}};
  const Result<HttpResponse> response = transport->send(request, {});
  REQUIRE(response);
  CHECK(response->status == 201);
  CHECK(response->body == "got hello");
  CHECK(response->header("x-answer") == "spaced");
  CHECK(response->header("x-none") == std::nullopt);
  CHECK(response->latency_ms > 0);
  CHECK(response->first_byte_ms > 0);
  CHECK(response->first_byte_ms <= response->latency_ms);
  const LoopbackRequest seen = server.requests().at(0);
  CHECK(seen.method == "POST");
  CHECK(seen.target == "/v1/things?a=1");
  CHECK(seen.header("x-one") == "1");
  CHECK(seen.header("content-type") == "text/plain");
  CHECK(seen.header("expect").empty());
  CHECK(seen.body == "hello");
}

TEST_CASE("GET, PUT and bodies over a mebibyte work") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    reply.send(200, request.method + " " + std::to_string(request.body.size()));
  });
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to(server.url("/"), "");
  request.method = "GET";
  CHECK(transport->send(request, {})->body == "GET 0");
  request.method = "PUT";
  request.body = std::string(3 << 20, 'x');
  CHECK(transport->send(request, {})->body == "PUT 3145728");
}

TEST_CASE("a status of 400 and above is an answer, not an error") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(503, "busy"); });
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE(response);
  CHECK(response->status == 503);
  CHECK(response->body == "busy");
}

TEST_CASE("connections are kept and used again") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "{}"); });
  const auto transport = make_curl_transport({});
  for (int i = 0; i < 20; ++i) REQUIRE(transport->send(post_to(server.url()), {}));
  CHECK(server.request_count() == 20);
  CHECK(server.connection_count() == 1);
}

TEST_CASE("200 slow requests run side by side") {
  const LoopbackServer server([](const LoopbackRequest& request, LoopbackReply& reply) {
    reply.sleep_ms(100);
    reply.send(200, request.body);
  });
  const auto transport = make_curl_transport({});
  std::atomic<int> right{0};
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 100; ++i) {
      threads.emplace_back([&, i] {
        for (int k = 0; k < 2; ++k) {
          const std::string body = std::to_string(i * 2 + k);
          const Result<HttpResponse> response = transport->send(post_to(server.url(), body), {});
          if (response && response->body == body) ++right;
        }
      });
    }
  }
  CHECK(right == 200);
  CHECK(ms_since(start) < 10'000);  // one after another: 20 s
  CHECK(server.most_at_once() > 20);
}

TEST_CASE("no more transfers run at once than max_connections") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.sleep_ms(20);
    reply.send(200, "{}");
  });
  TransportOptions options;
  options.max_connections = 3;
  const auto transport = make_curl_transport(options);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 12; ++i) {
      threads.emplace_back([&] { right += transport->send(post_to(server.url()), {}).has_value() ? 1 : 0; });
    }
  }
  CHECK(right == 12);
  CHECK(server.most_at_once() <= 3);
}

TEST_CASE("a server that does not answer in time is a timeout") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to(server.url());
  request.timeout_ms = 150;
  const Result<HttpResponse> response = transport->send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kProvider);
  CHECK(response.error().kind == "timeout");
  CHECK(response.error().retryable);
  CHECK(response.error().message == "'127.0.0.1:" + std::to_string(server.port()) + "' did not finish its answer within 150 ms");
  CHECK(response.error().hint == "raise timeout_s of the model");
}

TEST_CASE("a slow first byte is measured apart from the whole") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.sleep_ms(60);
    reply.begin_chunked(200, {});
    reply.chunk("a");
    reply.sleep_ms(80);
    reply.chunk("b");
    reply.end();
  });
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE(response);
  CHECK(response->body == "ab");
  CHECK(response->first_byte_ms >= 55);
  CHECK(response->latency_ms >= response->first_byte_ms + 70);
}

TEST_CASE("nothing listening is a connect error that names host and port") {
  const int port = free_port();
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to("http://127.0.0.1:" + std::to_string(port) + "/v1"), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == "connect");
  CHECK(response.error().retryable);
  CHECK(response.error().message == "cannot connect to '127.0.0.1:" + std::to_string(port) + "'");
  CHECK(response.error().hint == "check that the server runs and that base_url names its port");
}

TEST_CASE("an answer that ends too early is cut") {
  const std::string kind = GENERATE("length", "chunk", "before-head", "head-only");
  const LoopbackServer server([&kind](const LoopbackRequest&, LoopbackReply& reply) {
    if (kind == "length") return reply.send_lying(200, "{\"half\":", 100);
    if (kind == "before-head") return reply.cut();
    if (kind == "head-only") {
      reply.raw("HTTP/1.1 200 OK\r\nContent-Le");
      return reply.cut();
    }
    reply.begin_chunked(200, {});
    reply.half_chunk("{\"half\":");
  });
  CAPTURE(kind);
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == "cut");
  CHECK(response.error().retryable);
  CHECK(response.error().message ==
        "'127.0.0.1:" + std::to_string(server.port()) + "' closed the connection before the end of its answer");
}

TEST_CASE("a Content-Length that is too small cuts the body, not the client") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send_lying(200, "0123456789", 4); });
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE(response);
  CHECK(response->body == "0123");
}

TEST_CASE("a server that does not speak HTTP is told apart") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.raw("SSH-2.0-OpenSSH_9.2p1\r\n");
    reply.cut();
  });
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == "protocol");
  CHECK_FALSE(response.error().retryable);
  CHECK(response.error().message == "'127.0.0.1:" + std::to_string(server.port()) + "' did not answer in HTTP");
}

TEST_CASE("a server without TLS behind https is a tls error") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply&) {}, "220 mail.example ESMTP\r\n");
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to("https://127.0.0.1:" + std::to_string(server.port())), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == "tls");
  CHECK_FALSE(response.error().retryable);
  CHECK(response.error().message.rfind("no secure connection to '127.0.0.1:" + std::to_string(server.port()) + "': ", 0) == 0);
  CHECK(response.error().hint == "check the certificate of the server, or name the certificate authority's file");
  CHECK(server.request_count() == 0);
}

TEST_CASE("an answer over the limit ends the transfer") {
  const bool is_streamed = GENERATE(false, true);
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.begin_chunked(200, {});
    for (int i = 0; i < 100 && reply.is_open(); ++i) reply.chunk(std::string(10'000, 'x'));
    reply.end();
  });
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to(server.url());
  request.max_response_bytes = 50'000;
  if (is_streamed) request.on_data = [](std::string_view) { return true; };
  const Result<HttpResponse> response = transport->send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().kind == "too_large");
  CHECK(response.error().message == "the answer of '127.0.0.1:" + std::to_string(server.port()) + "' is larger than 50000 bytes");
}

TEST_CASE("streamed bytes arrive as they come, and false ends the transfer with success") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) {
    reply.begin_chunked(200, {});
    reply.chunk("one");
    reply.sleep_ms(50);
    reply.chunk("two");
    reply.hang();
  });
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to(server.url());
  std::string seen;
  request.on_data = [&seen](std::string_view bytes) {
    seen += bytes;
    return seen.find("two") == std::string::npos;
  };
  const Result<HttpResponse> response = transport->send(request, {});
  REQUIRE(response);
  CHECK(response->status == 200);
  CHECK(response->body.empty());
  CHECK(seen == "onetwo");
}

TEST_CASE("a cancelled transfer ends in well under a second") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.hang(); });
  const auto transport = make_curl_transport({});
  const CancelToken cancel;
  const std::jthread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const Result<HttpResponse> response = transport->send(post_to(server.url()), cancel);
  CHECK(ms_since(start) < 900);
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kInterrupted);
  CHECK(transport->send(post_to(server.url()), cancel).error().code == ErrorCode::kInterrupted);
}

TEST_CASE("redirects are not followed, so that a key stays with its host") {
  const LoopbackServer other([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "{}"); });
  const LoopbackServer server([&other](const LoopbackRequest&, LoopbackReply& reply) {
    reply.send(307, "", {{"Location", other.url("/stolen")}});
  });
  const auto transport = make_curl_transport({});
  const Result<HttpResponse> response = transport->send(post_to(server.url()), {});
  REQUIRE(response);
  CHECK(response->status == 307);
  CHECK(other.request_count() == 0);
}

TEST_CASE("other hosts are reached through the proxy, this machine is not") {
  const LoopbackServer proxy([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "from the proxy"); });
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "direct"); });
  TransportOptions options;
  options.proxy = proxy.url();
  const auto transport = make_curl_transport(options);
  CHECK(transport->send(post_to("http://model.example/v1/chat"), {})->body == "from the proxy");
  CHECK(proxy.requests().at(0).target == "http://model.example/v1/chat");
  CHECK(proxy.requests().at(0).header("host") == "model.example");
  CHECK(transport->send(post_to(server.url()), {})->body == "direct");
  CHECK(proxy.request_count() == 1);
}

TEST_CASE("a proxy that refuses a tunnel is a connect error without its answer in it") {
  const LoopbackServer proxy([](const LoopbackRequest& request, LoopbackReply& reply) {
    reply.send(request.method == "CONNECT" ? 407 : 500, "no");
  });
  TransportOptions options;
  options.proxy = proxy.url();
  const auto transport = make_curl_transport(options);
  const Result<HttpResponse> response = transport->send(post_to("https://model.example/v1/chat"), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kProvider);
  CHECK(proxy.requests().at(0).target == "model.example:443");
}

TEST_CASE("hosts of no_proxy are not sent to the proxy") {
  const LoopbackServer proxy([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "from the proxy"); });
  TransportOptions options;
  options.proxy = proxy.url();
  options.no_proxy = "192.0.2.1";  // TEST-NET-1 (RFC 5737): no host has this address
  const auto transport = make_curl_transport(options);
  HttpRequest request = post_to("http://192.0.2.1/v1");
  request.timeout_ms = 200;
  CHECK_FALSE(transport->send(request, {}));
  CHECK(proxy.request_count() == 0);
}

TEST_CASE("offline, only this machine is reached") {
  const LoopbackServer server([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "{}"); });
  const LoopbackServer proxy([](const LoopbackRequest&, LoopbackReply& reply) { reply.send(200, "{}"); });
  TransportOptions options;
  options.offline = true;
  options.proxy = proxy.url();
  const auto transport = make_curl_transport(options);
  CHECK(transport->send(post_to(server.url()), {}));
  CHECK(transport->send(post_to("http://localhost:" + std::to_string(server.port()) + "/"), {}));
  const Result<HttpResponse> response = transport->send(post_to("https://api.openai.com/v1/chat/completions"), {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kOffline);
  CHECK(response.error().message == "the network is needed to reach 'api.openai.com' and LLMOPS_OFFLINE is set");
  CHECK(response.error().hint == "unset LLMOPS_OFFLINE, or use a server on this machine or a replay provider");
  CHECK(proxy.request_count() == 0);
}

TEST_CASE("link-local addresses are refused before anything is sent") {
  const auto transport = make_curl_transport({});
  for (const char* url : {"http://169.254.169.254/latest/meta-data", "http://0xa9fea9fe/", "http://[fd00:ec2::254]/"}) {
    const Result<HttpResponse> response = transport->send(post_to(url), {});
    CAPTURE(url);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::kConfig);
  }
  const Result<HttpResponse> response = transport->send(post_to("http://169.254.169.254/latest"), {});
  CHECK(response.error().message == "'169.254.169.254' is a link-local address, where clouds hand out credentials of the machine");
  CHECK(response.error().hint == "use the server's own name or address");
}

TEST_CASE("a header cannot carry a line break, and its value is not shown") {
  const auto transport = make_curl_transport({});
  HttpRequest request = post_to("http://127.0.0.1:9/");
  request.headers = {{"Authorization", "Bearer abc123456\n"}};
  const Result<HttpResponse> response = transport->send(request, {});
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::kConfig);
  CHECK(response.error().message == "the value of header 'Authorization' has a line break");
  CHECK(response.error().hint == "remove the line break, often the last character of a key that was read from a file");
  request.headers = {{"A: b\r\nC", "d"}};
  CHECK(transport->send(request, {}).error().message == "a header has a name that HTTP does not allow");
}

TEST_CASE("a libcurl that is not there is an error with the package to install") {
  static constexpr const char* kNames[] = {"libllmops-no-such-library.so.4"};
  const Result<CurlLibrary> library = load_curl_library(kNames);
  REQUIRE_FALSE(library);
  CHECK(library.error().code == ErrorCode::kIo);
  CHECK(library.error().message == "libcurl cannot be loaded");
  CHECK(library.error().hint == "install the package 'libcurl4'");
}

TEST_CASE("a library without libcurl's functions is taken for an old one") {
  static constexpr const char* kNames[] = {"libm.so.6"};
  const Result<CurlLibrary> library = load_curl_library(kNames);
  REQUIRE_FALSE(library);
  CHECK(library.error().message == "the installed libcurl is older than 7.68");
}

TEST_CASE("a transport that never sent anything goes away at once") {
  const auto transport = make_curl_transport({});
  CHECK(transport != nullptr);
}
