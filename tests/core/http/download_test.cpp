#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/base/failpoint.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/http/download.h"
#include "tests/support/loopback_server.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

std::string many_bytes(size_t count) {
  std::string bytes(count, '\0');
  uint32_t state = 7;
  for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

// Serves `body` as an origin server does, ranges included, and lets go after `cut_after` bytes of each answer.
struct FileServer {
  std::string body = many_bytes(300'000), etag = "\"v1\"";
  size_t cut_after = SIZE_MAX;
  bool has_ranges = true;
  LoopbackReply::Headers more;

  LoopbackHandler handler() {
    return [this](const LoopbackRequest& request, LoopbackReply& reply) {
      size_t from = 0;
      const std::string range = request.header("range");
      const bool is_same = request.header("if-range").empty() || request.header("if-range") == etag;
      if (has_ranges && range.starts_with("bytes=") && is_same) from = std::stoul(range.substr(6));
      std::string head = from > 0 ? "HTTP/1.1 206 Partial Content\r\n" : "HTTP/1.1 200 OK\r\n";
      if (from >= body.size() && from > 0) {
        reply.raw(fmt::format("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n", body.size()));
        return;
      }
      if (from > 0) head += fmt::format("Content-Range: bytes {}-{}/{}\r\n", from, body.size() - 1, body.size());
      if (!etag.empty()) head += "ETag: " + etag + "\r\n";
      for (const auto& [name, value] : more) head += name + ": " + value + "\r\n";
      const std::string_view rest = std::string_view(body).substr(from);
      reply.raw(head + fmt::format("Content-Length: {}\r\n\r\n", rest.size()));
      reply.raw(rest.substr(0, cut_after));
      if (cut_after < rest.size()) reply.cut();
    };
  }
};

struct Fetch {
  explicit Fetch(const std::string& url) {
    request.url = url;
    request.file = folder.path() / "data.jsonl";
    request.retry.base_delay_ms = 1;
    request.retry.max_retries = 3;
  }
  Result<Download> run() { return download_file(*transport, request, cancel); }
  std::string text() const {
    auto bytes = read_file(request.file);
    return bytes ? *bytes : "nothing";
  }
  bool has_part() const { return fs::exists(PartialFile::part_of(request.file)); }
  TempDir folder;
  DownloadRequest request;
  CancelToken cancel;
  std::unique_ptr<Transport> transport = make_curl_transport({});
};

std::string told(const Result<Download>& result) {
  REQUIRE_FALSE(result);
  return result.error().message + " | " + result.error().hint;
}

}  // namespace

TEST_CASE("a download arrives whole, with its digest and etag") {
  FileServer file;
  const LoopbackServer server(file.handler());
  Fetch fetch(server.url("/a/data.jsonl"));
  fetch.request.sha256 = sha256_hex(file.body);
  const auto made = fetch.run();
  REQUIRE(made);
  CHECK(made->sha256 == sha256_hex(file.body));
  CHECK(made->etag == "v1");
  CHECK(made->size_bytes == file.body.size());
  CHECK(made->resumed_bytes == 0);
  CHECK(fetch.text() == file.body);
  CHECK_FALSE(fetch.has_part());
  CHECK(fs::directory_iterator(fetch.folder.path()) != fs::directory_iterator());
  CHECK(std::distance(fs::directory_iterator(fetch.folder.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("a download that is cut goes on where it was, however often bytes come") {
  FileServer file;
  file.cut_after = 30'000;
  const LoopbackServer server(file.handler());
  Fetch fetch(server.url("/data"));
  const auto made = fetch.run();
  REQUIRE(made);
  CHECK(fetch.text() == file.body);
  CHECK(server.request_count() >= 10);
  const auto requests = server.requests();
  CHECK(requests[1].header("range").starts_with("bytes="));
  CHECK(requests[1].header("if-range") == "\"v1\"");
}

TEST_CASE("a part of an earlier process goes on") {
  FileServer file;
  Fetch fetch("http://127.0.0.1/");
  {
    file.cut_after = 100'000;
    const LoopbackServer server(file.handler());
    fetch.request.url = server.url("/data");
    fetch.request.retry.max_retries = 0;
    // The first try gets bytes, which is worth another one: these stand still.
    int answered = 0;
    const LoopbackServer dying([&](const LoopbackRequest& request, LoopbackReply& reply) {
      if (answered++ == 0) file.handler()(request, reply);
      else reply.cut();
    });
    fetch.request.url = dying.url("/data");
    CHECK(told(fetch.run()).find("closed the connection before the end of its answer | check the address and the network; run the command again to go on where it stopped") != std::string::npos);
    CHECK(fetch.has_part());
    CHECK(fetch.text() == "nothing");
  }
  file.cut_after = SIZE_MAX;
  const LoopbackServer server(file.handler());
  // Another port is another address: what came from there is not taken for this server's.
  fetch.request.url = server.url("/data");
  const auto other = fetch.run();
  REQUIRE(other);
  CHECK(other->resumed_bytes == 0);
  CHECK(fetch.text() == file.body);
}

TEST_CASE("the same address goes on in another process") {
  FileServer file;
  bool is_alive = true;
  int cut_once = 0;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    if (!is_alive && cut_once++ > 0) return reply.cut();
    file.handler()(request, reply);
  });
  Fetch fetch(server.url("/data"));
  fetch.request.retry.max_retries = 0;
  is_alive = false;
  file.cut_after = 100'000;
  REQUIRE_FALSE(fetch.run());
  const auto part_bytes = fs::file_size(PartialFile::part_of(fetch.request.file));
  CHECK(part_bytes > 0);
  is_alive = true;
  file.cut_after = SIZE_MAX;
  const auto made = fetch.run();
  REQUIRE(made);
  CHECK(made->resumed_bytes == part_bytes);
  CHECK(made->sha256 == sha256_hex(file.body));
  CHECK(fetch.text() == file.body);
}

TEST_CASE("a file that changed between two tries is fetched whole, never joined") {
  FileServer file;
  int answered = 0;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    file.cut_after = answered == 0 ? 100'000 : SIZE_MAX;
    if (answered++ == 1) {
      file.body = many_bytes(200'000) + "new";
      file.etag = "\"v2\"";
    }
    file.handler()(request, reply);
  });
  Fetch fetch(server.url("/data"));
  const auto made = fetch.run();
  REQUIRE(made);
  CHECK(fetch.text() == file.body);
  CHECK(made->etag == "v2");
}

TEST_CASE("without a validator only a known digest lets a part go on, and a wrong joint is noticed") {
  FileServer file;
  file.etag.clear();
  int answered = 0;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    file.cut_after = answered == 0 ? 100'000 : SIZE_MAX;
    ++answered;
    file.handler()(request, reply);
  });
  Fetch fetch(server.url("/data"));
  SECTION("no digest: from the start") {
    const auto made = fetch.run();
    REQUIRE(made);
    CHECK(server.requests()[1].header("range").empty());
    CHECK(fetch.text() == file.body);
  }
  SECTION("a digest: goes on") {
    fetch.request.sha256 = sha256_hex(file.body);
    REQUIRE(fetch.run());
    CHECK(server.requests()[1].header("range").starts_with("bytes="));
    CHECK(server.requests()[1].header("if-range").empty());
    CHECK(fetch.text() == file.body);
  }
  SECTION("a part with other bytes: once more, whole") {
    fetch.request.sha256 = sha256_hex(file.body);
    answered = 1;
    std::ofstream(PartialFile::part_of(fetch.request.file)) << "other bytes";
    std::ofstream(PartialFile::part_of(fetch.request.file) += ".json") << dump_json(Json{{"url_sha256", sha256_hex(fetch.request.url)}, {"validator", ""}});
    const auto made = fetch.run();
    REQUIRE(made);
    CHECK(server.request_count() == 2);
    CHECK(fetch.text() == file.body);
  }
}

