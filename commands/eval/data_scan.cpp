#include "commands/eval/data_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <map>
#include <set>

#include "commands/external_assets.h"
#include "commands/network.h"
#include "commands/eval/data.h"
#include "core/eval/suite.h"
#include "core/text/tokenizer.h"

namespace llmops {
namespace {

// What a model is shown or was trained on, and must not hold evaluation cases.
bool may_leak(std::string_view kind) { return kind == "few-shot" || kind == "task-dataset" || kind == "preferences"; }

// The chain files whose assets a run of `chain` may read.
void add_reachable(const Chain& chain, std::set<fs::path>& files) {
  files.insert(chain.file);
  for (const ChainStep* called : chain.called()) add_reachable(*called->chain, files);
}

class DataScan {
 public:
  DataScan(Session& session, const DataScanOptions& options) : session_(session), options_(options) {}

  Result<DataScanReport> run() {
    if (!options_.tokenizer.empty()) {
      LLMOPS_ASSIGN(tokenizer_, open_tokenizer(absolute(options_.tokenizer), options_.tokenizer));
    }
    if (options_.names.empty()) LLMOPS_CHECK(scan_project());
    for (const std::string& name : options_.names) LLMOPS_CHECK(scan_name(name));
    LLMOPS_CHECK(scan_named_weights());
    if (options_.with_leaks && !leaky_.empty()) LLMOPS_CHECK(search_leaks());
    return std::move(report_);
  }

 private:
  struct LeakyFile { size_t index; fs::path path; std::set<fs::path> chains; };

  fs::path absolute(const std::string& file) const { return (session_.surroundings().working_directory / file).lexically_normal(); }

  Status load_chains() {
    if (has_chains_) return {};
    has_chains_ = true;
    std::vector<fs::path> files;
    if (options_.chain.empty()) {
      LLMOPS_ASSIGN(files, session_.chain_files());
    } else {
      LLMOPS_ASSIGN(const fs::path file, session_.resolve_chain(options_.chain));
      files.push_back(file);
    }
    for (const fs::path& file : files) {
      LLMOPS_ASSIGN(Chain chain, load_chain({file, session_.root(), session_.shown(file), {}}));
      chains_.push_back(std::move(chain));
    }
    return {};
  }

  Status load_suites() {
    if (has_suites_) return {};
    has_suites_ = true;
    LLMOPS_CHECK(load_chains());
    LLMOPS_ASSIGN(const auto files, session_.suite_files());
    for (const fs::path& file : files) {
      const SuiteSource source{file, session_.root(), session_.shown(file)};
      LLMOPS_ASSIGN(const SuiteHead head, read_suite_head(source));
      if (head.is_of_traces) continue;
      const fs::path wanted = (file.parent_path() / head.chain).lexically_normal();
      const auto known = std::find_if(chains_.begin(), chains_.end(), [&](const Chain& chain) { return chain.file == wanted; });
      if (known == chains_.end() && !options_.chain.empty()) continue;
      if (known == chains_.end()) {
        LLMOPS_ASSIGN(Chain chain, load_chain({wanted, session_.root(), session_.shown(wanted), {}}));
        chains_.push_back(std::move(chain));
      }
      const Chain& chain = known == chains_.end() ? chains_.back() : *known;
      LLMOPS_ASSIGN(Suite suite, load_suite(source, chain));
      std::set<fs::path> reachable;
      add_reachable(chain, reachable);
      suites_.emplace_back(std::move(suite), std::move(reachable));
    }
    return {};
  }

  Status scan_project() {
    LLMOPS_CHECK(load_suites());
    for (const Chain& chain : chains_) for (const auto& [name, asset] : chain.assets) LLMOPS_CHECK(scan_asset(asset, chain));
    std::set<fs::path> seen;
    for (const auto& [suite, reachable] : suites_) if (seen.insert(suite.dataset.source).second) LLMOPS_CHECK(scan_dataset_of(suite));
    if (!report_.files.empty()) return {};
    return Error(ErrorCode::kNotFound, "the project has no assets and no datasets", "name a file, for example llmops eval data check data/eval.jsonl");
  }

