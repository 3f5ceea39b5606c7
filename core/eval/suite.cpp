#include "core/eval/suite.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "core/base/yaml_reader.h"

namespace llmops {
namespace {

std::string or_else(std::string hint, const char* otherwise) { return hint.empty() ? otherwise : std::move(hint); }

Result<YamlDocument> read_document(const SuiteSource& source) {
  auto bytes = read_file(source.file, uint64_t{4} << 20);
  if (!bytes) {
    if (bytes.error().code != ErrorCode::kNotFound) return std::move(bytes).error();
    return Error(ErrorCode::kNotFound, fmt::format("suite '{}' does not exist", source.shown_path), "name another file, or run `llmops init --template qa` for an example");
  }
  LLMOPS_ASSIGN(YamlDocument document, parse_yaml(normalize_text(*bytes), source.shown_path));
  if (!document.value().is_object()) return document.error_at("", "a suite must be a mapping", "begin with `llmops: eval/v1`");
  return document;
}

constexpr const char* kHeadHint = "begin with `llmops: eval/v1`";
constexpr const char* kChainHint = "name the chain's file: chain: NAME.chain.yaml";

bool is_of_traces(const Json& document) {
  const auto dataset = document.find("dataset");
  return dataset != document.end() && dataset->is_object() && dataset->contains("traces");
}

class SuiteLoader {
 public:
  SuiteLoader(const SuiteSource& source, YamlDocument& document, const Chain& chain, Suite& suite)
      : source_(source), document_(document), chain_(chain), suite_(suite), place_{suite.root, suite.directory, source.shown_path} {}

