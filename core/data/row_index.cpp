#include "core/data/row_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/data/batches.h"
#include "core/data/json_line.h"
#include "core/data/normal_form.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, 8> kTextColumns{"prompt", "input", "question", "text", "instruction", "query", "utterance", "sentence"};

void append_line(std::string& text, std::string_view line) {
  if (!text.empty()) text.push_back('\n');
  text += line;
}

// The contents of a list of messages; other lists and objects as they are written.
void append_messages(const Field& field, std::string& text) {
  Row parts;
  std::string scratch;
  for_each_element(field.raw, [&](const Field& message) {
    if (message.type != ValueType::kObject || scan_json_object(message.raw, parts)) return;
    if (const Field* content = parts.find("content"); content != nullptr && !is_blank(*content)) append_line(text, field_text(*content, scratch));
  });
}

struct IndexPart {
  std::vector<uint32_t> lines;
  std::vector<Hash128> content, text, normal;
  std::vector<std::vector<uint32_t>> near_rows;
  std::optional<Error> failed;
};

Error no_column_error(const RecordSource& source, const RecordSpan& record, const Row& row, const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const Field& field : row.fields) known.emplace_back(field.name);
  Error error = record_error(source, record, {fmt::format("has no column '{}'", wanted[0]), 0, 0});
  error.hint = did_you_mean(wanted[0], known);
  return error;
}

// Row by row, until one is broken.
class BatchIndex {
 public:
  BatchIndex(const RecordSource& source, const RowIndexOptions& options, const RowText& text) : source_(source), options_(options), text_(text), encoder_(options.near.value_or(NearOptions())) {}

  IndexPart index(const RecordBatch& batch) {
    Row row;
    for (const RecordSpan& record : batch.records) {
      if (auto fault = source_.read_row(batch, record, row)) {
        part_.failed = record_error(source_, record, *fault);
        break;
      }
      if (!add(record, row)) break;
    }
    return std::move(part_);
  }

 private:
  bool add(const RecordSpan& record, const Row& row) {
    part_.lines.push_back(static_cast<uint32_t>(record.line));
    if (options_.with_content) part_.content.push_back(hash_content(row, options_.id_column, scratch_));
    if (!options_.with_text && !options_.with_normal && !options_.near) return true;
    const std::optional<std::string> text = text_.of(row);
    if (!text && !text_.columns().empty()) {
      part_.failed = no_column_error(source_, record, row, text_.columns());
      return false;
    }
    if (options_.with_text) part_.text.push_back(!text || text->empty() ? Hash128() : hash128(*text));
    if (!options_.with_normal && !options_.near) return true;
    const std::string normal = text ? normal_form(*text) : std::string();
    if (options_.with_normal) part_.normal.push_back(normal.empty() ? Hash128() : hash128(normal));
    if (options_.near) encoder_.encode(normal, part_.near_rows.emplace_back());
    return true;
  }

  const RecordSource& source_;
  const RowIndexOptions& options_;
  const RowText& text_;
  NearEncoder encoder_;
  IndexPart part_;
  std::string scratch_;
};

template <class T>
void append(std::vector<T>& into, const std::vector<T>& from) { into.insert(into.end(), from.begin(), from.end()); }

}  // namespace

std::optional<std::string> RowText::of(const Row& row) const {
  std::string text, scratch;
  if (!columns_.empty()) {
    bool found = false;
    for (const std::string& name : columns_) {
      const Field* field = row.find(name);
      if (field == nullptr) continue;
      found = true;
      if (field->type == ValueType::kList && name == "messages") append_messages(*field, text);
      else if (!is_blank(*field)) append_line(text, field_text(*field, scratch));
    }
    return found ? std::optional(std::move(text)) : std::nullopt;
  }
  if (const Field* messages = row.find("messages"); messages != nullptr && messages->type == ValueType::kList) {
    append_messages(*messages, text);
    return text;
  }
  for (const std::string_view name : kTextColumns) {
    const Field* field = row.find(name);
    if (field == nullptr) continue;
    if (field->type == ValueType::kText) return std::string(field_text(*field, scratch));
    if (field->type == ValueType::kList) {
      append_messages(*field, text);
      return text;
    }
  }
  bool found = false;
  for (const Field& field : row.fields) {
    if (field.type != ValueType::kText || field.name == id_column_) continue;
    found = true;
    if (!is_blank(field)) append_line(text, field_text(field, scratch));
  }
  return found ? std::optional(std::move(text)) : std::nullopt;
}

Hash128 hash_content(const Row& row, std::string_view id_column, std::string& scratch) {
  Hash128 sum;
  for (const Field& field : row.fields) {
    if (field.name == id_column) continue;
    const auto seed = static_cast<uint32_t>(hash128(field.name).low) ^ static_cast<uint32_t>(field.type);
    sum += hash128(field_text(field, scratch), seed);
  }
  return sum;
}

Status index_rows(const DataFile& file, const RowIndexOptions& options, RowIndex& index) {
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(file.path, file.shown_name, file.records));
  const RowText text(options.columns, options.id_column);
  const auto work = [&](const RecordBatch& batch) { return BatchIndex(source, options, text).index(batch); };
  return for_each_batch(source, options.threads, work, [&](IndexPart&& part, const RecordBatch&) -> Status {
    if (part.failed) return *part.failed;
    append(index.lines, part.lines);
    append(index.content, part.content);
    append(index.text, part.text);
    append(index.normal, part.normal);
    for (const auto& row : part.near_rows) LLMOPS_CHECK(index.near_rows.add(row));
    return {};
  });
}

Result<NearOptions> choose_near_options(const DataFile& file, const std::vector<std::string>& columns, const std::string& id_column) {
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(file.path, file.shown_name, file.records));
  RecordBatch batch;
  LLMOPS_ASSIGN(const bool more, source.next(batch));
  std::vector<uint64_t> words;
  const RowText text(columns, id_column);
  Row row;
  for (const RecordSpan& record : batch.records) {
    if (source.read_row(batch, record, row)) continue;
    if (const auto found = text.of(row)) words.push_back(count_words(*found));
  }
  if (!more || words.empty()) return near_options_for(0);
  std::nth_element(words.begin(), words.begin() + std::ssize(words) / 2, words.end());
  return near_options_for(words[words.size() / 2]);
}

Status write_rows(const DataFile& file, const std::vector<bool>& keep, const fs::path& out) {
  LLMOPS_ASSIGN(RecordSource source, RecordSource::open(file.path, file.shown_name, file.records));
  LLMOPS_ASSIGN(AtomicFile written, AtomicFile::create(out));
  LLMOPS_CHECK(written.append(source.header_bytes()));
  RecordBatch batch;
  std::string bytes;
  size_t row = 0;
  while (true) {
    LLMOPS_ASSIGN(const bool more, source.next(batch));
    if (!more) break;
    bytes.clear();
    for (const RecordSpan& record : batch.records) {
      if (row < keep.size() && keep[row]) bytes += batch.written(record);
      ++row;
    }
    LLMOPS_CHECK(written.append(bytes));
  }
  if (row != keep.size()) return Error(ErrorCode::kData, fmt::format("'{}' changed while it was read", file.shown_name), "run the command again");
  return written.commit();
}

}  // namespace llmops
