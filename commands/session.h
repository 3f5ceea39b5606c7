// What every command starts from: the surroundings (passed in by the command line, never read by core), the project, its
// settings and its store.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/secret.h"
#include "core/base/yaml.h"
#include "core/chain/chain.h"
#include "core/store/store.h"

namespace llmops {

struct Surroundings {
  std::map<std::string, std::string> variables;
  fs::path working_directory;               // absolute; already changed by -C
  Clock* clock = nullptr;
  CancelToken cancel;                       // set by Ctrl-C
  // Warnings and notes for people, one line each; on the command line they go to stderr.
  std::function<void(const std::string&)> note;
};

// One setting, where its value came from, and what it may be. See settings.cpp for the table.
struct Setting { std::string key, value, origin, help; };

class Session {
 public:
  // The project's root: the nearest directory upwards that holds llmops.yaml or .llmops, else the working directory.
  static Result<Session> open(Surroundings surroundings);

  const Surroundings& surroundings() const { return surroundings_; }
  Clock& clock() const { return *surroundings_.clock; }
  const fs::path& root() const { return root_; }
  bool has_project_file() const { return project_.has_value(); }
  // Each text is told once.
  void note(const std::string& text) const { if (surroundings_.note && noted_.insert(text).second) surroundings_.note(text); }

  // Variables: the environment, then the .env file beside llmops.yaml (proxies and certificates from the environment alone).
  std::optional<std::string> variable(const std::string& name) const;
  // kMissingSecret with the place of the reference when it is not set or empty.
  Result<Secret> secret(const SecretReference& reference) const;
  SecretScrubber& scrubber() const { return *scrubber_; }

  // flag > LLMOPS_* > project > user > built-in. An unknown key is an error of the programmer's.
  std::string setting(const std::string& key) const;
  void set_flag(const std::string& key, std::string value) { flags_[key] = std::move(value); }
  std::vector<Setting> settings() const;
  // The first setting whose value is none, wherever it came from. Errors: kConfig with the origin.
  Status check_settings() const;
  int64_t number_setting(const std::string& key) const;   // of a checked setting
  fs::path user_config_path() const;        // empty: no HOME and no XDG_CONFIG_HOME
  fs::path state_directory() const;         // empty: none

  // Chains of the project: `chains:` of llmops.yaml, else every *.chain.yaml below the root.
  Result<std::vector<fs::path>> chain_files() const;
  // A path or a chain's name; empty: the only one, else an error that lists them.
  Result<fs::path> resolve_chain(const std::string& argument) const;
  Result<std::vector<fs::path>> suite_files() const { return own_files("**/*.eval.yaml"); }
  // A path or a name (file name without .eval.yaml); empty: `suite:` of llmops.yaml, else the only *.eval.yaml.
  Result<fs::path> resolve_suite(const std::string& argument) const;
  // As the user would type it from the working directory.
  std::string shown(const fs::path& path) const;

  // Opens the store; `create`: makes it when absent and says so.
  Result<Store*> store(bool create) const;
  const YamlDocument* project() const { return project_ ? &*project_ : nullptr; }
  // "Name <mail>" for commits: settings author.name / author.email, git's environment variables, else the user name.
  std::string author() const;
  // Labels of llmops.yaml: what each requires ("reason").
  std::vector<std::string> label_requirements(const std::string& name) const;

 private:
  Result<std::vector<fs::path>> own_files(std::string_view pattern) const;
  Status load_project();
  Status load_user_config();
  Status load_env_file();
  Surroundings surroundings_;
  fs::path root_;
  std::optional<YamlDocument> project_, user_;
  std::map<std::string, std::string> env_file_, flags_;
  std::shared_ptr<SecretScrubber> scrubber_ = std::make_shared<SecretScrubber>();
  mutable std::shared_ptr<Store> store_;
  mutable std::set<std::string> noted_;
};

}  // namespace llmops
