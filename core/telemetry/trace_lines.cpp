#include "core/telemetry/trace_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/telemetry/otlp_span.h"
#include "core/text/codepoint.h"

namespace llmops {
namespace {

constexpr TraceFormat kFormats[] = {
    {"OTLP/JSON", is_otlp, read_otlp},
    {"deepeval", is_deepeval, read_deepeval},
    {"inspect", is_inspect_log, read_inspect_log},
    {"OpenInference", is_openinference, read_openinference},
    {"Langfuse", is_langfuse, read_langfuse},
    {"OpenAI batch", is_openai_batch, read_openai_batch},
    {"spans", is_plain_span, read_plain_span},
    {"OpenAI log", is_openai_log, read_openai_log},
    {"records", is_plain_record, read_plain_record},
};

// Four hexadecimal digits of a \u escape at `at`; -1: it is none.
int escape_at(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int value = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Bytes that are no UTF-8 and halves of surrogate pairs as U+FFFD: loggers cut texts in the middle of a character.
std::string repaired(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      const int first = escape_at(text, i);
      if (first >= 0xD800 && first < 0xDC00) {
        const int second = escape_at(text, i + 6);
        const bool is_pair = second >= 0xDC00 && second < 0xE000;
        out += is_pair ? text.substr(i, 12) : std::string_view("\\ufffd");
        i += is_pair ? 12 : 6;
      } else if (first >= 0xDC00 && first < 0xE000) {
        out += "\\ufffd";
        i += 6;
      } else {
        out += text.substr(i, 2);
        i += 2;
      }
      continue;
    }
    const text::CodePoint point = text::decode_at(text, i);
    if (point.valid) out += text.substr(i, point.size);
    else text::append_utf8(out, 0xFFFD);
    i += point.size;
  }
  return out;
}

// The line's value; nullopt: it is no JSON, also after the repair.
std::optional<Json> parsed_line(std::string_view text, bool& is_repaired) {
  if (auto parsed = parse_json(text, "line")) return std::move(*parsed);
  const std::string mended = repaired(text);
  if (mended == text) return std::nullopt;
  auto again = parse_json(mended, "line");
  if (!again) return std::nullopt;
  is_repaired = true;
  return std::move(*again);
}

constexpr const char* kMalformed = "malformed JSON";

}  // namespace

std::span<const TraceFormat> trace_formats() { return kFormats; }

std::optional<double> moment_ms(const Json& object, const char* key) { return moment_field(object, {key}); }

TraceLine parse_trace_line(std::string_view text) {
  TraceLine line;
  if (read_otlp_text(text, line)) return line;
  bool is_repaired = false;
  const auto value = parsed_line(text, is_repaired);
  if (value) line = read_trace_value(*value);
  else line.dropped.emplace_back(kMalformed);
  line.is_repaired = is_repaired;
  return line;
}

TraceLine read_trace_value(const Json& object) {
  TraceLine line;
  if (!object.is_object()) {
    line.dropped.emplace_back("not an object");
    return line;
  }
  for (const TraceFormat& format : kFormats) {
    if (!format.claims(object)) continue;
    line.format = format.name;
    format.read(object, line);
    return line;
  }
  line.dropped.emplace_back("of no known format: OTLP/JSON, OpenInference, Langfuse, OpenAI, deepeval, a span {trace, id, name} or a record {ts, input}");
  return line;
}

Result<FieldMap> parse_field_map(const std::vector<std::string>& assignments) {
  FieldMap map;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos) return Error(ErrorCode::kUsage, fmt::format("'{}' is no FIELD=POINTER", assignment), "write it like input=/request/text");
    const std::string name = assignment.substr(0, equals);
    std::string pointer = assignment.substr(equals + 1);
    const auto fields = record_fields();
    if (std::find(fields.begin(), fields.end(), name) == fields.end()) return Error(ErrorCode::kUsage, fmt::format("unknown field '{}'", name), did_you_mean(name, std::vector<std::string>(fields.begin(), fields.end())));
    if (std::any_of(map.begin(), map.end(), [&](const auto& one) { return one.first == name; })) return Error(ErrorCode::kUsage, fmt::format("field '{}' is given twice", name), "leave one out");
    if (!pointer.starts_with('/')) return Error(ErrorCode::kUsage, fmt::format("'{}' is no JSON pointer", pointer), fmt::format("begin it with '/', like {}=/{}", name, pointer));
    map.emplace_back(name, std::move(pointer));
  }
  return map;
}

