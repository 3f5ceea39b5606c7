// A store in a directory of its own, versions and cases to put into it.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/failpoint.h"
#include "core/base/json.h"
#include "core/store/content_digest.h"
#include "core/store/store.h"
#include "tests/support/test_data.h"

namespace llmops::test {

class StoreClock : public Clock {
 public:
  int64_t unix_ms() override { return now_ms; }
  int64_t steady_ns() override { return now_ms * 1'000'000; }
  int64_t now_ms = 1'764'000'000'123;
};

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return std::move(result).value();
}
inline void must(const Status& status) {
  if (!status) FAIL(status.error().message);
}

// Failpoints for one scope.
class Failpoints {
 public:
  explicit Failpoints(const std::string& specification) { must(configure_failpoints(specification)); }
  ~Failpoints() { static_cast<void>(configure_failpoints("").has_value()); }
  Failpoints(const Failpoints&) = delete;
  Failpoints& operator=(const Failpoints&) = delete;
};

struct GivenFile { std::string path, bytes, role = "text", source = {}; };

inline VersionInput make_version(const std::string& chain, const std::vector<GivenFile>& files, bool automatic = false) {
  VersionInput input;
  Json entries = Json::array();
  std::vector<GivenFile> sorted = files;
  std::sort(sorted.begin(), sorted.end(), [](const GivenFile& a, const GivenFile& b) { return a.path < b.path; });
  for (const GivenFile& file : sorted) {
    const auto digests = content_digests(file.bytes, file.role);
    entries.push_back({{"path", file.path}, {"role", file.role}, {"sha256", digests.counted}, {"size", file.bytes.size()}});
    input.files.push_back({file.path, file.role, digests.counted, file.bytes.size(), file.source.empty() ? file.bytes : std::string(), file.source});
  }
  input.chain = chain;
  input.manifest = must(canonical_json(Json{{"schema", "llmops.manifest/v1"}, {"chain", {{"name", chain}}}, {"files", entries}}));
  input.vid = vid_of_text(input.manifest);
  input.message = "change of " + chain;
  input.author = "Ada <ada@example.org>";
  input.automatic = automatic;
  return input;
}

inline SpanRecord make_span(int sequence, int parent, const std::string& step) {
  SpanRecord span;
  span.sequence = sequence;
  span.parent = parent;
  span.step = step;
  span.kind = "model";
  span.name = "gpt";
  span.output = "\"out of " + step + "\"";
  span.latency_ms = 1.5;
  return span;
}

inline CaseRecord make_case(int64_t ordinal, int repeat = 0) {
  CaseRecord record;
  record.ordinal = ordinal;
  record.repeat = repeat;
  record.case_id = "case-" + std::to_string(ordinal);
  record.case_hash = "0123456789abcdef";
  record.row = R"({"question":"why"})";
  record.output = R"("because")";
  record.latency_ms = 3.25;
  return record;
}

struct TestStore {
  TempDir directory;
  StoreClock clock;
  std::unique_ptr<Store> store;

  explicit TestStore(bool open_now = true) {
    if (open_now) open();
  }
  StoreOptions options() {
    StoreOptions options;
    options.directory = directory.path() / ".llmops";
    options.create = true;
    options.lock_timeout_ms = 20'000;
    options.clock = &clock;
    return options;
  }
  Store& open() {
    store.reset();
    store = must(Store::open(options()));
    return *store;
  }
  Store* operator->() { return store.get(); }
  std::filesystem::path path(const std::string& relative) { return directory.path() / ".llmops" / relative; }
  // A run of a version made for it.
  RunRecord begin_run(const std::string& chain = "bot") {
    VersionInput input = make_version(chain, {{"a.txt", "hello"}}, true);
    must(store->commit_version(input));
    RunRecord run;
    run.chain = chain;
    run.vid = input.vid;
    run.suite = "s.eval.yaml";
    run.suite_id = "suite-1";
    return must(store->begin_run(run));
  }
};

inline std::vector<CaseRecord> cases_of(Store& store, int64_t run, const Store::CaseFilter& filter = {}) {
  std::vector<CaseRecord> found;
  must(store.visit_cases(run, filter, [&found](const CaseRecord& record) { return found.push_back(record), true; }));
  return found;
}

// Runs `body` in a process of its own and returns its wait status. No store may be open here, and nothing of Catch2 may be
// used there: the body says whether it went well, and the process ends without running destructors of this one.
inline int in_child(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace llmops::test