  Status scan_name(const std::string& name) {
    std::error_code ignored;
    const bool is_path = fs::exists(absolute(name), ignored) || name.find_first_of("./") != std::string::npos;
    if (is_path && parse_model_kind(options_.kind)) {
      weights_.push_back({absolute(name), name});
      return {};
    }
    if (is_path) return scan_rows({name, options_.kind.empty() ? "dataset" : options_.kind, "", "", "", true, {}, {}}, absolute(name), scan_options());
    LLMOPS_CHECK(load_chains());
    bool found = false;
    std::vector<std::string> known;
    for (const Chain& chain : chains_) {
      for (const auto& [asset_name, asset] : chain.assets) known.push_back(asset_name);
      const auto asset = chain.assets.find(name);
      if (asset == chain.assets.end()) continue;
      found = true;
      LLMOPS_CHECK(scan_asset(asset->second, chain));
    }
    if (found) return {};
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    return Error(ErrorCode::kNotFound, fmt::format("'{}' is no file and no asset of a chain", name), did_you_mean(name, known));
  }

  // Files as named, of a kind that is checked as a whole.
  Status scan_named_weights() {
    if (weights_.empty()) return {};
    return scan_weights(*parse_model_kind(options_.kind), weights_, "", {"", options_.kind, "", "", "", false, {}, {}});
  }

  Status scan_weights(ModelFilesKind kind, const std::vector<ModelFile>& files, const std::string& base, const ScannedFile& origin) {
    LLMOPS_ASSIGN(std::vector<ModelFileReport> checked, check_model_files(kind, files, base));
    for (ModelFileReport& one : checked) {
      ScannedFile scanned = origin;
      scanned.file = one.file;
      scanned.holds_rows = false;
      scanned.weights = std::move(one.weights);
      scanned.report = std::move(one.report);
      report_.files.push_back(std::move(scanned));
    }
    return {};
  }

  ScanOptions scan_options() const {
    ScanOptions scan;
    scan.id_column = options_.id_column.empty() ? "id" : options_.id_column;
    scan.label_column = options_.label_column.empty() && options_.with_labels ? "label" : options_.label_column;
    scan.required = options_.required;
    scan.tokenizer = tokenizer_ ? &*tokenizer_ : nullptr;
    return scan;
  }

  Status scan_rows(ScannedFile scanned, const fs::path& path, ScanOptions scan) {
    LLMOPS_ASSIGN(scan.kind, parse_data_kind(scanned.kind));
    auto made = scan_dataset(path, scanned.file, scan);
    if (!made && made.error().kind == "unread_format" && !scanned.owner.empty()) {
      scanned.holds_rows = false;
      std::error_code ignored;
      scanned.report.statistics.bytes = fs::file_size(path, ignored);
      add_problem(scanned.report, {ProblemCode::kUnreadFormat, 0, 0, 0, made.error().message});
    } else if (!made) {
      return std::move(made).error();
    } else {
      scanned.report = *std::move(made);
      if (options_.label_column.empty() && scanned.report.statistics.labels.rows == 0) scanned.report.statistics.labels = {};
    }
    report_.files.push_back(std::move(scanned));
    return {};
  }

  // An asset that several chains name is looked at once.
  Status scan_asset(const AssetSpec& asset, const Chain& chain) {
    std::vector<ManifestFile> files = asset.files;
    if (asset.external) {
      LLMOPS_ASSIGN(const ExternalFile file, external().get(asset));
      files.push_back({shown_url(asset.external->uri), FileRole::kData, file.sha256, file.size_bytes, file.path});
    }
    std::string key = asset.kind;
    for (const ManifestFile& file : files) key += "\n" + file.source.string();
    const auto [seen, is_new] = seen_.emplace(key, leaky_.size());
    if (!is_new) {
      for (size_t i = seen->second; may_leak(asset.kind) && i < seen->second + files.size() && i < leaky_.size(); ++i) leaky_[i].chains.insert(chain.file);
      return {};
    }
    const ScannedFile origin{"", asset.kind, asset.name, chain.name, files.size() > 1 ? asset.path : "", true, {}, {}};
    const auto shown = [&](const ManifestFile& file) { return asset.external ? file.path : session_.shown(file.source); };
    if (const auto kind = parse_model_kind(asset.kind)) {
      std::vector<ModelFile> weights;
      for (const ManifestFile& file : files) weights.push_back({file.source, shown(file)});
      return scan_weights(*kind, weights, asset.base, origin);
    }
    std::map<std::string, std::string> by_digest;
    for (const ManifestFile& file : files) {
      ScannedFile one = origin;
      one.file = shown(file);
      LLMOPS_CHECK(scan_rows(std::move(one), file.source, scan_options()));
      ScannedFile& scanned = report_.files.back();
      const auto [first, is_first] = by_digest.emplace(file.sha256, scanned.file);
      if (!is_first) add_problem(scanned.report, {ProblemCode::kSameFile, 0, 0, 0, fmt::format("the file is equal to {}", first->second)});
      if (may_leak(asset.kind)) leaky_.push_back({report_.files.size() - 1, file.source, {chain.file}});
    }
    return {};
  }

