#include "commands/session.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>

#include "commands/settings.h"
#include "core/base/yaml_reader.h"

namespace llmops {
namespace {

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

fs::path find_root(const fs::path& start) {
  for (fs::path at = start; ; at = at.parent_path()) {
    if (is_there(at / "llmops.yaml") || is_there(at / ".llmops" / "format")) return at;
    if (!at.has_relative_path()) return start;
  }
}

Result<std::optional<YamlDocument>> read_optional_yaml(const fs::path& path, const std::string& shown) {
  auto bytes = read_file(path, uint64_t{4} << 20);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::kNotFound) return std::optional<YamlDocument>();
    return std::move(bytes).error();
  }
  LLMOPS_ASSIGN(YamlDocument document, parse_yaml(normalize_text(*bytes), shown));
  return std::optional<YamlDocument>(std::move(document));
}

}  // namespace

Result<Session> Session::open(Surroundings surroundings) {
  Session session;
  session.surroundings_ = std::move(surroundings);
  session.root_ = find_root(session.surroundings_.working_directory);
  LLMOPS_CHECK(session.load_project());
  LLMOPS_CHECK(session.load_user_config());
  LLMOPS_CHECK(session.load_env_file());
  LLMOPS_CHECK(session.check_settings());
  return session;
}

namespace {

// `remote: origin` is short for {git: origin}.
Status check_remote(const YamlDocument& document, YamlReader& top) {
  const Json* remote = top.find("remote");
  if (remote == nullptr) return {};
  if (!remote->is_object()) {
    LLMOPS_ASSIGN(const auto short_form, top.optional_text("remote"));
    static_cast<void>(short_form);
    return {};
  }
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document, "/remote", "remote"));
  for (const char* key : {"git", "blobs"}) {
    LLMOPS_ASSIGN(const auto place, reader.optional_text(key));
    static_cast<void>(place);
  }
  return reader.finish();
}

Status check_monitor(const YamlDocument& document, YamlReader& top) {
  if (top.find("monitor") == nullptr) return {};
  LLMOPS_ASSIGN(YamlReader reader, YamlReader::open(document, "/monitor", "monitor"));
  LLMOPS_CHECK(reader.expect_only({"alpha", "alarms_per_year", "window", "against", "strata", "embedder", "retention", "monitors"}));
  LLMOPS_ASSIGN(const auto alpha, reader.optional_number("alpha", 0, 1));
  LLMOPS_ASSIGN(const auto alarms, reader.optional_number("alarms_per_year", 0, 1e6));
  static_cast<void>(alpha);
  static_cast<void>(alarms);
  for (const char* key : {"window", "against", "embedder", "retention"}) {
    LLMOPS_ASSIGN(const auto text, reader.optional_text(key));
    static_cast<void>(text);
  }
  for (const char* key : {"strata", "monitors"}) {
    LLMOPS_ASSIGN(const auto list, reader.optional_text_list(key));
    static_cast<void>(list);
  }
  return reader.finish();
}

}  // namespace

Status Session::load_project() {
  LLMOPS_ASSIGN(project_, read_optional_yaml(root_ / "llmops.yaml", shown(root_ / "llmops.yaml")));
  if (!project_) return {};
  LLMOPS_ASSIGN(YamlReader top, YamlReader::open(*project_, "", "llmops.yaml"));
  LLMOPS_ASSIGN(const std::string schema, top.text("llmops", "begin with `llmops: project/v1`"));
  if (schema != "project/v1") return project_->error_at("/llmops", fmt::format("'{}' is not a project", schema), "write `llmops: project/v1`");
  LLMOPS_CHECK(top.expect_only({"llmops", "chains", "suite", "capture", "remote", "monitor", "labels"}));
  LLMOPS_ASSIGN(const auto chains, top.optional_text_list("chains"));
  LLMOPS_ASSIGN(const auto suite, top.optional_text("suite"));
  LLMOPS_ASSIGN(const auto capture, top.optional_text("capture"));
  LLMOPS_CHECK(check_remote(*project_, top));
  LLMOPS_CHECK(check_monitor(*project_, top));
  if (const Json* labels = top.find("labels")) {
    if (!labels->is_object()) return project_->error_at("/labels", "'labels' must be a mapping of names", "write labels: {prod: {require: [reason]}}");
    for (const auto& [name, entry] : labels->items()) {
      LLMOPS_ASSIGN(YamlReader label, YamlReader::open(*project_, json_pointer_append("/labels", name), fmt::format("label '{}'", name)));
      LLMOPS_ASSIGN(const auto require, label.optional_text_list("require"));
      for (size_t i = 0; i < require.size(); ++i) {
        if (require[i] == "reason" || require[i] == "blessing") continue;
        return project_->error_at(json_pointer_append(label.pointer_of("require"), i), fmt::format("unknown requirement '{}'", require[i]), did_you_mean(require[i], {"reason", "blessing"}));
      }
      LLMOPS_CHECK(label.finish());
    }
  }
  return top.finish();
}

