// Headers say where each tensor lies before the first byte of it is known: shape and type alone give its size.
#include "core/format/weight_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <set>

#include "core/base/failpoint.h"
#include "core/base/temporary_files.h"
#include "core/format/gguf_layout.h"

namespace llmops {
namespace {

using namespace gguf_layout;

constexpr uint32_t kGgufVersion = 3;

std::string counted(std::string_view text) { return raw<uint64_t>(text.size()).append(text); }

Error unfit(const TensorInfo& tensor, std::string_view what) { return Error(ErrorCode::kData, fmt::format("tensor '{}' {}", tensor.name, what)); }

Status check_names(const std::vector<TensorInfo>& tensors) {
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : tensors) if (!names.insert(tensor.name).second) return unfit(tensor, "would be in the file twice");
  return {};
}

std::string entry_bytes(const GgufEntry& entry) {
  std::string bytes = counted(entry.key) + raw(static_cast<uint32_t>(entry.kind));
  if (entry.kind == GgufKind::kText) return bytes + counted(entry.bytes);
  if (entry.kind == GgufKind::kArray) bytes += raw(static_cast<uint32_t>(entry.element)) + raw(entry.count);
  return bytes + entry.bytes;
}

}  // namespace

Result<std::string> gguf_header(std::span<const GgufEntry> entries, std::vector<TensorInfo>& tensors) {
  LLMOPS_CHECK(check_names(tensors));
  uint64_t alignment = kDefaultAlignment, end = 0;
  std::string header = "GGUF" + raw(kGgufVersion) + raw<uint64_t>(tensors.size()) + raw<uint64_t>(entries.size());
  for (const GgufEntry& entry : entries) {
    if (entry.key == "general.alignment") alignment = entry.whole().value_or(kDefaultAlignment);
    header += entry_bytes(entry);
  }
  for (TensorInfo& tensor : tensors) {
    uint32_t id = 0;
    const GgufType* type = gguf_type(tensor.type, &id);
    if (type == nullptr) return unfit(tensor, fmt::format("is of type '{}', which GGUF does not have", tensor.type));
    if (tensor.name.size() > kMaxNameBytes) return unfit(tensor, fmt::format("has a name of {} bytes, and GGUF takes {}", tensor.name.size(), kMaxNameBytes));
    if (tensor.shape.size() > kMaxDimensions) return unfit(tensor, fmt::format("has {} dimensions, and GGUF takes {}", tensor.shape.size(), kMaxDimensions));
    const uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (tensor.elements() == 0) return unfit(tensor, "is empty, and GGUF has no such tensors");
    if (row % type->elements != 0) return unfit(tensor, fmt::format("has rows of {}, which do not divide into the {} values of a block of {}", row, type->elements, tensor.type));
    tensor.size_bytes = tensor.elements() / type->elements * type->bytes;
    tensor.offset_bytes = end;
    header += counted(tensor.name) + raw(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) header += raw(tensor.shape[i]);
    header += raw(id) + raw(tensor.offset_bytes);
    end = padded(end + tensor.size_bytes, alignment);
  }
  header.resize(padded(header.size(), alignment), '\0');
  for (TensorInfo& tensor : tensors) tensor.offset_bytes += header.size();
  return header;
}

Result<std::string> safetensors_header(const std::map<std::string, std::string>& metadata, std::vector<TensorInfo>& tensors) {
  LLMOPS_CHECK(check_names(tensors));
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (TensorInfo& tensor : tensors) {
    if (tensor.name == "__metadata__") return unfit(tensor, "has the name that safetensors keeps for its metadata");
    const auto bits = safetensors_bits(tensor.type);
    if (!bits) return unfit(tensor, fmt::format("is of type '{}', which safetensors does not have", tensor.type));
    tensor.size_bytes = tensor.elements() * *bits / 8;
  }
  // Wide types first, so that every value is aligned; by name among equals, as the format's own writer does it.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const uint32_t left = *safetensors_bits(tensors[a].type), right = *safetensors_bits(tensors[b].type);
    return left != right ? left > right : tensors[a].name < tensors[b].name;
  });
  Json json = Json::object();
  if (!metadata.empty()) json["__metadata__"] = metadata;
  uint64_t end = 0;
  for (const size_t i : order) {
    TensorInfo& tensor = tensors[i];
    json[tensor.name] = {{"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {end, end + tensor.size_bytes}}};
    tensor.offset_bytes = end;
    end += tensor.size_bytes;
  }
  std::string text = dump_json(json);
  text.resize(padded(text.size(), 8), ' ');
  std::string header = counted(text);
  for (TensorInfo& tensor : tensors) tensor.offset_bytes += header.size();
  return header;
}

Result<WeightWriter> WeightWriter::create(const fs::path& path, std::string_view header, uint64_t size_bytes) {
  WeightWriter writer;
  writer.final_ = path;
  writer.temporary_ = temporary_sibling(path);
  remove_stale_siblings(path);
  if (const int injected = failpoint("weights.create")) return io_error("write", path, injected);
  writer.fd_ = ::open(writer.temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (writer.fd_ < 0) return io_error("write", path, errno);
  // Room is taken now: a disk that is too small is known before the work, not after it.
  const int failed = size_bytes == 0 || ::fallocate(writer.fd_, 0, 0, static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
  if (failed == ENOSPC || failed == EFBIG || failed == EDQUOT) return io_error(fmt::format("write {} bytes to", size_bytes), path, failed);
  if (failed != 0 && ::ftruncate(writer.fd_, static_cast<off_t>(size_bytes)) != 0) return io_error("write", path, errno);
  LLMOPS_CHECK(writer.write_at(header, 0));
  return writer;
}

WeightWriter::WeightWriter(WeightWriter&& other) noexcept : final_(std::move(other.final_)), temporary_(std::move(other.temporary_)), fd_(std::exchange(other.fd_, -1)) {}

WeightWriter::~WeightWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

Status WeightWriter::write_at(std::string_view bytes, uint64_t offset_bytes) const {
  if (const int injected = failpoint("weights.write")) return io_error("write", final_, injected);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset_bytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error("write", final_, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset_bytes += static_cast<uint64_t>(written);
  }
  return {};
}

void WeightWriter::start_writeback(uint64_t offset_bytes, uint64_t size_bytes) const { ::sync_file_range(fd_, static_cast<off_t>(offset_bytes), static_cast<off_t>(size_bytes), SYNC_FILE_RANGE_WRITE); }

Status WeightWriter::finish(bool durable, bool replace) {
  const auto fail = [this](int number) {
    ::close(std::exchange(fd_, -1));
    ::unlink(temporary_.c_str());
    return io_error("write", final_, number);
  };
  if (durable && ::fsync(fd_) != 0) return fail(errno);
  if (const int injected = failpoint("weights.before_rename")) return fail(injected);
  if (const int number = rename_file(temporary_, final_, replace)) {
    if (number != EEXIST) return fail(number);
    ::close(std::exchange(fd_, -1));
    ::unlink(temporary_.c_str());
    return Error(ErrorCode::kUsage, fmt::format("'{}' exists already", final_.string()), "another program made it meanwhile; give another name, or --force to replace it");
  }
  ::close(std::exchange(fd_, -1));
  if (durable) LLMOPS_CHECK(sync_directory_of(final_));
  return {};
}

}  // namespace llmops
