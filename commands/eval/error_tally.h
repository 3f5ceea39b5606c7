// The errors of a run by component and code, each with its first case.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "commands/eval/run.h"

namespace llmops {

// The same groups whatever the order in which the cases come. Not thread-safe.
class ErrorTally {
 public:
  void add(const CaseRecord& record);
  int64_t total() const { return total_; }
  std::vector<ErrorGroup> groups() const;  // most frequent first, then by component and code

 private:
  struct Group { ErrorGroup group; std::pair<int64_t, int> first; };
  void count(const std::string& step, const std::string& code, const std::string& message, const CaseRecord& record);
  std::map<std::pair<std::string, std::string>, Group> groups_;
  int64_t total_ = 0;
};

}  // namespace llmops
