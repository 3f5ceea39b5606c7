#include "core/store/external_files.h"

#include <fmt/format.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "core/base/hash.h"
#include "core/store/blobs.h"
#include "tests/core/store/store_fixture.h"
#include "tests/support/loopback_server.h"

using namespace llmops;
using namespace llmops::test;

namespace {

const std::string kRows = "{\"id\":1,\"text\":\"one\"}\n{\"id\":2,\"text\":\"two\"}\n";

struct Server {
  std::string body = kRows, etag = "\"v1\"";
  std::string commit;
  std::atomic<int> delay_ms{0};
  LoopbackServer server{[this](const LoopbackRequest&, LoopbackReply& reply) {
    if (delay_ms > 0) reply.sleep_ms(delay_ms);
    LoopbackReply::Headers headers = {{"ETag", etag}};
    if (!commit.empty()) headers.emplace_back("X-Repo-Commit", commit);
    reply.send(200, body, headers);
  }};
};

struct Files {
  explicit Files(bool offline = false) {
    TransportOptions options;
    options.offline = offline;
    transport = make_curl_transport(options);
    external.clock = &store.clock;
    external.retry.max_retries = 0;
    external.note = [this](const std::string& text) { notes.push_back(text); };
  }
  Result<ExternalFile> get(const ExternalSource& source) { return files().get(source, cancel); }
  Result<std::optional<ExternalFile>> find(const ExternalSource& source) { return files().find(source); }
  ExternalFiles files() { return ExternalFiles({store.directory.path() / ".llmops"}, *transport, external); }
  TestStore store;
  std::unique_ptr<Transport> transport;
  ExternalOptions external;
  CancelToken cancel;
  std::vector<std::string> notes;
};

std::string text_of(const fs::path& path) { return must(read_file(path)); }

std::string refused(const ExternalSource& source) {
  const auto url = external_url(source);
  REQUIRE_FALSE(url);
  return url.error().message + " | " + url.error().hint;
}

}  // namespace

TEST_CASE("an external file is fetched once, and read from the store after that") {
  Server server;
  Files here;
  const ExternalSource source{server.server.url("/sets/train.jsonl?token=x"), sha256_hex(kRows), "", "", true};
  CHECK_FALSE(must(here.find(source)).has_value());
  const ExternalFile first = must(here.get(source));
  CHECK(first.is_new);
  CHECK(text_of(first.path) == kRows);
  CHECK(first.path.filename() == "train.jsonl");
  CHECK(first.sha256 == sha256_hex(kRows));
  CHECK(first.size_bytes == kRows.size());
  const ExternalFile second = must(here.get(source));
  CHECK_FALSE(second.is_new);
  CHECK(second.path == first.path);
  CHECK(server.server.request_count() == 1);
  // What the query held is in no file of the store's.
  CHECK(text_of(first.path.parent_path() / "record.json").find("token") == std::string::npos);
}

TEST_CASE("with copy the bytes outlive the server and the file, without it they do not") {
  for (const bool copy : {true, false}) {
    Server server;
    Files here;
    const ExternalSource source{server.server.url("/train.jsonl"), sha256_hex(kRows), "", "", copy};
    const ExternalFile made = must(here.get(source));
    const Blobs blobs({here.store.directory.path() / ".llmops"});
    CHECK(blobs.has(made.sha256) == copy);
    fs::remove(made.path);
    CHECK(must(here.find(source)).has_value() == copy);
    if (copy) CHECK(text_of(made.path) == kRows);
  }
}

TEST_CASE("a changed digest, etag or commit is refused, and the pinned bytes are still served from the store") {
  Server server;
  Files here;
  const ExternalSource by_digest{server.server.url("/a.jsonl"), sha256_hex(kRows), "", "", true};
  const ExternalSource by_etag{server.server.url("/a.jsonl"), "", "v1", "", false};
  must(here.get(by_digest));
  must(here.get(by_etag));
  server.body += "{\"id\":3}\n";
  server.etag = "\"v2\"";
  CHECK(text_of(must(here.get(by_digest)).path) == kRows);
  CHECK(text_of(must(here.get(by_etag)).path) == kRows);
  Files elsewhere;
  CHECK(elsewhere.get(by_digest).error().kind == "changed");
  CHECK(elsewhere.get(by_etag).error().kind == "changed");
  CHECK_FALSE(must(elsewhere.find(by_digest)).has_value());
}

TEST_CASE("another pin of the same address never meets the bytes of the first") {
  Server server;
  Files here;
  must(here.get({server.server.url("/a.jsonl"), "", "v1", "", false}));
  server.etag = "\"v2\"";
  server.body = "{\"id\":9}\n";
  CHECK(text_of(must(here.get({server.server.url("/a.jsonl"), "", "v2", "", false})).path) == server.body);
}

TEST_CASE("a damaged local copy is noticed and fetched again") {
  Server server;
  Files here;
  const ExternalSource source{server.server.url("/a.jsonl"), "", "v1", "", false};
  const ExternalFile made = must(here.get(source));
  std::ofstream(made.path) << "other";
  const ExternalFile again = must(here.get(source));
  CHECK(again.is_new);
  CHECK(text_of(again.path) == kRows);
  CHECK(server.server.request_count() == 2);
  CHECK(std::find_if(here.notes.begin(), here.notes.end(), [](const std::string& note) { return note.starts_with("warning: the local copy of "); }) != here.notes.end());
}

