// Which requests of production a command looks at, as its options say: --since, --until, --component, --service.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commands/monitor/window.h"
#include "commands/session.h"

namespace llmops {

struct RequestChoice {
  std::string since;                         // a length of time; empty: monitor.window of llmops.yaml
  std::string until;                         // when the window ends; empty: now
  std::string component;                     // empty: whole requests
  std::optional<std::string> service;
};

// A length of time, or `otherwise` where none is given. Errors: kUsage.
Result<int64_t> length_or(const std::string& text, int64_t otherwise);
// Errors: kUsage: no length of time, no moment; kNotFound: no store; kUsage: a component that is not recorded, with did you mean.
struct ChosenRequests { TimeWindow window; RecordQuery query; Store* store = nullptr; };
Result<ChosenRequests> chosen_requests(const Session& session, const MonitorConfig& config, const RequestChoice& choice);

// records_in, where texts that were kept as digests alone (capture: hash) count as unknown.
Result<std::vector<StoredRecord>> readable_records(Store& store, const RecordQuery& query);
void forget_digests(StoredRecord& record);
// Sessions with a request of the query's component before its window. Cost: the records before it.
Result<std::set<std::string>> sessions_before(Store& store, const RecordQuery& query);
// What to do when a window holds too few requests.
Result<std::string> hint_for_few(Store& store, const RecordQuery& query);

}  // namespace llmops
