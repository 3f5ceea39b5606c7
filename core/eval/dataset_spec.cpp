#include "core/eval/dataset_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/base/yaml_reader.h"
#include "core/telemetry/trace_file.h"

namespace llmops {
namespace {

class DatasetLoader {
 public:
  DatasetLoader(const YamlDocument& document, const DatasetPlace& place, const ProductionTraces& production, std::vector<ManifestFile>& files)
      : document_(document), place_(place), production_(production), files_(files) {}

  Result<DatasetSpec> load() {
    if (!document_.value().contains("dataset")) {
      LLMOPS_ASSIGN(const YamlReader top, YamlReader::open(document_, "", "the suite"));
      return top.missing("dataset", "write dataset: {path: data/eval.jsonl}");
    }
    LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, "/dataset", "dataset"));
    if (reader.find("traces") != nullptr) {
      if (reader.find("path") != nullptr) return document_.error_at_key("/dataset/path", "a dataset is either a file of rows or traces", "keep `path` or `traces`");
      LLMOPS_CHECK(load_traces());
    } else {
      LLMOPS_ASSIGN(dataset_.path, reader.text("path", "name the file of rows, like path: data/eval.jsonl"));
      LLMOPS_ASSIGN(const auto format, reader.optional_text("format"));
      if (format) {
        auto parsed = parse_dataset_format(*format);
        if (!parsed) return std::move(parsed.error()).at(document_.place_of("/dataset/format"));
        dataset_.format = *parsed;
      }
      LLMOPS_ASSIGN(dataset_.source, add_file(dataset_.path, "/dataset/path", dataset_.shown_path));
    }
    LLMOPS_ASSIGN(const auto id, reader.optional_text("id"));
    dataset_.id_field_written = id.has_value();
    dataset_.id_field = id.value_or("id");
    LLMOPS_ASSIGN(const auto cluster, reader.optional_text("cluster"));
    dataset_.cluster_field = cluster.value_or("");
    LLMOPS_CHECK(reader.finish());
    return std::move(dataset_);
  }

 private:
  Result<fs::path> add_file(const std::string& path, const std::string& pointer, std::string& shown) {
    LLMOPS_ASSIGN(const ManifestFile file, add_suite_file(document_, place_, path, pointer, FileRole::kData, files_));
    shown = (fs::path(place_.shown_suite).parent_path() / file.path).lexically_normal().generic_string();
    return file.source;
  }

  Status load_traces() {
    LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, "/dataset/traces", "traces"));
    TraceDataset traces;
    LLMOPS_ASSIGN(traces.from, reader.text("from", "write from: production, or the path of a file of spans"));
    LLMOPS_ASSIGN(const auto label, reader.optional_text("label"));
    traces.label = label.value_or("");
    LLMOPS_ASSIGN(const auto service, reader.optional_text("service"));
    traces.service = service.value_or("");
    LLMOPS_ASSIGN(const auto expected, reader.optional_text("expected"));
    LLMOPS_CHECK(load_steps(reader, traces));
    LLMOPS_CHECK(reader.finish());
    if (expected) {
      LLMOPS_ASSIGN(traces.expected, add_file(*expected, "/dataset/traces/expected", traces.expected_shown));
    }
    if (traces.from == "production") {
      dataset_.shown_path = "production";
      if (!production_) return document_.error_at("/dataset/traces/from", "traces of production are not at hand here", "name a file of spans");
      auto source = production_(traces.service);
      if (!source) return std::move(source.error()).at(document_.place_of("/dataset/traces/from"));
      traces.source = std::move(*source);
    } else {
      if (!traces.service.empty()) return document_.error_at_key("/dataset/traces/service", "'service' chooses among the traces of production", "remove it, or write from: production");
      dataset_.path = traces.from;
      LLMOPS_ASSIGN(dataset_.source, add_file(traces.from, "/dataset/traces/from", dataset_.shown_path));
      traces.source = std::make_shared<TraceFile>(dataset_.source, dataset_.shown_path);
    }
    dataset_.traces = std::move(traces);
    return {};
  }

  Status load_steps(YamlReader& reader, TraceDataset& traces) {
    const Json* steps = reader.find("steps");
    if (steps == nullptr) return {};
    const std::string pointer = reader.pointer_of("steps");
    if (!steps->is_object()) return document_.error_at(pointer, "'steps' must be a mapping of step ids to the names of spans", "write steps: {answer: \"chat *\"}");
    for (const auto& [id, pattern] : steps->items()) {
      const bool plain = !id.empty() && !(id[0] >= '0' && id[0] <= '9') && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      });
      if (!plain) return document_.error_at_key(json_pointer_append(pointer, id), fmt::format("'{}' cannot name a step", id), "use letters, digits and '_', and begin with a letter");
      if (!pattern.is_string() || pattern == "") return document_.error_at(json_pointer_append(pointer, id), fmt::format("the pattern of '{}' must be text", id), "write the name of a span, with * for any text");
      traces.steps.emplace_back(id, pattern.get<std::string>());
    }
    return {};
  }

  const YamlDocument& document_;
  const DatasetPlace& place_;
  const ProductionTraces& production_;
  std::vector<ManifestFile>& files_;
  DatasetSpec dataset_;
};

