// The RunWriter of the local store: hands cases to the store's committer.
#pragma once

#include <memory>

#include "core/store/local_store.h"

namespace llmops {

class LocalRunWriter final : public RunWriter {
 public:
  // The store must outlive the writer.
  LocalRunWriter(LocalStore& store, int64_t run_number);
  ~LocalRunWriter() override;
  Status add(CaseRecord record) override;
  Status flush() override;
  Status finish(RunState state, std::string_view stop_reason, std::string_view summary_json) override;

 private:
  LocalStore& store_;
  std::shared_ptr<RunProgress> progress_;
};

}  // namespace llmops
