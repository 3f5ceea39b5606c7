#include "core/drift/profile_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/base64.h"
#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/hash.h"
#include "core/format/dataset_rows_bytes.h"

namespace llmops {
namespace {

constexpr const char* kSchema = "llmops.profile/v1";
constexpr const char* kHint = "make the profile anew: llmops monitor profile SOURCE -o PROFILE";
constexpr size_t kDigits = 16;

int64_t records_in(const Profile& profile) {
  int64_t records = 0;
  for (const auto& [key, cell] : profile.cells()) records += cell.counts.records;
  return records;
}

Json header_of(const Profile& profile) {
  Json dropped = Json::object();
  for (const auto& [reason, count] : profile.left_out.dropped) dropped[reason] = count;
  return {{"schema", kSchema}, {"spec_id", profile_spec_id(profile.spec())}, {"spec", profile_spec_json(profile.spec())}, {"records", records_in(profile)}, {"without_time", profile.left_out.without_time}, {"repaired", profile.left_out.repaired}, {"dropped", std::move(dropped)},
      {"cells", profile.cells().size()}};
}

Json cell_line(const ProfileKey& key, const ProfileCell& cell) {
  const std::string body = profile_cell_bytes(cell);
  const auto stratum = parse_json(key.stratum, "stratum");
  return {{"hour", format_utc(key.hour_ms)}, {"component", key.component}, {"stratum", stratum ? *stratum : Json(nullptr)}, {"records", cell.counts.records}, {"sha256", sha256_hex(body).substr(0, kDigits)}, {"body", base64_encode(body)}};
}

std::optional<int64_t> count_at(const Json& object, const char* name) {
  constexpr uint64_t kMost = uint64_t{1} << 50;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned() || found->get<uint64_t>() > kMost) return std::nullopt;
  return found->get<int64_t>();
}

std::optional<std::string> text_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? std::optional(found->get<std::string>()) : std::nullopt;
}

class ProfileReader {
 public:
  ProfileReader(LineReader lines, std::string name) : lines_(std::move(lines)), name_(std::move(name)) {}

  Result<Profile> read() {
    std::string_view line;
    LLMOPS_ASSIGN(const bool has_header, lines_.next(line));
    if (!has_header) return wrong(fmt::format("'{}' is no profile: it is empty", name_));
    LLMOPS_ASSIGN(Profile profile, read_header(line));
    for (int64_t i = 0; i < cells_; ++i) {
      LLMOPS_ASSIGN(const bool more, lines_.next(line));
      if (!more) return cut_off(i);
      LLMOPS_CHECK(read_cell(line, i, profile));
    }
    LLMOPS_ASSIGN(const bool more, lines_.next(line));
    if (more) return wrong(fmt::format("profile '{}' holds more than the {} cells that its first line tells", name_, cells_));
    if (records_in(profile) != records_) return wrong(fmt::format("profile '{}' holds {} records, and its first line tells of {}", name_, records_in(profile), records_));
    return profile;
  }

 private:
  Error wrong(std::string message) const { return Error(ErrorCode::kData, std::move(message), kHint).at({name_, lines_.line_number(), 0, 1, {}}); }
  Error cut_off(int64_t read) const { return wrong(fmt::format("profile '{}' is cut off: {} of {} cells are there", name_, read, cells_)); }
  Error placed(Error error) const { return std::move(error).at({name_, lines_.line_number(), 0, 1, {}}); }

  Result<Profile> read_header(std::string_view line) {
    const auto header = parse_json(line, name_, lines_.line_number());
    if (!header || !header->is_object() || header->value("schema", Json()) != kSchema) return wrong(fmt::format("'{}' is no profile: its first line does not tell \"schema\": \"{}\"", name_, kSchema));
    auto spec = profile_spec_of(header->value("spec", Json()));
    if (!spec) return placed(std::move(spec).error());
    const auto id = text_at(*header, "spec_id");
    if (id != profile_spec_id(*spec)) return wrong(fmt::format("profile '{}' says that its spec is {}, and it is {}", name_, id.value_or("none"), profile_spec_id(*spec)));
    Profile profile(std::move(*spec));
    const auto records = count_at(*header, "records"), cells = count_at(*header, "cells"), without_time = count_at(*header, "without_time"), repaired = count_at(*header, "repaired");
    const auto dropped = header->find("dropped");
    if (!records || !cells || !without_time || !repaired || dropped == header->end() || !dropped->is_object()) return wrong(fmt::format("the first line of profile '{}' is damaged", name_));
    records_ = *records;
    cells_ = *cells;
    profile.left_out.without_time = *without_time;
    profile.left_out.repaired = *repaired;
    for (const auto& [reason, count] : dropped->items()) {
      if (!count_at(*dropped, reason.c_str())) return wrong(fmt::format("the first line of profile '{}' is damaged", name_));
      profile.left_out.dropped[reason] = count.get<int64_t>();
    }
    return profile;
  }

  Status read_cell(std::string_view line, int64_t at, Profile& profile) {
    const auto cell = parse_json(line, name_, lines_.line_number());
    if (!cell && at + 1 < cells_) {
      const std::string damaged = fmt::format("a cell of profile '{}' is damaged", name_);
      std::string_view rest;
      LLMOPS_ASSIGN(const bool more, lines_.next(rest));
      return more ? wrong(damaged) : cut_off(at);
    }
    if (!cell) return cut_off(at);
    if (!cell->is_object()) return wrong(fmt::format("a cell of profile '{}' is damaged", name_));
    const auto hour = text_at(*cell, "hour"), component = text_at(*cell, "component"), digest = text_at(*cell, "sha256"), body = text_at(*cell, "body");
    const auto records = count_at(*cell, "records");
    const auto stratum = cell->find("stratum");
    const auto bytes = body ? base64_decode(*body) : std::nullopt;
    const auto moment = hour ? parse_utc(*hour) : Result<int64_t>(Error());
    if (!component || !digest || !bytes || !moment || *moment % kProfilePeriodMs != 0 || stratum == cell->end() || !(stratum->is_object() || stratum->is_null()) || sha256_hex(*bytes).substr(0, kDigits) != *digest) return wrong(fmt::format("a cell of profile '{}' is damaged", name_));
    auto read = profile_cell_of(*bytes, profile.spec());
    if (!read) return placed(std::move(read).error());
    if (records != read->counts.records) return wrong(fmt::format("a cell of profile '{}' is damaged", name_));
    ProfileKey key{*moment, *component, stratum->is_null() ? "" : dump_json(*stratum)};
    if (!profile.cells().empty() && !(profile.cells().rbegin()->first < key)) return wrong(fmt::format("the cells of profile '{}' are out of order", name_));
    return profile.put(key, std::move(*read));
  }

  LineReader lines_;
  std::string name_;
  int64_t cells_ = 0, records_ = 0;
};

}  // namespace

Status write_profile(const std::filesystem::path& path, const Profile& profile) {
  LLMOPS_ASSIGN(AtomicFile file, AtomicFile::create(path));
  LLMOPS_CHECK(file.append(dump_json(header_of(profile)) + "\n"));
  for (const auto& [key, cell] : profile.cells()) LLMOPS_CHECK(file.append(dump_json(cell_line(key, cell)) + "\n"));
  return file.commit();
}

Result<Profile> read_profile(const std::filesystem::path& path, const std::string& shown_name) {
  LLMOPS_ASSIGN(auto source, open_byte_source(path, shown_name));
  return ProfileReader(LineReader(std::move(source)), shown_name).read();
}

}  // namespace llmops
