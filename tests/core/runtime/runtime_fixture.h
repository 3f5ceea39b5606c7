// A chain in a folder, run case by case on its offline providers.
#pragma once

#include <sys/stat.h>

#include "core/runtime/executor.h"
#include "tests/core/chain/chain_fixture.h"
#include "tests/core/store/store_fixture.h"

namespace llmops::test {

// Each reading of the steady clock is a millisecond later.
class TickingClock : public Clock {
 public:
  int64_t unix_ms() override { return 1'764'000'000'000; }
  int64_t steady_ns() override { return ticks_.fetch_add(1) * 1'000'000; }

 private:
  std::atomic<int64_t> ticks_{0};
};

struct RuntimeFolder : ChainFolder {
  TickingClock clock;
  SecretScrubber scrubber;
  AdaptiveLimiter limiter{4};
  std::unique_ptr<Store> store;
  std::optional<Chain> chain;
  std::unique_ptr<Executor> executor;
  int64_t run_number = 0;

  RuntimeContext context() {
    RuntimeContext made;
    made.store = store.get();
    made.clock = &clock;
    made.limiter = &limiter;
    made.scrubber = &scrubber;
    made.jobs = 2;
    made.child_environment = {{"PATH", "/usr/bin:/bin"}};
    return made;
  }
  void script(const std::string& path, const std::string& bytes) const {
    const auto made = dir.write(path, "#!/bin/sh\n" + bytes);
    REQUIRE(chmod(made.c_str(), 0755) == 0);
  }
  void open_store() {
    StoreOptions options;
    options.directory = dir.path() / ".llmops";
    options.create = true;
    options.clock = &clock;
    store = must(Store::open(options));
  }
  // Loads what follows the head (name, inputs question and history) and makes its executor.
  Executor& prepare(const std::string& rest, RuntimeContext given) {
    executor.reset();
    chain = must_load(kHead + rest);
    auto made = Executor::create(*chain, given);
    if (!made) FAIL(told(made.error()));
    executor = std::move(*made);
    return *executor;
  }
  Executor& prepare(const std::string& rest) { return prepare(rest, context()); }

  CaseResult ask(Json question, Json history = nullptr, int repeat = 0) {
    CaseInput input{"case-1", Json::object(), repeat};
    input.inputs["question"] = std::move(question);
    if (!history.is_null()) input.inputs["history"] = std::move(history);
    return executor->run(input, CancelToken());
  }
  // Stores the case in a run of its own, so that its steps can be reused.
  void keep(const CaseResult& result) {
    if (!store->has_version(chain->vid)) {
      VersionInput version;
      version.chain = chain->name;
      version.vid = chain->vid;
      version.manifest = must(canonical_json(chain->manifest));
      for (const ManifestFile& one : chain->files) {
        version.files.push_back({one.path, one.role == FileRole::kText ? "text" : "data", one.sha256, one.size_bytes, must(read_file(one.source)), {}});
      }
      version.author = "Ada <ada@example.org>";
      version.automatic = true;
      must(store->commit_version(version));
    }
    RunRecord run;
    run.chain = chain->name;
    run.vid = chain->vid;
    run.suite_id = "suite";
    run = must(store->begin_run(run));
    auto writer = must(store->run_writer(run.number));
    CaseRecord record;
    record.case_id = "case-1";
    record.row = "{}";
    record.spans = result.spans;
    must(writer->add(std::move(record)));
    must(writer->finish(RunState::kFinished, "", "{}"));
  }
};

// "id:cache" of every span: "miss", "step", "response", "-" (not cacheable) or "skipped".
inline std::string caches(const CaseResult& result) {
  constexpr const char* kNames[] = {"-", "miss", "step", "response"};
  std::string text;
  for (const SpanRecord& span : result.spans) text += (text.empty() ? "" : " ") + span.step + ":" + (span.skipped ? "skipped" : kNames[static_cast<int>(span.cache)]);
  return text;
}

inline std::string output_of(const CaseResult& result) {
  if (result.output) return dump_json(*result.output);
  return "error in '" + result.error_step + "': " + (result.error ? result.error->message : "none");
}

}  // namespace llmops::test
