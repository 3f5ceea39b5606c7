// What a run is compared with: an earlier run, the newest run of a version, or the `--json` document of a run.
#pragma once

#include "commands/eval/run.h"

namespace llmops {

struct Baseline { RunSeries series; std::string description, run_uuid; int repeat = 1; };

// RUN (number, UUID prefix, last), REF (@label, HEAD, vid prefix: the newest finished run of that version with this suite) or a FILE.
// Errors: kNotFound with the command that makes one.
Result<Baseline> load_baseline(Session& session, const std::string& reference, const Suite& suite, const Chain& chain);

// Ids of the cases of a run that failed or have no score.
struct FailedCases { std::string run_uuid; std::vector<std::string> ids; };
Result<FailedCases> failed_cases(Session& session, const std::string& run_reference);

}  // namespace llmops
