// A table for people: columns as wide as their cells, the least important left out when the terminal is narrow.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace llmops {

struct TableColumn {
  std::string title;
  bool right = false;
  int importance = 0;     // 0: always shown; the highest number goes first
  bool may_shrink = false;  // long texts are cut to what is left
};

class Table {
 public:
  explicit Table(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells, std::vector<Tone> tones = {});
  // Lines, each ended; nothing when there are no rows.
  std::string render(const Terminal& terminal) const;

 private:
  struct Row { std::vector<std::string> cells; std::vector<Tone> tones; };
  std::vector<TableColumn> columns_;
  std::vector<Row> rows_;
};

// "1.84 s", "312 ms", "0.04 ms".
std::string format_duration_ms(double ms);
// "$0.24", "$0.0007", "$1,204".
std::string format_usd(double usd);
// 3 decimals for shares and small numbers, 4 significant digits otherwise.
std::string format_value(double value, const std::string& unit);
std::string format_count(int64_t count);  // "1,204"
std::string format_p(double p);           // "0.011", "<0.001"

}  // namespace llmops