Status Session::load_user_config() {
  const fs::path path = user_config_path();
  if (path.empty()) return {};
  LLMOPS_ASSIGN(user_, read_optional_yaml(path, path.string()));
  if (!user_ || !user_->value().is_object()) return {};
  std::vector<std::string> known;
  for (const SettingKind& kind : setting_kinds()) known.emplace_back(kind.key);
  for (const auto& [key, value] : user_->value().items()) {
    std::vector<std::pair<std::string, std::string>> leaves;
    if (value.is_object()) for (const auto& [inner, leaf] : value.items()) leaves.emplace_back(key + "." + inner, json_pointer_append("/" + key, inner));
    else leaves.emplace_back(key, "/" + key);
    for (const auto& [name, pointer] : leaves) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        note(fmt::format("warning: unknown setting '{}' in {}{}", name, path.string(), [&] { const std::string h = did_you_mean(name, known); return h.empty() ? h : "; " + h; }()));
      }
    }
  }
  return {};
}

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t first = text.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

// KEY=VALUE lines; blanks around the name and the value are not part of them; quotes around a value are removed; '#' begins a comment line.
Status Session::load_env_file() {
  if (!project_) return {};
  auto bytes = read_file(root_ / ".env", uint64_t{1} << 20);
  if (!bytes) return bytes.error().code == ErrorCode::kNotFound ? Status{} : Status(std::move(bytes).error());
  std::string_view rest = *bytes;
  int line_number = 0;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line_number;
    line = trimmed(line);
    if (line.starts_with("export ")) line = trimmed(line.substr(7));
    if (line.empty() || line[0] == '#') continue;
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Error(ErrorCode::kConfig, "a line of .env is not NAME=VALUE", "write one NAME=VALUE per line").at({shown(root_ / ".env"), line_number, 1, 1, {}});
    }
    std::string_view value = trimmed(line.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front()) value = value.substr(1, value.size() - 2);
    env_file_[std::string(trimmed(line.substr(0, equals)))] = std::string(value);
  }
  return {};
}

namespace {

// Who the requests go through, and whose certificates are believed: whoever writes a repository's .env must not choose that.
bool steers_the_transport(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  static const std::set<std::string, std::less<>> kNames = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"};
  return kNames.contains(name);
}

}  // namespace

std::optional<std::string> Session::variable(const std::string& name) const {
  if (const auto found = surroundings_.variables.find(name); found != surroundings_.variables.end()) return found->second;
  if (steers_the_transport(name)) return std::nullopt;
  if (const auto found = env_file_.find(name); found != env_file_.end()) return found->second;
  return std::nullopt;
}

Result<Secret> Session::secret(const SecretReference& reference) const {
  const auto value = variable(reference.variable);
  if (!value || value->empty()) {
    return Error(ErrorCode::kMissingSecret, fmt::format("variable '{}' is not set", reference.variable), fmt::format("set it in the environment, or in a .env file beside llmops.yaml")).at(reference.place);
  }
  Secret secret(reference.variable, *value);
  scrubber_->add(secret);
  return secret;
}

fs::path Session::user_config_path() const {
  if (const auto xdg = surroundings_.variables.find("XDG_CONFIG_HOME"); xdg != surroundings_.variables.end() && !xdg->second.empty()) return fs::path(xdg->second) / "llmops" / "config.yaml";
  if (const auto home = surroundings_.variables.find("HOME"); home != surroundings_.variables.end() && !home->second.empty()) return fs::path(home->second) / ".config" / "llmops" / "config.yaml";
  return {};
}

