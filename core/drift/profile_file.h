// Profiles as files: a line of JSON about the whole, then one for each cell, in order. Profiles that hold the same are the same bytes.
//
//   {"schema": "llmops.profile/v1", "spec_id": "...", "spec": {...}, "records": N, "without_time": N, "repaired": N, "dropped": {REASON: N}, "cells": N}
//   {"hour": "2026-11-21T14:00:00Z", "component": "", "stratum": {"route": "billing"} or null, "records": N, "sha256": first 16 digits of the body's, "body": base64 of profile_cell_bytes}
#pragma once

#include <filesystem>
#include <string>

#include "core/drift/profile.h"

namespace llmops {

// Atomic: the old file or the new one, whole. Errors: kIo.
Status write_profile(const std::filesystem::path& path, const Profile& profile);
// Plain, gzip or zstd. Memory: the profile and a line. Errors: kNotFound, kIo; kData with the line: no profile, cut off, damaged, out of order, a spec that is not what its id says.
Result<Profile> read_profile(const std::filesystem::path& path, const std::string& shown_name);

}  // namespace llmops
