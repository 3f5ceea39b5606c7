// Fields of CSV (RFC 4180) and TSV (IANA text/tab-separated-values with \t \n \r \\), found without copying them.
#include "core/data/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/data/json_line.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

constexpr std::array<std::string_view, kValueTypes> kTypeNames{"null", "bool", "number", "text", "list", "object"};

std::optional<RowFault> count_fault(size_t found, const std::vector<std::string>& header) {
  if (found == header.size()) return std::nullopt;
  return RowFault{fmt::format("has {} field{}, the header has {}", found, found == 1 ? "" : "s", header.size()), 0, 0};
}

void add_field(Row& row, const std::vector<std::string>& header, std::string_view raw, TextCode code) {
  const size_t index = row.fields.size();
  row.fields.push_back({index < header.size() ? std::string_view(header[index]) : std::string_view(), raw, ValueType::kText, code});
}

std::string_view decode_csv(std::string_view raw, std::string& scratch) {
  scratch.clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    scratch.push_back(raw[i]);
    i += raw[i] == '"' ? 1 : 0;
  }
  return scratch;
}

std::string_view decode_tsv(std::string_view raw, std::string& scratch) {
  scratch.clear();
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 == raw.size()) { scratch.push_back(raw[i]); continue; }
    ++i;
    scratch.push_back(raw[i] == 't' ? '\t' : raw[i] == 'n' ? '\n' : raw[i] == 'r' ? '\r' : raw[i]);
  }
  return scratch;
}

}  // namespace

std::string_view value_type_name(ValueType type) { return kTypeNames[static_cast<size_t>(type)]; }

const Field* Row::find(std::string_view name) const {
  for (const Field& field : fields) if (field.name == name) return &field;
  return nullptr;
}

std::string_view field_text(const Field& field, std::string& scratch) {
  switch (field.code) {
    case TextCode::kPlain: return field.raw;
    case TextCode::kJson: return decode_json_string(field.raw, scratch);
    case TextCode::kCsv: return decode_csv(field.raw, scratch);
    case TextCode::kTsv: return decode_tsv(field.raw, scratch);
  }
  return field.raw;
}

bool is_blank(const Field& field) {
  if (field.type == ValueType::kNull) return true;
  if (field.type == ValueType::kList || field.type == ValueType::kObject) {
    return field.raw.find_first_not_of(" \t\r\n", 1) == field.raw.size() - 1;
  }
  if (field.type != ValueType::kText) return false;
  for (const char c : field.raw) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x80 && c != '\\') return false;
    if (byte >= 0x80 || c == '\\') {
      std::string scratch;
      return trim_space(field_text(field, scratch)).empty();
    }
  }
  return true;
}

std::optional<RowFault> split_csv(std::string_view record, const std::vector<std::string>& header, Row& row) {
  row.clear();
  const char* at = record.data();
  const char* const end = at + record.size();
  while (true) {
    if (at != end && *at == '"') {
      const char* const start = ++at;
      bool doubled = false;
      while (true) {
        at = static_cast<const char*>(std::memchr(at, '"', static_cast<size_t>(end - at)));
        if (at == nullptr) return RowFault{"has a quote that is never closed", 0, static_cast<int>(start - record.data())};
        if (at + 1 == end || at[1] != '"') break;
        doubled = true;
        at += 2;
      }
      add_field(row, header, {start, at}, doubled ? TextCode::kCsv : TextCode::kPlain);
      ++at;
    } else {
      const void* comma = at == end ? nullptr : std::memchr(at, ',', static_cast<size_t>(end - at));
      const char* const stop = comma == nullptr ? end : static_cast<const char*>(comma);
      add_field(row, header, {at, stop}, TextCode::kPlain);
      at = stop;
    }
    if (at == end) break;
    ++at;  // the comma
  }
  return count_fault(row.fields.size(), header);
}

std::optional<RowFault> split_tsv(std::string_view record, const std::vector<std::string>& header, Row& row) {
  row.clear();
  for (size_t from = 0; from <= record.size();) {
    const size_t stop = std::min(record.find('\t', from), record.size());
    const std::string_view raw = record.substr(from, stop - from);
    bool escaped = false;
    for (size_t i = raw.find('\\'); i != std::string_view::npos; i = raw.find('\\', i + 2)) {
      escaped = true;
      if (i + 1 < raw.size() && std::string_view("tnr\\").find(raw[i + 1]) != std::string_view::npos) continue;
      return RowFault{fmt::format("has an unknown escape '{}'", raw.substr(i, 2)), 0, static_cast<int>(from + i) + 1};
    }
    add_field(row, header, raw, escaped ? TextCode::kTsv : TextCode::kPlain);
    from = stop + 1;
  }
  return count_fault(row.fields.size(), header);
}

}  // namespace llmops
