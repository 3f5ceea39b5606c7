// Traces out of the store, as `monitor ingest` put them there.
#pragma once

#include "core/store/store.h"
#include "core/telemetry/trace.h"

namespace llmops {

StoredSpan to_stored(const TraceSpan& span);
// The spans of one trace, from their bodies. Errors: kData, what the store does not hold.
Result<Trace> trace_of_bodies(const std::vector<std::string>& bodies);
// Its records: a Store::RecordMaker.
Result<std::vector<StoredRecord>> records_of_bodies(const std::vector<std::string>& bodies);

// Of a service (empty: of all), by start. The store must outlive it. Memory: 8 bytes for each trace, and one trace.
class StoredTraces : public TraceSource {
 public:
  StoredTraces(Store& store, std::string service) : store_(store), service_(std::move(service)) {}
  Result<std::unique_ptr<TraceReader>> open() const override;

 private:
  Store& store_;
  std::string service_;
};

}  // namespace llmops