Result<TraceLineReader> TraceLineReader::open(const std::filesystem::path& path, const std::string& shown_name, FieldMap map) {
  std::filesystem::path plain = path;
  if (plain.extension() == ".gz" || plain.extension() == ".zst") plain.replace_extension();
  if (plain.extension() == ".csv" || plain.extension() == ".tsv") {
    TraceLineReader reader;
    LLMOPS_ASSIGN(reader.table_, open_dataset(path, shown_name));
    reader.map_ = std::move(map);
    return reader;
  }
  LLMOPS_ASSIGN(auto source, open_byte_source(path, shown_name));
  if (plain.extension() != ".json") return of_lines(std::move(source), std::move(map));
  constexpr size_t kLargestDocument = size_t{256} << 20;
  LLMOPS_ASSIGN(const std::string bytes, read_all(*source, shown_name, kLargestDocument));
  auto document = parse_json(bytes, shown_name);
  if (!document) {
    // Lines under the name of a document.
    LLMOPS_ASSIGN(auto again, open_byte_source(path, shown_name));
    return of_lines(std::move(again), std::move(map));
  }
  TraceLineReader reader;
  reader.map_ = std::move(map);
  // A page of an interface's list holds its items under "data".
  Json* items = document->is_object() && document->contains("data") && (*document)["data"].is_array() ? &(*document)["data"] : &*document;
  if (items->is_array()) for (Json& value : *items) reader.values_.push_back(std::move(value));
  else reader.values_.push_back(std::move(*items));
  return reader;
}

TraceLineReader TraceLineReader::of_lines(std::unique_ptr<ByteSource> source, FieldMap map) {
  TraceLineReader reader;
  reader.reader_ = std::make_unique<LineReader>(std::move(source));
  reader.map_ = std::move(map);
  return reader;
}

void TraceLineReader::read(const Json& value, TraceLine& line) const {
  if (map_.empty() && !table_) {
    line = read_trace_value(value);
    return;
  }
  line = {};
  line.format = "records";
  if (!value.is_object()) return line.dropped.emplace_back("not an object"), void();
  if (map_.empty()) return read_plain_record(value, line);
  Json record = Json::object();
  for (const std::string_view name : record_fields()) if (const auto found = value.find(name); found != value.end()) record[std::string(name)] = *found;
  for (const auto& [name, pointer] : map_) {
    if (const Json* found = json_at(value, pointer)) record[name] = *found;
    else record.erase(name);
  }
  read_plain_record(record, line);
}

Result<bool> TraceLineReader::next_line(TraceLine& line) {
  if (table_) {
    DatasetRow row;
    LLMOPS_ASSIGN(const bool more, table_->next(row));
    if (!more) return false;
    number_ = row.line;
    read(row.value, line);
    return true;
  }
  if (!reader_) {
    if (static_cast<size_t>(number_) == values_.size()) return false;
    read(values_[static_cast<size_t>(number_++)], line);
    return true;
  }
  std::string_view text;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader_->next(text));
    if (!more) return false;
    if (text.find_first_not_of(" \t\r") != std::string_view::npos) break;
  }
  number_ = reader_->line_number();
  if (map_.empty() && read_otlp_text(text, line)) return true;
  bool is_repaired = false;
  const auto value = parsed_line(text, is_repaired);
  if (value) {
    read(*value, line);
  } else {
    line = {};
    line.dropped.emplace_back(kMalformed);
  }
  line.is_repaired = is_repaired;
  return true;
}

Result<bool> TraceLineReader::next(TraceLine& line) {
  LLMOPS_ASSIGN(const bool more, next_line(line));
  if (more && line.is_anonymous && !shares_names_) {
    const int times = ++anonymous_[line.spans[0].trace_id];
    if (times > 1) line.spans[0].trace_id += fmt::format("-{}", times);
  }
  return more;
}

}  // namespace llmops