  Status scan_dataset_of(const Suite& suite) {
    ScanOptions scan = scan_options();
    if (options_.id_column.empty()) {
      scan.id_column = suite.dataset.id_field;
      scan.id_required = suite.dataset.id_field_written;
    }
    scan.records.format = suite.dataset.format;
    return scan_rows({session_.shown(suite.dataset.source), "dataset", "", suite.name, "", true, {}, {}}, suite.dataset.source, scan);
  }

  Status search_leaks() {
    LLMOPS_CHECK(load_suites());
    for (const auto& [suite, reachable] : suites_) {
      for (const LeakyFile& file : leaky_) {
        const bool is_read = std::any_of(file.chains.begin(), file.chains.end(), [&, &chains = reachable](const fs::path& chain) { return chains.contains(chain); });
        if (is_read && report_.files[file.index].holds_rows) LLMOPS_CHECK(search_leaks_of(suite, file));
      }
    }
    return {};
  }

  Status search_leaks_of(const Suite& suite, const LeakyFile& file) {
    const ScannedFile& scanned = report_.files[file.index];
    const std::string dataset = session_.shown(suite.dataset.source);
    OverlapOptions overlap;
    overlap.id_column = suite.dataset.id_field;
    overlap.temporary_directory = temporary_directory(session_);
    RecordOptions records;
    records.format = suite.dataset.format;
    auto found = find_overlap({file.path, scanned.file, {}}, {suite.dataset.source, dataset, records}, overlap);
    if (!found && found.error().code != ErrorCode::kData) return std::move(found).error();
    if (!found) {
      report_.not_searched.push_back(fmt::format("{} in {}: {}", dataset, scanned.file, found.error().message));
      return {};
    }
    ++report_.leak_searches;
    if (found->any_b > 0) report_.leaks.push_back({scanned.asset, scanned.kind, scanned.file, suite.name, dataset, *std::move(found)});
    return {};
  }

  const ExternalAssets& external() {
    if (!external_) {
      transport_ = make_transport(session_);
      external_.emplace(session_, *transport_);
    }
    return *external_;
  }

  Session& session_;
  const DataScanOptions& options_;
  std::optional<Tokenizer> tokenizer_;
  bool has_chains_ = false, has_suites_ = false;
  std::list<Chain> chains_;
  std::vector<std::pair<Suite, std::set<fs::path>>> suites_;
  std::vector<ModelFile> weights_;
  std::map<std::string, size_t> seen_;     // kind and files of an asset -> where its files begin in leaky_
  std::vector<LeakyFile> leaky_;
  std::unique_ptr<Transport> transport_;
  std::optional<ExternalAssets> external_;
  DataScanReport report_;
};

}  // namespace

bool DataScanReport::is_sound() const {
  return std::all_of(files.begin(), files.end(), [](const ScannedFile& one) { return one.report.is_sound(); });
}

std::optional<ModelFilesKind> parse_model_kind(std::string_view name) {
  if (name == "model") return ModelFilesKind::kModel;
  if (name == "embedding-model") return ModelFilesKind::kEmbeddingModel;
  if (name == "adapter") return ModelFilesKind::kAdapter;
  return std::nullopt;
}

Result<DataScanReport> data_scan(Session& session, const DataScanOptions& options) { return DataScan(session, options).run(); }

}  // namespace llmops
