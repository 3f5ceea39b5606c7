// How far long work is: a bar on a terminal, a line every ten seconds elsewhere, nothing with -q or --no-progress.
#pragma once

#include <functional>

#include "cli/app.h"
#include "commands/eval/run.h"

namespace llmops {

// Draws on stderr. The returned function may be called often and from any thread, one at a time.
class ProgressLine {
 public:
  ProgressLine(const Terminal& terminal, const GlobalOptions& globals);
  void show(const EvalProgress& progress);
  void clear();

 private:
  std::string line(const EvalProgress& progress) const;
  const Terminal& terminal_;
  bool wanted_, is_drawn_ = false;
  double next_line_s_ = 10;
};

}  // namespace llmops
