// Stored records as profiles count them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/drift/profile.h"
#include "core/store/records.h"

namespace llmops {

// Keeps the buffers that a record is counted from. Not thread-safe.
class ProfiledRecords {
 public:
  explicit ProfiledRecords(ProfileSpec spec) : profile_(std::move(spec)) {}
  Profile& profile() { return profile_; }
  // As the store holds it: of capture "hash" the input is no text. Errors: those of Profile::add.
  Status add(const StoredRecord& record);
  // With another text than the record's own.
  Status add(const StoredRecord& record, std::optional<std::string_view> text);

 private:
  Profile profile_;
  std::string stratum_, identity_;
};

}  // namespace llmops
