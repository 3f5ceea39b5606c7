#include "core/store/run_writer.h"

namespace llmops {

LocalRunWriter::LocalRunWriter(LocalStore& store, int64_t run_number) : store_(store), progress_(std::make_shared<RunProgress>()) { progress_->run = run_number; }

LocalRunWriter::~LocalRunWriter() {
  // What was handed over stays handed over, also when nobody asks for the outcome any more.
  const Status flushed = store_.committer().flush(progress_);
  static_cast<void>(flushed);
}

Status LocalRunWriter::add(CaseRecord record) { return store_.committer().add(progress_, std::move(record)); }

Status LocalRunWriter::flush() { return store_.committer().flush(progress_); }

Status LocalRunWriter::finish(RunState state, std::string_view stop_reason, std::string_view summary_json) {
  LLMOPS_CHECK(flush());
  return store_.finish_run(progress_->run, state, stop_reason, summary_json);
}

}  // namespace llmops
