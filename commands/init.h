// `llmops init`: a project in a folder, new or old. It says what it touches and overwrites nothing.
#pragma once

#include <string>
#include <vector>

#include "commands/session.h"

namespace llmops {

struct InitOptions { std::string directory, project_template = "blank"; bool dry_run = false; };
struct InitReport {
  std::string root;                     // as shown
  std::vector<std::string> made, kept;  // files; kept ones were there before
  std::vector<std::string> left_out;    // files of the blank template that a project with a chain or a suite of its own does not need
  std::string next;                     // the command to go on with
  bool dry_run = false;
};
// Templates: blank, qa, rag, agent, classify; their files are the examples of the same names. Where the folder has a chain or a suite,
// blank adds none: it makes the folder a project and no more. Errors: kUsage for an unknown template.
Result<InitReport> init_project(const Surroundings& surroundings, const InitOptions& options);
std::vector<std::string> init_templates();

}  // namespace llmops
