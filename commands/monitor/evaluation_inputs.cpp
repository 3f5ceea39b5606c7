#include "commands/monitor/evaluation_inputs.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "commands/eval/run_settings.h"
#include "commands/monitor/sample_file.h"
#include "commands/version/reference.h"
#include "core/eval/dataset_spec.h"

namespace llmops {
namespace {

std::optional<std::string> text_of(const Json& inputs) {
  if (inputs.is_string()) return inputs.get<std::string>();
  if (!inputs.is_object()) return std::nullopt;
  constexpr std::array<const char*, 6> kNames{"input", "question", "query", "prompt", "text", "message"};
  for (const char* name : kNames) if (const auto found = inputs.find(name); found != inputs.end() && found->is_string()) return found->get<std::string>();
  for (const auto& [name, value] : inputs.items()) if (name != "id" && value.is_string()) return value.get<std::string>();
  return std::nullopt;
}

StoredRecord request_of(std::string id, std::optional<std::string> text) {
  StoredRecord request;
  request.span = std::move(id);
  request.input = std::move(text);
  return request;
}

Status require_texts(const EvaluationInputs& made) {
  for (const StoredRecord& request : made.requests) if (request.input) return {};
  return Error(ErrorCode::kData, fmt::format("no case of '{}' has a text as its input", made.name), "name a file and its column: --ref FILE --field COLUMN");
}

// What a new row of the suite's dataset has to hold. The rows speak: the column that is the text of the case is the input.
CaseColumns columns_of(const Suite& suite) {
  CaseColumns made;
  if (suite.dataset.traces) return made;
  const auto reader = open_rows(suite.dataset);
  DatasetRow row;
  if (!reader) return made;
  const auto has_row = (*reader)->next(row);
  if (!has_row || !*has_row || !row.value.is_object()) return made;
  const auto inputs = case_inputs(suite, row.value);
  const std::optional<std::string> text = inputs ? text_of(*inputs) : std::nullopt;
  std::optional<std::string> input;
  for (const auto& [name, value] : row.value.items()) if (!input && text && name != suite.dataset.id_field && value.is_string() && value.get_ref<const std::string&>() == *text) input = name;
  if (!input) return made;
  made = {suite.dataset.id_field, *input, {}};
  for (const auto& [name, value] : row.value.items()) if (name != made.id && name != made.input) made.others.push_back(name);
  return made;
}

Result<EvaluationInputs> inputs_of_run(Session& session, Store& store, const RunRecord& run) {
  EvalRunOptions options;
  options.suite = (session.root() / run.suite).string();
  // The suite says which columns are the inputs; when it cannot be read any more, the rows speak for themselves.
  const auto loaded = load_run_inputs(session, options);
  EvaluationInputs made{fmt::format("run {} of version {}", run.number, short_vid(run.vid)), {}};
  if (loaded) made.columns = columns_of(loaded->suite);
  LLMOPS_CHECK(store.visit_cases(run.number, {}, [&](const CaseRecord& one) {
    if (one.repeat > 0) return true;
    const Json row = Json::parse(one.row, nullptr, false);
    std::optional<std::string> text;
    if (loaded) if (const auto inputs = case_inputs(loaded->suite, row)) text = text_of(*inputs);
    made.requests.push_back(request_of(one.case_id, text ? text : text_of(row)));
    return true;
  }));
  LLMOPS_CHECK(require_texts(made));
  return made;
}

}  // namespace

Result<EvaluationInputs> evaluation_inputs(Session& session, const std::string& suite, const std::string& vid) {
  if (suite.empty()) {
    if (const auto store = session.store(false)) {
      LLMOPS_ASSIGN(const std::vector<RunRecord> runs, (*store)->runs(0));
      for (const RunRecord& run : runs) if (run.state == RunState::kFinished && run.vid == vid) return inputs_of_run(session, **store, run);
    }
  }
  EvalRunOptions options;
  options.suite = suite;
  LLMOPS_ASSIGN(const RunInputs inputs, load_run_inputs(session, options));
  EvaluationInputs made{session.shown(inputs.suite.file), {}};
  made.columns = columns_of(inputs.suite);
  LLMOPS_ASSIGN(const auto reader, open_rows(inputs.suite.dataset));
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) break;
    LLMOPS_ASSIGN(const Json values, case_inputs(inputs.suite, row.value));
    const Json& id_field = row.value.is_object() && row.value.contains(inputs.suite.dataset.id_field) ? row.value[inputs.suite.dataset.id_field] : Json();
    made.requests.push_back(request_of(id_field.is_null() ? fmt::format("row {}", row.number) : json_to_text(id_field), text_of(values)));
  }
  LLMOPS_CHECK(require_texts(made));
  return made;
}

Result<EvaluationInputs> file_inputs(const Session& session, const std::string& path, const std::string& field) {
  LLMOPS_ASSIGN(Sample sample, read_sample(session.surroundings().working_directory / path, path, {field, {}}));
  as_texts(sample);
  if (sample.kind != SampleKind::kTexts) return Error(ErrorCode::kData, fmt::format("'{}' holds {}", path, sample_kind_name(sample.kind)), "give a file of texts, or name the column: --field COLUMN");
  EvaluationInputs made{path, {}};
  for (size_t i = 0; i < sample.texts.size(); ++i) made.requests.push_back(request_of(fmt::format("row {}", i + 1), std::move(sample.texts[i])));
  return made;
}

std::string serving_version(const std::vector<StoredRecord>& records) {
  std::map<std::string, size_t> counts;
  for (const StoredRecord& record : records) if (record.vid) ++counts[*record.vid];
  std::string most;
  for (const auto& [vid, count] : counts) if (most.empty() || count > counts[most]) most = vid;
  return most;
}

}  // namespace llmops