  Status load() {
    for (const Override& override : source_.overrides) LLMOPS_CHECK(apply_input(override));
    LLMOPS_ASSIGN(YamlReader top, YamlReader::open(document_, "", "the suite"));
    LLMOPS_ASSIGN(const std::string schema, top.text("llmops", kHeadHint));
    if (schema != "eval/v1") return document_.error_at("/llmops", fmt::format("'{}' is not a suite", schema), "write `llmops: eval/v1`");
    LLMOPS_CHECK(top.expect_only({"llmops", "chain", "description", "dataset", "inputs", "repeat", "metrics", "gates"}));
    if (!is_of_traces(document_.value()) || top.find("chain") != nullptr) {
      LLMOPS_ASSIGN(suite_.chain_path, top.text("chain", kChainHint));
    }
    top.find("dataset");
    LLMOPS_ASSIGN(suite_.dataset, read_dataset(document_, place_, source_.production, suite_.files));
    LLMOPS_ASSIGN(const auto description, top.optional_text("description", EmptyText::kAllowed));
    static_cast<void>(description);
    LLMOPS_CHECK(load_inputs(top));
    LLMOPS_ASSIGN(const auto repeat, top.optional_integer("repeat", 1, 10'000));
    suite_.repeat = static_cast<int>(repeat.value_or(1));
    LLMOPS_CHECK(load_metrics(top));
    LLMOPS_CHECK(load_gates(top));
    LLMOPS_CHECK(top.finish());
    LLMOPS_ASSIGN(suite_.id, suite_id(make_suite_manifest(document_.value(), suite_.files)));
    return {};
  }

 private:
  // Without `inputs` every input is the column of its name, and stays so beside the one that is set.
  Status apply_input(const Override& override) {
    const std::string name = override.path.substr(override.path.find('.') + 1);
    const auto refuse = [&](std::string why, std::string hint) { return Error(ErrorCode::kUsage, fmt::format("cannot set '{}': {}", override.path, why), std::move(hint)); };
    if (std::find(chain_.inputs.begin(), chain_.inputs.end(), name) == chain_.inputs.end()) {
      return refuse(fmt::format("chain '{}' has no input '{}'", chain_.name, name), or_else(did_you_mean(name, chain_.inputs), "name an input of the chain"));
    }
    if (override.value.is_null()) return refuse("it has no value", "write inputs.NAME=VALUE");
    Json& document = document_.value();
    if (!document.is_object()) return {};
    if (!document.contains("inputs")) {
      for (const std::string& input : chain_.inputs) document["inputs"][input] = "{{ case." + input + " }}";
    }
    if (document["inputs"].is_object()) document["inputs"][name] = override.value.is_string() ? override.value : Json("{{ " + dump_json(override.value) + " }}");
    return {};
  }

  Error error_at(const std::string& pointer, std::string message, std::string hint = {}) const {
    return document_.error_at(pointer, std::move(message), std::move(hint));
  }

  Result<Template> template_at(const std::string& pointer, const std::string& text) {
    return Template::parse(text, {document_.place_of(pointer), false});
  }

  Status check_roots(const Template& made, const std::vector<std::string>& known) {
    for (const TemplateReference& reference : made.references()) {
      const std::string root = reference.path.substr(0, reference.path.find('.'));
      if (reference.guarded || std::find(known.begin(), known.end(), root) != known.end()) continue;
      const std::string hint = did_you_mean(root, known);
      return Error(ErrorCode::kConfig, fmt::format("'{}' is undefined here", root), hint.empty() ? "columns of the dataset are read as case.COLUMN" : hint).at(reference.place);
    }
    return {};
  }

  Status load_inputs(YamlReader& top) {
    const Json* inputs = top.find("inputs");
    if (inputs != nullptr && !inputs->is_object()) return error_at("/inputs", "'inputs' must be a mapping", "write inputs: {question: \"{{ case.question }}\"}");
    if (inputs != nullptr) {
      for (const auto& [name, value] : inputs->items()) {
        const std::string pointer = json_pointer_append("/inputs", name);
        if (std::find(chain_.inputs.begin(), chain_.inputs.end(), name) == chain_.inputs.end()) {
          return document_.error_at_key(pointer, fmt::format("chain '{}' has no input '{}'", chain_.name, name), or_else(did_you_mean(name, chain_.inputs), "add it to the `inputs` of the chain, or remove it here"));
        }
        if (!value.is_string()) return error_at(pointer, fmt::format("input '{}' must be text", name), "put it in quotes");
        LLMOPS_ASSIGN(Template made, template_at(pointer, value.get<std::string>()));
        LLMOPS_CHECK(check_roots(made, {"case"}));
        suite_.inputs.emplace_back(name, std::move(made));
      }
    }
    // Recorded cases were given their inputs already.
    if (suite_.dataset.traces) return {};
    for (const std::string& name : chain_.inputs) {
      const bool given = std::any_of(suite_.inputs.begin(), suite_.inputs.end(), [&](const auto& input) { return input.first == name; });
      if (given) continue;
      if (inputs != nullptr) return error_at("/inputs", fmt::format("input '{}' of chain '{}' is not given", name, chain_.name), fmt::format("add `{}: \"{{{{ case.{} }}}}\"`", name, name));
      // Without `inputs` every input is the column of its name.
      LLMOPS_ASSIGN(Template made, template_at("", "{{ case." + name + " }}"));
      suite_.inputs.emplace_back(name, std::move(made));
    }
    return {};
  }

  Status load_metrics(YamlReader& top) {
    const Json* metrics = top.find("metrics");
    if (metrics == nullptr) return {};
    if (!metrics->is_array()) return error_at("/metrics", "'metrics' must be a list", "write metrics: [{name: correct, type: equals, expected: \"{{ case.answer }}\"}]");
    for (size_t i = 0; i < metrics->size(); ++i) LLMOPS_CHECK(load_metric(json_pointer_append("/metrics", i), i));
    return {};
  }

  Status load_metric(const std::string& pointer, size_t index) {
    LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document_, pointer, fmt::format("metric {}", index + 1)));
    MetricSpec spec;
    LLMOPS_ASSIGN(spec.name, reader.text("name", "name the metric with lower-case letters, digits and '_'"));
    spec.place = document_.place_of(reader.pointer_of("name"));
    LLMOPS_CHECK(check_metric_name(spec.name, reader.pointer_of("name")));
    LLMOPS_ASSIGN(const std::string type, reader.text("type", "see `llmops eval metrics` for the types"));
    spec.kind = find_metric_kind(type);
    if (spec.kind == nullptr) {
      const std::string hint = did_you_mean(type, metric_type_names());
      return error_at(reader.pointer_of("type"), fmt::format("unknown metric '{}'", type), (hint.empty() ? "" : hint + " ") + "See: llmops eval metrics");
    }
    LLMOPS_ASSIGN(const auto target, reader.optional_text("target"));
    spec.target = target.value_or("output");
    LLMOPS_CHECK(load_target(spec, target ? reader.pointer_of("target") : pointer));
    LLMOPS_ASSIGN(const auto pass, reader.optional_text("pass"));
    if (pass) {
      LLMOPS_CHECK(load_pass(spec, *pass, reader.pointer_of("pass")));
    } else if (spec.kind->is_rate) {
      spec.pass = PassCondition{GateOperator::kAtLeast, 1};
    }
    LLMOPS_CHECK(load_parameters(spec, reader));
    LLMOPS_CHECK(reader.finish());
    suite_.metrics.push_back(std::move(spec));
    return {};
  }