TEST_CASE("a server without ranges sends it whole again, and gives up where it never gets further") {
  FileServer file;
  file.has_ranges = false;
  file.cut_after = 50'000;
  int answered = 0;
  bool recovers = true;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    if (recovers && ++answered == 3) file.cut_after = SIZE_MAX;
    file.handler()(request, reply);
  });
  Fetch fetch(server.url("/data"));
  SECTION("recovers") {
    REQUIRE(fetch.run());
    CHECK(fetch.text() == file.body);
  }
  SECTION("never") {
    recovers = false;
    CHECK(told(fetch.run()).find("closed the connection") != std::string::npos);
    CHECK(server.request_count() <= 8);
  }
}

TEST_CASE("other bytes, another etag and another commit are a change, and nothing gets the file's name") {
  FileServer file;
  file.more = {{"X-Repo-Commit", "1111111111111111111111111111111111111111"}};
  const LoopbackServer server(file.handler());
  Fetch fetch(server.url("/data"));
  SECTION("digest") {
    fetch.request.sha256 = std::string(64, 'a');
    const std::string found = sha256_hex(file.body);
    CHECK(told(fetch.run()) == fmt::format("'{0}' has changed: its sha256 is {1}, not {2} | write sha256: {1} if the new one is wanted, else ask whoever serves it for the old one", server.url("/data"), found, std::string(64, 'a')));
    CHECK(fetch.run().error().kind == "changed");
  }
  SECTION("etag") {
    fetch.request.etag = "v0";
    CHECK(told(fetch.run()).find("its etag is v1, not v0") != std::string::npos);
  }
  SECTION("no etag") {
    file.etag.clear();
    fetch.request.etag = "v0";
    CHECK(told(fetch.run()).find("tells no etag | pin the file by sha256") != std::string::npos);
  }
  SECTION("commit") {
    fetch.request.commit = std::string(40, '2');
    CHECK(told(fetch.run()).find("its revision is 1111111111111111111111111111111111111111, not 2222222222222222222222222222222222222222") != std::string::npos);
  }
  SECTION("the same etag, written otherwise, is none") {
    fetch.request.etag = "W/\"v1\"";
    REQUIRE(fetch.run());
    return;
  }
  CHECK(fetch.text() == "nothing");
}