fs::path Session::state_directory() const {
  if (const auto xdg = surroundings_.variables.find("XDG_STATE_HOME"); xdg != surroundings_.variables.end() && !xdg->second.empty()) return fs::path(xdg->second) / "llmops";
  if (const auto home = surroundings_.variables.find("HOME"); home != surroundings_.variables.end() && !home->second.empty()) return fs::path(home->second) / ".local" / "state" / "llmops";
  return {};
}

namespace {

const Json* user_value(const std::optional<YamlDocument>& user, std::string_view key) {
  if (!user) return nullptr;
  std::string pointer;
  while (!key.empty()) {
    const size_t dot = std::min(key.find('.'), key.size());
    pointer = json_pointer_append(pointer, key.substr(0, dot));
    key.remove_prefix(std::min(dot + 1, key.size()));
  }
  return json_at(user->value(), pointer);
}

}  // namespace

std::vector<Setting> Session::settings() const {
  std::vector<Setting> all;
  for (const SettingKind& kind : setting_kinds()) {
    Setting setting{kind.key, kind.default_text == nullptr ? "" : kind.default_text, kind.default_text == nullptr ? "not set" : "built-in", kind.help};
    if (const Json* value = user_value(user_, kind.key)) setting.value = json_to_text(*value), setting.origin = user_config_path().string();
    if (kind.project_key != nullptr && project_) {
      if (const Json* value = json_at(project_->value(), kind.project_key)) setting.value = json_to_text(*value), setting.origin = "llmops.yaml";
    }
    if (const auto found = surroundings_.variables.find(kind.variable); found != surroundings_.variables.end() && !found->second.empty()) setting.value = found->second, setting.origin = kind.variable;
    if (const auto found = flags_.find(kind.key); found != flags_.end()) setting.value = found->second, setting.origin = "command line";
    all.push_back(std::move(setting));
  }
  return all;
}

Status Session::check_settings() const {
  for (const Setting& setting : settings()) {
    LLMOPS_ASSIGN(const SettingKind* kind, find_setting(setting.key));
    if (setting.origin == "not set" || kind->is_valid(setting.value)) continue;
    Error error(ErrorCode::kConfig, fmt::format("'{}' is no value for '{}' (from {})", setting.value, setting.key, setting.origin), fmt::format("give {}", kind->wanted));
    if (setting.origin == "llmops.yaml") error.where = project_->place_of(kind->project_key);
    return error;
  }
  return {};
}

