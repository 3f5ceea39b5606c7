// The inputs of evaluation cases as requests, so that production can be held against them.
#pragma once

#include <string>
#include <vector>

#include "commands/session.h"
#include "core/store/records.h"

namespace llmops {

// Columns of the rows that cases are made of. A dataset whose inputs are put together out of several columns, and one of traces, tells none: then these.
struct CaseColumns { std::string id = "id", input = "input"; std::vector<std::string> others = {"expected"}; };   // others: in the order of the first row
struct EvaluationInputs { std::string name; std::vector<StoredRecord> requests; CaseColumns columns = {}; };       // span: the case's id; no time, no session

// What a case asks: of its inputs "input", "question", "query", "prompt", "text" or "message", else the first text.
// `suite` empty: the cases of the newest finished run of version `vid` (empty: of any); where there is none, the rows of the project's suite. Errors: load_run_inputs; kData: no case has a text.
Result<EvaluationInputs> evaluation_inputs(Session& session, const std::string& suite, const std::string& vid);
// Rows of a file: `field`, else as above. Errors: of the file; kData: a row without it.
Result<EvaluationInputs> file_inputs(const Session& session, const std::string& path, const std::string& field);
// The version that most of the records name; empty: none names one.
std::string serving_version(const std::vector<StoredRecord>& records);

}  // namespace llmops