TEST_CASE("redirects are followed to servers that may be asked, without the key for the first") {
  FileServer file;
  const LoopbackServer store(file.handler());
  std::string location = store.url("/blob?signature=secret");
  const LoopbackServer hub([&](const LoopbackRequest& request, LoopbackReply& reply) {
    if (request.path == "/here") return file.handler()(request, reply);
    reply.send(302, "", {{"Location", location}, {"X-Linked-Etag", "\"linked\""}});
  });
  Fetch fetch(hub.url("/data"));
  fetch.request.headers = {{"Authorization", "Bearer token"}};
  SECTION("another host") {
    fetch.request.etag = "linked";
    REQUIRE(fetch.run());
    CHECK(fetch.text() == file.body);
    CHECK(hub.requests()[0].header("authorization") == "Bearer token");
    CHECK(store.requests()[0].header("authorization").empty());
  }
  SECTION("a place on the same host") {
    location = "/here";
    REQUIRE(fetch.run());
    CHECK(hub.requests()[1].header("authorization") == "Bearer token");
  }
  SECTION("round and round") {
    location = "/data";
    CHECK(told(fetch.run()).find("leads on more than 5 times") != std::string::npos);
  }
  SECTION("no TLS") {
    location = "http://example.org/x?key=secret";
    CHECK(told(fetch.run()) == "'http://example.org/x' is not fetched without TLS | write https://");
  }
  SECTION("another scheme") {
    location = "file:///etc/passwd";
    CHECK(told(fetch.run()).find("neither http nor https") != std::string::npos);
  }
}

TEST_CASE("what is not there, not given or not sent is told as such") {
  int status = 404;
  const LoopbackServer server([&](const LoopbackRequest&, LoopbackReply& reply) { reply.send(status, "<html>no such thing</html>", {}); });
  Fetch fetch(server.url("/data?token=secret"));
  const std::string shown = server.url("/data");
  CHECK(told(fetch.run()) == fmt::format("'{}' does not exist (HTTP 404) | check the address and the revision", shown));
  CHECK(fetch.run().error().code == ErrorCode::kNotFound);
  status = 403;
  CHECK(told(fetch.run()) == fmt::format("'{}' was not given out: HTTP 403 | check that it may be read, and with which key", shown));
  status = 503;
  const int before = server.request_count();
  CHECK(told(fetch.run()) == fmt::format("'{}' was not given out: HTTP 503 | run the command again to go on where it stopped", shown));
  CHECK(server.request_count() - before == 4);
  CHECK(fetch.text() == "nothing");
  fetch.request.url = "http://user:pass@127.0.0.1/x";
  CHECK(told(fetch.run()) == "'http://127.0.0.1/x' holds a user name | leave the user name and the password out of the address");
}

TEST_CASE("a transfer that stands still ends, and a full disk leaves a part that goes on") {
  FileServer file;
  bool hangs = true;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    if (!hangs) return file.handler()(request, reply);
    reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: \"v1\"\r\n\r\nhalf");
    reply.hang();
  });
  Fetch fetch(server.url("/data"));
  fetch.request.retry.max_retries = 0;
  SECTION("still") {
    fetch.request.idle_timeout_ms = 1000;
    CHECK(told(fetch.run()).find("sent nothing for 1000 ms") != std::string::npos);
    CHECK(fetch.has_part());
  }
  SECTION("cancelled") {
    fetch.cancel.cancel();
    CHECK(fetch.run().error().code == ErrorCode::kInterrupted);
  }
  SECTION("full") {
    hangs = false;
    REQUIRE(configure_failpoints("download.write:enospc@4"));
    CHECK(told(fetch.run()).find("the disk is full | free some space, then run the command again") != std::string::npos);
    REQUIRE(configure_failpoints(""));
    CHECK(fetch.has_part());
    const auto made = fetch.run();
    REQUIRE(made);
    CHECK(made->resumed_bytes > 0);
    CHECK(fetch.text() == file.body);
  }
  SECTION("killed before the rename") {
    hangs = false;
    REQUIRE(configure_failpoints("fs.before_rename:eio@2"));
    REQUIRE_FALSE(fetch.run());
    REQUIRE(configure_failpoints(""));
    CHECK(fetch.text() == "nothing");
    const auto made = fetch.run();
    REQUIRE(made);
    CHECK(made->resumed_bytes == file.body.size());
    CHECK(fetch.text() == file.body);
  }
}

TEST_CASE("an empty file and a compressed answer are told apart") {
  std::string encoding;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackReply& reply) {
    CHECK(request.header("accept-encoding") == "identity");
    if (encoding.empty()) return reply.send(200, "", {});
    reply.send(200, "packed", {{"Content-Encoding", encoding}});
  });
  Fetch fetch(server.url("/data"));
  const auto made = fetch.run();
  REQUIRE(made);
  CHECK(made->size_bytes == 0);
  CHECK(made->sha256 == sha256_hex(""));
  encoding = "gzip";
  fetch.request.file = fetch.folder.path() / "other";
  CHECK(told(fetch.run()).find("comes in an encoding that was not asked for") != std::string::npos);
}