// Traces as rows, with the columns that `expected` has for them.
class TraceRows : public DatasetReader {
 public:
  TraceRows(const TraceDataset& traces, std::unique_ptr<TraceReader> reader, std::map<std::string, Json> expected)
      : traces_(traces), reader_(std::move(reader)), expected_(std::move(expected)) {}

  Result<bool> next(DatasetRow& row) override {
    Trace trace;
    while (true) {
      LLMOPS_ASSIGN(const bool more, reader_->next(trace));
      if (!more) return false;
      row.value = trace_to_row(trace, traces_.steps);
      const auto named = row.value.find("vid");
      if (!traces_.vid.empty() && named != row.value.end() && *named != traces_.vid) continue;
      if (traces_.expected.empty()) break;
      const auto found = expected_.find(trace.id);
      if (found == expected_.end()) continue;
      LLMOPS_CHECK(join(found->second, row.value));
      break;
    }
    row.line = ++number_;
    row.number = number_;
    return true;
  }

 private:
  Status join(const Json& columns, Json& row) const {
    for (const auto& [name, value] : columns.items()) {
      if (name == "id") continue;
      if (row.contains(name)) {
        return Error(ErrorCode::kData, fmt::format("'{}' has a column '{}', which traces have themselves", traces_.expected_shown, name), "give the column another name").at({traces_.expected_shown, 1, 1, 1, {}});
      }
      row[name] = value;
    }
    return {};
  }

  const TraceDataset& traces_;
  std::unique_ptr<TraceReader> reader_;
  std::map<std::string, Json> expected_;     // by id
  int number_ = 0;
};

Result<std::map<std::string, Json>> read_expected(const TraceDataset& traces) {
  std::map<std::string, Json> rows;
  if (traces.expected.empty()) return rows;
  LLMOPS_ASSIGN(const auto reader, open_dataset(traces.expected, traces.expected_shown));
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) return rows;
    const auto id = row.value.find("id");
    if (id == row.value.end()) return Error(ErrorCode::kData, fmt::format("row {} has no 'id'", row.number), "give each row the id of its trace").at({traces.expected_shown, row.line, 1, 1, {}});
    const bool is_new = rows.emplace(json_to_text(*id), row.value).second;
    if (!is_new) return Error(ErrorCode::kData, fmt::format("row {} has the id '{}' of an earlier row", row.number, json_to_text(*id)), "name each trace once").at({traces.expected_shown, row.line, 1, 1, {}});
  }
}

}  // namespace

Result<ManifestFile> add_suite_file(const YamlDocument& document, const DatasetPlace& place, const std::string& path, const std::string& pointer, FileRole role, std::vector<ManifestFile>& files) {
  auto resolved = resolve_inside(place.root, place.directory, path);
  if (!resolved) return std::move(resolved.error()).at(document.place_of(pointer));
  auto hashed = hash_file(*resolved, fs::path(path).lexically_normal().generic_string(), role);
  if (!hashed) {
    if (hashed.error().code == ErrorCode::kNotFound) return document.error_at(pointer, fmt::format("file '{}' does not exist", path), "paths are relative to the suite file");
    return std::move(hashed.error()).at(document.place_of(pointer));
  }
  files.push_back(*hashed);
  return hashed;
}

Result<DatasetSpec> read_dataset(const YamlDocument& document, const DatasetPlace& place, const ProductionTraces& production, std::vector<ManifestFile>& files) {
  return DatasetLoader(document, place, production, files).load();
}

Result<std::unique_ptr<DatasetReader>> open_rows(const DatasetSpec& dataset) {
  if (!dataset.traces) return open_dataset(dataset.source, dataset.shown_path, dataset.format);
  LLMOPS_ASSIGN(auto expected, read_expected(*dataset.traces));
  LLMOPS_ASSIGN(auto reader, dataset.traces->source->open());
  return std::unique_ptr<DatasetReader>(std::make_unique<TraceRows>(*dataset.traces, std::move(reader), std::move(expected)));
}

}  // namespace llmops