  Status check_metric_name(const std::string& name, const std::string& pointer) {
    const bool plain = !name.empty() && name[0] >= 'a' && name[0] <= 'z' && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (!plain) return error_at(pointer, fmt::format("'{}' cannot name a metric", name), "use lower-case letters, digits and '_', and begin with a letter");
    static const std::vector<std::string> kReserved = {"latency_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens", "error_rate", "pass_rate", "baseline", "mean", "sum", "min", "max", "p50", "p90", "p95", "p99"};
    if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end()) return error_at(pointer, fmt::format("'{}' is a reserved name", name), "name the metric otherwise");
    for (const MetricSpec& other : suite_.metrics) if (other.name == name) return error_at(pointer, fmt::format("two metrics are named '{}'", name), "rename one of them");
    return {};
  }

  Status load_target(MetricSpec& spec, const std::string& pointer) {
    std::vector<std::string> ids;
    for (const StepSpec& step : chain_.steps) ids.push_back(step.id);
    if (spec.target == "output" || spec.target.starts_with("output.") || spec.target.starts_with("output[")) {
      spec.component = "end to end";
    } else if (spec.target.starts_with("steps.")) {
      const std::string rest = spec.target.substr(6);
      const size_t dot = rest.find('.');
      spec.step = rest.substr(0, dot);
      if (chain_.find_step(spec.step) == nullptr) return error_at(pointer, fmt::format("unknown step '{}'", spec.step), or_else(did_you_mean(spec.step, ids), "name a step of the chain"));
      spec.component = spec.step;
      if (dot == std::string::npos && !spec.kind->reads_measured) spec.target += ".output";
      constexpr std::string_view kSpans = "spans.";
      if (dot != std::string::npos && rest.substr(dot + 1).starts_with(kSpans)) {
        const std::string span = rest.substr(dot + 1 + kSpans.size());
        spec.component += "/" + span.substr(0, span.find('.'));
      }
    } else {
      return error_at(pointer, fmt::format("target '{}' is neither 'output' nor a step", spec.target), "write output or steps.ID.output");
    }
    if (spec.kind->reads_measured) return {};
    LLMOPS_ASSIGN(spec.target_value, template_at(pointer, "{{ " + spec.target + " }}"));
    return {};
  }

  Status load_pass(MetricSpec& spec, const std::string& text, const std::string& pointer) {
    static const std::pair<std::string_view, GateOperator> kOperators[] = {
        {">=", GateOperator::kAtLeast}, {"<=", GateOperator::kAtMost}, {"==", GateOperator::kEqual}, {">", GateOperator::kAbove}, {"<", GateOperator::kBelow}};
    for (const auto& [sign, op] : kOperators) {
      if (!text.starts_with(sign)) continue;
      size_t from = text.find_first_not_of(' ', sign.size());
      PassCondition condition{op, 0};
      if (from != std::string::npos) {
        const auto parsed = std::from_chars(text.data() + from, text.data() + text.size(), condition.number);
        if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) {
          spec.pass = condition;
          return {};
        }
      }
      break;
    }
    return error_at(pointer, fmt::format("'{}' is not a condition", text), "write it like \">= 0.5\"");
  }