int64_t Session::number_setting(const std::string& key) const {
  const std::string text = setting(key);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string Session::setting(const std::string& key) const {
  for (Setting& setting : settings()) if (setting.key == key) return std::move(setting.value);
  return {};
}

std::string Session::shown(const fs::path& path) const {
  const fs::path relative = path.lexically_relative(surroundings_.working_directory);
  return relative.empty() ? path.string() : relative.generic_string();
}

// A folder below with a project file of its own is a project of its own.
Result<std::vector<fs::path>> Session::own_files(std::string_view pattern) const {
  LLMOPS_ASSIGN(const auto found, expand_glob(root_, root_, pattern));
  std::vector<fs::path> files;
  for (const std::string& path : found) {
    bool nested = false;
    for (fs::path at = (root_ / path).parent_path(); at != root_ && at.has_relative_path(); at = at.parent_path()) nested = nested || is_there(at / "llmops.yaml");
    if (!nested) files.push_back(root_ / path);
  }
  return files;
}

Result<std::vector<fs::path>> Session::chain_files() const {
  std::vector<fs::path> files;
  if (project_ && project_->value().contains("chains")) {
    const Json& chains = project_->value()["chains"];
    for (size_t i = 0; i < chains.size(); ++i) {
      const std::string path = chains[i].get<std::string>();
      auto resolved = resolve_inside(root_, root_, path);
      if (!resolved) return std::move(resolved.error()).at(project_->place_of(json_pointer_append("/chains", i)));
      if (!is_there(*resolved)) return project_->error_at(json_pointer_append("/chains", i), fmt::format("chain '{}' does not exist", path));
      files.push_back(*resolved);
    }
    return files;
  }
  return own_files("**/*.chain.yaml");
}

namespace {

std::string stem_of(const fs::path& path, std::string_view ending) {
  std::string name = path.filename().string();
  if (name.ends_with(ending)) name.resize(name.size() - ending.size());
  return name;
}

Result<fs::path> pick_one(const Session& session, const std::vector<fs::path>& files, const char* what, std::string_view ending) {
  if (files.size() == 1) return files[0];
  if (files.empty()) return Error(ErrorCode::kNotFound, fmt::format("there is no {} here", what), fmt::format("run `llmops init --template qa`, or write a *{}", ending));
  Error error(ErrorCode::kUsage, fmt::format("there are {} {}s: name one", files.size(), what));
  for (const fs::path& file : files) error.details.push_back(session.shown(file));
  return error;
}

}  // namespace

Result<fs::path> Session::resolve_chain(const std::string& argument) const {
  if (!argument.empty()) {
    const fs::path path = (surroundings_.working_directory / argument).lexically_normal();
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path;
  }
  LLMOPS_ASSIGN(const auto files, chain_files());
  if (argument.empty()) return pick_one(*this, files, "chain", ".chain.yaml");
  std::vector<std::string> names;
  for (const fs::path& file : files) {
    names.push_back(stem_of(file, ".chain.yaml"));
    if (names.back() == argument) return file;
  }
  for (const fs::path& file : files) {
    auto bytes = read_file(file, uint64_t{4} << 20);
    if (!bytes) continue;
    auto document = parse_yaml(*bytes, shown(file));
    if (document && document->value().is_object() && document->value().contains("name") && document->value()["name"] == argument) return file;
  }
  return Error(ErrorCode::kNotFound, fmt::format("chain '{}' does not exist", argument), did_you_mean(argument, names));
}

Result<fs::path> Session::resolve_suite(const std::string& argument) const {
  std::string wanted = argument;
  if (wanted.empty()) {
    wanted = setting("suite");
    if (!wanted.empty()) return (root_ / wanted).lexically_normal();
  } else {
    const fs::path path = (surroundings_.working_directory / wanted).lexically_normal();
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored) || wanted.find('/') != std::string::npos || wanted.ends_with(".yaml")) return path;
  }
  LLMOPS_ASSIGN(const auto files, suite_files());
  std::vector<std::string> names;
  for (const fs::path& file : files) {
    names.push_back(stem_of(file, ".eval.yaml"));
    if (!wanted.empty() && names.back() == wanted) return file;
  }
  if (wanted.empty()) return pick_one(*this, files, "suite", ".eval.yaml");
  return Error(ErrorCode::kNotFound, fmt::format("suite '{}' does not exist", wanted), did_you_mean(wanted, names));
}

Result<Store*> Session::store(bool create) const {
  if (store_ != nullptr) return store_.get();
  StoreOptions options;
  options.directory = root_ / ".llmops";
  options.clock = surroundings_.clock;
  options.create = create;
  options.lock_timeout_ms = number_setting("lock_timeout_s") * 1000;
  options.note = surroundings_.note;
  const bool is_new = create && !is_there(options.directory / "format");
  LLMOPS_ASSIGN(store_, Store::open(options));
  if (is_new) note(fmt::format("made the local store {}", shown(options.directory)));
  return store_.get();
}

std::string Session::author() const {
  std::string name = setting("author.name"), email = setting("author.email");
  for (const char* key : {"GIT_AUTHOR_NAME", "USER", "LOGNAME"}) if (name.empty()) name = variable(key).value_or("");
  if (email.empty()) email = variable("GIT_AUTHOR_EMAIL").value_or("");
  if (name.empty()) name = "unknown";
  return fmt::format("{} <{}>", name, email.empty() ? "unknown" : email);
}

std::vector<std::string> Session::label_requirements(const std::string& name) const {
  std::vector<std::string> required;
  if (!project_) return required;
  if (const Json* list = json_at(project_->value(), json_pointer_append("/labels", name) + "/require"); list != nullptr && list->is_array()) {
    for (const Json& one : *list) required.push_back(json_to_text(one));
  }
  return required;
}

}  // namespace llmops