TEST_CASE("offline what is here is read, and what is not says so") {
  Server server;
  const ExternalSource source{server.server.url("/a.jsonl"), sha256_hex(kRows), "", "", false};
  Files offline(true);
  // Addresses of this machine are reachable offline; another one is not.
  const ExternalSource far{"https://example.org/a.jsonl", sha256_hex(kRows), "", "", false};
  const auto refused = offline.get(far);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kOffline);
  must(Blobs({offline.store.directory.path() / ".llmops"}).put_file(offline.store.directory.write("a.jsonl", kRows), sha256_hex(kRows)));
  CHECK(text_of(must(offline.get(far)).path) == kRows);
}

TEST_CASE("hub addresses go to the hub's endpoint with the revision and the token, and their commit is verified") {
  Server server;
  Files here;
  here.external.hub_endpoint = server.server.url("/");
  here.external.hub_token = Secret("HF_TOKEN", "hf_secret");
  const std::string commit(40, 'c');
  server.commit = commit;
  const ExternalFile made = must(here.get({"hf://datasets/openai/gsm8k/main/train.parquet", "", "", commit, false}));
  CHECK(made.path.extension() == ".parquet");
  const auto request = server.server.requests()[0];
  CHECK(request.path == "/datasets/openai/gsm8k/resolve/" + commit + "/main/train.parquet");
  CHECK(request.header("authorization") == "Bearer hf_secret");
  const auto other = here.get({"hf://meta/llama/config.json", "", "", std::string(40, 'd'), false});
  REQUIRE_FALSE(other);
  CHECK(other.error().kind == "changed");
  // The token is the hub's alone.
  server.commit.clear();
  must(here.get({server.server.url("/b.jsonl"), "", "v1", "", false}));
  CHECK(server.server.requests().back().header("authorization").empty());
}

TEST_CASE("a revision stands where the address names it") {
  CHECK(must(external_url({"https://example.org/{revision}/a.jsonl", "", "", "v1.2", true})) == "https://example.org/v1.2/a.jsonl");
  CHECK(must(external_url({"https://example.org/v1.2/a.jsonl", "", "", "v1.2", true})) == "https://example.org/v1.2/a.jsonl");
  CHECK(must(external_url({"hf://datasets/a/b/c/d.csv", "", "", "", true})) == "https://huggingface.co/datasets/a/b/resolve/main/c/d.csv");
  CHECK(must(external_url({"hf://a/b/c.csv", "", "", "v2", true}, "http://127.0.0.1:8080/")) == "http://127.0.0.1:8080/a/b/resolve/v2/c.csv");
}

TEST_CASE("addresses that cannot be fetched or pin nothing say what to write") {
  CHECK(refused({"https://example.org/a", "", "", "v1", true}) == "nothing in 'https://example.org/a' depends on its revision | write {revision} where the address names it, or pin the file by sha256 or etag");
  CHECK(refused({"https://example.org/{revision}/a", "", "e", "", true}) == "'https://example.org/{revision}/a' asks for a revision | add revision: ...");
  CHECK(refused({"s3://bucket/a", "", "e", "", true}) == "'s3://bucket/a' cannot be fetched: its scheme is none of https and hf | write https://HOST/PATH or hf://datasets/OWNER/NAME/PATH, or a `path` of the project");
  CHECK(refused({"data/a.jsonl", "", "e", "", true}).starts_with("'data/a.jsonl' cannot be fetched"));
  CHECK(refused({"http://example.org/a", "", "e", "", true}) == "'http://example.org/a' is not fetched without TLS | write https://");
  CHECK(refused({"https://me:pw@example.org/a", "", "e", "", true}).find("pw") == std::string::npos);
  CHECK(refused({"hf://datasets/openai", "", "", "v1", true}) == "'hf://datasets/openai' names no file of the hub | write hf://datasets/OWNER/NAME/PATH or hf://OWNER/NAME/PATH");
  CHECK(refused({"hf://a/b@v1/c", "", "", "v1", true}) == "'hf://a/b@v1/c' holds a revision | write it as `revision:`");
  CHECK(refused({"hf://a/b/../../c", "", "", "v1", true}).find("names no file") != std::string::npos);
}

TEST_CASE("two that want one file fetch it once") {
  Server server;
  server.delay_ms = 300;
  Files here;
  const ExternalSource source{server.server.url("/a.jsonl"), sha256_hex(kRows), "", "", false};
  std::atomic<int> fetched{0}, failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ExternalOptions options = here.external;
      options.note = {};
      const auto made = ExternalFiles({here.store.directory.path() / ".llmops"}, *here.transport, options).get(source, here.cancel);
      if (!made) ++failed;
      else if (made->is_new) ++fetched;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(fetched == 1);
  CHECK(server.server.request_count() == 1);
}

TEST_CASE("a write that fails while an external file is kept leaves nothing half, and the next try is whole") {
  const std::string point = GENERATE("download.write", "fs.before_rename", "external.record");
  Server server;
  Files here;
  const ExternalSource source{server.server.url("/a.jsonl"), "", "v1", "", true};
  {
    const Failpoints failing(point + ":enospc");
    const auto made = here.get(source);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kIo);
  }
  CHECK_FALSE(must(here.find(source)).has_value());
  CHECK(text_of(must(here.get(source)).path) == kRows);
}

TEST_CASE("a file that cannot be made anew from its blob is an error, and the blob stays") {
  Server server;
  Files here;
  const ExternalSource source{server.server.url("/a.jsonl"), sha256_hex(kRows), "", "", true};
  const ExternalFile made = must(here.get(source));
  fs::remove(made.path);
  {
    const Failpoints failing("external.restore:enospc");
    const auto found = here.find(source);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::kIo);
  }
  CHECK_FALSE(fs::exists(made.path));
  CHECK(text_of(must(here.get(source)).path) == kRows);
  CHECK(server.server.request_count() == 1);
}