  // A text may be a template, whose value has its type per case only.
  Status check_parameter_type(const MetricParameter& parameter, const Json& value, const std::string& pointer) {
    struct Row { std::string_view type; const char* wanted; bool fits; const char* hint; };
    const bool is_text = value.is_string(), is_scalar = value.is_primitive() && !value.is_null(), is_empty = value == "" || (value.is_array() && value.empty());
    const bool holds_texts = value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_primitive() && !item.is_null(); });
    const Row rows[] = {{"text", "text", is_text && !is_empty, "write a text in quotes"},
                        {"number", "a number", value.is_number() || (is_text && !is_empty), "write a number"},
                        {"number or text", "a number or text", value.is_number() || (is_text && !is_empty), "write a number, or a template that gives one"},
                        {"list", "a list", (value.is_array() || is_text) && !is_empty, "write a list: [a, b]"},
                        {"list of text", "a list of texts", value.is_array(), "write a list of texts: [a, b]"},
                        {"text or list", "text or a list of texts", is_scalar || (holds_texts && !is_empty), "write a text, or a list of texts"},
                        {"bool", "true or false", value.is_boolean() || (is_text && !is_empty), "write true or false"},
                        {"file", "the name of a file or a schema", (is_text && !is_empty) || value.is_object(), "name a file of the project"}};
    for (const Row& row : rows) {
      if (row.type != parameter.type || row.fits) continue;
      return error_at(pointer, fmt::format("'{}' must be {}, not {}", parameter.name, row.wanted, is_empty ? "empty" : json_type_words(value)), row.hint);
    }
    return {};
  }

  Status load_parameters(MetricSpec& spec, YamlReader& reader) {
    for (const MetricParameter& parameter : spec.kind->parameters) {
      const Json* value = reader.find(parameter.name);
      if (value == nullptr) {
        if (parameter.required) return reader.missing(parameter.name, fmt::format("{}: {}", parameter.name, parameter.help));
        continue;
      }
      const std::string pointer = reader.pointer_of(parameter.name);
      LLMOPS_CHECK(check_parameter_type(parameter, *value, pointer));
      if (value->is_string() && std::string_view(parameter.type) != "file") {
        LLMOPS_ASSIGN(Template made, template_at(pointer, value->get<std::string>()));
        if (!made.is_literal()) {
          std::vector<std::string> known = chain_.inputs;
          for (const char* name : {"case", "steps", "output"}) known.emplace_back(name);
          LLMOPS_CHECK(check_roots(made, known));
          spec.templated.emplace_back(parameter.name, std::move(made));
          continue;
        }
      }
      spec.literals[parameter.name] = *value;
    }
    MetricBuild build;
    build.params = &spec.literals;
    build.read_file = [&](std::string_view name) -> Result<std::string> {
      const std::string key(name);
      LLMOPS_ASSIGN(const ManifestFile file, add_suite_file(document_, place_, spec.literals[key].get<std::string>(), reader.pointer_of(key), FileRole::kText, suite_.files));
      LLMOPS_ASSIGN(const std::string bytes, read_file(file.source));
      return normalize_text(bytes);
    };
    auto made = spec.kind->make(build);
    if (!made) {
      Error error = std::move(made).error();
      if (error.where.file.empty()) error.where = document_.place_of(reader.pointer());
      return error;
    }
    spec.metric = std::move(*made);
    spec.signature = spec.kind->signature(spec.literals);
    return {};
  }

  Status load_gates(YamlReader& top) {
    const Json* gates = top.find("gates");
    if (gates == nullptr) return {};
    if (!gates->is_array()) return error_at("/gates", "'gates' must be a list of texts", "write gates: [\"correct >= 0.85\"]");
    std::vector<std::string> metrics, steps;
    for (const MetricSpec& metric : suite_.metrics) metrics.push_back(metric.name);
    for (const StepSpec& step : chain_.steps) steps.push_back(step.id);
    for (size_t i = 0; i < gates->size(); ++i) {
      const std::string pointer = json_pointer_append("/gates", i);
      if (!(*gates)[i].is_string()) return error_at(pointer, "a gate must be text", "put it in quotes");
      SourcePlace place = document_.place_of(pointer);
      const size_t column = static_cast<size_t>(std::max(1, place.column)) - 1;
      if (column < place.line_text.size() && (place.line_text[column] == '"' || place.line_text[column] == '\'')) ++place.column;
      LLMOPS_ASSIGN(Gate gate, parse_gate((*gates)[i].get<std::string>(), place));
      LLMOPS_CHECK(check_gate_name(gate, metrics, steps, place));
      suite_.gates.push_back({std::move(gate), place});
    }
    return {};
  }

  const SuiteSource& source_;
  YamlDocument& document_;
  const Chain& chain_;
  Suite& suite_;
  DatasetPlace place_;
};

}  // namespace

