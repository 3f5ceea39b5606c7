// Runs of words by a polynomial hash modulo 2^64 that rolls over the text (Karp and Rabin 1987).
#include "core/data/ngram_table.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "core/data/normal_form.h"

namespace llmops {
namespace {

constexpr uint64_t kRoll = 0xD6E8FEB86659FD93u;  // odd

}  // namespace

void hash_runs(const std::vector<uint64_t>& words, size_t size, std::vector<uint64_t>& runs) {
  runs.clear();
  uint64_t leaving = 1, sum = 0;
  for (size_t i = 0; i < size; ++i) leaving *= kRoll;
  for (size_t i = 0; i < words.size(); ++i) {
    sum = sum * kRoll + words[i];
    if (i >= size) sum -= leaving * words[i - size];
    if (i + 1 >= size) runs.push_back(mix64(sum));
  }
}

bool NgramTable::add(std::string_view normal, uint32_t row) {
  std::vector<uint64_t> words, runs;
  hash_words(normal, words);
  run_counts_.resize(row + 1);
  is_long_.resize(row + 1);
  is_long_[row] = words.size() >= static_cast<size_t>(options_.long_words);
  hash_runs(words, static_cast<size_t>(is_long_[row] ? options_.long_words : options_.short_words), runs);
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  for (const uint64_t run : runs) entries_.push_back({run, row});
  run_counts_[row] = static_cast<uint32_t>(runs.size());
  return !runs.empty();
}

void NgramTable::seal() {
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return std::tie(a.run, a.row) < std::tie(b.run, b.row); });
  start_bits_ = std::clamp(static_cast<int>(std::bit_width(entries_.size())), 1, 28);
  starts_.assign((size_t{1} << start_bits_) + 1, 0);
  for (const Entry& entry : entries_) ++starts_[(entry.run >> (64 - start_bits_)) + 1];
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
}

void NgramTable::look_up(const std::vector<uint64_t>& runs, bool long_rows, std::vector<uint32_t>& matched) const {
  for (const uint64_t run : runs) {
    const size_t bucket = run >> (64 - start_bits_);
    for (uint32_t i = starts_[bucket]; i < starts_[bucket + 1]; ++i) {
      if (entries_[i].run == run && is_long_[entries_[i].row] == long_rows) matched.push_back(i);
    }
  }
}

std::vector<RunMatch> NgramTable::find(std::string_view normal) const {
  std::vector<uint64_t> words, runs;
  std::vector<uint32_t> matched;
  hash_words(normal, words);
  hash_runs(words, static_cast<size_t>(options_.long_words), runs);
  look_up(runs, true, matched);
  hash_runs(words, static_cast<size_t>(options_.short_words), runs);
  look_up(runs, false, matched);
  std::sort(matched.begin(), matched.end());
  matched.erase(std::unique(matched.begin(), matched.end()), matched.end());  // a run that the text repeats
  std::vector<uint32_t> rows;
  for (const uint32_t entry : matched) rows.push_back(entries_[entry].row);
  std::sort(rows.begin(), rows.end());
  std::vector<RunMatch> found;
  for (size_t i = 0; i < rows.size();) {
    size_t next = i;
    while (next < rows.size() && rows[next] == rows[i]) ++next;
    const float share = static_cast<float>(next - i) / static_cast<float>(run_counts_[rows[i]]);
    if (is_long_[rows[i]] || share >= static_cast<float>(options_.short_share)) found.push_back({rows[i], share});
    i = next;
  }
  return found;
}

}  // namespace llmops