Result<SuiteHead> read_suite_head(const SuiteSource& source) {
  LLMOPS_ASSIGN(const YamlDocument document, read_document(source));
  LLMOPS_ASSIGN(YamlReader top, YamlReader::open(document, "", "the suite"));
  LLMOPS_ASSIGN(const std::string schema, top.text("llmops", kHeadHint));
  if (schema != "eval/v1") return document.error_at("/llmops", fmt::format("'{}' is not a suite", schema), "write `llmops: eval/v1`");
  SuiteHead head;
  if (is_of_traces(document.value())) {
    head.is_of_traces = true;
    const Json& traces = document.value()["dataset"]["traces"];
    if (traces.is_object() && traces.contains("label") && traces["label"].is_string()) head.label = traces["label"].get<std::string>();
    if (top.find("chain") == nullptr) {
      if (!head.label.empty()) return document.error_at("/dataset/traces/label", fmt::format("label '{}' is of no chain", head.label), kChainHint);
      return head;
    }
  }
  LLMOPS_ASSIGN(head.chain, top.text("chain", kChainHint));
  auto resolved = resolve_inside(source.root, source.file.parent_path(), head.chain);
  if (!resolved) return std::move(resolved.error()).at(document.place_of("/chain"));
  std::error_code ignored;
  if (!fs::exists(*resolved, ignored)) return document.error_at("/chain", fmt::format("chain '{}' does not exist", head.chain), "paths are relative to the suite file");
  return head;
}

namespace {

std::string suite_name(const SuiteSource& source) {
  const std::string name = source.file.filename().string();
  for (const char* ending : {".eval.yaml", ".eval.yml", ".yaml", ".yml", ".json"}) {
    if (name.ends_with(ending)) return name.substr(0, name.size() - std::string_view(ending).size());
  }
  return name;
}

}  // namespace

Result<Chain> observed_chain(const SuiteSource& source) {
  LLMOPS_ASSIGN(const YamlDocument document, read_document(source));
  std::vector<ManifestFile> files;
  LLMOPS_ASSIGN(const DatasetSpec dataset, read_dataset(document, {source.root, source.file.parent_path(), source.shown_path}, source.production, files));
  Chain chain;
  chain.name = suite_name(source);
  chain.shown_path = source.shown_path;
  chain.file = source.file;
  chain.directory = source.file.parent_path();
  chain.root = source.root;
  LLMOPS_ASSIGN(const auto reader, open_rows(dataset));
  DatasetRow row;
  while (true) {
    LLMOPS_ASSIGN(const bool more, reader->next(row));
    if (!more) break;
    for (const Json& span : row.value["spans"]) {
      const std::string id = span["component"].get<std::string>();
      if (chain.find_step(id) != nullptr) continue;
      StepSpec step;
      step.id = id;
      step.body = ExecStep{};
      chain.steps.push_back(std::move(step));
    }
  }
  chain.manifest = make_manifest({{"llmops", "chain/v1"}, {"name", chain.name}, {"observed", true}}, {}, {});
  LLMOPS_ASSIGN(chain.vid, manifest_vid(chain.manifest));
  return chain;
}

Result<Suite> load_suite(const SuiteSource& source, const Chain& chain) {
  LLMOPS_ASSIGN(YamlDocument document, read_document(source));
  Suite suite;
  suite.file = source.file;
  suite.directory = source.file.parent_path();
  suite.root = source.root;
  suite.shown_path = source.shown_path;
  suite.name = suite_name(source);
  SuiteLoader loader(source, document, chain, suite);
  LLMOPS_CHECK(loader.load());
  return suite;
}

Result<Json> case_inputs(const Suite& suite, const Json& row) {
  Json inputs = Json::object();
  TemplateScope scope;
  scope.set("case", &row);
  for (const auto& [name, made] : suite.inputs) {
    LLMOPS_ASSIGN(inputs[name], made.evaluate(scope));
  }
  return inputs;
}

}  // namespace llmops
